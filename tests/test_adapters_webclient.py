"""
Tests for L{migrate.adapters.webclient}.
"""

from __future__ import annotations

import gzip
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web import client
from zope.interface.verify import verifyObject

from migrate.adapters.webclient import DecompressionAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter
from tests.inprocess import Move


class DecompressionTests(SynchronousTestCase):
    """
    L{DecompressionAdapter}
    """

    def setUp(self) -> None:
        """
        Have a response that has come by half.
        """
        self.data = gzip.compress(b"hello")
        self.taker: Any = AccumulatingProtocol()
        self.response = client._GzipProtocol(self.taker, None)
        self.response.dataReceived(self.data[:14])

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, DecompressionAdapter("x"))

    def test_underWay(self) -> None:
        """
        Half a response is refused until it is whole.
        """
        move = Move([self.response], Clock(), Clock())
        error = self.assertRaises(CannotMigrate, move.go)
        self.assertIn("service[0]: a response that is being decompressed", str(error))
        (refusal,) = error.refusals
        assert refusal.over is not None
        self.assertFalse(refusal.over())
        self.response.dataReceived(self.data[14:])
        self.assertTrue(refusal.over())

    def test_ended(self) -> None:
        """
        What has come to its end adds nothing to what was taken, and ends there.
        """
        self.response.dataReceived(self.data[14:])
        made, taker = Move([self.response, self.taker], Clock(), Clock()).go()
        made.dataReceived(gzip.compress(b"more"))
        made.connectionLost(Failure(client.ResponseDone()))
        self.assertEqual((taker.data, taker.closed), (b"hello", True))
        self.assertFalse(self.taker.closed)
