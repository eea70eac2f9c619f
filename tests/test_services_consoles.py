"""
Twisted's own consoles, C{twistd manhole} above all, are moved while people
type in them.
"""

from __future__ import annotations

import os
import pwd
import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks

from examples.telnet_shell.terminal import Screen, TelnetProgram
from tests.services import DEADLINE, ServiceTestCase, freePort
from tests.shells import Person

UP = b"\x1b[A"

#: The plugin C{conch} lets only those in whom the system knows.
USER = pwd.getpwuid(os.getuid()).pw_name


class ManholeTests(ServiceTestCase):
    """
    C{twistd manhole} over telnet.
    """

    @inlineCallbacks
    def manhole(self) -> Any:
        """
        Serve it.
        """
        self.port = freePort()
        (self.directory / "passwd").write_text("admin:secret\nguest:word\n")
        yield self.plugin(
            f"hole=manhole --telnetPort tcp:{self.port}:interface=127.0.0.1 "
            "--passwd passwd"
        )

    def person(self) -> Person:
        """
        Connect, with the real telnet program.
        """
        self.installed("telnet")
        keyboard = TelnetProgram(self.port, Screen(), DEADLINE)
        self.addCleanup(keyboard.close)
        return Person(keyboard)

    @inlineCallbacks
    def say(self, person: Person, *lines: str) -> Any:
        """
        Type lines; the empty one ends an indented block.

        @return: the answer to the last one.
        """
        answer: Any = None
        for line in lines:
            answer = yield person.ask(line) if line else person.enter()
        return answer

    @inlineCallbacks
    def hears(self, person: Person, question: str, *answer: str) -> Any:
        """
        The console gives that answer.
        """
        lines = yield person.ask(question)
        self.assertEqual(lines, list(answer), question)

    @inlineCallbacks
    def test_telnet(self) -> Any:
        """
        What was named and defined, what was typed, and half a line.
        """
        yield self.manhole()
        person = self.person()
        yield person.login("admin", "secret")
        yield self.say(person, "import os", "x = [1, 2]", "y = x")
        yield self.say(person, "def double(n):", "    return n * 2", "")
        yield person.type("x.append(3")
        yield self.move()
        yield person.press(b")", ">>> x.append(3)")
        yield person.enter()
        yield self.hears(person, "y", "[1, 2, 3]")
        yield self.hears(person, "os.getpid()", str(self.server.pid))
        yield self.hears(person, "double(21)", "42")
        yield self.hears(person, "double(x)[:4]", "[1, 2, 3, 1]")
        yield person.press(UP, ">>> double(x)[:4]")
        yield self.move()
        yield person.press(UP, ">>> double(21)")
        self.assertEqual((yield person.enter()), ["42"])

    @inlineCallbacks
    def test_together(self) -> Any:
        """
        Two people at a time; one of them is in the middle of a statement, and
        a third one in the middle of the password.
        """
        yield self.manhole()
        first, second, third = (self.person() for _ in range(3))
        yield first.login("admin", "secret")
        yield second.login("guest", "word")
        yield third.wait(
            "login", lambda: third.keyboard.screen.current.endswith("Username: ")
        )
        yield third.send(b"admin\r")
        yield third.wait(
            "password", lambda: third.keyboard.screen.current.endswith("Password: ")
        )
        yield self.say(first, "mine = []", "class Note:", "    def __init__(self):")
        yield self.say(second, "mine = 2")
        yield second.type("mine +")
        yield third.send(b"sec")
        yield self.move()
        yield self.say(first, "        mine.append(7)", "", "note = Note()")
        yield second.type(" 40")
        self.assertEqual((yield second.enter()), ["42"])
        yield third.send(b"ret\r")
        yield third.wait("prompt", lambda: third.keyboard.screen.current == ">>> ")
        yield self.move()
        yield self.hears(first, "note.__init__() or mine", "[7, 7]")
        yield self.hears(second, "mine", "2")
        yield self.hears(third, "'mine' in globals()", "False")

    @inlineCallbacks
    def test_deferred(self) -> Any:
        """
        What is shown at the prompt once it comes is shown in the process that
        serves by then: a result that is waited for, and one of a timer.
        """
        yield self.manhole()
        person = self.person()
        yield person.login("admin", "secret")
        yield self.say(
            person,
            "from twisted.internet import defer, reactor",
            "import os",
            "d = defer.Deferred()",
            "e = defer.Deferred()",
        )
        yield self.hears(person, "d", "<Deferred #0>")
        yield self.hears(person, "e", "<Deferred #1>")
        yield self.say(person, "def show():", "    e.callback(os.getpid())", "")
        yield self.say(person, "t = reactor.callLater(1000, show)")
        yield person.type("1 + ")
        yield self.move()
        yield self.move()
        yield person.press(b"1", ">>> 1 + 1")
        yield person.enter()
        yield self.say(person, "d.callback('done')")
        self.assertIn("Deferred #0 called back: 'done'", person.keyboard.screen.lines)
        yield self.say(person, "t.reset(0)")
        seen = f"Deferred #1 called back: {self.server.pid}"
        yield person.wait("the timer", lambda: seen in person.keyboard.screen.lines)


