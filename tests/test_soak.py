"""
A short form of C{make soak}, and that a long one would tell what is wrong.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.processes import Processes

PATIENCE = 120.0

#: How long it moves the chat to and fro, in seconds, and how many talk.
SECONDS = 5
PEOPLE = 40


class SoakTests(TestCase):
    """
    The command.
    """

    timeout = 300

    def setUp(self) -> None:
        """
        A directory to run in.
        """
        self.processes = Processes(self)
        self.directory = Path(self.mktemp())

    def soak(self, seconds: int) -> Any:
        """
        @return: the command, running.
        """
        arguments = ["-m", "tests.soak", str(seconds), "--people", str(PEOPLE)]
        place = ["--directory", str(self.directory.absolute())]
        return self.processes.python([*arguments, *place], self.directory)

    def figures(self, out: str) -> dict[str, float]:
        """
        @return: what it says, by name.
        """
        found = {}
        for line in out.splitlines():
            name, _, value = line.partition("  ")
            found[name] = float(value.split()[0])
        return found

    @inlineCallbacks
    def test_short(self) -> Any:
        """
        Nothing is wrong, and a lot was looked at.
        """
        ended = yield self.soak(SECONDS).ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)
        figures = self.figures(ended.out)
        self.assertEqual(figures["violations"], 0)
        self.assertGreaterEqual(figures["migrations"], 2)
        self.assertGreater(figures["connections"], PEOPLE)
        self.assertGreater(figures["bytes checked"], 100_000)
        self.assertLessEqual(figures["descriptor drift"], 2)

    @inlineCallbacks
    def test_violation(self) -> Any:
        """
        A service that is lost makes it end with status 1, and is told of.
        """
        soak = self.soak(60)
        pidFile = self.directory / "twistd.pid"
        yield self.processes.until(pidFile.exists, "a process that serves", PATIENCE)
        yield self.processes.until(pidFile.read_text, "its id", PATIENCE)
        first = pidFile.read_text()
        yield self.processes.until(
            lambda: pidFile.exists() and pidFile.read_text() != first,
            "the next process",
            PATIENCE,
        )
        os.kill(int(pidFile.read_text()), signal.SIGKILL)
        ended = yield soak.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertRegex(ended.out, "violations +1\n.+")
