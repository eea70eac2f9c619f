"""
What a process says to its supervisor in the course of its life, and what it tells the
process that takes its services over.

It must not know how a supervisor is spoken to, nor how services move.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import attrs
from twisted.internet.task import LoopingCall

from migrate.cgroups import attach, groupsOf, spoken
from migrate.errors import CannotFollow
from migrate.notify import Notifier

_REFUSAL = (
    "this service is supervised in the control group {own}, and its supervisor would "
    "take it for ended if it moved to a process of {its}: have the supervisor start "
    "that process, with systemctl reload"
)


class ISupervised(Protocol):
    """
    What is supervised: a server.
    """

    publication: Any
    reactor: Any


def _isRoot() -> bool:
    return os.geteuid() == 0


@attrs.define(eq=False)
class Supervision:
    """
    The supervision of one server.

    @ivar server: what is supervised.
    @ivar notifier: what speaks to the supervisor.
    @ivar isRoot: whether this process may put others into its control group.
    @ivar successor: the process that serves in place of this one; 0 while this one
        does.
    """

    server: ISupervised
    notifier: Notifier = attrs.field(factory=Notifier)
    isRoot: Callable[[], bool] = _isRoot
    successor: int = attrs.field(default=0, init=False)
    _serving: bool = attrs.field(default=False, init=False)
    _strangers: set[int] = attrs.field(factory=set, init=False)
    _watchdog: LoopingCall | None = attrs.field(default=None, init=False)

    def began(self) -> None:
        """
        All that is published is served here, and the control endpoint listens.
        """
        self.successor = 0
        self._serving = True
        self.notifier.ready(self._status())
        self.watch()

    def stays(self, why: str) -> None:
        """
        What was to become of this process has not: it serves on.
        """
        self.notifier.ready(f"{self._status()}; {why}")

    def _status(self) -> str:
        names = ", ".join(self.server.publication.names())
        return f"serving {names or 'nothing'}"

    def moved(self, pid: int) -> None:
        """
        Something has moved to another process.  If that was the last, the supervisor
        is to follow: it is told at once, since this process may end at any time from
        now on.

        @param pid: that process.
        """
        if self.successor or self.server.publication.held():
            return
        self.successor = pid
        self._stopWatching()
        if pid in self._strangers:
            self.notifier.stopping(f"moved to process {pid}, of another supervisor")
        elif self.notifier:
            attach(pid)
            self.notifier.ready(f"moved to process {pid}", pid)

    def returned(self) -> None:
        """
        The process that something had moved to has died, and it is served here again.
        """
        if self.successor:
            self.began()

    def ending(self) -> None:
        """
        This process ends.  That is of interest if it is the main process.
        """
        self._stopWatching()
        if self._serving and not self.successor:
            self.notifier.stopping("ending")

    def admit(self, asking: Mapping[str, object]) -> dict[str, object]:
        """
        Answer the question of a recipient whether the supervisor will follow to it.

        @param asking: what that says of itself: its C{pid}, and whether a supervisor
            has started it, as C{supervised}.
        @return: C{address} and C{watchdog} of the supervisor, if it will: see
            L{Notifier}.
        @raise CannotFollow: it would not, and take the service for ended.
        """
        if not self.notifier:
            return {}
        pid = int(str(asking.get("pid", 0)))
        own, its = groupsOf(os.getpid()), groupsOf(pid)
        if own != its:
            if asking.get("supervised"):
                self._strangers.add(pid)
                return {}
            if not self.isRoot():
                raise CannotFollow(_REFUSAL.format(own=spoken(own), its=spoken(its)))
        return {"address": self.notifier.address, "watchdog": self.notifier.watchdog}

    def succeed(self, answer: Mapping[str, object]) -> None:
        """
        Be supervised by the supervisor of an origin, once its services are here.

        @param answer: what that gave by L{admit}.
        """
        address = str(answer.get("address", ""))
        if address:
            watchdog = int(str(answer.get("watchdog", 0)))
            self.notifier = attrs.evolve(
                self.notifier, address=address, watchdog=watchdog
            )

    def watch(self) -> None:
        """
        Say again and again, twice as often as is wanted, that the reactor runs.
        """
        if self._watchdog is None and self.notifier.watchdog:
            self._watchdog = LoopingCall(self.notifier.alive)
            self._watchdog.clock = self.server.reactor
            self._watchdog.start(self.notifier.watchdog / 2e6)

    def _stopWatching(self) -> None:
        if self._watchdog is not None:
            self._watchdog.stop()
            self._watchdog = None
