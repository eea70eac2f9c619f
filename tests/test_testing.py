"""
Tests for L{migrate.testing}.
"""

from __future__ import annotations

import socket
import sqlite3
import unittest
from collections.abc import Callable
from typing import Any

from twisted.application.internet import StreamServerEndpointService, TCPServer
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred, fail, inlineCallbacks
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import (
    ClientFactory,
    Factory,
    Protocol,
    connectionDone,
)
from twisted.internet.task import Clock, LoopingCall
from twisted.internet.testing import (
    MemoryReactorClock,
    StringTransport,
    StringTransportWithDisconnection,
)
from twisted.persisted.styles import Versioned
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.trial.unittest import FailTest, SynchronousTestCase, TestCase
from zope.interface import implementer

from migrate.adapters import defaultRegistry
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import (
    CannotMigrate,
    LoadError,
    Objection,
    PeerLost,
    PeerRefused,
    UnknownService,
)
from migrate.graph import PickleSerializer, TableSerializer
from migrate.interfaces import (
    IAboutToMigrate,
    IMigrated,
    IMigrationFailed,
    INamedResources,
)
from migrate.testing import (
    Failing,
    MigrationTestCaseMixin,
    ProcessPair,
    assertMigratable,
)
from tests.inprocess import descriptors


@implementer(IAboutToMigrate, IMigrated, IMigrationFailed, INamedResources)
class Hearing(Service):
    """
    A service that hears of everything.
    """

    answer: Any = None
    db: Any = None
    cache: Any = None

    def __init__(self) -> None:
        self.heard: list[str] = []

    def aboutToMigrate(self) -> Any:
        """
        See L{IAboutToMigrate.aboutToMigrate}.
        """
        self.heard.append("about")
        return self.answer

    def migrated(self) -> None:
        """
        See L{IMigrated.migrated}.
        """
        self.heard.append("migrated")

    def migrationFailed(self, reason: Exception) -> None:
        """
        See L{IMigrationFailed.migrationFailed}.
        """
        self.heard.append(f"failed: {reason}")

    def namedResources(self) -> dict[str, object]:
        """
        See L{INamedResources.namedResources}.
        """
        return {"db": self.db, "cache": self.cache}


