"""
The rehearsal of an execution: the new program is run beside this one with a copy of
everything, loads it, says so, and ends.  This process serves meanwhile.

It must not know what is in the copy.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.errors import CannotAnswer
from migrate.reexec.bootstrap import (
    REHEARSAL,
    argumentsFor,
    environmentFor,
)

KEPT = 1 << 16
"""
Bytes that are kept of what a rehearsal writes.
"""


@attrs.define(eq=False)
class Rehearsal(ProcessProtocol):
    """
    One rehearsal.

    @ivar done: fires with what the new program said, once it has ended; fails with a
        L{CannotAnswer} if it could not serve.
    """

    _log = Logger()

    reactor: Any
    report: int
    limit: float
    done: Deferred[dict[str, Any]] = attrs.field(factory=Deferred, init=False)
    _said: bytes = attrs.field(default=b"", init=False)
    _written: bytes = attrs.field(default=b"", init=False)
    _timer: Any = attrs.field(default=None, init=False)
    _late: bool = attrs.field(default=False, init=False)

    def connectionMade(self) -> None:
        """
        It runs.
        """
        self._timer = self.reactor.callLater(self.limit, self._kill)

    def _kill(self) -> None:
        self._timer = None
        self._late = True
        running: Any = self.transport
        running.signalProcess("KILL")

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        It says something.
        """
        if childFD == self.report:
            self._said += data
        else:
            self._written = (self._written + data)[-KEPT:]

    def processEnded(self, reason: Failure) -> None:
        """
        It has ended.
        """
        if self._timer is not None:
            self._timer.cancel()
        found: dict[str, Any] = {}
        if self._said:
            found = json.loads(self._said)
        if found.get("ok"):
            self.done.callback(found)
            return
        written = self._written.decode(errors="replace")
        details = found.get("details", "")
        self._log.warn(
            "the new program cannot serve: {why}\n{written}\n{details}",
            why=found.get("reason", ""),
            written=written,
            details=details,
        )
        self.done.errback(CannotAnswer(self._why(found, written, reason)))

    def _why(self, found: dict[str, Any], written: str, reason: Failure) -> str:
        """
        @return: why it cannot serve, in one line.
        """
        lines = [each for each in written.splitlines() if each.strip()]
        why = found.get("reason")
        if self._late:
            why = f"it did not load the services within {self.limit:g} seconds"
        elif why is None:
            last = f": {lines[-1]}" if lines else ""
            why = f"it ended without a word ({reason.getErrorMessage()}){last}"
        elif "SystemExit" in why and lines:
            why = f"{why.strip()}: {lines[-1]}"
        return f"the new program cannot serve, and was not begun: {why}"


def rehearse(
    reactor: Any,
    program: dict[str, Any],
    fileno: int,
    filenos: Sequence[int],
    null: int,
    limit: float,
) -> Deferred[dict[str, Any]]:
    """
    Run a program with a copy of what it is to serve.

    @param fileno: the memory file.
    @param filenos: the descriptors that it mentions.
    @param null: a descriptor of what nothing can be read from.
    @param limit: seconds that it has for that.
    @return: see L{Rehearsal.done}.
    """
    passed = {2, fileno, *filenos}
    report = max(passed) + 1
    rehearsal = Rehearsal(reactor, report, limit)
    childFDs: dict[int, Any] = {each: each for each in passed}
    childFDs.update({0: null, 1: "r", 2: "r", report: "r"})
    where = f"{fileno}:{REHEARSAL}:0:{report}"
    reactor.spawnProcess(
        rehearsal,
        program["executable"],
        argumentsFor(program, fileno),
        env=environmentFor(program, where),
        childFDs=childFDs,
    )
    return rehearsal.done
