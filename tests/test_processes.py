"""
Tests for L{tests.processes}: a wait must be able to fail, and nothing that a
test has started may outlive it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.protocols.wire import Echo
from twisted.trial.unittest import TestCase

from tests.processes import (
    NeverCame,
    Processes,
    descriptors,
    freePorts,
    residentBytes,
)

#: Prints the id of a process that leaves its parent and its session.
LEAVE = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        with open("left.pid.new", "w") as new:
            new.write(str(os.getpid()))
        os.rename("left.pid.new", "left.pid")
        null = os.open(os.devnull, os.O_RDWR)
        for standard in range(3):
            os.dup2(null, standard)
        time.sleep(600)
    os._exit(0)
os.wait()
"""

#: Is told to end, and does not.
STAY = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("on")
time.sleep(600)
"""


def isAlive(pid: int) -> bool:
    """
    @return: whether a process of that id is there and is no zombie.
    """
    try:
        return (
            Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        )
    except FileNotFoundError:
        return False


class WaitingTests(TestCase):
    """
    Tests for what is waited for.
    """

    def setUp(self) -> None:
        self.processes = Processes(self)

    @inlineCallbacks
    def test_lineAndEnd(self) -> Generator[Any, Any, None]:
        """
        A line is found on either stream, before and after it was asked for,
        and the end tells the status and both streams apart.
        """
        code = (
            "import sys; print('port 80'); print('bad', file=sys.stderr); sys.exit(3)"
        )
        child = self.processes.python(["-c", code], self.mktemp())
        match = yield child.line(r"port (\d+)$")
        self.assertEqual(match.group(1), "80")
        yield child.line("^bad$")
        ended = yield child.ended()
        self.assertEqual(
            (ended.status, ended.signal, ended.out, ended.err),
            (3, None, "port 80\n", "bad\n"),
        )
        yield child.line("port")

    @inlineCallbacks
    def test_ofWhatCameAfter(self) -> Generator[Any, Any, None]:
        """
        Lines before a given one are passed over, and input is passed on.
        """
        code = "import sys; [print('got', l, end='') for l in sys.stdin]"
        child = self.processes.python(["-c", code], self.mktemp())
        child.write(b"one\n")
        yield child.line("got")
        seen = len(child.lines)
        child.write(b"two\n")
        match = yield child.line("got (.*)", after=seen)
        self.assertEqual(match.group(1), "two")
        child.closeInput()
        self.assertEqual((yield child.ended()).status, 0)

    @inlineCallbacks
    def test_lineThatCannotCome(self) -> Generator[Any, Any, None]:
        """
        A wait for a line fails as soon as the process has ended, with all
        that it said.
        """
        child = self.processes.python(["-c", "print('other')"], self.mktemp())
        error = yield self.assertFailure(child.line("ready"), NeverCame)
        self.assertIn("status 0", str(error))
        self.assertIn("| other", str(error))

    @inlineCallbacks
    def test_deadline(self) -> Generator[Any, Any, None]:
        """
        A wait for a line fails at its deadline.
        """
        child = self.processes.start(["sleep", "600"], self.mktemp())
        error = yield self.assertFailure(child.line("ready", deadline=0.05), NeverCame)
        self.assertIn("not within 0.05 s", str(error))

    @inlineCallbacks
    def test_endBySignal(self) -> Generator[Any, Any, None]:
        """
        The end tells which signal caused it.
        """
        child = self.processes.start(["sh", "-c", "echo on; exec cat"], self.mktemp())
        yield child.line("on")
        child.signal(signal.SIGTERM)
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.signal), (None, signal.SIGTERM))
        child.signal(signal.SIGTERM)

    @inlineCallbacks
    def test_untilNever(self) -> Generator[Any, Any, None]:
        """
        A wait for a condition that does not come true fails at its deadline.
        """
        waiting = self.processes.until(lambda: False, "rain", deadline=0.05)
        error = yield self.assertFailure(waiting, NeverCame)
        self.assertIn("rain", str(error))

    @inlineCallbacks
    def test_untilFails(self) -> Generator[Any, Any, None]:
        """
        A condition that cannot be looked at ends the wait at once.
        """
        yield self.assertFailure(
            self.processes.until(lambda: os.stat("/nowhere"), "a file"),
            FileNotFoundError,
        )

    @inlineCallbacks
    def test_environment(self) -> Generator[Any, Any, None]:
        """
        A variable can be set and taken out; the checkout can be imported.
        """
        code = "import migrate, os; print(os.environ.get('HOME'), os.environ['ADDED'])"
        changes = {"HOME": None, "ADDED": "yes"}
        child = self.processes.python(["-c", code], self.mktemp(), environment=changes)
        self.assertEqual((yield child.ended()).out, "None yes\n")

    @inlineCallbacks
    def test_sameReactor(self) -> Generator[Any, Any, None]:
        """
        A twistd runs under the test's reactor, or under the one it is told.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        code = (
            "from twisted.application.service import Application\n"
            "from twisted.internet import reactor\n"
            "application = Application('any')\n"
            "reactor.callWhenRunning(print, 'under', type(reactor).__name__)\n"
        )
        (directory / "any.tac").write_text(code)
        child = self.processes.twistd(["-noy", "any.tac"], directory)
        yield child.line(f"under {type(reactor).__name__}$")
        arguments = ["--reactor", "select", "-noy", "any.tac", "--pidfile="]
        child = self.processes.twistd(arguments, directory)
        yield child.line("under SelectReactor$")

    @inlineCallbacks
    def test_terminal(self) -> Generator[Any, Any, None]:
        """
        A process can have a terminal.
        """
        code = "import sys; print(sys.stdin.isatty(), sys.stdout.isatty())"
        command = [sys.executable, "-c", code]
        child = self.processes.start(command, self.mktemp(), pty=True)
        yield child.line("True True")


