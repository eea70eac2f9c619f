"""
A control endpoint, and the process that serves behind it.

There is one for as long as all services move together.  If some could not move and
others have, there is one more.
"""

from __future__ import annotations

from typing import Any

import attrs

from migrate.census import resident
from migrate.control import ControlAddress
from migrate.manager.backoff import Backoff
from migrate.manager.children import Child
from migrate.manager.settings import Settings


@attrs.define(eq=False)
class Post:
    """
    See this module.

    @ivar home: the control endpoint that it is to be at.
    @ivar names: the services that are served there.
    @ivar settings: what its next process is given.
    @ivar backoff: when it is started again.
    @ivar child: the process that serves; L{None} while there is none.
    @ivar generation: how many processes have served there.
    """

    home: ControlAddress
    names: list[str]
    settings: Settings
    backoff: Backoff
    child: Child | None = None
    generation: int = 0

    def take(self, child: Child) -> None:
        """
        A process serves here from now on.
        """
        self.child = child
        self.generation += 1

    def places(self) -> list[ControlAddress]:
        """
        @return: where its process may listen: it is beside the usual endpoint for as
            long as connections are left behind it.
        """
        if self.child is None or self.home.kind != "unix":
            return [self.home]
        return [self.home, self.home.beside(str(self.child.pid))]

    def report(self, now: float) -> dict[str, Any]:
        """
        @param now: seconds, by the clock that processes are timed with.
        @return: how it is doing.
        """
        told: dict[str, Any] = {
            "control": str(self.home),
            "services": list(self.names),
            "generation": self.generation,
            "pid": None,
        }
        child = self.child
        if child is not None and child.alive:
            told["pid"] = child.pid
            told["seconds"] = round(now - child.since, 3)
            told["resident"] = resident(child.pid)
            told["state"] = child.state
        return told
