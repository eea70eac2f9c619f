"""
Tests for L{migrate.adapters.watched}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet.protocol import ClientFactory, DatagramProtocol, Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.watched import WatchedSeeker
from migrate.interfaces import ISeeker
from tests.adapting import Capture
from tests.inprocess import Move
from tests.reactors import DEADLINE, freshReactor, spin


class WatchedTests(SynchronousTestCase):
    """
    L{WatchedSeeker}
    """

    def setUp(self) -> None:
        """
        Make two reactors.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)

    def found(self, *members: object) -> list[Any]:
        """
        @return: what belongs to a graph of C{members}.
        """
        return list(WatchedSeeker().seek(Capture(self.origin, list(members))))

    def test_interface(self) -> None:
        """
        It is a seeker.
        """
        verifyObject(ISeeker, WatchedSeeker())

    def test_ports(self) -> None:
        """
        A port belongs to its factory, a datagram port to its protocol.
        """
        factory, protocol = Factory(), DatagramProtocol()
        port = self.origin.listenTCP(0, factory, interface="127.0.0.1")
        other = self.origin.listenUDP(0, protocol, interface="127.0.0.1")
        self.assertEqual(self.found(), [])
        self.assertEqual(self.found(factory), [port])
        self.assertEqual(self.found(protocol), [other])
        self.assertEqual(self.found(protocol, other), [])

    def test_attempt(self) -> None:
        """
        An attempt to connect belongs to its factory, with no connector kept
        and no deadline set.
        """
        listener = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listener.close)
        filler = socket.create_connection(listener.getsockname(), timeout=DEADLINE)
        self.addCleanup(filler.close)
        factory = ClientFactory.forProtocol(Protocol)
        connector = self.origin.connectTCP(*listener.getsockname(), factory, None)
        transport = connector.transport
        spin(lambda: transport in self.origin.getWriters(), self.origin)
        self.assertEqual({id(each) for each in self.found(factory)}, {id(transport)})

    def test_owner(self) -> None:
        """
        A connection that a service has made belongs to it if its factory or its
        protocol refers to it, and whatever else these share with it ties
        nothing.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        service, shared = Service(), object()
        factories = [ClientFactory.forProtocol(Protocol) for _ in range(3)]
        factories[0].owner = service
        for factory in factories:
            factory.settings = shared
        connectors = [
            self.origin.connectTCP(*listener.getsockname(), factory)
            for factory in factories
        ]
        spin(lambda: all(each.state == "connected" for each in connectors), self.origin)
        connectors[1].transport.protocol.owner = service
        self.assertEqual(
            {id(each) for each in self.found(service, shared)},
            {id(each.transport) for each in connectors[:2]},
        )

    def test_move(self) -> None:
        """
        Who listens without keeping the port does so at the recipient.
        """
        factory = Factory.forProtocol(Protocol)
        where = self.origin.listenTCP(0, factory, interface="127.0.0.1").getHost()
        made = Move(factory, self.origin, self.recipient).go()
        (port,) = [r for r in self.recipient.getReaders() if hasattr(r, "backlog")]
        self.assertIs(port.factory, made)
        self.assertEqual(port.getHost(), where)
        self.assertEqual(self.origin.getReaders(), [self.origin.waker])

    def test_none(self) -> None:
        """
        What only keeps time watches nothing.
        """
        self.assertEqual(list(WatchedSeeker().seek(Capture(Clock()))), [])