class ReapingTests(TestCase):
    """
    Tests for the end of all that was started.
    """

    @inlineCallbacks
    def test_child(self) -> Generator[Any, Any, None]:
        """
        A child that ignores every polite signal is ended and reaped.
        """
        processes = Processes(self)
        child = processes.python(["-c", STAY], self.mktemp())
        yield child.line("on")
        child.signal(signal.SIGTERM)
        self.assertEqual(processes.running(), [child.pid])
        yield processes.reap()
        self.assertEqual((processes.running(), child.running), ([], False))
        self.assertRaises(ProcessLookupError, os.kill, child.pid, 0)

    @inlineCallbacks
    def test_strangerIsFound(self) -> Generator[Any, Any, None]:
        """
        A daemon that nobody has named is found, and ended.
        """
        processes, directory = Processes(self), Path(self.mktemp())
        child = processes.python(["-c", LEAVE], directory)
        self.assertEqual((yield child.ended()).status, 0)
        pidFile = directory / "left.pid"
        pid = int(
            (yield processes.until(pidFile.exists, "a file")) and pidFile.read_text()
        )
        self.assertEqual(processes.running(), [pid])
        yield processes.reap()
        self.assertFalse(isAlive(pid))

    @inlineCallbacks
    def test_daemonEnds(self) -> Generator[Any, Any, None]:
        """
        A daemon's end is seen although it is no child.
        """
        processes, directory = Processes(self), Path(self.mktemp())
        processes.python(["-c", LEAVE], directory)
        daemon = yield processes.daemon(directory / "left.pid")
        error = yield self.assertFailure(daemon.ended(deadline=0.05), NeverCame)
        self.assertIn(str(daemon.pid), str(error))
        daemon.signal(signal.SIGTERM)
        yield daemon.ended()
        self.assertFalse(isAlive(daemon.pid))
        daemon.signal(signal.SIGTERM)

    @inlineCallbacks
    def test_nothingOfOthers(self) -> Generator[Any, Any, None]:
        """
        What another test runs is not this one's.
        """
        mine, theirs = Processes(self), Processes(self)
        child = theirs.start(["sleep", "600"], self.mktemp())
        self.assertEqual((mine.running(), theirs.running()), ([], [child.pid]))
        yield mine.reap()
        self.assertTrue(child.running)


class ClientTests(TestCase):
    """
    Tests for the client, against an echo.
    """

    @inlineCallbacks
    def setUp(self) -> Generator[Any, Any, None]:
        self.processes = Processes(self)
        endpoint = serverFromString(reactor, "tcp:0:interface=127.0.0.1")
        port = yield endpoint.listen(Factory.forProtocol(Echo))
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port

    @inlineCallbacks
    def test_conversation(self) -> Generator[Any, Any, None]:
        """
        Lines come one by one, and what is waited for need be no line.
        """
        client = yield self.processes.connect(self.port)
        client.send(b"one\r\ntwo\r\nName: ")
        self.assertEqual((yield client.line()), b"one")
        self.assertEqual((yield client.line()), b"two")
        yield client.expect(rb"Name: $")
        self.assertEqual((yield client.ask(b"three")), b"three")
        yield client.disconnect()
        self.assertFalse(client.alive)

    @inlineCallbacks
    def test_nothingComes(self) -> Generator[Any, Any, None]:
        """
        A wait fails at its deadline, and when the connection ends.
        """
        client = yield self.processes.connect(self.port)
        client.send(b"half a line")
        error = yield self.assertFailure(client.line(deadline=0.05), NeverCame)
        self.assertIn("half a line", str(error))
        waiting = self.assertFailure(client.line(), NeverCame)
        yield client.disconnect()
        yield waiting


class CountingTests(TestCase):
    """
    Tests for what is counted and found.
    """

    def test_descriptors(self) -> None:
        """
        A descriptor is there while it is open.
        """
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        self.assertIn("pipe:", descriptors(os.getpid())[reading])
        os.close(reading)
        self.assertNotIn(reading, descriptors(os.getpid()))

    def test_residentBytes(self) -> None:
        """
        Memory that is written to is counted.
        """
        before = residentBytes(os.getpid())
        held = bytearray(os.urandom(1 << 20)) * 64
        self.assertGreater(residentBytes(os.getpid()) - before, len(held) // 2)

    def test_freePorts(self) -> None:
        """
        Ports that are asked for together differ.
        """
        self.assertEqual(len(set(freePorts(20))), 20)
