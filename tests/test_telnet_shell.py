"""
Tests for the example that this project is shown with: a shell over telnet that
is moved while people type in it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from examples.telnet_shell.terminal import Silence, TelnetSocket
from tests.children import Child
from tests.processes import CHECKOUT, Processes
from tests.pythons import interpreters
from tests.shells import PATIENCE, ShellTestCase

UP = b"\x1b[A"


def shortened(version: str) -> str:
    """
    @return: the first two numbers of a version.
    """
    return ".".join(version.split(".")[:2])


class MovingTests(ShellTestCase):
    """
    A session goes on in another process.
    """

    @inlineCallbacks
    def test_pythons(self) -> Any:
        """
        A session goes through every Python there is and back to the first,
        and is each time in the new process, the old one being gone.
        """
        pythons = [(each.version, str(each.path)) for each in interpreters()]
        yield self.serve(interpreter=pythons[0][1])
        person = yield self.loggedIn()
        yield self.say(person, "import os, sys", "seen = []")
        yield self.say(person, "def note():", " seen.append(os.getpid())", "")
        for version, path in [*pythons[1:], pythons[0]]:
            old = self.server.pid
            yield self.say(person, "note()")
            yield self.move(path)
            yield self.hears(person, "os.getpid()", str(self.server.pid))
            yield self.hears(person, "seen[-1]", str(old))
            yield self.hears(
                person, "'%d.%d' % sys.version_info[:2]", repr(shortened(version))
            )
            lines = yield person.ask(f"os.kill({old}, 0)")
            self.assertEqual(lines[-1], "ProcessLookupError: [Errno 3] No such process")
        yield self.hears(person, "len(seen)", str(len(pythons)))

    @inlineCallbacks
    def test_line(self) -> Any:
        """
        A half-typed line stays on the screen, with the cursor where it was.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield person.type("[1, 3]")
        yield person.send(b"\x1b[D\x1b[D\x1b[D")
        yield self.move()
        yield person.press(b"2", ">>> [1,2 3]")
        yield person.press(b",", ">>> [1,2, 3]")
        self.assertEqual((yield person.enter()), ["[1, 2, 3]"])

    @inlineCallbacks
    def test_block(self) -> Any:
        """
        A statement that is not at its end goes on, and has its source whole.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "import inspect", "def f():", "    x = 1")
        yield self.move()
        yield self.say(person, "    return x", "")
        yield self.hears(person, "f()", "1")
        yield self.hears(
            person,
            "inspect.getsource(f)",
            repr("def f():\n    x = 1\n    return x\n"),
        )

    @inlineCallbacks
    def test_history(self) -> Any:
        """
        The lines that were typed come back with the arrow, and the place in
        them is not lost.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "1 + 1", "2 + 2", "3 + 3")
        yield person.press(UP, ">>> 3 + 3")
        yield self.move()
        yield person.press(UP, ">>> 2 + 2")
        yield person.press(UP, ">>> 1 + 1")
        self.assertEqual((yield person.enter()), ["2"])

    @inlineCallbacks
    def test_everybody(self) -> Any:
        """
        All sessions move, each with its own names; so does the listener, and
        one who has not logged in yet.
        """
        yield self.serve()
        first = yield self.loggedIn()
        second = yield self.loggedIn(TelnetSocket)
        third = self.person(TelnetSocket)
        yield self.say(first, "x = 1")
        yield self.say(second, "x = 2")
        yield third.wait("name", lambda: "Username" in third.keyboard.screen.current)
        yield third.send(b"admin\r")
        yield third.wait("word", lambda: "Password" in third.keyboard.screen.current)
        yield self.move()
        yield self.hears(first, "x", "1")
        yield self.hears(second, "x", "2")
        yield third.send(b"admin\r")
        yield third.wait("prompt", lambda: third.keyboard.screen.current == ">>> ")
        fourth = yield self.loggedIn()
        yield self.hears(fourth, "'x' in globals()", "False")

    @inlineCallbacks
    def test_unansweredNegotiation(self) -> Any:
        """
        A client that has not answered what the server proposed moves too, and
        its answer finds who is waiting for it.
        """
        yield self.serve()
        client = yield self.processes.connect(self.port)
        yield client.expect(rb"Username: ")
        client.send(b"admin\r\n\xff\xfd\x01")
        yield client.expect(rb"Password: ")
        client.send(b"admin\r\n\xff\xfe\x01")
        yield client.expect(rb">>> ")
        yield self.move()
        client.send(b"\xff\xfc\x22\xff\xfc\x1f\xff\xfc\x03\xff\xfd\x016 * 7\r\n")
        yield client.expect(rb"\n42\r")

    @inlineCallbacks
    def test_farewell(self) -> Any:
        """
        A session that has moved can be left, which ends its connection.
        """
        yield self.serve()
        person = yield self.loggedIn(TelnetSocket)
        yield self.move()
        yield person.send(b"\x04")
        failure = yield self.assertFailure(
            person.wait("anything more", lambda: False), Silence
        )
        self.assertIn("the session ended", str(failure))