class Chatter(LineReceiver, TimeoutMixin):
    """
    One connection of L{Chat}.
    """

    nick = b""

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        self.callLater = self.factory.clock.callLater  # type: ignore[attr-defined]
        self.setTimeout(60)

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.resetTimeout()
        if line.startswith(b"nick "):
            self.nick = line[5:]
            self.sendLine(b"welcome, " + self.nick)
        else:
            self.sendLine(self.nick + b": " + line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.setTimeout(None)


class Caller(LineReceiver):
    """
    A client.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.lines.append(line)


class ChatFactory(Factory):
    """
    Keeps none of its protocols.
    """

    protocol = Chatter

    def __init__(self, clock: Any) -> None:
        self.clock = clock


class Chat(StreamServerEndpointService):
    """
    A small service.
    """

    def __init__(self, reactor: Any) -> None:
        super().__init__(TCP4ServerEndpoint(reactor, 8007), ChatFactory(reactor))
        self.beats: list[float] = []
        self.beat = LoopingCall(self.note)
        self.beat.clock = reactor

    def note(self) -> None:
        """
        Once every ten seconds.
        """
        self.beats.append(self.beat.clock.seconds())

    def startService(self) -> None:
        """
        See L{Service.startService}.
        """
        super().startService()
        self.beat.start(10)


class Session:
    """
    The state of somebody.
    """

    def __init__(self) -> None:
        self.name = "alice"


class OldAccount(Versioned):
    """
    As a first release has it.
    """

    persistenceVersion = 1

    def __init__(self, name: str) -> None:
        self.name = name


class NewAccount(Versioned):
    """
    As the next release has it.
    """

    persistenceVersion = 2

    def upgradeToVersion2(self) -> None:
        """
        The attribute has another name.
        """
        self.nick = self.__dict__.pop("name")


class MovedAccount(Versioned):
    """
    As a release has it in which it has moved.
    """

    persistenceVersion = 2

    def upgradeToVersion1(self) -> None:
        """
        Has been done long ago.
        """
        self.__dict__.setdefault("steps", []).append(1)

    def upgradeToVersion2(self) -> None:
        """
        Has to be done.
        """
        self.__dict__.setdefault("steps", []).append(2)


class Fragile:
    """
    What L{FragileAdapter} knows.
    """


class FragileAdapter(AttributesAdapter):
    """
    Writes down what it cannot read.
    """

    def fill(self, obj: Any, state: dict[str, Any], loading: Any) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        raise LoadError("this never works")


class ExampleTests(MigrationTestCaseMixin, SynchronousTestCase):
    """
    What L{migrate.testing} shows.
    """

    def test_movable(self) -> None:
        clock = MemoryReactorClock()
        self.assertMigratable(Chat(clock), reactor=clock)

    def test_halfALine(self) -> None:
        pair = self.processPair()
        chat = pair.publish("chat", Chat(pair.origin.reactor))
        client = pair.origin.connect(chat.factory)
        client.send(b"nick al")
        pair.migrate("chat")
        client.send(b"ice\r\n")
        self.assertEqual(client.received(), b"welcome, alice\r\n")


class AssertMigratableTests(MigrationTestCaseMixin, SynchronousTestCase):
    """
    L{assertMigratable}
    """

    def setUp(self) -> None:
        self.clock = MemoryReactorClock()

    def refused(self, root: object, **options: Any) -> list[str]:
        """
        @return: the lines of the failure.
        """
        with self.assertRaises(FailTest) as raised:
            self.assertMigratable(root, reactor=self.clock, **options)
        return str(raised.exception).splitlines()

    def test_everyObject(self) -> None:
        """
        There is a line for each object, with path, reason and remedy.
        """
        root = MultiService()
        root.lock = [(n for n in ()), Session()]  # type: ignore[attr-defined]
        root.lock[1].name = (n for n in ())  # type: ignore[attr-defined]
        head, first, second = self.refused(root, label="shop")
        self.assertEqual(head, "shop cannot be moved, for 2 objects:")
        for path, line in (("lock[0]", first), ("lock[1].name", second)):
            self.assertTrue(line.startswith(f"  shop.{path}: the generator "), line)
            self.assertIn("; let it finish", line)

    def test_one(self) -> None:
        self.assertEqual(
            self.refused(n for n in ())[0], "service cannot be moved, for 1 object:"
        )

    def test_loaded(self) -> None:
        """
        What can be written down and not be read is found out as well.
        """
        registry = defaultRegistry()
        registry.register(Fragile, FragileAdapter("fragile"))
        for serializer in (TableSerializer(), PickleSerializer()):
            (line,) = self.refused(
                [Fragile()], registry=registry, serializers=[serializer]
            )
            self.assertIn(f"can be written down as a {serializer.name}, and", line)
            self.assertIn("this never works", line)

    def test_serializers(self) -> None:
        """
        Both are tried, unless told otherwise.
        """
        tried: list[str] = []

        class Noting:
            """
            Notes that it is asked.
            """

            def __init__(self, real: Any) -> None:
                self.real = real
                self.name = real.name

            def dump(self, *arguments: Any) -> Any:
                tried.append(f"dump {self.name}")
                return self.real.dump(*arguments)

            def loader(self, *arguments: Any) -> Any:
                tried.append(f"load {self.name}")
                return self.real.loader(*arguments)

        some: Any = [Noting(PickleSerializer()), Noting(TableSerializer())]
        self.assertMigratable([], reactor=self.clock, serializers=some)
        self.assertEqual(
            tried, ["dump pickle", "load pickle", "dump table", "load table"]
        )

    def test_parent(self) -> None:
        """
        What runs in an application moves without it.
        """
        application = MultiService()
        application.lock = (n for n in ())  # type: ignore[attr-defined]
        service = MultiService()
        service.setServiceParent(application)
        self.assertMigratable(service, reactor=self.clock)
        self.assertIs(service.parent, application)

    def test_resources(self) -> None:
        """
        What the recipient provides need not move.
        """
        database = (n for n in ())
        self.assertMigratable(
            [database], reactor=self.clock, resources={"db": database}
        )
        self.refused([database])

    def test_untouched(self) -> None:
        """
        The service is what it was, and so are its reactor and its descriptors.
        """
        chat = Chat(self.clock)
        chat.startService()
        protocol = chat.factory.buildProtocol(None)
        protocol.makeConnection(StringTransport())
        protocol.dataReceived(b"nick al")
        graph = [chat, protocol]
        before = repr((self.clock.getDelayedCalls(), vars(chat), vars(protocol)))
        servers = list(self.clock.tcpServers)
        for _ in range(2):
            self.assertMigratable(graph, reactor=self.clock)
        after = repr((self.clock.getDelayedCalls(), vars(chat), vars(protocol)))
        self.assertEqual(after, before)
        self.assertEqual(self.clock.tcpServers, servers)
        self.clock.advance(60)
        self.assertEqual(chat.beats, [0.0, 60.0])
        self.assertTrue(protocol.transport.disconnecting)

    def test_function(self) -> None:
        """
        No test case is needed.
        """
        assertMigratable({"a": [1]}, reactor=self.clock)
        with self.assertRaises(FailTest):
            assertMigratable([iter({})], reactor=self.clock)

    def test_unittest(self) -> None:
        """
        A case of the standard library will do.
        """

        class Case(MigrationTestCaseMixin, unittest.TestCase):
            """
            One good test, one bad one.
            """

            def test_good(self) -> None:
                self.assertMigratable([], reactor=Clock())
                self.processPair().publish("a", [])

            def test_bad(self) -> None:
                self.assertMigratable((n for n in ()), reactor=Clock())

        suite = unittest.defaultTestLoader.loadTestsFromTestCase(Case)
        result = unittest.TestResult()
        suite.run(result)
        ((case, text),) = result.failures
        self.assertEqual((result.errors, result.testsRun), ([], 2))
        self.assertIn("service cannot be moved, for 1 object:", text)
        self.assertEqual(case.id().rpartition(".")[2], "test_bad")


class InMemory(MigrationTestCaseMixin, SynchronousTestCase):
    """
    What holds of L{ProcessPair} with memory reactors, whatever the serializer.
    """

    serializer: Any

    def setUp(self) -> None:
        self.pair = self.processPair(serializer=self.serializer)
        self.chat = self.pair.publish("chat", Chat(self.pair.origin.reactor))

    def leftAt(self, reactor: Any) -> list[Any]:
        """
        @return: all that a reactor has to do.
        """
        return [
            *reactor.getDelayedCalls(),
            *reactor.tcpServers,
            *reactor.tcpClients,
            *reactor.unixServers,
            *reactor.connectors,
            *reactor.whenRunningHooks,
        ]

    def test_moved(self) -> None:
        """
        Another object of the same kind runs at the recipient, and the origin
        has nothing left.
        """
        here, there = self.pair.origin, self.pair.recipient
        self.assertTrue(self.chat.running)
        moved = self.pair.migrate("chat")
        self.assertIsNot(moved, self.chat)
        self.assertEqual(type(moved), Chat)
        self.assertEqual((self.pair.origin, self.pair.recipient), (here, there))
        self.assertIs(moved.parent, there.services)
        self.assertEqual(list(there.services), [moved])
        self.assertEqual(list(here.services), [])
        self.assertEqual((here.published, there.published), ({}, {"chat": moved}))
        self.assertEqual(self.leftAt(here.reactor), [])
        self.assertIs(moved.beat.clock, there.reactor)
        self.assertTrue(moved.running)

    def test_time(self) -> None:
        """
        Timers go on counting at the other reactor, whoever let the time pass.
        """
        self.pair.origin.reactor.advance(7)
        moved = self.pair.migrate("chat")
        self.assertEqual(moved.beats, [0.0])
        self.pair.recipient.reactor.advance(2.5)
        self.assertEqual(moved.beats, [0.0])
        self.pair.recipient.reactor.advance(0.5)
        self.assertEqual(moved.beats, [0.0, 10.0])
        self.pair.advance(10)
        self.assertEqual(moved.beats, [0.0, 10.0, 20.0])
        self.assertEqual(self.chat.beats, [0.0])
        self.assertEqual(self.pair.origin.reactor.seconds(), 20)

    def test_listening(self) -> None:
        """
        A memory reactor's note that somebody listens moves along.
        """
        factory = self.chat.factory
        self.assertEqual(self.pair.origin.reactor.tcpServers, [(8007, factory, 50, "")])
        moved = self.pair.migrate("chat")
        self.assertEqual(
            self.pair.recipient.reactor.tcpServers, [(8007, moved.factory, 50, "")]
        )
        client = self.pair.recipient.connect(8007)
        client.send(b"nick bob\r\n")
        self.assertEqual(client.received(), b"welcome, bob\r\n")
        with self.assertRaises(ValueError):
            self.pair.origin.connect(8007)

    def test_otherNotes(self) -> None:
        """
        So do its notes of clients, of UNIX ports, and of what to do at the start;
        those of others stay.
        """

        reactor = self.pair.origin.reactor
        mine, others = ClientFactory(), ClientFactory()
        mine.protocol = others.protocol = Protocol
        self.chat.client = mine
        self.chat.connector = reactor.connectTCP("127.0.0.1", 9, mine)
        reactor.connectTCP("127.0.0.1", 10, others)
        reactor.listenUNIX("there", self.chat.factory)
        reactor.callWhenRunning(self.chat.note)
        moved = self.pair.migrate("chat")
        there = self.pair.recipient.reactor
        self.assertEqual(there.tcpClients, [("127.0.0.1", 9, moved.client, 30, None)])
        self.assertEqual(there.connectors, [moved.connector])
        self.assertEqual(there.unixServers[0][:2], ("there", moved.factory))
        self.assertEqual(there.whenRunningHooks, [(moved.note, (), {})])
        self.assertEqual(reactor.tcpClients, [("127.0.0.1", 10, others, 30, None)])
        self.assertEqual(len(reactor.connectors), 1)
        self.assertEqual((reactor.unixServers, reactor.whenRunningHooks), ([], []))

    def test_sameClient(self) -> None:
        """
        Whoever is connected stays connected, through any number of moves, and
        neither end has to know of the other's.
        """
        client = self.pair.origin.connect(8007)
        stranger = self.pair.origin.connect(Factory.forProtocol(Protocol))
        unmoved = stranger.protocol
        client.send(b"nick alice\r\n")
        said = b"welcome, alice\r\n"
        for turn in range(5):
            text = b"turn %d" % turn
            client.send(text[:3])
            before = client.protocol
            self.pair.migrate("chat")
            self.assertIsNot(client.protocol, before)
            self.assertIs(client.protocol.transport, client.transport)
            client.send(text[3:] + b"\r\n")
            said += b"alice: " + text + b"\r\n"
            self.assertEqual(client.received(), said)
            self.pair.advance(59)
            self.assertFalse(client.transport.disconnecting)
        self.pair.advance(1)
        self.assertTrue(client.transport.disconnecting)
        # Somebody else's connections stay.
        self.assertIs(stranger.protocol, unmoved)

    def test_hangUp(self) -> None:
        """
        A connection that was moved can be lost.
        """
        lost: list[Any] = []

        class Losing(Protocol):
            """
            Notes its end.
            """

            def connectionLost(self, reason: Any = None) -> None:
                self.factory.lost.append(reason.value)  # type: ignore[union-attr]

        factory = Factory.forProtocol(Losing)
        factory.lost = lost  # type: ignore[attr-defined]
        self.chat.other = factory
        client = self.pair.origin.connect(factory)
        moved = self.pair.migrate("chat")
        client.hangUp()
        self.assertEqual(len(moved.other.lost), 1)
        self.assertEqual(lost, [])
        self.assertFalse(client.transport.connected)

    def test_loseConnection(self) -> None:
        """
        A transport that can lose its connection does, wherever it is.
        """
        transport = StringTransportWithDisconnection()
        client = self.pair.origin.connect(8007, transport)
        self.pair.migrate("chat")
        client.transport.loseConnection()
        self.assertEqual((client.transport.connected, transport.connected), (0, 1))
        (beat,) = self.pair.recipient.reactor.getDelayedCalls()
        self.assertEqual(beat.getTime(), 10)

    def test_ownTransport(self) -> None:
        """
        Fakes that a test made itself move like anything else.
        """
        clock, transport = Clock(), StringTransport()
        protocol = self.chat.factory.buildProtocol(None)
        protocol.makeConnection(transport)
        clock.callLater(5, protocol.sendLine, b"late")
        protocol.dataReceived(b"nick x\r\n")
        self.chat.protocols, self.chat.clock = [protocol], clock
        moved = self.pair.migrate("chat")
        (arrived,) = moved.protocols
        moved.clock.advance(5)
        self.assertEqual(arrived.transport.value(), b"welcome, x\r\nlate\r\n")
        self.assertEqual(transport.value(), b"welcome, x\r\n")

    def test_failing(self) -> None:
        """
        Whatever goes wrong, the service runs on where it was, as it was, and
        the next attempt moves it.
        """
        client = self.pair.origin.connect(8007)
        client.send(b"nick al")
        here, there = self.pair.origin, self.pair.recipient
        errors: dict[Failing, Any] = {
            Failing.REFUSING: PeerRefused,
            Failing.LOADING: PeerRefused,
            Failing.DYING: PeerLost,
        }
        self.assertEqual(set(errors), set(Failing))
        for failing, error in errors.items():
            with self.assertRaises(error):
                self.pair.migrate("chat", failing=failing)
            self.assertEqual(self.leftAt(there.reactor), [])
            self.assertEqual(list(there.services), [])
            self.assertEqual(
                (here.published, there.published), ({"chat": self.chat}, {})
            )
            self.assertIs(self.chat.parent, here.services)
            self.assertEqual(here.reactor.tcpServers[0][1], self.chat.factory)
        client.send(b"ice\r\n")
        self.assertEqual(client.received(), b"welcome, alice\r\n")
        self.pair.advance(10)
        self.assertEqual(self.chat.beats, [0.0, 10.0])
        moved = self.pair.migrate("chat")
        client.send(b"hello\r\n")
        self.pair.advance(10)
        self.assertEqual(moved.beats, [0.0, 10.0, 20.0])
        self.assertEqual(client.received(), b"welcome, alice\r\nalice: hello\r\n")

    def test_cannotMove(self) -> None:
        """
        The report begins with the name of the service.
        """
        self.chat.lock = (n for n in ())
        with self.assertRaises(CannotMigrate) as raised:
            self.pair.migrate("chat")
        (refusal,) = raised.exception.refusals
        self.assertEqual(refusal.path, "chat.lock")

    def test_published(self) -> None:
        """
        Services move one by one: none may reach another.
        """
        other = self.pair.publish("other", Chat(self.pair.origin.reactor))
        self.chat.friend = other
        with self.assertRaises(CannotMigrate) as raised:
            self.pair.migrate("chat")
        self.assertIn("published on its own, as 'other'", str(raised.exception))
        del self.chat.friend
        self.pair.migrate("chat")
        self.pair.migrate("other")
        moved = self.pair.migrate("chat")
        self.assertEqual(list(self.pair.recipient.published), ["chat"])
        self.assertEqual(list(self.pair.origin.published), ["other"])
        self.assertEqual(list(self.pair.recipient.services), [moved])

    def test_grandparent(self) -> None:
        """
        The collection of the services of a process does not move.
        """
        child = MultiService()
        child.setServiceParent(self.chat.parent)
        inner = Service()
        inner.setServiceParent(child)
        self.pair.publish("inner", inner)
        moved = self.pair.migrate("inner")
        self.assertIs(moved.parent, self.pair.recipient.services)
        self.assertEqual(list(child), [])
        inner = Service()
        inner.setServiceParent(child)
        inner.all = self.pair.origin.services  # type: ignore[attr-defined]
        self.pair.publish("next", inner)
        with self.assertRaises(CannotMigrate) as raised:
            self.pair.migrate("next")
        self.assertIn("next.all: it is the parent of other", str(raised.exception))

    def test_names(self) -> None:
        """
        A name that is taken, or means nothing, is an error.
        """
        with self.assertRaises(ValueError):
            self.pair.publish("chat", [])
        with self.assertRaises(UnknownService):
            self.pair.migrate("chess")
        taken = [Service(), Service()]
        for service, process in zip(
            taken, (self.pair.origin, self.pair.recipient), strict=True
        ):
            service.setName("taken")
            service.setServiceParent(process.services)
        self.pair.publish("one", taken[0])
        with self.assertRaises(PeerRefused) as raised:
            self.pair.migrate("one")
        self.assertIn(
            "a service named 'taken' runs here already", str(raised.exception)
        )
        self.assertIs(self.pair.origin.services.getServiceNamed("taken"), taken[0])

    def test_running(self) -> None:
        """
        What runs already is not started once more.
        """
        started: list[str] = []

        class Counting(Service):
            """
            Counts its starts.
            """

            def startService(self) -> None:
                started.append("again")
                super().startService()

        first, second = Counting(), Counting()
        first.startService()
        for name, service in (("first", first), ("second", second)):
            self.pair.publish(name, service)
            self.assertTrue(service.running)
        self.assertEqual(started, ["again", "again"])

    def test_anything(self) -> None:
        """
        What is published need be no service.
        """
        thing = self.pair.publish("thing", [1, Session()])
        moved = self.pair.migrate("thing")
        self.assertIsNot(moved[1], thing[1])
        self.assertEqual(moved[1].name, "alice")

    def test_named(self) -> None:
        """
        What the recipient provides takes the place of what a service names; the
        rest of what it names moves.
        """
        service = Hearing()
        service.db, service.cache = sqlite3.connect(":memory:"), ["warm"]
        self.addCleanup(service.db.close)
        self.pair.publish("hall", service)
        self.assertRaises(CannotMigrate, self.pair.migrate, "hall")
        there = self.pair.recipient.resources["db"] = object()
        moved = self.pair.migrate("hall")
        self.assertIs(moved.db, there)
        self.assertEqual(moved.cache, ["warm"])

    def test_hooks(self) -> None:
        """
        The application is told before and after; or that it stays.
        """
        service = Hearing()
        self.pair.publish("hall", service)
        self.assertRaises(PeerLost, self.pair.migrate, "hall", failing=Failing.DYING)
        self.assertEqual(service.heard, ["about", "failed: the recipient is gone"])
        moved = self.pair.migrate("hall")
        self.assertEqual(moved.heard[2:], ["about", "migrated"])

    def test_objection(self) -> None:
        """
        The application will not have it, or has not answered.
        """
        service = Hearing()
        self.pair.publish("hall", service)
        for answer in (fail(Objection("not now")), Deferred[None]()):
            service.answer = answer
            self.assertRaises(Objection, self.pair.migrate, "hall")
        self.assertEqual(service.heard[1], "failed: the application objects: not now")
        service.answer = None
        self.assertEqual(self.pair.migrate("hall").heard[-1], "migrated")

    def test_resources(self) -> None:
        """
        What both provide stays, and another one takes its place.
        """
        here, there = (n for n in ()), (n for n in ())
        self.pair.origin.resources["db"] = here
        self.chat.db = here
        with self.assertRaises(PeerRefused) as raised:
            self.pair.migrate("chat")
        self.assertIn("this process provides no 'db'", str(raised.exception))
        self.pair.recipient.resources["db"] = there
        self.assertIs(self.pair.migrate("chat").db, there)

    def test_upgrade(self) -> None:
        """
        The recipient runs the next release, and its upgrades do their work;
        there is no way back.
        """
        self.pair.recipient.code.redefine(OldAccount, NewAccount)
        self.chat.accounts = [OldAccount("alice"), OldAccount("bob")]
        moved = self.pair.migrate("chat")
        self.assertEqual([type(each) for each in moved.accounts], [NewAccount] * 2)
        self.assertEqual([vars(each) for each in moved.accounts], [
            {"nick": "alice"}, {"nick": "bob"},
        ])  # fmt: skip
        with self.assertRaises(PeerRefused) as raised:
            self.pair.migrate("chat")
        self.assertIn("versions never go back", str(raised.exception))
        # The old release is not touched by all that.
        self.assertEqual(OldAccount.persistenceVersion, 1)
        self.pair.recipient.code.redefine(OldAccount, NewAccount)
        again = self.pair.migrate("chat")
        self.assertEqual(vars(again.accounts[0]), {"nick": "alice"})

    def test_renamed(self) -> None:
        """
        In the next release a class has another name, to which the old one leads:
        what was brought up to date already is not brought so once more.
        """
        self.pair.recipient.code.moveTo(OldAccount, MovedAccount)
        self.chat.account = OldAccount("alice")
        moved = self.pair.migrate("chat")
        self.assertEqual(type(moved.account), MovedAccount)
        self.assertEqual(vars(moved.account), {"name": "alice", "steps": [2]})
        again = self.pair.migrate("chat")
        self.assertEqual(vars(again.account), {"name": "alice", "steps": [2]})

    def test_lacking(self) -> None:
        """
        A recipient that has not got a class refuses; it has it in its own code,
        still, once its turn is over.
        """
        self.chat.session = Session()
        code = self.pair.recipient.code
        for thing in (Session, unittest):
            code.lack(thing)
        with self.assertRaises(PeerRefused) as raised:
            self.pair.migrate("chat")
        self.assertEqual(raised.exception.error, "CannotResolve")
        self.assertIn("tests.test_testing:Session", str(raised.exception))
        self.assertIs(globals()["Session"], Session)
        client = self.pair.origin.connect(8007)
        client.send(b"nick x\r\n")
        self.assertEqual(client.received(), b"welcome, x\r\n")
        # It is there when the other one is asked.
        self.chat.module = unittest
        del self.chat.session
        with self.assertRaises(PeerRefused) as raised:
            self.pair.migrate("chat")
        self.assertIn("unittest", str(raised.exception))

    def test_nothingToReplace(self) -> None:
        """
        Only what can be imported can be replaced.
        """

        class Local:
            """
            Known to nobody else.
            """

        code = self.pair.recipient.code
        for wrong in (Local, Local(), 5, lambda: 1):
            with self.assertRaises(ValueError):
                code.lack(wrong)
            with self.assertRaises(ValueError):
                code.redefine(wrong, NewAccount)


class TableTests(InMemory):
    """
    As tables.
    """

    serializer = TableSerializer()


class PickleTests(InMemory):
    """
    As pickles.
    """

    serializer = PickleSerializer()


# Not a test case by itself.
del InMemory


class PairTests(SynchronousTestCase):
    """
    How a pair is made.
    """

    def test_clock(self) -> None:
        """
        A clock will do for a reactor.
        """
        pair = ProcessPair.on(Clock())
        self.assertEqual(type(pair.recipient.reactor), Clock)
        thing = pair.publish("thing", [])
        thing.append(pair.origin.reactor.callLater(3, thing.append, "late"))
        pair.advance(1)
        moved = pair.migrate("thing")
        pair.advance(2)
        self.assertEqual((moved[1:], thing[1:]), (["late"], []))

    def test_registry(self) -> None:
        """
        Both get the adapters that are given, each in a registry of its own.
        """
        registry = defaultRegistry()
        registry.register(Fragile, FragileAdapter("fragile"))
        pair = ProcessPair.on(registry=registry)
        pair.publish("thing", Fragile())
        with self.assertRaises(PeerRefused):
            pair.migrate("thing")
        self.assertIsNot(pair.origin.registry, pair.recipient.registry)

    def test_stop(self) -> None:
        """
        All that is published is stopped, wherever it is.
        """
        pair = ProcessPair.on()
        first = pair.publish("first", Service())
        pair.publish("second", Service())
        second = pair.migrate("second")
        self.successResultOf(pair.stop())
        self.assertEqual((first.running, second.running), (0, 0))


class RealTests(MigrationTestCaseMixin, TestCase):
    """
    With the reactor that runs the tests, and real sockets.
    """

    timeout = 60.0

    def setUp(self) -> None:
        from twisted.internet import reactor

        self.reactor: Any = reactor

    def patiently(self, condition: Callable[[], object]) -> Deferred[Any]:
        """
        @return: fires when a condition holds.
        """
        poll = LoopingCall(lambda: condition() and poll.stop())
        return poll.start(0.01)

    @inlineCallbacks
    def test_connected(self) -> Any:
        """
        A client stays connected to a service through several moves, with the
        port, the timers and half a line.
        """
        pair = self.processPair(self.reactor)
        self.assertIs(pair.recipient.reactor, self.reactor)
        factory = ChatFactory(self.reactor)
        service = TCPServer(0, factory, interface="127.0.0.1")
        pair.publish("chat", service)
        counts = []
        address = service._port.getHost()
        caller = yield self.call(address)
        caller.transport.write(b"nick ali")
        for ends, line in (
            (b"ce\r\nhel", b"welcome, alice"),
            (b"lo\r\nbye", b"alice: hello"),
            (b"\r\n", b"alice: bye"),
        ):
            self.assertMigratable(service)
            service = pair.migrate("chat")
            caller.transport.write(ends)
            yield self.patiently(lambda: caller.lines)
            self.assertEqual(caller.lines, [line])
            caller.lines.clear()
            counts.append(descriptors())
        self.assertEqual(counts, counts[:1] * 3)
        self.assertEqual(service._port.getHost(), address)
        late = yield self.call(address)
        late.transport.write(b"nick bob\r\n")
        yield self.patiently(lambda: late.lines)
        self.assertEqual(late.lines, [b"welcome, bob"])
        for each in (caller, late):
            each.transport.loseConnection()
        yield self.patiently(lambda: descriptors() == counts[0] - 2)

    @inlineCallbacks
    def call(self, address: Any) -> Any:
        """
        @return: fires with a connected client.
        """
        endpoint = TCP4ClientEndpoint(self.reactor, address.host, address.port)
        return (yield connectProtocol(endpoint, Caller()))

    @inlineCallbacks
    def test_failing(self) -> Any:
        """
        A service with real sockets runs on after whatever has gone wrong, and no
        descriptor is left over.
        """
        pair = self.processPair(self.reactor)
        service = TCPServer(0, ChatFactory(self.reactor), interface="127.0.0.1")
        pair.publish("chat", service)
        watched = len(self.reactor.getReaders())
        with socket.create_connection(("127.0.0.1", service._port.getHost().port)) as s:
            s.setblocking(False)
            s.send(b"nick al")
            yield self.patiently(lambda: len(self.reactor.getReaders()) > watched)
            before = descriptors()
            for failing in Failing:
                with self.assertRaises((PeerRefused, PeerLost)):
                    pair.migrate("chat", failing=failing)
                self.assertEqual(descriptors(), before)
            self.assertMigratable(service)
            self.assertEqual(descriptors(), before)
            s.send(b"ice\r\n")
            found: list[bytes] = []

            def answered() -> bool:
                try:
                    found.append(s.recv(100))
                except BlockingIOError:
                    return False
                return True

            yield self.patiently(answered)
            self.assertEqual(found, [b"welcome, alice\r\n"])
        yield self.patiently(lambda: descriptors() == before - 2)
