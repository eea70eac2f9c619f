"""
Tests for L{migrate.adapters.adopted}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from twisted.internet.error import AlreadyListened
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.adopted import AdoptedAdapter
from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move, descriptors
from tests.reactors import freshReactor


class AdoptedTests(SynchronousTestCase):
    """
    L{AdoptedAdapter}
    """

    def setUp(self) -> None:
        """
        Have an endpoint that was given a listening socket.
        """
        self.origin, self.recipient = freshReactor(self), freshReactor(self)
        listening = socket.create_server(("127.0.0.1", 0))
        self.where = listening.getsockname()
        self.endpoint = AdoptedStreamServerEndpoint(
            self.origin, listening.detach(), socket.AF_INET
        )
        self.move = Move(self.endpoint, self.origin, self.recipient)

    def listen(self, endpoint: Any) -> None:
        """
        Have an endpoint listen, where it was told to.
        """
        port = self.successResultOf(endpoint.listen(Factory()))
        self.addCleanup(port.stopListening)
        self.assertEqual(port.getHost().port, self.where[1])

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, AdoptedAdapter("x"))

    def test_given(self) -> None:
        """
        What was given to the origin is the recipient's alone.
        """
        before = descriptors()
        made = self.move.go()
        self.assertEqual(descriptors(), before)
        self.failureResultOf(self.endpoint.listen(Factory()), AlreadyListened)
        self.assertIs(made.reactor, self.recipient)
        self.listen(made)

    def test_rollBack(self) -> None:
        """
        What is thrown away is closed, and the origin has it still.
        """
        before = descriptors()
        self.move.prepare()
        self.move.rollBack()
        self.assertEqual(descriptors(), before)
        self.listen(self.endpoint)

    def test_used(self) -> None:
        """
        One that listens already has no descriptor of its own any more.
        """
        self.listen(self.endpoint)
        before = descriptors()
        made = self.move.go()
        self.assertEqual(descriptors(), before)
        self.failureResultOf(made.listen(Factory()), AlreadyListened)
