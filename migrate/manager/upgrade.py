"""
One upgrade: a successor is started, says that it is ready, is let take over, and
serves; or the process that served until then goes on.

It must not know why there is an upgrade, nor what is done if there is no process left.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.errors import MigrationError
from migrate.manager.children import PREPARED, SERVES, Child
from migrate.manager.post import Post
from migrate.manager.settings import Settings
from migrate.manager.witness import Owner, Witness

LOOK = 0.5
"""
Seconds between two looks at who owns what, when that is not clear.
"""

SHORT = 2.0
"""
Seconds that a process may take to say what it owns, when it may be stopped.
"""


def _logged(step: str) -> None:
    Upgrade._log.info("{step}", step=step)


class NotUpgraded(MigrationError):
    """
    There was no upgrade.

    @ivar details: all that the new process wrote about it; may be empty.
    """

    def __init__(self, why: str, details: str = "") -> None:
        super().__init__(why)
        self.details = details


@attrs.define(eq=False)
class Upgrade:
    """
    One upgrade of one post.

    @ivar reactor: keeps the deadline.
    @ivar deadline: seconds that the successor may take, for getting ready and then for
        taking over.
    @ivar launch: starts a successor.
    @ivar tell: called with each step, in words.
    @ivar left: how much is left behind by a successor: the services.
    """

    _log = Logger()

    reactor: Any
    witness: Witness
    post: Post
    deadline: float
    launch: Callable[[Post, Settings], Child]
    tell: Callable[[str], object] = _logged
    child: Child | None = attrs.field(default=None, init=False)
    left: list[str] = attrs.field(factory=list, init=False)

    async def run(self, settings: Settings) -> Child:
        """
        @return: the process that serves now.
        @raise NotUpgraded: none has taken over.
        """
        origin = self.post.child
        assert origin is not None
        try:
            child = self.child = self.launch(self.post, settings)
        except MigrationError as error:
            raise NotUpgraded(str(error)) from error
        self.tell(
            f"process {child.pid} is started, to take over from process {origin.pid}"
        )
        await self._step(child, PREPARED)
        await self._ask(origin)
        self.tell(f"process {child.pid} is ready; process {origin.pid} hands over")
        child.go()
        await self._step(child, SERVES)
        await self._confirm(child, origin)
        return child

    async def _step(self, child: Child, word: str) -> None:
        """
        Wait for a word of the successor.

        @raise NotUpgraded: it will not come, and it owns nothing.
        """
        while True:
            try:
                said = await self._within(child.says(word))
            except TimeoutError:
                if not await self.giveUp(child):
                    # It owns what it was to take over: it is waited for.
                    continue
                await child.ends()
                raise NotUpgraded(
                    f"process {child.pid} did not get on within {self.deadline:g} s, "
                    f"and was killed ({child.state or 'it said nothing'})"
                ) from None
            if said:
                return
            raise failure(child)

    def _within(self, said: Deferred[bool]) -> Deferred[bool]:
        return said.addTimeout(self.deadline, self.reactor)

    async def _ask(self, origin: Child) -> None:
        """
        See that the service is where it is thought to be.
        """
        owner = await self._owner(None)
        if owner is not None and owner.pid != origin.pid:
            self._log.warn(
                "process {found} owns the services, and not process {old}",
                found=owner.pid,
                old=origin.pid,
            )

    async def _owner(self, patience: float | None) -> Owner | None:
        """
        @return: who owns the services, as far as anybody says so.
        """
        try:
            return await self.witness.owner(self.post.home, patience)
        except MigrationError as error:
            self._log.warn("{why}", why=str(error))
            return None

    async def giveUp(self, child: Child) -> bool:
        """
        Kill a successor that does not get on, if it owns nothing.  Unless it has not
        been let take over, it is stopped before that is asked, so that the answer stays
        true.

        @return: whether it was killed, or has ended by itself.
        """
        if child.isHeld:
            child.signal(signal.SIGKILL)
            return True
        names = self.post.names
        child.signal(signal.SIGSTOP)
        # The origin bounds whatever is under way by deadlines of its own.
        for _ in range(int(self.deadline / LOOK) + 1):
            origin = self.post.child
            owner = await self._owner(SHORT)
            if not child.alive:
                return True
            if owner is None:
                if origin is not None and not origin.alive:
                    break
            elif owner.pid == child.pid or owner.hasLost(names):
                # What has gone is the successor's.
                break
            elif owner.keeps(names):
                child.signal(signal.SIGKILL)
                return True
            await deferLater(self.reactor, LOOK)
        child.signal(signal.SIGCONT)
        return False

    async def _confirm(self, child: Child, origin: Child) -> None:
        """
        Have the new process itself say what it owns.

        @raise NotUpgraded: it is not there.
        """
        home = await self._owner(None)
        if home is not None and home.pid == child.pid:
            self.post.names = home.names()
            return
        try:
            beside = await self.witness.owner(self.post.home.beside(str(child.pid)))
        except MigrationError as error:
            self._log.warn("{why}", why=str(error))
            beside = None
        if not child.alive:
            raise failure(child)
        if beside is not None:
            self.post.names = beside.names()
        if home is not None and home.pid == origin.pid:
            self.left = home.names()


def failure(child: Child) -> NotUpgraded:
    """
    @return: why a process that has ended did not serve, as it said itself if it did.
    """
    text = "" if child.complaint is None else child.complaint.text()
    lines = [line for line in text.splitlines() if line.strip()]
    why = f"process {child.pid} {child.describe()}"
    if lines:
        return NotUpgraded(f"{why}: {lines[-1].strip()}", text)
    return NotUpgraded(f"{why} before it served; its log has more")
