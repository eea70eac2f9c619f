"""
Tests for L{migrate.adapters.amp}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.task import Clock
from twisted.protocols.amp import AMP, BinaryBoxProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.amp import ExchangerAdapter
from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move, descriptors


class Own(AMP):
    """
    Keeps nothing of what its base class does.
    """

    def __init__(self) -> None:
        self.own = True


class ExchangerTests(SynchronousTestCase):
    """
    L{ExchangerAdapter}
    """

    def setUp(self) -> None:
        """
        Have a conversation with two descriptors of pipes, and one that has
        been claimed.
        """
        self.open = descriptors()
        self.amp = AMP()
        for _ in range(3):
            reading, writing = os.pipe()
            os.write(writing, b"%d" % self.amp._sendingDescriptorCounter())
            os.close(writing)
            self.amp.fileDescriptorReceived(reading)
        os.close(self.amp._getDescriptor(0))
        self.move = Move(self.amp, Clock(), Clock())

    def read(self, exchanger: Any, ordinal: int) -> bytes:
        """
        @return: what is in the pipe of an ordinal.
        """
        fileno = exchanger._getDescriptor(ordinal)
        self.addCleanup(os.close, fileno)
        return os.read(fileno, 9)

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, ExchangerAdapter("x"))

    def test_moved(self) -> None:
        """
        Each descriptor is under its ordinal, and the next ones have the next
        ordinals; the origin keeps none.
        """
        made = self.move.go()
        self.assertEqual(descriptors(), self.open + 2)
        self.assertEqual(self.amp._descriptors, {})
        self.assertEqual(self.read(made, 2), b"2")
        self.assertEqual(self.read(made, 1), b"1")
        self.assertEqual(made._descriptors, {})
        made.fileDescriptorReceived(77)
        self.assertEqual(made._descriptors, {3: 77})
        self.assertEqual(made._sendingDescriptorCounter(), 3)

    def test_rollBack(self) -> None:
        """
        What is thrown away is closed; the origin has them still.
        """
        self.move.prepare()
        self.move.rollBack()
        self.assertEqual(descriptors(), self.open + 2)
        self.assertEqual(self.read(self.amp, 1), b"1")
        self.assertEqual(self.read(self.amp, 2), b"2")

    def test_none(self) -> None:
        """
        Where none has come, all is as it was; nor need a subclass have
        prepared for any.
        """
        made = Move(BinaryBoxProtocol(AMP()), Clock(), Clock()).go()
        made.fileDescriptorReceived(5)
        self.assertEqual(made._getDescriptor(0), 5)
        self.assertTrue(Move(Own(), Clock(), Clock()).go().own)