class SSHTests(ServiceTestCase):
    """
    Servers of SSH: C{twistd manhole} and C{twistd conch}.
    """

    def ssh(self, *options: str) -> Any:
        """
        Start C{ssh}, which is told the password by a program, and which
        insists on the host key of the first time.
        """
        self.installed("ssh", "openssh-client")
        ask = self.directory / "ask"
        ask.write_text("#!/bin/sh\necho secret\n")
        ask.chmod(0o700)
        known = self.directory / "known"
        checking = "yes" if known.exists() else "accept-new"
        return self.processes.start(
            [
                *("ssh", "-F", "none", "-p", f"{self.port}", *options),
                *("-o", f"UserKnownHostsFile={known}"),
                *("-o", f"StrictHostKeyChecking={checking}"),
                *("-o", "PreferredAuthentications=password,keyboard-interactive"),
                *("-o", "PubkeyAuthentication=no", f"{USER}@127.0.0.1"),
            ],
            self.directory,
            {"SSH_ASKPASS": f"{ask}", "SSH_ASKPASS_REQUIRE": "force"},
        )

    @inlineCallbacks
    def test_manhole(self) -> Any:
        """
        A server moves with its host key while nobody is logged in; while
        somebody is, that is refused, and the session goes on.
        """
        self.port = freePort()
        (self.directory / "passwd").write_text(f"{USER}:secret\n")
        yield self.plugin(
            f"hole=manhole --sshPort tcp:{self.port}:interface=127.0.0.1 "
            "--passwd passwd --sshKeyDir . --sshKeySize 2048"
        )
        yield self._session()
        # Nobody may look for it there.
        (self.directory / "server.key").unlink()
        yield self.move()
        yield self.move()
        child = yield self._session(leave=False)
        line = yield self.refused()
        self.assertRegex(
            line,
            r"^migrate-client: hole<server>\.protocol: an SSH connection with "
            r"127\.0\.0\.1:\d+, whose ciphers keep their state in C; have it closed, "
            r"or try again once it has ended \(it passes by itself: --wait SECONDS "
            r"waits for that\)$",
        )
        child.write(b"6 * 7\r")
        yield child.line(r"^42$")
        child.write(b"\x04")
        yield child.ended()
        yield self.move()
        yield self._session()

    @inlineCallbacks
    def test_conch(self) -> Any:
        """
        C{twistd conch} moves with keys of every kind; one who has connected and
        not said a word is in the way until he leaves.
        """
        self.port = freePort()
        (self.directory / "passwd").write_text(f"{USER}:secret\n")
        for kind in ("rsa", "ecdsa", "ed25519"):
            path = self.directory / f"ssh_host_{kind}_key"
            made = self.program(
                *("ssh-keygen", "-q", "-N", "", "-t", kind, "-f", path),
                package="openssh-client",
            )
            yield made.ended()
            shown = path.with_suffix(".pub").read_text()
            with (self.directory / "known").open("a") as known:
                known.write(f"[127.0.0.1]:{self.port} {shown}")
        yield self.plugin(
            f"ssh=conch --port tcp:{self.port}:interface=127.0.0.1 --data . "
            "--auth file:passwd"
        )
        yield self._authenticated("ed25519")
        yield self.move()
        yield self.move()
        for kind in ("rsa", "ecdsa", "ed25519"):
            yield self._authenticated(kind)
        stranger = yield self.processes.connect(self.port)
        yield stranger.expect(rb"SSH-2.0-Twisted")
        line = yield self.refused()
        self.assertIn("an SSH connection with 127.0.0.1:", line)
        said = len(self.server.lines)
        yield stranger.disconnect()
        yield self.server.line("connection lost", after=said)
        yield self.move()

    @inlineCallbacks
    def _authenticated(self, kind: str) -> Any:
        """
        Log in to a server that shows one of its host keys, and leave.
        """
        names = {"rsa": "rsa-sha2-512", "ecdsa": "ecdsa-sha2-nistp256"}
        key = names.get(kind, f"ssh-{kind}")
        child = self.ssh("-v", "-N", "-o", f"HostKeyAlgorithms={key}")
        yield child.line(r"Authenticated to 127\.0\.0\.1")
        said = len(self.server.lines)
        child.signal(signal.SIGTERM)
        yield child.ended()
        yield self.server.line("connection lost", after=said)

    @inlineCallbacks
    def _session(self, leave: bool = True) -> Any:
        """
        Log in, and say something.

        @return: the client.
        """
        child = self.ssh("-tt")
        child.write(b"'se' + 'en'\r")
        yield child.line("'seen'")
        if leave:
            child.write(b"\x04")
            yield child.ended()
        return child
