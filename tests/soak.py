"""
Moves a chat from process to process for as long as it is told, while people talk
in it: C{python -m tests.soak SECONDS [--people N] [--directory DIR]}.

Prints what was moved, what was checked, what was wrong, and what is left behind
in the last process.  Ends with status 0 if nothing was wrong, otherwise with 1.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import react

from tests.children import Child
from tests.crowd import Crowd
from tests.processes import Processes, descriptors, freePort, residentBytes
from tests.waiting import NeverCame

#: For any one step, in seconds.
PATIENCE = 60.0

#: How many people talk, unless told otherwise.
PEOPLE = 200

#: After so many moves everybody's account is compared with the chat's.
ACCOUNT = 5

#: By how many descriptors the last process may differ from the first to which the
#: chat has moved: as many as come and go at any time.
DESCRIPTORS = 2

#: By how much more memory.  What people have said lately, and how the allocator
#: keeps what is free, differ from process to process.
MEMORY = 24 * 1024 * 1024

MEGABYTE = 1024 * 1024

SERVICE = "chat=tests.chat.makeService"


class Violation(Exception):
    """
    Something was not as it has to be.
    """


@attrs.define
class Report:
    """
    What there was.

    @ivar migrations: moves that were seen through.
    @ivar connections: people and newcomers that were served.
    @ivar bytesChecked: sent and received, and found to be the same at both ends.
    @ivar slowest: seconds from the claim to the last answer from the new process.
    @ivar violations: for a person.
    @ivar descriptorDrift: more descriptors in the last process than in the first
        that the chat has moved to.
    @ivar memoryDrift: more bytes of memory.
    """

    migrations: int = 0
    connections: int = 0
    bytesChecked: int = 0
    slowest: float = 0.0
    violations: list[str] = attrs.field(factory=list)
    descriptorDrift: int = 0
    memoryDrift: int = 0

    def __str__(self) -> str:
        """
        One line for each.
        """
        return "\n".join(
            [
                f"migrations        {self.migrations}",
                f"connections       {self.connections}",
                f"bytes checked     {self.bytesChecked}",
                f"slowest move      {self.slowest:.2f} s",
                f"descriptor drift  {self.descriptorDrift:+d}",
                f"memory drift      {self.memoryDrift / MEGABYTE:+.1f} MB",
                f"violations        {len(self.violations)}",
                *self.violations,
            ]
        )


class Soak:
    """
    One run.

    It is what L{Processes} needs of a test, too: something to clean up after.
    """

    def __init__(self, reactor: Any, directory: Path, people: int) -> None:
        self.reactor = reactor
        self.report = Report()
        self._cleanups: list[Callable[[], Any]] = []
        self._directory = directory
        self._port = freePort()
        self._processes = Processes(self, reactor)  # type: ignore[arg-type]
        self._crowd = Crowd(reactor, self._port, people)
        self._baseline: tuple[int, int] | None = None
        self.addCleanup(self._crowd.abort)

    def addCleanup(self, cleanup: Callable[[], Any]) -> None:
        """
        See L{twisted.trial.unittest.TestCase.addCleanup}.
        """
        self._cleanups.append(cleanup)

    @inlineCallbacks
    def run(self, seconds: float) -> Any:
        """
        All of it.

        @return: fires with the report.
        """
        try:
            yield self._soak(seconds)
        except (Violation, NeverCame) as error:
            self.report.violations.append(str(error))
        finally:
            self.report.connections = len(self._crowd.members) + self._crowd.answered
            while self._cleanups:
                yield self._cleanups.pop()()
        return self.report

    @inlineCallbacks
    def _soak(self, seconds: float) -> Any:
        end = time.monotonic() + seconds
        self._server = self._twistd("migrate-server", "--service", SERVICE)
        yield self._server.line("recipients are let in", PATIENCE)
        yield self._until(self._crowd.connect, "everybody's welcome")
        self._crowd.talk()
        while self.report.migrations < 2 or time.monotonic() < end:
            yield self._inTheMiddle()
            yield self._move()
            if self.report.migrations % ACCOUNT == 1:
                yield self._account()
                self._measure()
                self._crowd.talk()
        yield self._account()
        self._measure()
        self._crowd.heardAll()
        self._check()

    def _twistd(self, *arguments: str) -> Child:
        return self._processes.twistd(
            ["-n", *arguments],
            self._directory,
            environment={"CHAT_PORT": str(self._port)},
        )

    def _check(self) -> None:
        """
        @raise Violation: somebody has something to complain of.
        """
        if self._crowd.failed:
            raise Violation(self._crowd.report())

    @inlineCallbacks
    def _until(self, probe: Callable[[], Any], what: str) -> Any:
        yield self._processes.until(probe, what, PATIENCE)
        self._check()

    @inlineCallbacks
    def _inTheMiddle(self) -> Any:
        """
        Have some stop halfway, and some not read, others each time.
        """
        members, hop = self._crowd.members, self.report.migrations
        halfway, asleep = members[hop % 7 :: 7], members[hop % 19 + 1 :: 19]
        self._crowd.hold(halfway)
        self._crowd.sleep([member for member in asleep if not member.asleep])
        self._chosen = [*halfway, *asleep]
        steward = yield self._processes.connect(self._port)
        yield steward.ask(b"state")
        yield steward.disconnect()

    @inlineCallbacks
    def _move(self) -> Any:
        """
        @raise Violation: it does not move as it has to.
        """
        before, began = self._server, time.monotonic()
        self._server = self._twistd("migrate-client", "--service", "chat")
        yield self._server.line("recipients are let in", PATIENCE)
        ended = yield before.ended(PATIENCE)
        if (ended.status, ended.signal) != (0, None):
            raise Violation(f"an origin ended with {ended}")
        if self._processes.running() != [self._server.pid]:
            raise Violation(f"processes are left: {self._processes.running()}")
        self._crowd.rouse(self._chosen)
        pid = self._server.pid
        yield self._until(lambda: self._crowd.served(pid), f"service by {pid}")
        self.report.migrations += 1
        self.report.slowest = max(self.report.slowest, time.monotonic() - began)

    @inlineCallbacks
    def _account(self) -> Any:
        """
        Both ends compare what they have sent and received; the second time
        nobody has anything more to say.
        """
        self._crowd.quiet()
        self._crowd.rouse(self._crowd.members)
        for _ in range(2):
            self._crowd.ask()
            yield self._until(self._crowd.summed, "all sums")
        self.report.bytesChecked = sum(
            member._sent.count + member._received.count
            for member in self._crowd.members
        )

    def _measure(self) -> None:
        """
        What the process that serves holds, while nobody comes or goes.

        @raise Violation: it holds more than it should.
        """
        pid = self._server.pid
        now = len(descriptors(pid)), residentBytes(pid)
        if self._baseline is None:
            self._baseline = now
        self.report.descriptorDrift = now[0] - self._baseline[0]
        self.report.memoryDrift = now[1] - self._baseline[1]
        if self.report.descriptorDrift > DESCRIPTORS:
            raise Violation(f"{now[0]} descriptors where {self._baseline[0]} were")
        if self.report.memoryDrift > MEMORY:
            raise Violation(f"{now[1]} bytes of memory where {self._baseline[1]} were")


def main() -> None:
    """
    Run it from the command line.
    """
    parser = argparse.ArgumentParser(prog="python -m tests.soak")
    parser.add_argument("seconds", type=float)
    parser.add_argument("--people", type=int, default=PEOPLE)
    parser.add_argument("--directory", type=Path)
    options = parser.parse_args()

    @inlineCallbacks
    def run(reactor: Any) -> Any:
        with tempfile.TemporaryDirectory() as temporary:
            directory = options.directory or Path(temporary)
            soak = Soak(reactor, directory, options.people)
            report = yield soak.run(options.seconds)
        print(report, flush=True)
        if report.violations:
            raise SystemExit(1)

    with suppress(BrokenPipeError):
        react(run)


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())
    main()
