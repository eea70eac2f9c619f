"""
The processes that serve, those that have handed over, and the one that is about to take
over: who there is, what each says, and how they all end.

It must not know when one is started, nor when one takes the place of another.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList, TimeoutError
from twisted.logger import Logger

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.gate import PREPARED as GATE
from migrate.manager.backoff import Backoff
from migrate.manager.children import PREPARED, SERVES, Child, Nursery
from migrate.manager.notices import Notice
from migrate.manager.orders import Orders
from migrate.manager.post import Post
from migrate.manager.requests import Report
from migrate.manager.settings import Settings
from migrate.manager.upgrade import NotUpgraded, failure
from migrate.manager.witness import Witness


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
class Roster:
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

    def post(
        self, control: ControlAddress, names: list[str], settings: Settings
    ) -> Post:
        return Post(control, names, settings, Backoff(limit=self.patience.restarts))

    def isCalm(self) -> bool:
        """
        @return: whether everything is manned and nothing is about to change.
        """
        manned = all(p.child is not None and p.child.alive for p in self.posts)
        return manned and not (self._upgrading or self.stopping)

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
            why = str(error)
            if isinstance(error, TimeoutError):
                why = f"process {child.pid} did not get ready in time"
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
        child.ends().addCallback(lambda _: self.ended(post, child))
        self.arrived()

    def ended(self, post: Post, child: Child) -> None:
        """
        A process has ended that served.
        """
        raise NotImplementedError

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

    def resumeLeaving(self, pid: int) -> None:
        """
        The same for a process that has handed over and not ended.
        """
        child = self.nursery.find(pid)
        self._know(child)
        self._leave(child)

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
