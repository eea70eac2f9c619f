"""
Services that are moved from process to process while their clients are in the
middle of something, for acceptance tests.

It must not know any protocol.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest, TestCase

from tests.children import Child
from tests.processes import CHECKOUT, DEADLINE, Processes, freePort

__all__ = ["CHECKOUT", "DEADLINE", "ServiceTestCase", "freePort"]


class ServiceTestCase(TestCase):
    """
    Serves something under C{twistd migrate-server}, has it moved to new
    processes, and runs clients, in a directory of the test's own::

        class EchoTests(ServiceTestCase):
            @inlineCallbacks
            def test_echo(self):
                port = freePort()
                yield self.plugin(f"echo=myecho --port {port}")
                client = yield self.processes.connect(port)
                yield client.ask(b"before")
                yield self.move()
                yield client.ask(b"after")

    @cvar failsBy: what the last line of a traceback begins with that the service
        logs whether it is moved or not; none, unless something is said.
    @ivar server: the process that serves at present.
    @ivar directory: where everything runs; what a service logs, reads and
        writes is there.
    """

    timeout = 240.0
    failsBy: tuple[str, ...] = ()

    def setUp(self) -> None:
        self.processes = Processes(self)
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()

    @inlineCallbacks
    def serve(
        self,
        *options: str,
        interpreter: str = sys.executable,
        environment: Mapping[str, str | None] | None = None,
    ) -> Any:
        """
        Start C{twistd migrate-server} and wait until it lets recipients in;
        all that it publishes has been started by then.

        @param options: those of C{migrate-server}.
        @return: its process.
        """
        arguments = ["-n", "migrate-server", *options]
        self.server = self.processes.twistd(
            arguments, self.directory, interpreter, environment
        )
        yield self.server.line("recipients are let in")
        return self.server

    @inlineCallbacks
    def plugin(self, commandLine: str, *more: str, **options: Any) -> Any:
        """
        Serve a twistd plugin, unchanged.

        @param commandLine: C{NAME=TAP OPTIONS}.
        @param more: see L{serve}.
        """
        return (yield self.serve("--plugin", commandLine, *more, **options))

    def client(
        self,
        *options: str,
        interpreter: str = sys.executable,
        environment: Mapping[str, str | None] | None = None,
    ) -> Child:
        """
        Start C{twistd migrate-client}.

        @param options: those of C{migrate-client}.
        """
        arguments = ["-n", "migrate-client", *options]
        return self.processes.twistd(
            arguments, self.directory, interpreter, environment
        )

    @inlineCallbacks
    def move(
        self,
        *options: str,
        interpreter: str = sys.executable,
        environment: Mapping[str, str | None] | None = None,
    ) -> Any:
        """
        Have everything moved to a new process, and wait for the end of the old
        one, which has to be a good one.

        @param options: those of C{migrate-client}; C{--all} unless any are
            given.
        @return: the new process.
        """
        old = self.server
        new = self.client(
            *(options or ["--all"]), interpreter=interpreter, environment=environment
        )
        yield self.processes.until(
            lambda: not (old.running and new.running), "the end of the origin"
        )
        said = "\n".join([*new.lines, "-- the origin:", *old.lines])
        self.assertTrue(new.running, said)
        ended = yield old.ended(DEADLINE)
        self.assertEqual((ended.status, ended.signal), (0, None), said)
        lines = [line.strip() for line in [*old.lines, *new.lines]]
        tracebacks = sum("Traceback" in line for line in lines)
        own = (
            sum(line.startswith(self.failsBy) for line in lines) if self.failsBy else 0
        )
        self.assertLessEqual(tracebacks, own, said)
        self.server = new
        return new

    @inlineCallbacks
    def refused(self, *options: str) -> Any:
        """
        Have a move refused: the client ends with status 1 and one line, and
        the service is served on where it was.

        @param options: those of C{migrate-client}; C{--all} unless any are
            given.
        @return: the line.
        """
        new = self.client(*(options or ["--all"]))
        ended = yield new.ended(DEADLINE)
        self.assertEqual(ended.status, 1, "\n".join(new.lines))
        self.assertTrue(self.server.running)
        lines = [line for line in ended.err.splitlines() if line]
        self.assertEqual(len(lines), 1, ended.err)
        return lines[0]

    def program(
        self, name: str, *arguments: str | Path, package: str = "", pty: bool = False
    ) -> Child:
        """
        Start a program that uses the service.

        @param package: what Debian calls the package that brings it, if not
            like the program.
        @raise SkipTest: it is not on this machine.
        """
        found = self.installed(name, package)
        return self.processes.start([found, *arguments], self.directory, pty=pty)

    def installed(self, name: str, package: str = "") -> str:
        """
        @return: where a program is.
        @raise SkipTest: it is not on this machine.
        """
        found = shutil.which(name)
        if found is None:
            raise SkipTest(f"no {name} here: install {package or name}")
        return found

    def code(self, name: str, source: str) -> None:
        """
        Write a module that a service of the test is made of.

        @param name: its name, for C{--service=NAME=name.makeService}.
        """
        (self.directory / f"{name}.py").write_text(source)

    def script(self, source: str, *arguments: str | Sequence[str]) -> Child:
        """
        Run a client that is written in Python.
        """
        return self.processes.python(
            ["-c", source, *map(str, arguments)], self.directory
        )
