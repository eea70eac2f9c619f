"""
Tests for L{migrate.bar}, on pseudo terminals.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import sys
import termios
import threading
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface.verify import verifyObject

from examples.telnet_shell.terminal import Screen
from migrate.bar import TerminalDisplay
from migrate.progress import Amount, IDisplay, Status
from tests.processes import DEADLINE, Processes, descriptors

HALF = Status("chat", Amount(1000, 8), Amount(500, 8, 1_000_000), 2.0, 1.0)
LOADING = Status("chat", Amount(1000, 8), Amount(1000, 8), 3.0, 2.0, True)

#: Shows a bar while the shell has the terminal, and while another job has it.
BACKGROUND = """
import os, signal, sys
from migrate.bar import TerminalDisplay
from tests.test_bar import HALF
display = TerminalDisplay(2)
if sys.argv[1] == "background":
    # What changes the foreground from the background is stopped for it.
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    reading, writing = os.pipe()
    shell = os.fork()
    if shell == 0:
        os.setpgid(0, 0)
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    while os.getpgid(shell) != shell:
        pass
    os.tcsetpgrp(0, shell)
display.show(HALF)
display.clear()
if sys.argv[1] == "background":
    os.tcsetpgrp(0, os.getpgrp())
    os.close(writing)
    os.waitpid(shell, 0)
print("done")
"""


class TerminalDisplayTests(SynchronousTestCase):
    """
    L{TerminalDisplay}
    """

    def setUp(self) -> None:
        self.held = descriptors(os.getpid())
        self.master, self.slave = os.openpty()
        size = struct.pack("HHHH", 24, 100, 0, 0)
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, size)
        self.display = TerminalDisplay(self.slave)
        self.screen = Screen()

    def tearDown(self) -> None:
        self.display.clear()
        for end in (self.master, self.slave):
            if end >= 0:
                os.close(end)
        self.assertEqual(descriptors(os.getpid()), self.held)

    def sees(self, pattern: str) -> str:
        """
        Wait for what a person sees on the line of the cursor.

        @return: it.
        """
        while not re.search(pattern, self.screen.current.rstrip()):
            ready, _, _ = select.select([self.master], [], [], DEADLINE)
            self.assertTrue(ready, f"{pattern} in {self.screen.current!r}")
            self.screen.feed(os.read(self.master, 1 << 16))
        self.assertEqual(self.screen.lines, [])
        return self.screen.current.rstrip()

    def test_interface(self) -> None:
        """
        It shows what a display shows.
        """
        verifyObject(IDisplay, self.display)

    def test_shown(self) -> None:
        """
        One line tells how far it is; it is drawn again, and gone in the end.
        """
        self.display.show(HALF)
        self.sees(
            r"^chat \|.+\|  50%, 500/1000 objects, 1\.0 MB, 8/8 descriptors, ~1 s left$"
        )
        self.display.show(LOADING)
        self.sees(r"^chat \|.+\| 100%, all 1000 objects are here, and being loaded$")
        self.display.clear()
        self.sees("^$")
        self.display.show(HALF)
        self.sees(" 50%, ")

    def test_unknownSize(self) -> None:
        """
        A terminal that does not know how large it is has its bar, too.
        """
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        self.display.show(HALF)
        line = self.sees("50%, 500/1000 objects")
        self.assertLess(len(line), 80)

    def test_narrow(self) -> None:
        """
        What has no room is left out, on one line.
        """
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        self.display.show(HALF)
        line = self.sees("50%, 500/1000")
        self.assertLess(len(line), 40)

    def test_nothingElse(self) -> None:
        """
        It needs no thread, and leaves the descriptor as it is, for others to wait on.
        """
        threads = threading.active_count()
        self.display.show(HALF)
        self.assertEqual(threading.active_count(), threads)
        flags = fcntl.fcntl(self.slave, fcntl.F_GETFL)
        self.assertEqual(flags & os.O_NONBLOCK, 0)

    def test_stopped(self) -> None:
        """
        A terminal that takes nothing is not waited for.
        """
        for _ in range(5000):
            self.display.show(HALF)
        self.display.clear()

    def test_closed(self) -> None:
        """
        A terminal that is gone does no harm.
        """
        self.display.show(HALF)
        os.close(self.master)
        self.master = -1
        self.display.show(LOADING)
        self.display.clear()

    def test_none(self) -> None:
        """
        What cannot be opened fails, and nothing is kept.
        """
        display = TerminalDisplay(self.slave)
        os.close(self.slave)
        self.slave = -1
        self.assertRaises(OSError, display.show, HALF)
        display.clear()


class ForegroundTests(TestCase):
    """
    Jobs of a shell.
    """

    timeout = 120

    @inlineCallbacks
    def shown(self, where: str) -> Any:
        """
        @return: what somebody sees of a bar.
        """
        processes = Processes(self)
        command = [sys.executable, "-c", BACKGROUND, where]
        child = processes.start(command, Path(self.mktemp()), pty=True)
        ended = yield child.ended()
        self.assertEqual(ended.status, 0, ended.out)
        self.assertIn("done", ended.out)
        return ended.out

    @inlineCallbacks
    def test_foreground(self) -> Any:
        """
        The job that has the terminal may write to it.
        """
        out = yield self.shown("foreground")
        self.assertIn("500/1000 objects", out)

    @inlineCallbacks
    def test_background(self) -> Any:
        """
        One in the background keeps out of the line that somebody types.
        """
        out = yield self.shown("background")
        self.assertNotIn("objects", out)
