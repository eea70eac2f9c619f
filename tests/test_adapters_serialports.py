"""
Tests for L{migrate.adapters.serialports}.
"""

from __future__ import annotations

import os
import pty
import select
import tty

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move, descriptors
from tests.reactors import freshReactor, spin

try:
    import serial
    from twisted.internet.serialport import SerialPort

    from migrate.adapters.serialports import PortAdapter, SerialAdapter
except ImportError:
    serial = None


class Modem(Protocol):
    """
    Notes what it is told.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost = 0

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.lost += 1


class SerialTests(SynchronousTestCase):
    """
    L{SerialPort} on a terminal.
    """

    if serial is None:
        skip = "no pyserial here"

    def setUp(self) -> None:
        """
        Open it.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.there, slave = pty.openpty()
        tty.setraw(slave)
        self.addCleanup(os.close, self.there)
        self.modem = Modem()
        self.port = SerialPort(
            self.modem, os.ttyname(slave), self.origin, baudrate=19200
        )
        os.close(slave)

    def test_interface(self) -> None:
        """
        Both are live adapters.
        """
        verifyObject(ILiveAdapter, PortAdapter("x"))
        verifyObject(ILiveAdapter, SerialAdapter())

    def test_moves(self) -> None:
        """
        The line and its settings go along, and the origin's is closed.
        """
        before = descriptors()
        move = Move([self.modem], self.origin, self.recipient)
        (made,) = move.prepare()
        self.assertEqual(descriptors(), before + 5)
        os.write(self.there, b"hello")
        move.commit()
        self.assertEqual(descriptors(), before)
        spin(lambda: made.received == b"hello", self.recipient)
        made.transport.write(b"answer")
        spin(
            lambda: (
                select.select([self.there], [], [], 0)[0]
                and os.read(self.there, 100) == b"answer"
            ),
            self.recipient,
        )
        self.assertEqual(made.transport._serial.baudrate, 19200)
        self.port.write(b"stray")
        self.port.loseConnection()
        self.origin.iterate(0)
        self.assertEqual(self.modem.lost, 0)
        self.assertFalse(self.port._serial.is_open)
        made.transport.loseConnection()
        spin(lambda: made.lost, self.recipient)
        self.assertEqual(descriptors(), before - 5)
        (closed,) = Move([made.transport], self.recipient, self.origin).go()
        self.assertFalse(closed._serial.is_open)

    def test_rollBack(self) -> None:
        """
        If it does not move, it goes on.
        """
        before = descriptors()
        move = Move([self.modem], self.origin, self.recipient)
        move.prepare()
        move.rollBack()
        self.assertEqual(descriptors(), before)
        os.write(self.there, b"hello")
        spin(lambda: self.modem.received == b"hello", self.origin)
