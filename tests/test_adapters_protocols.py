"""
Tests for L{migrate.adapters.protocols}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.basic import LineReceiver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.protocols import ReceiverAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter
from tests.inprocess import Move


class Shell(LineReceiver):
    """
    Tries to move itself when it is told to.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.error: Any = None

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.lines.append(line)
        if line == b"move":
            try:
                Move(self, Clock(), Clock()).go()
            except CannotMigrate as error:
                self.error = error


class ReceiverTests(SynchronousTestCase):
    """
    L{ReceiverAdapter}
    """

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, ReceiverAdapter("x"))

    def test_receiving(self) -> None:
        """
        A protocol that is on the stack is refused.
        """
        shell = Shell()
        shell.transport = StringTransport()
        shell.dataReceived(b"move\r\n")
        self.assertIn("receiving data at this moment", str(shell.error))

    def test_buffer(self) -> None:
        """
        Half a line is completed afterwards; raw mode is kept.
        """
        shell = Shell()
        shell.transport = StringTransport()
        shell.dataReceived(b"one\r\ntw")
        made = Move(shell, Clock(), Clock()).go()
        made.dataReceived(b"o\r\n")
        self.assertEqual((made.lines, shell.lines), ([b"one", b"two"], [b"one"]))
        made.setRawMode()
        self.assertEqual(Move(made, Clock(), Clock()).go().line_mode, 0)