class RefusalTests(ShellTestCase):
    """
    What cannot move is named, and nothing happens to the session.
    """

    @inlineCallbacks
    def refused(self) -> Any:
        """
        @return: what the recipient said on its standard error.
        """
        client = self.twistd(["migrate-client", "--service", "shell"], sys.executable)
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out)
        self.assertTrue(self.server.running)
        return ended.err

    @inlineCallbacks
    def test_generator(self) -> Any:
        """
        A name that is bound to a running generator; once it is deleted, the
        session moves.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "x = 1", "g = (n for n in range(9))", "next(g)")
        yield person.type("x + ")
        error = yield self.refused()
        self.assertEqual(len(error.splitlines()), 1, error)
        self.assertRegex(error, r"shell\S*\['g'\]")
        self.assertIn("generator", error)
        yield person.type("1")
        self.assertEqual((yield person.enter()), ["2"])
        yield self.hears(person, "next(g)", "1")
        yield self.say(person, "del g")
        yield self.move()
        yield self.hears(person, "x", "1")

    @inlineCallbacks
    def test_several(self) -> Any:
        """
        Every such name is in the one report.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "import threading", "first = threading.Lock()")
        yield self.say(person, "first.acquire()", "second = (n for n in 'ab')")
        error = yield self.refused()
        self.assertIn("['first']", error)
        self.assertIn("['second']", error)
        yield self.hears(person, "1 + 1", "2")


class GenericTests(ShellTestCase):
    """
    Neither side has to know the shell.
    """

    @inlineCallbacks
    def test_recipient(self) -> Any:
        """
        The recipient imports no telnet and no shell of its own accord.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "import sys")
        yield self.move()
        yield self.hears(person, "'twisted.conch.telnet' in sys.modules", "True")
        probe = self.processes.python(
            [
                "-c",
                "import sys\n"
                "from migrate import tapclient\n"
                "options = tapclient.Options()\n"
                "options.parseOptions(['--service', 'shell'])\n"
                "tapclient.makeService(options)\n"
                "print([m for m in sys.modules if 'conch' in m or 'telnet' in m])\n",
            ],
            self.directory,
        )
        ended = yield probe.ended(PATIENCE)
        self.assertEqual((ended.status, ended.out), (0, "[]\n"), ended.err)

    @inlineCallbacks
    def test_stockManhole(self) -> Any:
        """
        Twisted's own C{twistd manhole} moves as it is, with what was defined
        in it.
        """
        passwords = self.directory / "passwords"
        passwords.write_text("admin:admin\n")
        yield self.serve(
            "--plugin",
            "shell=manhole --telnetPort tcp:0:interface=127.0.0.1 "
            f"--passwd {passwords.resolve()}",
            factory="Server",
        )
        person = yield self.loggedIn()
        yield self.say(person, "def f():", "  return 42", "", "class C: n = f()", "")
        for _ in range(2):
            yield self.move()
            yield self.hears(person, "C.n + f()", "84")
        yield self.say(person, "def g():", "  return f() + 1", "")
        yield self.move()
        yield self.hears(person, "g()", "43")
        newcomer = yield self.loggedIn()
        yield self.say(newcomer, "def h():", "  return 7", "")
        yield self.move()
        yield self.hears(newcomer, "h()", "7")


class DemoTests(TestCase):
    """
    The demonstration, as C{make demo} runs it.
    """

    timeout = 240.0

    def setUp(self) -> None:
        self.processes = Processes(self)

    def demo(self, *arguments: str) -> Child:
        """
        Start it.
        """
        program = CHECKOUT / "examples" / "telnet_shell" / "demo.py"
        return self.processes.python([program, *arguments], self.mktemp())

    @inlineCallbacks
    def test_holds(self) -> Any:
        """
        It shows both processes and the pause, ends with status 0, and leaves
        nothing running.
        """
        pythons = [str(each.path) for each in interpreters()]
        child = self.demo("--python", pythons[0], "--other-python", pythons[-1])
        ended = yield child.ended(120.0)
        self.assertEqual(ended.status, 0, ended.out + ended.err)
        self.assertRegex(ended.out, r"The client saw a pause of [\d.]+ ms")
        self.assertRegex(ended.out, r"Moved from process \d+, Python 3\.\d+\.\d+")
        self.assertEqual(self.processes.running(), [])

    @inlineCallbacks
    def test_fails(self) -> Any:
        """
        If the other Python cannot take over, it says so, ends with status 1,
        and leaves nothing running.
        """
        other = Path(self.mktemp())
        # It says its version, and can do nothing else.
        other.write_text(
            "#!/bin/sh\n"
            f'case "$2" in *print*) exec {sys.executable} "$@";; esac\n'
            "exit 3\n"
        )
        other.chmod(0o755)
        child = self.demo("--other-python", str(other.resolve()))
        ended = yield child.ended(120.0)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertIn("demo failed: the new process", ended.err)
        self.assertEqual(self.processes.running(), [])
