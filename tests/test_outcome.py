"""
Tests for L{migrate.outcome}.
"""

from __future__ import annotations

import os

from twisted.python.logfile import LogFile
from twisted.trial.unittest import SynchronousTestCase

from migrate.outcome import Outcome, appendToLog


class OutcomeTests(SynchronousTestCase):
    """
    L{Outcome}
    """

    def setUp(self) -> None:
        self.options: dict[str, int | None] = {}
        self.outcome = Outcome(self.options)

    def pipes(self) -> list[int]:
        """
        Put pipes in the place of standard output, standard error and what twistd
        has for the status.

        @return: the ends to read from.
        """
        ends = []
        for number in (self.outcome._stdout, self.outcome._stderr):
            end, written = os.pipe()
            os.dup2(written, number, inheritable=False)
            os.close(written)
            ends.append(end)
        end, self.options["statusPipe"] = os.pipe()
        self.outcome.postpone()
        return [*ends, end]

    def test_told(self) -> None:
        """
        The report, the reason and the status each get where they belong.
        """
        ends = self.pipes()
        self.outcome.say(["a", "b"])
        self.outcome.fail("it is\n  not so")
        told = [os.read(end, 100) for end in ends]
        for end in ends:
            self.assertEqual(os.read(end, 1), b"")
            os.close(end)
        self.assertEqual(told, [b"a\nb\n", b"it is not so\n", b"1 see above"])

    def test_nobodyReads(self) -> None:
        """
        That nobody is left to be told does no harm, and nothing is left open.
        """
        for end in self.pipes():
            os.close(end)
        held = [self.outcome._stdout, self.outcome._stderr, self.outcome._pipe]
        self.outcome.say(["a"])
        self.outcome.warn("it waits")
        self.outcome.succeed()
        for number in held:
            assert number is not None
            self.assertRaises(OSError, os.fstat, number)


class LogTests(SynchronousTestCase):
    """
    L{appendToLog}
    """

    def test_together(self) -> None:
        """
        Two who log to one file do not write over each other's lines.
        """
        name = os.path.abspath(self.mktemp())
        options = {"logfile": name, "nodaemon": False}
        first = LogFile.fromFullPath(name)
        self.addCleanup(first.close)
        appendToLog(options)
        first.write("one\n")
        second = LogFile.fromFullPath(name)
        self.addCleanup(second.close)
        appendToLog(options)
        second.write("two\n")
        first.write("three\n")
        second.write("four\n")
        with open(name) as file:
            self.assertEqual(file.read(), "one\ntwo\nthree\nfour\n")

    def test_elsewhere(self) -> None:
        """
        Nothing is done where there is no such file: outside of twistd, or if it logs
        to a terminal.
        """
        appendToLog(None)
        for name in ("-", None, os.path.abspath(self.mktemp())):
            appendToLog({"logfile": name, "nodaemon": True})
