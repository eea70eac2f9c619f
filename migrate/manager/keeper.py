"""
Keeps every post manned: finds the process that serves there or starts one, has others
take over, starts another one when one has crashed, ends them all in the end.

It must not know why there are upgrades, nor how anybody asks for one.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList, TimeoutError, ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.gate import PREPARED as GATE
from migrate.manager.backoff import Backoff
from migrate.manager.children import PREPARED, SERVES, Child, Nursery
from migrate.manager.notices import Notice
from migrate.manager.orders import Orders
from migrate.manager.post import Post
from migrate.manager.requests import Report, Wanted
from migrate.manager.settings import Settings
from migrate.manager.upgrade import NotUpgraded, Upgrade, failure
from migrate.manager.witness import Witness

LOOK = 0.5
"""
Seconds between two looks at whether a control endpoint has come to where it belongs.
"""


class CannotStart(MigrationError):
    """
    There is no process that serves, and none will be started.
    """


@attrs.define
class Patience:
    """
    How long things may take.

    @ivar ready: seconds for a process to get ready, and as many to take over.
    @ivar stop: seconds for one to end when it is told to.
    @ivar restarts: how often a process may crash in a row, and is started again.
    """

    ready: float = 120.0
    stop: float = 30.0
    restarts: int = 10


@attrs.define(eq=False)
class Keeper:
    """
    See this module.

    @ivar orders: how processes are started.
    @ivar nursery: starts them.
    @ivar witness: asks them.
    @ivar finished: called once, with an exit status and why, when there is nothing left
        to keep.
    @ivar free: called with whether anything can be upgraded, whenever that changes.
    @ivar arrived: called whenever another process has begun to serve.
    @ivar posts: all there are.
    @ivar leaving: the processes that have handed over, and have not ended.
    @ivar successor: the process that is about to take over.
    @ivar upgrades: how many there were, and C{restarts}.
    @ivar last: how the last upgrade went.
    """

    _log = Logger()

    reactor: Any
    orders: Orders
    nursery: Nursery
    witness: Witness
    patience: Patience
    finished: Callable[[int, str], object]
    free: Callable[[bool], object] = lambda _: None
    arrived: Callable[[], object] = lambda: None
    posts: list[Post] = attrs.field(factory=list, init=False)
    leaving: list[Child] = attrs.field(factory=list, init=False)
    successor: Child | None = attrs.field(default=None, init=False)
    upgrades: int = attrs.field(default=0, init=False)
    restarts: int = attrs.field(default=0, init=False)
    last: Report | None = attrs.field(default=None, init=False)
    stopping: bool = attrs.field(default=False, init=False)
    _known: dict[int, Child] = attrs.field(factory=dict, init=False)
    _upgrading: bool = attrs.field(default=False, init=False)

    # The first process.

    async def open(self, control: ControlAddress, settings: Settings) -> None:
        """
        Find the process that serves already, or start one.

        @raise MigrationError: there is none, and none can be started; or somebody
            listens there who cannot be asked.
        """
        post = self.post(control, self.orders.names(), settings)
        self.posts.append(post)
        if not await self._find(post):
            await self._start(post)
        self._mannedAgain()

    def post(
        self, control: ControlAddress, names: list[str], settings: Settings
    ) -> Post:
        return Post(control, names, settings, Backoff(limit=self.patience.restarts))

    async def _find(self, post: Post) -> bool:
        """
        @return: whether a process serves at a post that is not known yet.
        @raise MigrationError: somebody listens there who cannot be asked.
        """
        owner = await self.witness.owner(post.home)
        if owner is None or not owner.names():
            return False
        try:
            child = self._known.get(owner.pid) or self.nursery.find(owner.pid)
        except ProcessLookupError:
            return False
        post.names = owner.names()
        self._log.info(
            "process {pid} serves already at {control}: {names}",
            pid=child.pid,
            control=str(post.home),
            names=", ".join(post.names),
        )
        self._man(post, child)
        return True

    async def _start(self, post: Post) -> None:
        """
        Make the services of a post anew.

        @raise CannotStart: the process does not serve.
        """
        command = self.orders.first(post.settings.python, post.home, post.names)
        try:
            child = self.nursery.start(command, post.settings)
        except MigrationError as error:
            raise CannotStart(str(error)) from error
        self._know(child)
        self._log.info(
            "process {pid} is started, to serve {names}",
            pid=child.pid,
            names=", ".join(post.names),
        )
        # It is known by now, so that it is ended with the manager.
        post.child = child
        try:
            served = child.says(SERVES).addTimeout(self.patience.ready, self.reactor)
            if not await served:
                raise failure(child)
        except (TimeoutError, NotUpgraded) as error:
            post.child = None
            if child.alive:
                child.signal(signal.SIGKILL)
                await child.ends()
            why = str(error) or f"process {child.pid} did not get ready in time"
            raise CannotStart(why) from error
        self._man(post, child)

    def _know(self, child: Child) -> None:
        self._known[child.pid] = child

        def ended(_: object) -> None:
            self._known.pop(child.pid, None)

        child.ends().addCallback(ended)

    def _man(self, post: Post, child: Child) -> None:
        """
        A process serves.
        """
        self._know(child)
        post.take(child)
        self._log.info(
            "process {pid} serves {names} (generation {generation})",
            pid=child.pid,
            names=", ".join(post.names),
            generation=post.generation,
        )
        text = "" if child.complaint is None else child.complaint.text()
        if text:
            self._log.info("it wrote:\n{text}", text=text)
        child.ends().addCallback(lambda _: self._ended(post, child))
        self.arrived()

    def resume(self, post: Post, pid: int) -> None:
        """
        A post that this very process kept before it executed its program anew.
        """
        post.generation -= 1
        self.posts.append(post)
        self._man(post, self.nursery.find(pid))
        self._mannedAgain()

    def resumeLeaving(self, pid: int) -> None:
        """
        The same for a process that has handed over and not ended.
        """
        child = self.nursery.find(pid)
        self._know(child)
        self._leave(child)

    def hear(self, notice: Notice) -> None:
        """
        A process has said something; nobody else's word counts.
        """
        child = self._known.get(notice.pid)
        if child is None:
            self._log.debug("a notice came from process {pid}", pid=notice.pid)
            return
        fields = notice.fields
        child.state = fields.get("STATUS", child.state)
        if GATE in fields:
            child.hear(PREPARED)
        # What it says of others they will say themselves.
        of = fields.get("MAINPID", str(child.pid))
        if fields.get("READY") == "1" and of == str(child.pid):
            child.hear(SERVES)

    # Upgrades.

    def isCalm(self) -> bool:
        """
        @return: whether everything is manned and nothing is about to change.
        """
        manned = all(p.child is not None and p.child.alive for p in self.posts)
        return manned and not (self._upgrading or self.stopping)

    def upgrade(self, wanted: Wanted) -> Deferred[Report]:
        """
        Have each post taken over by a new process.

        @return: fires with how that went, and never fails.
        """
        return ensureDeferred(self._upgrade(wanted))

    async def _upgrade(self, wanted: Wanted) -> Report:
        self._log.info("upgrading: {why}", why="; ".join(wanted.reasons))
        self._upgrading = True
        begun = self.reactor.seconds()
        report: Report = {
            "reasons": list(wanted.reasons),
            "upgraded": False,
            "why": "",
            "details": "",
            "posts": [],
        }
        try:
            for post in list(self.posts):
                report["posts"].append(await self._replace(post, wanted.changes))
        except NotUpgraded as error:
            report.update(why=str(error), details=error.details)
        except Exception as error:
            self._log.failure("an upgrade failed")
            report["why"] = f"{type(error).__name__}: {error}"
        else:
            report["upgraded"] = True
            self.upgrades += 1
        report["seconds"] = round(self.reactor.seconds() - begun, 3)
        self.last = report
        self._upgrading = False
        self.successor = None
        self._afterwards(report)
        return report

    async def _replace(self, post: Post, changes: Mapping[str, Any]) -> dict[str, Any]:
        """
        @return: what has become of one post.
        @raise NotUpgraded: it is as it was.
        """
        origin = post.child
        if origin is None or not origin.alive:
            raise NotUpgraded("no process serves that could be taken over from")
        try:
            settings = post.settings.changed(changes)
        except MigrationError as error:
            raise NotUpgraded(str(error)) from error
        work = Upgrade(
            self.reactor, self.witness, post, self.patience.ready, self._launch
        )
        child = await work.run(settings)
        post.settings = settings
        self._man(post, child)
        self._leave(origin)
        if work.left:
            self._split(post, origin, work.left)
        return {
            "control": str(post.home),
            "from": origin.pid,
            "pid": child.pid,
            "services": list(post.names),
            "left": work.left,
        }

    def _launch(self, post: Post, settings: Settings) -> Child:
        command = self.orders.next(settings.python, post.home)
        child = self.nursery.start(command, settings, self.orders.makers())
        self.successor = child
        self._know(child)
        return child

    def _leave(self, origin: Child) -> None:
        """
        A process has handed over.
        """
        self.leaving.append(origin)

        def ended(_: object) -> None:
            if origin not in self.leaving:
                return
            self.leaving.remove(origin)
            say = self._log.info if origin.status in (0, None) else self._log.warn
            say(
                "process {pid} is done, and {how}",
                pid=origin.pid,
                how=origin.describe(),
            )

        if origin.alive:
            origin.ends().addCallback(ended)
        else:
            ended(None)

    def _split(self, post: Post, origin: Child, left: list[str]) -> None:
        """
        Some services could not move: they stay, with their process and its endpoint,
        and those that have moved are elsewhere from now on.
        """
        child = post.child
        assert child is not None
        self._log.warn(
            "{left} could not move and are served by process {old} on; the others are "
            "served by process {new}",
            left=", ".join(left),
            old=origin.pid,
            new=child.pid,
        )
        stays = self.post(post.home, left, post.settings)
        stays.generation = post.generation - 2
        post.home = post.home.beside(str(child.pid))
        self.leaving.remove(origin)
        self.posts.append(stays)
        self._man(stays, origin)

    def _afterwards(self, report: Report) -> None:
        """
        An upgrade is over.
        """
        if not report["upgraded"]:
            serving = [str(p.child.pid) for p in self.posts if p.child is not None]
            text = report["details"].strip()
            self._log.error(
                "there was no upgrade: {why}\n{serving} serves on as before{details}",
                why=report["why"],
                serving="process " + ", ".join(serving),
                details="; what the new process wrote:\n" + text if text else "",
            )
        for post in self.posts:
            child = post.child
            if child is not None and not child.alive:
                self._ended(post, child)
        if report["upgraded"] and self.leaving and not self.stopping:
            self.free(False)
            ensureDeferred(self._comeHome())

    async def _comeHome(self) -> None:
        """
        Wait for each process to have the control endpoint that belongs to it: an origin
        keeps it for as long as it has connections left.
        """
        while not self.stopping and not await self._isHome():
            await deferLater(self.reactor, LOOK)
        if self.isCalm():
            self.free(True)

    async def _isHome(self) -> bool:
        for post in self.posts:
            try:
                owner = await self.witness.owner(post.home)
            except MigrationError:
                return False
            child = post.child
            if child is None or not child.alive:
                continue
            if owner is None or owner.pid != child.pid:
                return False
        return True

    # Ends.

    def _ended(self, post: Post, child: Child) -> None:
        """
        A process has ended that served.
        """
        if post.child is not child or self.stopping or self._upgrading:
            return
        post.child = None
        self.free(False)
        ensureDeferred(self._replaceLost(post, child)).addErrback(self._failed)

    def _failed(self, problem: Any) -> None:
        self._log.failure("a process could not be replaced", problem)
        self.finished(1, problem.getErrorMessage())

    async def _replaceLost(self, post: Post, lost: Child) -> None:
        """
        Find out what has become of the services of a process that has ended, and make
        them anew if they are lost.
        """
        served, how = self.reactor.seconds() - lost.since, lost.describe()
        why = f"process {lost.pid} {how}"
        if await self._taken(post):
            self._mannedAgain()
            return
        if lost.status == 0:
            self._log.info("{why}, by itself", why=why)
            self.posts.remove(post)
            if not self.posts:
                self.finished(0, f"{why}, by itself: nothing is left to keep")
            return
        await self._startAnew(post, served, why)

    async def _startAnew(self, post: Post, served: float, why: str) -> None:
        """
        Make the services of a post anew, as often as it takes.

        @param served: seconds for which the last process served.
        @param why: what became of it.
        """
        while not self.stopping:
            delay = post.backoff.failed(served)
            if delay is None:
                self.finished(1, f"{why}; that was once too often: no more is tried")
                return
            self._log.error(
                "{why}; its connections and all state of {names} are lost.  They are "
                "made anew in {delay:g} s ({count} of {limit} times in a row)",
                why=why,
                names=", ".join(post.names),
                delay=delay,
                count=post.backoff.count,
                limit=post.backoff.limit,
            )
            await deferLater(self.reactor, delay)
            served, why = 0.0, await self._started(post)
            if not why:
                return

    async def _started(self, post: Post) -> str:
        """
        @return: why a post could not be manned anew; empty if it could, or need not.
        """
        if self.stopping:
            return ""
        try:
            await self._start(post)
        except CannotStart as error:
            return str(error)
        self.restarts += 1
        self._mannedAgain()
        return ""

    async def _taken(self, post: Post) -> bool:
        """
        @return: whether somebody else has taken the services over.
        """
        try:
            return await self._find(post)
        except MigrationError as error:
            self._log.warn("{why}", why=str(error))
            return False

    def _mannedAgain(self) -> None:
        if self.isCalm():
            self.free(True)

    async def close(self) -> None:
        """
        End all processes, and wait for that.
        """
        self.stopping = True
        waiting = []
        for child in list(self._known.values()):
            if child.alive:
                child.signal(signal.SIGTERM)
                # One that is stopped would not hear of it.
                child.signal(signal.SIGCONT)
                waiting.append(self._endOf(child))
        await DeferredList(waiting)
        for child in self._known.values():
            child.leave()

    def _endOf(self, child: Child) -> Deferred[bool]:
        def kill() -> None:
            self._log.warn(
                "process {pid} has not ended within {s:g} s, and is killed",
                pid=child.pid,
                s=self.patience.stop,
            )
            child.signal(signal.SIGKILL)

        timer = self.reactor.callLater(self.patience.stop, kill)

        def ended(said: bool) -> bool:
            if timer.active():
                timer.cancel()
            self._log.info("process {pid} {how}", pid=child.pid, how=child.describe())
            return said

        return child.ends().addCallback(ended)

    def leave(self) -> None:
        """
        Let all processes be, and go on without a manager.
        """
        self.stopping = True
        for child in self._known.values():
            child.leave()

    def report(self) -> dict[str, Any]:
        """
        @return: how everything is doing.
        """
        now = self.reactor.seconds()
        return {
            "pid": os.getpid(),
            "posts": [post.report(now) for post in self.posts],
            "successor": None if self.successor is None else self.successor.pid,
            "leaving": [child.pid for child in self.leaving],
            "upgrades": self.upgrades,
            "restarts": self.restarts,
            "last": self.last,
        }
