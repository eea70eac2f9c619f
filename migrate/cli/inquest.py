"""
What came of an upgrade, whatever went wrong: everybody is asked who may serve, until
that is clear.

It must not know what was done.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.task import deferLater

from migrate.cli.running import Operator
from migrate.cli.verdicts import Found, Verdict, judge
from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.manager.children import Child
from migrate.manager.upgrade import NotUpgraded, Upgrade
from migrate.manager.witness import Owner, Witness
from migrate.meeting import ask

LOOK = 0.5
"""
Seconds between two looks at who serves.
"""

SETTLING = 30.0
"""
Seconds that it may take, once all is over, until it is clear who serves.
"""

SHORT = 5.0
"""
Seconds that a process may take to say what it serves, once all is over.
"""


@attrs.define(eq=False)
class Inquest:
    """
    One of them.

    @ivar operator: asks.
    @ivar witness: finds out who serves somewhere.
    @ivar upgrade: what has been tried.
    @ivar heard: the processes that have said something of themselves.
    """

    operator: Operator
    witness: Witness
    upgrade: Upgrade
    heard: set[int]

    async def verdict(self, origin: Owner, problem: Exception | None) -> Verdict:
        """
        Ask everybody who may serve, until that is clear.

        @param origin: who served before.
        @param problem: what is known to have gone wrong.
        @return: what is so now.
        """
        child = self.upgrade.child
        details = problem.details if isinstance(problem, NotUpgraded) else ""
        reason = "" if problem is None else str(problem)
        names, end = origin.names(), time.monotonic() + SETTLING
        while True:
            found = await self._found(child)
            clear = judge(origin, names, found, reason, details)
            if clear is not None or time.monotonic() > end or self._isHopeless(found):
                break
            await deferLater(self.operator.reactor, LOOK)
        verdict = clear or Verdict.unclear(origin, names, found, reason, details)
        if verdict.moved and not self._isOurs(verdict.pid, child):
            assert child is not None
            await self.upgrade.giveUp(child)
            return attrs.evolve(
                verdict,
                outcome="unclear",
                reason=f"process {verdict.pid} has taken over, and not the one that "
                "was started here",
            )
        return await self._withAttempts(verdict, origin)

    def _isHopeless(self, found: list[Found]) -> bool:
        """
        @return: whether nobody answers, nor will.
        """
        parties = (self.upgrade.post.child, self.upgrade.child)
        return not found and not any(each and each.alive for each in parties)

    def _isOurs(self, pid: int | None, child: Child | None) -> bool:
        """
        @return: whether a process comes from the command that was started.
        """
        if child is None or pid is None:
            return False
        if pid in (child.pid, *self.heard) or child.status == 0:
            return True
        try:
            return os.getsid(pid) == child.pid
        except ProcessLookupError:
            return False

    async def _found(self, child: Child | None) -> list[Found]:
        """
        @return: what everybody says who can be asked.
        """
        home = self.operator.origin
        places = [home]
        if child is not None and home.kind == "unix":
            pids = sorted({child.pid, *self.heard})
            places += [home.beside(str(pid)) for pid in pids]
        found = [await self._owner(place) for place in places]
        return [each for each in found if each is not None]

    async def _owner(self, place: ControlAddress) -> Found | None:
        try:
            owner = await self.witness.owner(place, SHORT)
        except MigrationError:
            return None
        return None if owner is None else Found(place, owner)

    async def _withAttempts(self, verdict: Verdict, origin: Owner) -> Verdict:
        """
        @return: the same, with how each service moved.
        """
        if not verdict.moved:
            return verdict
        operator = self.operator
        try:
            answer: Mapping[str, Any] = await ask(
                operator.reactor,
                verdict.control,
                "history",
                policy=operator.policy,
                login=operator.login,
            )
        except MigrationError:
            return verdict
        attempts = {
            each["service"]: each
            for each in answer["attempts"]
            if each["outcome"] == "moved" and each["origin"] == origin.pid
        }
        return attrs.evolve(verdict, attempts=list(attempts.values()))
