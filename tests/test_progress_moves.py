"""
How far a transfer has come, as the operator sees it: real processes, of which the
origin is stopped in the middle of what it sends, or the recipient takes long to load.
"""

from __future__ import annotations

import re
import signal
import sys
from typing import Any

from twisted.internet.defer import inlineCallbacks

from examples.telnet_shell.terminal import Screen
from tests.children import Child
from tests.hooked import GUESTS
from tests.processes import descriptors, freePort
from tests.services import ServiceTestCase

#: Seconds that a transfer may take here, however long the origin is stopped.
PATIENT = ("--deadline", "200")

#: Stops the origin once it has sent some.
STOP = "origin:during:SEND_GRAPH:SIGSTOP:3"

#: What is said in the middle, on a terminal and in a log; there are some objects
#: more than the guests.
SHORT = (
    rf"\d+/{GUESTS // 1000}\d{{3}} objects, 0\.\d/0\.\d MB, [02]/2 descriptors, "
    r"~\d+ s left"
)
LONG = SHORT.replace("/", " of ")

RUN = "from twisted.scripts.twistd import run; run()"


class ProgressTestCase(ServiceTestCase):
    """
    Has a service with one client.
    """

    @inlineCallbacks
    def begin(self, service: str, plan: str = "none") -> Any:
        """
        Serve it.

        @param plan: see L{tests.faults}.
        """
        port = freePort()
        command = ["-m", "tests.faults", plan, "-n", "migrate-server", *PATIENT]
        self.server = self.processes.python(
            [*command, "--service", f"chat=tests.hooked.{service}"],
            self.directory,
            environment={"HOOKED": f"tcp:{port}:interface=127.0.0.1"},
        )
        yield self.server.line("recipients are let in")
        self.person = yield self.processes.connect(port)

    @inlineCallbacks
    def served(self) -> Any:
        """
        @return: the id of the process that answers.
        """
        return int((yield self.person.ask(b"pid")))

    def onTerminal(self, *command: str) -> Child:
        """
        Start twistd on a terminal.
        """
        argv = [sys.executable, "-c", RUN, *command, *PATIENT]
        return self.processes.start(argv, self.directory, pty=True)

    def written(self, child: Child, pattern: str) -> Any:
        """
        Wait for something on a terminal, in a whole line or not.
        """
        return self.processes.until(
            lambda: re.search(pattern, child.written), f"{pattern} on the terminal"
        )


class TerminalTests(ProgressTestCase):
    """
    On a terminal there is a bar.
    """

    @inlineCallbacks
    def test_bar(self) -> Any:
        """
        It tells what has come, and how long the rest may take.
        """
        yield self.begin("Crowded", STOP)
        recipient = self.onTerminal("-n", "migrate-client", "--all")
        found = yield self.written(recipient, rf"\rchat +\|.*\| +(\d+)%, {SHORT}")
        self.assertTrue(0 < int(found[1]) < 100, found[0])
        self.assertNotIn("chat, after", recipient.written)
        self.server.signal(signal.SIGCONT)
        yield self.server.ended()
        self.assertEqual((yield self.served()), recipient.pid)

    @inlineCallbacks
    def test_closed(self) -> Any:
        """
        A daemon draws on the terminal that it was started from; if that is closed
        meanwhile, it takes over all the same, and holds it no longer.
        """
        yield self.begin("Crowded", STOP)
        launcher = self.onTerminal("migrate-client", "--all")
        yield self.written(launcher, SHORT)
        launcher.transport.loseConnection()
        yield launcher.ended()
        self.server.signal(signal.SIGCONT)
        yield self.server.ended()
        daemon = self.processes.watch((yield self.served()))
        yield self.processes.until(
            lambda: not any("/pts/" in at for at in descriptors(daemon.pid).values()),
            "the daemon's letting go of the terminal",
        )
        self.assertNotIn("Traceback", (self.directory / "twistd.log").read_text())

    @inlineCallbacks
    def test_loading(self) -> Any:
        """
        It goes on while all that has come is loaded.
        """
        yield self.begin("Heavy")
        recipient = self.onTerminal("-n", "migrate-client", "--all")
        yield self.written(
            recipient, r"\rchat +\|.*\| 100%, all \d+ objects are here, and being"
        )
        yield self.server.ended()
        self.assertEqual((yield self.served()), recipient.pid)

    @inlineCallbacks
    def test_lost(self) -> Any:
        """
        If nothing comes of it, the bar is gone, and the reason stands on a line of
        its own.
        """
        yield self.begin("Crowded", STOP)
        recipient = self.onTerminal("-n", "migrate-client", "--all")
        yield self.written(recipient, SHORT)
        self.server.signal(signal.SIGKILL)
        ended = yield recipient.ended()
        self.assertEqual(ended.status, 1)
        screen = Screen()
        screen.feed(ended.out.encode())
        (line,) = (each for each in screen.lines if each.startswith("migrate-client:"))
        self.assertIn("the peer ended the conversation", line)
        self.assertFalse([each for each in screen.lines if "objects" in each])

    @inlineCallbacks
    def test_short(self) -> Any:
        """
        Of a move that is soon over nothing is shown.
        """
        yield self.begin("Plain")
        recipient = self.onTerminal("-n", "migrate-client", "--all")
        yield self.server.ended()
        yield recipient.line("recipients are let in")
        self.assertNotIn("objects", recipient.written)
        self.assertNotIn("%", recipient.written)


class LogTests(ProgressTestCase):
    """
    Elsewhere there are lines in the log.
    """

    @inlineCallbacks
    def test_lines(self) -> Any:
        """
        They tell the same.
        """
        yield self.begin("Crowded", STOP)
        recipient = self.client("--all", *PATIENT)
        yield recipient.line(rf"chat, after \d+ s: {LONG}$")
        self.server.signal(signal.SIGCONT)
        yield self.server.ended()
        self.assertEqual((yield self.served()), recipient.pid)
        text = "\n".join(recipient.lines)
        self.assertNotIn("\r", text)
        self.assertNotIn("Traceback", text)

    @inlineCallbacks
    def test_rehearsal(self) -> Any:
        """
        A rehearsal is known for one.
        """
        yield self.begin("Heavy")
        client = self.client("--all", "--rehearse", *PATIENT)
        yield client.line(
            r"chat \(rehearsal\), after \d+ s: all \d+ objects are here, and being"
        )
        ended = yield client.ended()
        self.assertEqual(ended.status, 0)
        self.assertEqual((yield self.served()), self.server.pid)

    @inlineCallbacks
    def test_afterRehearsal(self) -> Any:
        """
        So they do after a rehearsal in the same conversation.
        """
        yield self.begin("Crowded", STOP)
        recipient = self.client("--all", "--max-pause", "200s", *PATIENT)
        yield recipient.line(rf"chat, after \d+ s: {LONG}$")
        self.server.signal(signal.SIGCONT)
        yield self.server.ended()
        self.assertEqual((yield self.served()), recipient.pid)

    @inlineCallbacks
    def test_pickle(self) -> Any:
        """
        And of a pickle.
        """
        yield self.begin("Crowded", STOP)
        recipient = self.client("--all", "--serializer", "pickle", *PATIENT)
        yield recipient.line(rf"chat, after \d+ s: {LONG}$")
        self.server.signal(signal.SIGCONT)
        yield self.server.ended()
        self.assertEqual((yield self.served()), recipient.pid)
