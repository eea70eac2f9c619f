"""
Tests for L{migrate.testing}, of services whose connections move one at a time.
"""

from __future__ import annotations

from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.testing import MemoryReactorClock
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import FailTest, SynchronousTestCase, TestCase
from zope.interface import implementer

from migrate.errors import (
    CannotMigrate,
    ConnectionsStay,
    ConnectionsWait,
    NotMovable,
    PeerLost,
)
from migrate.graph import PickleSerializer, TableSerializer
from migrate.independent import IndependentConnections
from migrate.interfaces import IAboutToMigrate, IMigrated
from migrate.testing import Failing, MigrationTestCaseMixin
from tests.inprocess import descriptors
from tests.processes import freePort


@implementer(IAboutToMigrate, IMigrated)
class Guest(LineReceiver):
    """
    One connection.
    """

    burden: Any = None
    rings = told = 0
    delimiter = b"\n"

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        self.factory.guests.append(self)
        self.timer = self.factory.clock.callLater(10, self.ring)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.factory.guests.remove(self)
        if self.timer.active():
            self.timer.cancel()

    def ring(self) -> None:
        """
        Time has passed.
        """
        self.sendLine(b"ring")

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.factory.said.append(line)
        self.sendLine(line)

    def aboutToMigrate(self) -> None:
        """
        See L{IAboutToMigrate.aboutToMigrate}.
        """
        self.told += 1

    def migrated(self) -> None:
        """
        See L{IMigrated.migrated}.
        """
        self.told += 10


class Inn(IndependentConnections, Factory):
    """
    All of them.
    """

    protocol = Guest
    leader: Any = None

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.guests: list[Guest] = []
        self.arrived: list[Guest] = []
        self.said: list[bytes] = []

    def connectionArrived(self, protocol: Any) -> None:
        """
        See L{IndependentConnections.connectionArrived}.
        """
        assert protocol in self.guests
        self.arrived.append(protocol)


class InnService(StreamServerEndpointService):
    """
    All of it.
    """

    def __init__(self, reactor: Any, port: int = 8007) -> None:
        endpoint = TCP4ServerEndpoint(reactor, port, interface="127.0.0.1")
        super().__init__(endpoint, Inn(reactor))


class Busy:
    """
    Cannot move yet.
    """

    def __reduce__(self) -> Any:
        """
        Refuse.
        """
        raise NotMovable("at work", over=lambda: False)


class PairTests(MigrationTestCaseMixin, SynchronousTestCase):
    """
    L{ProcessPair.migrate}, in memory
    """

    def begin(self, count: int = 3) -> None:
        """
        Serve some clients.
        """
        self.inn = self.pair.publish("inn", InnService(self.pair.origin.reactor))
        self.clients = [self.pair.origin.connect(8007) for _ in range(count)]

    def setUp(self) -> None:
        self.pair = self.processPair()

    def test_moves(self) -> None:
        """
        Everybody goes on in the middle of a line, wherever the service is, and
        has arrived by himself.
        """
        for serializer in (TableSerializer(), PickleSerializer()):
            self.pair = self.processPair(serializer=serializer)
            self.begin()
            for client in self.clients:
                client.send(b"hel")
            self.pair.migrate("inn")
            there = self.pair.migrate("inn")
            factory = there.factory
            for client in self.clients:
                client.send(b"lo\n")
                self.assertEqual(client.received(), b"hello\n")
                self.assertIs(client.protocol.factory, factory)
                self.assertEqual(client.protocol.told, 22)
            self.assertEqual(factory.said, [b"hello"] * 3)
            self.assertEqual(factory.guests, [each.protocol for each in self.clients])
            for guest in factory.guests:
                self.assertEqual(factory.arrived.count(guest), 2)

    def test_timers(self) -> None:
        """
        Every timer goes off once.
        """
        self.begin()
        self.pair.advance(9)
        self.pair.migrate("inn")
        self.assertEqual(self.pair.origin.reactor.getDelayedCalls(), [])
        self.pair.advance(1)
        for client in self.clients:
            self.assertEqual(client.received(), b"ring\n")

    def test_newcomer(self) -> None:
        """
        Who comes afterwards comes to the recipient.
        """
        self.begin()
        there = self.pair.migrate("inn")
        client = self.pair.recipient.connect(8007)
        self.assertIs(client.protocol.factory, there.factory)
        self.assertRaises(ValueError, self.pair.origin.connect, 8007)
        client.hangUp()
        self.assertEqual(len(there.factory.guests), 3)

    def test_stays(self) -> None:
        """
        That some could not be moved is an error; the others have been.
        """
        for burden, kind in (
            ((x for x in ()), ConnectionsStay),
            (Busy(), ConnectionsWait),
        ):
            self.pair = self.processPair()
            self.begin()
            stuck, *others = self.clients
            stuck.protocol.burden = burden
            self.assertRaises(kind, self.pair.migrate, "inn")
            there = self.pair.recipient.published["inn"]
            self.assertEqual(there.factory.guests, [each.protocol for each in others])
            stuck.send(b"still\n")
            self.assertEqual(stuck.received(), b"still\n")
            self.assertIs(stuck.protocol.factory, self.inn.factory)

    def test_mentioned(self) -> None:
        """
        What keeps the service from moving without them moves nothing.
        """
        self.begin()
        self.inn.factory.leader = self.clients[0].protocol
        error = self.assertRaises(CannotMigrate, self.pair.migrate, "inn")
        self.assertIn("inn.factory.leader", str(error))
        self.assertIs(self.pair.origin.published["inn"], self.inn)

    def test_failing(self) -> None:
        """
        What goes wrong does so while the shared part moves.
        """
        self.begin()
        self.assertRaises(PeerLost, self.pair.migrate, "inn", failing=Failing.DYING)
        self.pair.advance(10)
        for client in self.clients:
            self.assertEqual(client.received(), b"ring\n")


