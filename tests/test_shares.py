"""
Tests for L{migrate.shares}.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.apart import apart
from migrate.errors import CannotMigrate, MalformedTable
from migrate.filenos import isAlive, makeLiveness
from migrate.graph import Environment, PickleSerializer, TableSerializer
from migrate.graph.parts import partsOf, without
from migrate.independent import IndependentConnections, transportOf
from migrate.interfaces import ISerializer
from migrate.shares import (
    Connection,
    ConnectionAdapter,
    Share,
    ShareAdapter,
    ShareSeeker,
    say,
    sharedNames,
)


class Shared:
    """
    What connections have in common.
    """

    def __init__(self) -> None:
        self.people: list[Any] = []
        self.names: dict[str, Any] = {}
        self.clock = Clock()

    def tick(self) -> None:
        """
        Called by a timer.
        """


class Pair(Protocol):
    """
    A protocol that knows the shared part.
    """

    shared: Any = None


class Provider(IndependentConnections, ServerFactory):
    """
    Notes who arrives.
    """

    failing = False

    def __init__(self) -> None:
        self.arrived: list[object] = []

    def connectionArrived(self, protocol: object) -> None:
        """
        See L{IndependentConnections.connectionArrived}.
        """
        self.arrived.append(protocol)
        if self.failing:
            raise RuntimeError("there is no room")


class ShareTests(SynchronousTestCase):
    """
    L{Share}, from one process to the other.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.shared, self.one = Shared(), Pair()
        self.shared.people = [self.one, 7]
        self.shared.names = {"one": self.one}
        self.clock.callLater(5, self.shared.tick)
        self.held, self.watched = makeLiveness()
        self.addCleanup(os.close, self.watched)
        self.taken: list[Share] = []

    def dump(self, serializer: ISerializer) -> tuple[Any, ShareSeeker]:
        """
        @return: the shared part, written down; and what found what is shared.
        """
        later = {id(self.one): self.one}
        known = Environment(apart(defaultRegistry(), later, strict=True), self.clock)
        parts = partsOf(self.shared, "root", known, later)
        seeker = ShareSeeker("a key", self.held, parts)
        registry = apart(defaultRegistry(), later, strict=True)
        registry.register(Share, ShareAdapter())
        registry.addSeeker(seeker)
        here = attrs.evolve(known, registry=registry)
        here = without(here, [self.one])
        return serializer.dump(self.shared, "root", here), seeker

    def load(self, serializer: ISerializer, dump: Any) -> tuple[Any, Any]:
        """
        @return: the loader and the root.
        """
        registry = defaultRegistry()
        registry.register(Share, ShareAdapter(self.taken.append))
        loader = serializer.loader(Environment(registry, Clock()))
        for chunk in dump.chunks:
            loader.feed(chunk)
        return loader, loader.finish([os.dup(fileno) for fileno in dump.filenos])

    def test_names(self) -> None:
        """
        Both sides have the same objects by the same names, timers that nothing
        refers to among them, and the containers without the connections.
        """
        for serializer in (TableSerializer(), PickleSerializer()):
            dump, seeker = self.dump(serializer)
            loader, root = self.load(serializer, dump)
            loader.adopt()
            (share,) = self.taken
            (told,) = seeker.shares(dump.capture)
            self.assertEqual((share.key, share.first), ("a key", 0))
            here, there = sharedNames(told.objects), sharedNames(share.objects)
            self.assertEqual(list(here), list(there))
            types = [
                (type(here[name]).__name__, type(there[name]).__name__) for name in here
            ]
            self.assertEqual([a for a, _ in types], [b for _, b in types])
            self.assertIn("DelayedCall", [a for a, _ in types])
            at = [id(each) for each in told.objects].index(id(self.shared))
            self.assertIs(share.objects[at], root)
            self.assertEqual((root.people, root.names), ([7], {}))
            say(share.life, b"x")
            self.taken.clear()

    def test_untouched(self) -> None:
        """
        The origin's containers are as they were.
        """
        self.dump(TableSerializer())
        self.assertEqual(self.shared.people, [self.one, 7])

    def test_beforeAdoption(self) -> None:
        """
        Nobody is told of a share that is thrown away.
        """
        loader, root = self.load(TableSerializer(), self.dump(TableSerializer())[0])
        self.assertEqual((root.people, root.names), ([7], {}))
        loader.discard()
        self.assertEqual(self.taken, [])

    def test_life(self) -> None:
        """
        As long as the recipient holds the life, the origin sees it; it hears the last
        word, and sees when there is none.
        """
        for end in (b"S", b""):
            loader, _ = self.load(TableSerializer(), self.dump(TableSerializer())[0])
            loader.adopt()
            self.assertTrue(isAlive(self.watched))
            (share,) = self.taken
            if end:
                say(share.life, end)
                self.assertEqual(os.read(self.watched, 1), end)
            else:
                os.close(self.held)
                self.held = -1
                os.close(share.life)
                self.assertEqual(os.read(self.watched, 1), b"")
            self.taken.clear()

    def test_saidToNobody(self) -> None:
        """
        The last word need not be heard.
        """
        held, watched = makeLiveness()
        os.close(watched)
        say(held, b"S")
        self.assertRaises(OSError, os.close, held)

    def test_problem(self) -> None:
        """
        What cannot be left out refuses the whole, by its path.
        """
        self.shared.leader = self.one  # type: ignore[attr-defined]
        error = self.assertRaises(CannotMigrate, self.dump, TableSerializer())
        self.assertIn("root.leader", str(error))
        self.assertIn("keep connections in lists", str(error))

    def test_files(self) -> None:
        """
        Files that are written to at the end are appended to by both processes, for as
        long as there are two.
        """
        where = Path(self.mktemp())
        where.write_bytes(b"one\n")
        with open(where, "rb+", 0) as file:
            file.seek(0, os.SEEK_END)
            self.shared.log = file  # type: ignore[attr-defined]
            dump, seeker = self.dump(TableSerializer())
            loader, root = self.load(TableSerializer(), dump)
            loader.adopt()
            (here,), (there,) = seeker.shares(dump.capture), self.taken
            here.append()
            for each in (file, root.log, file, root.log):
                each.write(b"line\n")
            self.assertEqual(where.read_bytes(), b"one\n" + b"line\n" * 4)
            there.appendNoMore()
            root.log.write(b"last\n")
            root.log.seek(0)
            root.log.write(b"two")
            self.assertEqual(where.read_bytes()[:10], b"two\nline\nl")
            self.assertEqual(where.read_bytes()[-10:], b"line\nlast\n")
            root.log.close()
            there.appendNoMore()
            say(there.life, b"")

    def test_writtenAnywhere(self) -> None:
        """
        A file that is written to amid what is in it is in the way.
        """
        where = Path(self.mktemp())
        where.write_bytes(b"one\n")
        with open(where, "rb+", 0) as file:
            self.shared.log = file  # type: ignore[attr-defined]
            error = self.assertRaises(CannotMigrate, self.dump, TableSerializer())
            self.assertIn(f"the file {str(where)!r} is written to amid", str(error))

    def test_malformed(self) -> None:
        """
        What is no container, or no file, is not taken for one.
        """
        Share("key", -1, 0, [], [[], {}], []).check()
        for holders, files in (([self], []), ([], [self]), ([()], [])):
            share = Share("key", -1, 0, [], holders, files)
            self.assertRaises(MalformedTable, share.check)

    def test_foundLater(self) -> None:
        """
        What only the last seekers find is shared too.
        """
        found = Shared()

        class Late:
            def seek(self, capture: Any) -> Any:
                yield found

        registry = defaultRegistry()
        registry.register(Share, ShareAdapter())
        known = Environment(registry, self.clock)
        parts = partsOf([self.shared, found], "root", known, {})
        registry.addSeeker(seeker := ShareSeeker("a key", -1, parts))
        registry.addSeeker(Late())
        self.shared.people.clear()
        self.shared.names.clear()
        dump = TableSerializer().dump([self.shared], "root", known)
        first, second = seeker.shares(dump.capture)
        self.assertEqual(second.first, len(first.objects))
        self.assertIn(found, second.objects)
        loader, _ = self.load(TableSerializer(), dump)
        loader.adopt()
        counts = [(share.first, len(share.objects)) for share in self.taken]
        told = [(share.first, len(share.objects)) for share in (first, second)]
        self.assertEqual(sorted(counts), told)

    def test_made(self) -> None:
        """
        What an adapter or a seeker makes for one walk only is not shared.
        """

        class Making:
            def __init__(self) -> None:
                self.made: dict[int, Shared] = {}

            def seek(self, capture: Any) -> Any:
                yield self.made.setdefault(id(capture), Shared())

        registry = defaultRegistry()
        registry.register(Share, ShareAdapter())
        registry.addSeeker(making := Making())
        known = Environment(registry, self.clock)
        parts = partsOf([1], "root", known, {})
        self.assertIn(next(iter(making.made.values())), parts.objects)
        registry.addSeeker(seeker := ShareSeeker("a key", -1, parts))
        dump = TableSerializer().dump([1], "root", known)
        shared = [x for share in seeker.shares(dump.capture) for x in share.objects]
        self.assertEqual([x for x in shared if isinstance(x, Shared)], [])


