"""
What is done when there is no process that serves: it is found, or started, and started
again when it has crashed.

It must not know how a process takes the place of one that serves.
"""

from __future__ import annotations

import glob
from typing import Any

import attrs
from twisted.internet.defer import ensureDeferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.manager.children import Child
from migrate.manager.post import Post
from migrate.manager.roster import CannotStart, Roster
from migrate.manager.settings import Settings

LOOK = 0.5
"""
Seconds between two looks at whether a control endpoint has come to where it belongs.
"""


@attrs.define(eq=False)
class Restarting(Roster):
    """
    See this module.
    """

    _log = Logger()

    async def open(self, control: ControlAddress, settings: Settings) -> None:
        """
        Find the processes that serve already, or start one.

        @raise MigrationError: there is none, and none can be started; or somebody
            listens there who cannot be asked.
        """
        for place in [control, *besides(control)]:
            post = self.post(place, self.orders.names(), settings)
            if await self._find(post):
                self.posts.append(post)
        isTaken = any(post.home == control for post in self.posts)
        if not isTaken and await self.witness.owner(control) is not None:
            # Connections are left of what is served beside.
            for post in self.posts[:1]:
                post.home = control
            self.free(False)
            ensureDeferred(self._comeHome())
            isTaken = True
        await self._complete(self.post(control, [], settings), isTaken)
        self._mannedAgain()

    async def _complete(self, post: Post, isTaken: bool) -> None:
        """
        Start what no process serves.

        @param post: for what is missing.
        @param isTaken: whether another process listens there.
        @raise MigrationError: it cannot be started.
        """
        served = {name for each in self.posts for name in each.names}
        post.names = [name for name in self.orders.names() if name not in served]
        if post.names and isTaken:
            self._log.warn(
                "nobody serves {names}, and nothing is started for that while others "
                "are served",
                names=", ".join(post.names),
            )
        elif post.names:
            self.posts.append(post)
            await self._start(post)

    def resume(self, post: Post, pid: int) -> None:
        """
        A post that this very process kept before it executed its program anew.
        """
        post.generation -= 1
        self.posts.append(post)
        self._man(post, self.nursery.find(pid))
        self._mannedAgain()

    def ended(self, post: Post, child: Child) -> None:
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


def besides(control: ControlAddress) -> list[ControlAddress]:
    """
    @return: where processes may listen that were refused this endpoint.
    """
    if control.kind != "unix":
        return []
    paths = sorted(glob.glob(f"{glob.escape(control.path)}.*"))
    return [
        attrs.evolve(control, path=path)
        for path in paths
        if path.rpartition(".")[2].isdigit()
    ]
