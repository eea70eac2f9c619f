"""
Looks for what there is an upgrade for without anybody asking: memory, time, new code.

It must not know how an upgrade is made.
"""

from __future__ import annotations

import os
from typing import Any

import attrs
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from migrate.census import resident
from migrate.control import ControlAddress
from migrate.manager.keeper import Keeper
from migrate.manager.post import Post
from migrate.manager.requests import Report, Requests
from migrate.manager.triggers import Interval, MemoryLimit
from migrate.manager.watching import IBells, Watching

LOOK = 2.0
"""
Seconds between two looks at time and memory.
"""


@attrs.define
class Reasons:
    """
    What there is an upgrade for, without anybody asking.

    @ivar memory: bytes that a process may have in use; 0 for any number.
    @ivar every: seconds that a process may serve; 0 for any time.
    @ivar bells: ring when code changes, or L{None}.
    @ivar trees: directories to watch; those that the services come from if there are
        none.
    """

    memory: int = 0
    every: float = 0.0
    bells: IBells | None = None
    trees: tuple[str, ...] = ()


class Lookout:
    """
    See this module.
    """

    _log = Logger()

    def __init__(
        self, reactor: Any, keeper: Keeper, requests: Requests, reasons: Reasons
    ) -> None:
        self.reactor = reactor
        self.keeper = keeper
        self.requests = requests
        self.reasons = reasons
        self._memory: dict[Post, MemoryLimit] = {}
        self._intervals: dict[Post, Interval] = {}
        self._looking = LoopingCall(self.look)
        self._looking.clock = reactor
        self._stopped = False
        self._watching: Watching | None = None
        if reasons.bells is not None:
            self._watching = Watching(reactor, self._changed, reasons.bells)

    def start(self) -> None:
        """
        Begin to look.
        """
        self._looking.start(LOOK, now=False)

    def stop(self) -> None:
        """
        Look no more.
        """
        self._stopped = True
        if self._looking.running:
            self._looking.stop()
        if self._watching is not None:
            self._watching.stop()

    def report(self) -> dict[str, Any]:
        """
        @return: what is looked for.
        """
        return {
            "memoryLimit": self.reasons.memory,
            "every": self.reasons.every,
            "watch": self._watching is not None,
        }

    def arrived(self) -> None:
        """
        Another process has begun to serve.
        """
        # What a process needs is seen before it does much.
        self.reactor.callLater(0, self.look)
        if self._watching is not None:
            ensureDeferred(self._watch(self._watching)).addErrback(self._unwatched)

    # Time and memory.

    def look(self) -> None:
        """
        See whether a process has had its time, or its memory.
        """
        now = self.reactor.seconds()
        for post in self.keeper.posts:
            child = post.child
            if child is None or not child.alive or self.requests.busy:
                continue
            if self.reasons.every:
                self._lookAtTime(post, child.pid, now)
            if self.reasons.memory:
                self._lookAtMemory(post, child.pid, resident(child.pid), now)

    def _lookAtTime(self, post: Post, pid: int, now: float) -> None:
        interval = self._intervals.setdefault(post, Interval(self.reasons.every))
        if interval.exceeded(pid, now):
            self.requests.ask(f"process {pid} has served for {self.reasons.every:g} s")

    def _lookAtMemory(self, post: Post, pid: int, used: int, now: float) -> None:
        limit = self._memory.setdefault(post, MemoryLimit(self.reasons.memory))
        isNew = pid != limit.pid
        if limit.exceeded(pid, used, now):
            done = self.requests.ask(
                f"process {pid} has {mebibytes(used)} in use, and may have "
                f"{mebibytes(limit.allowed)}"
            )
            done.addCallback(self._judge, limit)
        if isNew and limit.isPointless():
            self._log.warn(
                "what process {pid} serves takes {used} from the start: it is replaced "
                "once it has {allowed}; raise --memory-limit",
                pid=pid,
                used=mebibytes(used),
                allowed=mebibytes(limit.allowed),
            )

    def _judge(self, report: Report, limit: MemoryLimit) -> None:
        if not report["upgraded"]:
            limit.failed(self.reactor.seconds())

    # Code.

    async def _watch(self, watching: Watching) -> None:
        trees, directories = set(self.reasons.trees), set[str]()
        if not trees:
            makers = self.keeper.orders.makers()
            for post in list(self.keeper.posts):
                found = await self.keeper.witness.sources(
                    await self._where(post), makers
                )
                trees.update(found["trees"])
                directories.update(found["directories"])
        if not self._stopped and watching.watch(trees, directories):
            self._log.info(
                "Python files are watched in {where}",
                where=", ".join(sorted(trees | directories)) or "no directory",
            )

    async def _where(self, post: Post) -> ControlAddress:
        """
        @return: where the process of a post listens at this instant.
        """
        for place in post.places():
            owner = await self.keeper.witness.owner(place)
            if owner and post.child is not None and owner.pid == post.child.pid:
                return place
        return post.home

    def _unwatched(self, problem: Any) -> None:
        self._log.error(
            "what to watch cannot be found out: {why}", why=problem.getErrorMessage()
        )

    def _changed(self, paths: list[str]) -> None:
        names = sorted({os.path.basename(path) for path in paths})
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        self.requests.ask(f"{', '.join(names[:3])}{more} changed")


def mebibytes(count: int) -> str:
    """
    @return: a number of bytes for a person.
    """
    return f"{count / (1 << 20):.0f}M"
