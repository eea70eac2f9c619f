"""
One upgrade that an operator asks for: the successor is started as a manager starts one,
and what came of it is what the processes themselves say, whatever went wrong.

It must not know how the successor's command line is found, nor how it is told.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.task import LoopingCall

from migrate.cli.inquest import LOOK, SHORT, Inquest
from migrate.cli.interrupts import Interrupts
from migrate.cli.running import Operator
from migrate.cli.starts import Start, outputOf
from migrate.cli.surveys import survey
from migrate.cli.verdicts import Verdict
from migrate.errors import CannotAnswer, MigrationError
from migrate.gate import PREPARED as GATE
from migrate.manager.backoff import Backoff
from migrate.manager.children import PREPARED, SERVES, Child, Nursery
from migrate.manager.notices import Notice, Notices
from migrate.manager.post import Post
from migrate.manager.restarting import besides
from migrate.manager.settings import Settings
from migrate.manager.upgrade import Upgrade
from migrate.manager.witness import Owner, Witness


@attrs.define(eq=False)
class Operation:
    """
    One upgrade.

    @ivar operator: asks for it.
    @ivar deadline: seconds that the successor may take, for getting ready and then for
        taking over.
    @ivar wait: whether the successor waits for what passes by itself.
    @ivar output: a file for the successor's standard output; empty for that of the old
        process.
    @ivar tell: called with each step, in words.
    """

    operator: Operator
    deadline: float
    wait: bool
    output: str
    tell: Callable[[str], object]
    witness: Witness = attrs.field(init=False)
    _upgrade: Upgrade = attrs.field(init=False)
    _inquest: Inquest = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """
        The same ways as an operator's.
        """
        operator = self.operator
        self.witness = Witness(operator.reactor, operator.policy, operator.login)
        self._upgrade = Upgrade(
            operator.reactor,
            self.witness,
            Post(operator.origin, [], Settings("/"), Backoff()),
            self.deadline,
            self._cannotStart,
            self.tell,
        )
        self._inquest = Inquest(operator, self.witness, self._upgrade, set())

    def _cannotStart(self, *_: object) -> Child:
        raise CannotAnswer("nothing is known that could be started")

    async def run(self, plan: Callable[[int], Any]) -> Verdict:
        """
        @param plan: called with the id of the old process; returns an awaitable of the
            L{Start} of its successor.
        @return: what came of it.
        @raise MigrationError: nobody serves there whose services could be moved;
            nothing was begun.
        """
        began = time.monotonic()
        origin = await self._origin()
        work = Deferred.fromCoroutine(self._attempt(plan))
        problem: Exception | None = None
        with Interrupts(self.operator.reactor, work.cancel, self._hurry):
            try:
                await work
            except MigrationError as error:
                problem = error
            except CancelledError:
                problem = await self._abandon()
            self.tell("asking who serves")
            verdict = await self._inquest.verdict(origin, problem)
        return attrs.evolve(verdict, took=time.monotonic() - began)

    async def _origin(self) -> Owner:
        """
        Find out who serves now.

        @raise MigrationError: nobody, or nothing that could move now.
        """
        self.tell(f"looking at {self.operator.origin}")
        owner = await self.witness.owner(self.operator.origin)
        if owner is None:
            raise Nobody(f"nobody answers at {self.operator.origin}")
        post = self._upgrade.post
        post.names = owner.names()
        if not post.names:
            raise CannotAnswer(
                f"process {owner.pid} serves nothing any more but clients that it has "
                f"left; what has moved is at {self._besides() or 'another endpoint'}"
            )
        try:
            post.child = Child(self.operator.reactor, owner.pid, 0.0)
        except ProcessLookupError as error:
            raise CannotAnswer(
                f"process {owner.pid}, which answers at {self.operator.origin}, is not "
                "on this machine: upgrade it there"
            ) from error
        return owner

    def _besides(self) -> str:
        return ", ".join(map(str, besides(self.operator.origin)))

    async def _attempt(self, plan: Callable[[int], Any]) -> None:
        """
        @raise MigrationError: the successor does not serve, as far as is known.
        """
        origin = self._upgrade.post.child
        assert origin is not None
        start: Start = await plan(origin.pid)
        await self._check(start)
        with ExitStack() as stack:
            output = stack.enter_context(outputOf(origin.pid, self.output, self.tell))
            notify = stack.enter_context(self._listening(origin.pid))
            nursery = Nursery(
                self.operator.reactor,
                notify,
                output,
                start.environment,
                self._overhear,
                supervises=False,
            )
            self._upgrade.launch = lambda *_: nursery.start(
                start.command, start.settings, heeds=start.heeds
            )
            looking = LoopingCall(self._look)
            stack.callback(_end, looking)
            looking.start(LOOK, now=False).addErrback(lambda _: None)
            await self._upgrade.run(start.settings)

    async def _check(self, start: Start) -> None:
        """
        @raise CannotAnswer: something would not move.
        """
        names = self._upgrade.post.names
        if start.isGradual:
            return
        self.tell(f"checking whether {', '.join(names)} would move")
        found = await survey(self.operator, names, start.provided)
        refusals = [
            refusal
            for inquiry in found.values()
            for refusal in inquiry.survey.refusals
            if not (self.wait and refusal.over is not None)
        ]
        if refusals:
            passing = all(each.over is not None for each in refusals)
            hint = " (it passes by itself: --wait SECONDS waits for that)"
            raise CannotAnswer(
                f"{'; '.join(map(str, refusals))}{hint if passing else ''}"
            )

    # What the successor says.

    @contextmanager
    def _listening(self, pid: int) -> Iterator[str]:
        """
        Listen to what the successor says of itself.

        @param pid: the old process, whose user the new one may come to be.
        """
        directory = tempfile.mkdtemp(prefix="txmigrate-")
        path = os.path.join(directory, "notify")
        notices = Notices(self.operator.reactor, path, self._hear)
        try:
            notices.listen()
            if os.geteuid() == 0:
                owner = os.stat(f"/proc/{pid}")
                for each in (directory, path):
                    os.chown(each, owner.st_uid, owner.st_gid)
            yield path
        finally:
            notices.close()
            shutil.rmtree(directory, ignore_errors=True)

    def _hear(self, notice: Notice) -> None:
        child = self._upgrade.child
        if child is None:
            return
        # Nobody else knows of the socket; the command may have started another process.
        self._inquest.heard.add(notice.pid)
        child.state = notice.fields.get("STATUS", child.state)
        if GATE in notice.fields:
            child.hear(PREPARED)
        if notice.fields.get("READY") == "1":
            child.hear(SERVES)

    def _overhear(self, pid: int, line: str) -> None:
        if line.startswith("migrate-client: ") and " waits: " in line:
            self.tell(f"process {pid} says: {line.removeprefix('migrate-client: ')}")

    def _look(self) -> Any:
        """
        A program that is not twistd says nothing: it serves once it answers.
        """
        return Deferred.fromCoroutine(self._lookOnce())

    async def _lookOnce(self) -> None:
        child, origin = self._upgrade.child, self._upgrade.post.child
        if child is None or origin is None or child.said:
            return
        try:
            owner = await self.witness.owner(self._upgrade.post.home, SHORT)
        except MigrationError:
            return
        if owner is not None and owner.pid != origin.pid and owner.names():
            child.hear(SERVES)

    # Somebody has no patience.

    async def _abandon(self) -> Exception | None:
        """
        End a successor that has not taken over; wait for one that is about to.
        """
        child = self._upgrade.child
        if child is None or not child.alive:
            return CannotAnswer("interrupted; nothing was begun")
        self.tell(f"interrupted: process {child.pid} is ended, if it owns nothing yet")
        if await self._upgrade.giveUp(child):
            await child.ends()
            return CannotAnswer(
                f"interrupted; process {child.pid} was ended before it took over"
            )
        self.tell(f"process {child.pid} is taking over already, and is waited for")
        try:
            await child.says(SERVES).addTimeout(self.deadline, self.operator.reactor)
        except TimeoutError:
            return CannotAnswer(f"process {child.pid} does not get on")
        return None

    def _hurry(self) -> str:
        """
        Let everything go on by itself.

        @return: what can be said of it.
        """
        child = self._upgrade.child
        if child is None or not child.alive:
            return "interrupted"
        child.signal(signal.SIGCONT)
        return (
            f"interrupted again: process {child.pid} may take over or not; see "
            "txmigrate status"
        )


def _end(looking: LoopingCall) -> None:
    if looking.running:
        looking.stop()


class Nobody(MigrationError):
    """
    Nobody answers.
    """