class ConnectionTests(SynchronousTestCase):
    """
    L{Connection}
    """

    def connect(self, factory: Any) -> Connection:
        """
        @return: a connection in memory.
        """
        protocol = factory.buildProtocol(None)
        transport: Any = StringTransport()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        inner = getattr(protocol, "wrappedProtocol", protocol)
        return Connection.of(inner.factory, inner)

    def provider(self) -> Provider:
        """
        @return: a factory.
        """
        provider = Provider()
        provider.protocol = Pair  # type: ignore[assignment]
        return provider

    def test_objects(self) -> None:
        """
        It is known by its transport and its protocols, those that wrap others too.
        """
        plain = self.connect(self.provider())
        self.assertEqual(plain.objects, [plain.transport, plain.protocol])
        wrapped = self.connect(WrappingFactory(self.provider()))
        outer = wrapped.transport.protocol
        self.assertIsInstance(outer, ProtocolWrapper)
        self.assertIsInstance(wrapped.transport, StringTransport)
        self.assertCountEqual(
            wrapped.objects, [wrapped.transport, outer, wrapped.protocol]
        )

    def test_transport(self) -> None:
        """
        The transport of a transport is itself; so is that of one that has none.
        """
        transport = StringTransport()
        self.assertIs(transportOf(transport), transport)
        lost = Pair()
        self.assertIs(transportOf(lost), lost)

    def test_alive(self) -> None:
        """
        It lives until its transport is disconnected.
        """
        connection = self.connect(self.provider())
        self.assertTrue(connection.isAlive)
        connection.transport.connected = False
        self.assertFalse(connection.isAlive)

    def test_moves(self) -> None:
        """
        It moves by itself; what is shared is the recipient's, and so are the places.
        """
        provider = self.provider()
        connection = self.connect(provider)
        people, there, theirs = [connection.protocol], self.provider(), list[Any]()
        registry = defaultRegistry()
        registry.register(
            Connection, ConnectionAdapter(lambda one: [(people, one.protocol)])
        )
        here = Environment(registry, Clock(), sharedNames([provider, people]))
        arriving = attrs.evolve(here, externals=sharedNames([there, theirs]))
        for serializer in (TableSerializer(), PickleSerializer()):
            dump = serializer.dump(connection, "root", here)
            loader = serializer.loader(arriving)
            for chunk in dump.chunks:
                loader.feed(chunk)
            made: Any = loader.finish([])
            loader.adopt()
            made.check()
            made.arrive()
            self.assertIs(made.provider, there)
            self.assertIs(made.protocol.factory, there)
            self.assertEqual((theirs, there.arrived), ([made.protocol],) * 2)
            theirs.clear()
            there.arrived.clear()

    def test_taken(self) -> None:
        """
        A place that is taken by now is left to whom has it.
        """
        connection = self.connect(self.provider())
        names = {"a": 1}
        connection.places = [(names, "a", connection.protocol)]
        connection.arrive()
        self.assertEqual(names, {"a": 1})
        self.assertEqual(connection.provider.arrived, [connection.protocol])

    def test_fails(self) -> None:
        """
        A provider that fails is logged.
        """
        provider = self.provider()
        provider.failing = True
        self.connect(provider).arrive()
        (error,) = self.flushLoggedErrors(RuntimeError)
        self.assertIn("no room", str(error))

    def test_nobodys(self) -> None:
        """
        What belongs to nobody is refused.
        """
        connection = self.connect(self.provider())
        connection.check()
        connection.places = [(connection, connection.protocol)]
        self.assertRaises(MalformedTable, connection.check)
        connection.places = []
        connection.provider = object()
        self.assertRaises(MalformedTable, connection.check)
