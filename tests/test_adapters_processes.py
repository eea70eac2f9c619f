"""
Tests for L{migrate.adapters.processes}.
"""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.process import PTYProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.processes import ProcessAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter
from tests.inprocess import Move
from tests.reactors import freshReactor, spin


class Ending(ProcessProtocol):
    """
    Notes that a process has ended.
    """

    ended = False

    def processEnded(self, reason: Any) -> None:
        """
        See L{ProcessProtocol.processEnded}.
        """
        self.ended = True


class ProcessTests(SynchronousTestCase):
    """
    Child processes.
    """

    def test_interface(self) -> None:
        """
        It is what it has to be.
        """
        verifyObject(IAdapter, ProcessAdapter("x"))

    def test_child(self) -> None:
        """
        One that lives is in the way until it has ended; then it moves.
        """
        reactor = freshReactor(self)
        protocol = Ending()
        command = [sys.executable, "-c", "input()"]
        child = reactor.spawnProcess(protocol, command[0], command, env={})
        error = self.assertRaises(CannotMigrate, Move([child], reactor, Clock()).go)
        self.assertIn(f"another parent (its id is {child.pid})", str(error))
        self.assertTrue(error.passing)
        self.assertFalse(error.over())
        child.write(b"\n")

        def ended() -> bool:
            child.reapProcess()
            return protocol.ended

        spin(ended, reactor)
        self.assertTrue(error.over())
        (made,) = Move([child], reactor, Clock()).go()
        self.assertEqual((made.pid, made.status), (None, 0))
        self.assertEqual(made.pipes, {})

    def test_terminal(self) -> None:
        """
        One with a terminal is a child process too.
        """
        child = PTYProcess.__new__(PTYProcess)
        child.pid = 42
        error = self.assertRaises(CannotMigrate, Move([child], Clock(), Clock()).go)
        self.assertIn("a child process", str(error))