class RealTests(MigrationTestCaseMixin, TestCase):
    """
    The same on the reactor that runs.
    """

    @inlineCallbacks
    def test_moves(self) -> Any:
        """
        Real sockets move one after the other, and nothing is left open.
        """
        from twisted.internet import reactor

        running: Any = reactor
        pair = self.processPair(running)
        port = freePort()
        inn = pair.publish("inn", InnService(running, port))
        endpoint = TCP4ClientEndpoint(running, "127.0.0.1", port)
        caller: Any = yield connectProtocol(endpoint, Caller())
        yield caller.ask(b"one")
        before = descriptors()
        there = pair.migrate("inn")
        self.assertEqual(len(there.factory.arrived), 1)
        self.assertEqual(len(inn.factory.guests), 0)
        answer = yield caller.ask(b"two")
        self.assertEqual(answer, b"two")
        self.assertEqual(there.factory.said, [b"one", b"two"])
        self.assertMigratable(there, reactor=running)
        self.assertEqual(descriptors(), before)
        yield caller.leave()


class Caller(LineReceiver):
    """
    A client.
    """

    delimiter = b"\n"

    def ask(self, line: bytes) -> Any:
        """
        @return: fires with the answer.
        """
        self.answer: Deferred[bytes] = Deferred()
        self.sendLine(line)
        return self.answer

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.answer.callback(line)

    def leave(self) -> Any:
        """
        @return: fires when it has.
        """
        self.gone: Deferred[None] = Deferred()
        self.transport.loseConnection()
        return self.gone

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.gone.callback(None)


class Listing(Inn):
    """
    Knows who is there.
    """

    def connections(self) -> Any:
        """
        See L{IndependentConnections.connections}.
        """
        return list(self.guests)


class AssertMigratableTests(MigrationTestCaseMixin, SynchronousTestCase):
    """
    L{assertMigratable}
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()
        self.inn = Listing(self.clock)
        self.pair = self.processPair(self.clock)
        self.pair.publish("inn", self.inn)
        for _ in range(2):
            self.pair.origin.connect(self.inn)

    def failure(self) -> str:
        """
        @return: what is in the way.
        """
        error = self.assertRaises(
            FailTest, self.assertMigratable, self.inn, reactor=self.clock, label="inn"
        )
        return str(error)

    def test_movable(self) -> None:
        """
        It can be moved as a whole and in pieces; nothing has been moved by that.
        """
        self.assertMigratable(self.inn, reactor=self.clock)
        self.assertEqual(len(self.inn.guests), 2)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)

    def test_shared(self) -> None:
        """
        What keeps the shared part from moving without the connections is named.
        """
        self.inn.leader = self.inn.guests[0]
        self.assertIn("inn.leader", self.failure())

    def test_connection(self) -> None:
        """
        So is what keeps a connection from moving without the others.
        """
        self.inn.guests[0].burden = self.inn.guests[1]
        self.assertIn(".burden: it is another connection", self.failure())
