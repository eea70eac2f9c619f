"""
Tests for L{migrate.adapters.connections}.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate.adapters import connections
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ISeeker


class Transport:
    """
    What a reactor watches.
    """

    def __init__(self, **attributes: object) -> None:
        vars(self).update(attributes)

    @property
    def factory(self) -> object:
        raise AssertionError("computed")


@attrs.define
class Reactor:
    """
    Watches what it is told to.
    """

    readers: list[object] = attrs.field(factory=list)
    writers: list[object] = attrs.field(factory=list)

    def getReaders(self) -> list[object]:
        return self.readers

    def getWriters(self) -> list[object]:
        return self.writers


@implementer(ICapture)
@attrs.define
class Capture:
    """
    A walk that has met some objects.
    """

    reactor: Any
    met: list[object]

    def reading(self, selectable: object) -> bool:
        return selectable in self.reactor.readers

    def writing(self, selectable: object) -> bool:
        return selectable in self.reactor.writers

    def contains(self, candidate: object) -> bool:
        return any(candidate is obj for obj in self.met)


class ConnectionSeekerTests(SynchronousTestCase):
    """
    L{connections.ConnectionSeeker}.
    """

    def found(self, reactor: Any, *met: object) -> list[object]:
        """
        @return: what belongs to a graph of C{met}.
        """
        registry = Registry()
        connections.register(registry)
        [seeker] = registry.seekers
        return list(seeker.seek(Capture(reactor, list(met))))

    def test_interface(self) -> None:
        """
        It is a seeker.
        """
        self.assertTrue(verifyObject(ISeeker, connections.ConnectionSeeker()))

    def test_port(self) -> None:
        """
        What a port has accepted belongs to it, whether it reads or writes.
        """
        port = object()
        reading, writing = Transport(server=port), Transport(server=port)
        reactor = Reactor([reading, port], [writing])
        self.assertEqual(self.found(reactor, port), [reading, writing])

    def test_factory(self) -> None:
        """
        So it does once the port is closed, by its protocol's factory.
        """
        factory = ServerFactory()
        protocol = Protocol()
        protocol.factory = factory
        connection = Transport(server=object(), protocol=protocol)
        self.assertEqual(self.found(Reactor([connection]), factory), [connection])

    def test_protocol(self) -> None:
        """
        So it does by its protocol.
        """
        protocol = Protocol()
        connection = Transport(protocol=protocol)
        self.assertEqual(self.found(Reactor([connection]), protocol), [connection])

    def test_connector(self) -> None:
        """
        A client's transport belongs to its connector.
        """
        connector = object()
        client = Transport(connector=connector)
        self.assertEqual(self.found(Reactor([client]), connector), [client])

    def test_clock(self) -> None:
        """
        A reactor that watches nothing has nothing.
        """
        self.assertEqual(self.found(Clock(), object()), [])

    def test_others(self) -> None:
        """
        Nothing else is taken: other services' connections, what has no such
        attributes, what has no dictionary.
        """
        protocol = Protocol()
        protocol.factory = ServerFactory()
        others = [
            Transport(server=object(), protocol=protocol),
            Transport(server=None, protocol=None),
            Transport(),
            object(),
        ]
        self.assertEqual(self.found(Reactor(others, others), object()), [])
