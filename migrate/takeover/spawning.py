"""
A successor that this process starts itself, and that inherits its listening sockets:
it is started from the files as they are then, both accept for a while, and then it has
this process accept no more.

It must not know how the successor goes about it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from migrate.errors import CannotAnswer, ServiceUnavailable
from migrate.publication import Availability
from migrate.reload import FIRST, startSuccessor
from migrate.successor import TAKEOVER, TwistdCommand, successor
from migrate.takeover.inheritance import VARIABLE, described


@attrs.define(eq=False)
class Spawning:
    """
    The successors of one process.

    @ivar server: what is succeeded.
    """

    _log = Logger()

    server: Any
    _child: Any = attrs.field(default=None, init=False)

    def install(self) -> None:
        """
        Let an operator ask for one.
        """
        self.server.answers["spawn"] = self.answer

    def answer(self, arguments: Mapping[str, Any]) -> Deferred[dict[str, object]]:
        """
        Start a successor.

        @param arguments: C{drain}: for how many seconds clients may stay here, if that
            is bounded.
        @return: fires once it has said how it went, with its C{pid}, the names of the
            C{services} that it accepts for, and C{why} others stay.
        @raise migrate.errors.MigrationError: it cannot be started.
        """
        return Deferred.fromCoroutine(self._spawn(arguments.get("drain")))

    async def _spawn(self, drain: object) -> dict[str, object]:
        ports = await self._ports()
        if self._child is not None:
            raise CannotAnswer(f"process {self._child.pid} is taking over already")
        done: Deferred[dict[str, object]] = Deferred()

        def settled(why: str) -> None:
            child, self._child = self._child, None
            states = self.server.publication.states()
            here = Availability.AVAILABLE
            names = [name for name in ports if states.get(name) is not here]
            # A daemon is not the process that was started.
            pid = self.server.supervision.successor or child.pid
            done.callback({"pid": pid, "services": names, "why": why})

        text, places = described(ports, FIRST)
        self._child = startSuccessor(
            self.server,
            self._command(drain).words,
            settled,
            environ={**os.environ, VARIABLE: text},
            descriptors=places,
        )
        self._log.info("process {pid} inherits what listens", pid=self._child.pid)
        return await done

    async def _ports(self) -> dict[str, list[Any]]:
        """
        @return: what each service listens on.
        @raise ServiceUnavailable: one listens on nothing, or none is here.
        """
        states = self.server.publication.states()
        found: dict[str, list[Any]] = {}
        for name, service in self.server.publication.services().items():
            if states[name] is not Availability.AVAILABLE:
                continue
            found[name] = await self.server.gradual.portsOf(service)
            if not found[name]:
                raise ServiceUnavailable(
                    f"service {name!r} listens on nothing that could be inherited: "
                    "move it, with txmigrate upgrade"
                )
        if not found:
            raise ServiceUnavailable("nothing is served here that could be inherited")
        return found

    def _command(self, drain: object) -> TwistdCommand:
        started = self.server.started
        options = {} if drain is None else {"drain": str(drain)}
        if f"--{TAKEOVER}" not in TwistdCommand.of(started).options:
            options["gradual"] = ""
        return successor(started, control=str(self.server.control), options=options)
