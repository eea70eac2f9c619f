"""
Tests for L{migrate.parting} and L{migrate.independent}.
"""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
from twisted.application.internet import StreamServerEndpointService, TCPServer
from twisted.application.service import MultiService, Service
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.error import ConnectionLost
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactor, StringTransport
from twisted.protocols.policies import WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase, TestCase
from zope.interface import directlyProvides, implementer
from zope.interface.verify import verifyClass, verifyObject

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate, MigrationError
from migrate.graph import Environment, TableSerializer
from migrate.independent import IndependentConnections, connectionsOf
from migrate.interfaces import IAboutToMigrate, IIndependentConnections
from migrate.janitor import Janitor
from migrate.model import Actions
from migrate.parting import (
    Parting,
    SharedOffer,
    isKept,
    isKey,
    keyOf,
    providersOf,
)
from migrate.parting import connectionsOf as allConnections
from migrate.shares import Connection
from tests.processes import Processes, freePort


class Free(IndependentConnections, ServerFactory):
    """
    A factory whose connections are independent.
    """

    protocol = Protocol


class ProvidersTests(SynchronousTestCase):
    """
    L{providersOf}
    """

    def test_interface(self) -> None:
        """
        What applications inherit does what the interface says.
        """
        verifyClass(IIndependentConnections, IndependentConnections)
        verifyObject(IIndependentConnections, Free())
        Free().connectionArrived(Protocol())

    def test_factories(self) -> None:
        """
        The factories are found that services listen with, wrapped ones too.
        """
        top, free, wrapped = MultiService(), Free(), Free()
        TCPServer(0, free).setServiceParent(top)
        inner = MultiService()
        inner.setServiceParent(top)
        endpoint = TCP4ServerEndpoint(MemoryReactor(), 0)
        wrapping: Any = WrappingFactory(wrapped)
        StreamServerEndpointService(endpoint, wrapping).setServiceParent(inner)
        TCPServer(0, ServerFactory()).setServiceParent(inner)
        self.assertCountEqual(providersOf(top), [free, wrapped])

    def test_services(self) -> None:
        """
        A service may say it itself, or a factory without any.
        """
        service, free = Service(), Free()
        self.assertEqual(providersOf(service), [])
        directlyProvides(service, IIndependentConnections)
        self.assertEqual(providersOf(service), [service])
        self.assertEqual(providersOf(free), [free])
        self.assertEqual(providersOf(object()), [])


class ConnectionsTests(TestCase):
    """
    L{connectionsOf}, on the reactor that runs.
    """

    @inlineCallbacks
    def test_found(self) -> Any:
        """
        The connections of a factory are found, and no others; wrapped ones too; those
        that have ended are not.
        """
        processes, ports = Processes(self), []
        factories: list[Any] = [Free(), WrappingFactory(Free()), Free()]
        from twisted.internet import reactor

        reactor_: Any = reactor
        for factory in factories[:2]:
            ports.append(freePort())
            listening = reactor_.listenTCP(ports[-1], factory, interface="127.0.0.1")
            self.addCleanup(listening.stopListening)
        where = (ports[0], ports[0], ports[1])
        clients = yield gatherResults([processes.connect(port) for port in where])
        providers = [factories[0], factories[1].wrappedFactory, factories[2]]
        for provider, count in zip(providers, (2, 1, 0), strict=True):
            yield processes.until(
                lambda each=provider, count=count: (
                    len(list(connectionsOf(each))) == count
                ),
                "the connections",
            )
        found = allConnections(providers)
        self.assertEqual([each.provider for each in found].count(providers[0]), 2)
        self.assertEqual(len({id(each.transport) for each in found}), 3)
        yield clients[0].disconnect()
        yield processes.until(
            lambda: len(allConnections(providers)) == 2, "the connection's end"
        )

    def test_fails(self) -> None:
        """
        A provider that cannot tell is named.
        """

        class Failing(Free):
            def connections(self) -> Any:
                raise RuntimeError("lost count")

        error = self.assertRaises(MigrationError, allConnections, [Failing()])
        self.assertIn(
            "Failing.connections failed: RuntimeError: lost count", str(error)
        )

    def test_ended(self) -> None:
        """
        A provider may tell of what has ended, and of one connection twice.
        """
        live, dead = Protocol(), Protocol()
        live.makeConnection(StringTransport())
        dead.makeConnection(StringTransport())
        dead.transport.connected = False  # type: ignore[union-attr, attr-defined]
        provider = Free()
        provider.connections = lambda: [live, dead, live.transport]  # type: ignore
        (found,) = allConnections([provider])
        self.assertIs(found.protocol, live)


VERBS = ("pause", "resume", "release")


class PartingTests(SynchronousTestCase):
    """
    L{Parting}
    """

    def setUp(self) -> None:
        self.done: list[str] = []

    def parting(self, fail: str = "") -> Parting:
        """
        @return: one that notes what it does.
        """

        class Acting:
            """
            An adapter of names, whose actions are noted.
            """

            def actions(acting, name: str, capture: object) -> Actions:
                return Actions(
                    *(partial(act, f"{what} {name}") for what in VERBS),
                )

        def act(what: str) -> None:
            self.done.append(what)
            if what == fail:
                raise RuntimeError(fail)

        def live(name: str) -> Any:
            return [(Acting(), name)]

        capture: Any = None
        return Parting(live("going"), capture, Janitor(live("kept"), capture))

    def test_departs(self) -> None:
        """
        What is kept stays paused until it is settled.
        """
        parting = self.parting()
        parting.pause()
        parting.release()
        self.assertEqual(self.done, ["pause kept", "pause going", "release going"])
        parting.settle()
        self.assertEqual(self.done[3:], ["release kept"])
        parting.revive()
        self.assertEqual(self.done[4:], [])

    def test_stays(self) -> None:
        """
        If it is not moved, all goes on, in reverse order.
        """
        parting = self.parting()
        parting.pause()
        parting.resume()
        self.assertEqual(self.done[2:], ["resume going", "resume kept"])

    def test_fails(self) -> None:
        """
        If it cannot be paused, all goes on.
        """
        for fail, expected in (
            ("pause going", ["pause kept", "pause going", "resume going"]),
            ("pause kept", ["pause kept"]),
        ):
            self.done.clear()
            self.assertRaises(RuntimeError, self.parting(fail).pause)
            self.assertEqual(self.done, [*expected, "resume kept"])

    def test_revives(self) -> None:
        """
        When the recipient has died, what was kept goes on; connections to elsewhere
        are lost.
        """
        told: list[Any] = []

        class Told(Protocol):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                told.append(reason.value)
                raise RuntimeError("what now?")

        transport: Any = StringTransport()
        transport.protocol = Told()
        transport.connector = Told()
        parting = attrs.evolve(self.parting(), gone=[transport, StringTransport()])
        parting.pause()
        parting.release()
        parting.revive()
        self.assertEqual(self.done[3:], ["resume kept"])
        self.assertEqual([type(each) for each in told], [ConnectionLost] * 2)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)

    def test_files(self) -> None:
        """
        What was written to files that are kept is in them when they are let go of.
        """
        where = Path(self.mktemp())
        with open(where, "a") as file:
            live = [(defaultRegistry().lookup(type(file)), file)]
            live.append((defaultRegistry().lookup(type(file.buffer)), file.buffer))
            raw = file.buffer.raw  # type: ignore[attr-defined]
            live.append((defaultRegistry().lookup(type(raw)), raw))
            dump: Any = SimpleNamespace(live=live, capture=None)
            parting = Parting.after(dump)
            parting.pause()
            parting.release()
            file.write("meanwhile")
            self.assertEqual(where.read_text(), "")
            parting.settle()
            self.assertEqual(where.read_text(), "meanwhile")
            self.assertTrue(file.closed)
            parting.settle()

    def test_kept(self) -> None:
        """
        Ports, timers, files, threads and databases are kept; connections are not.
        """
        clock = Clock()
        port = MemoryReactor().listenTCP(0, ServerFactory())
        pool = ConnectionPool("sqlite3", ":memory:")
        kept = (clock.callLater(1, int), io.StringIO(), port, pool, pool.threadpool)
        for thing in kept:
            self.assertTrue(isKept(thing), thing)
        for thing in (StringTransport(), Protocol(), clock):
            self.assertFalse(isKept(thing), thing)


class KeyTests(SynchronousTestCase):
    """
    L{keyOf}
    """

    def test_key(self) -> None:
        """
        No two are alike, and no service is named so.
        """
        self.assertNotEqual(keyOf("chat"), keyOf("chat"))
        self.assertTrue(isKey(keyOf("chat")))
        self.assertFalse(isKey("chat"))
        self.assertFalse(isKey("(control)"))


@implementer(IAboutToMigrate)
class Hearing(Protocol):
    """
    Wants to be told.
    """

    def aboutToMigrate(self) -> None:
        """
        See L{IAboutToMigrate}.
        """


@implementer(IAboutToMigrate)
class Company(Free):
    """
    Wants to be told, too.
    """

    def __init__(self) -> None:
        self.people: list[Any] = []

    def aboutToMigrate(self) -> None:
        """
        See L{IAboutToMigrate}.
        """


class SharedOfferTests(SynchronousTestCase):
    """
    L{SharedOffer}
    """

    def setUp(self) -> None:
        self.company, self.person = Company(), Hearing()
        self.person.factory = self.company
        self.person.makeConnection(StringTransport())
        self.company.people.append(self.person)
        self.offer = SharedOffer(
            "chat",
            self.company,
            Environment(defaultRegistry(), Clock()),
            lambda: None,
            lambda: None,
            life=-1,
            find=lambda: [Connection.of(self.company, self.person)],
        )

    def test_dump(self) -> None:
        """
        All is written down but the connections; what is shared is told.
        """
        dump = self.offer.dump(TableSerializer().dump)
        self.assertFalse(dump.capture.contains(self.person))
        self.assertIn(self.company, self.offer.objects)
        self.assertEqual(list(map(id, self.offer.holders)), [id(self.company.people)])
        parting = self.offer.janitor(dump)
        self.assertIsInstance(parting, Parting)
        self.assertIs(self.offer.parting, parting)

    def test_newcomer(self) -> None:
        """
        Each dump leaves those out who are there by then.
        """
        self.offer.dump(TableSerializer().dump)
        late = Hearing()
        late.makeConnection(StringTransport())
        self.company.people.append(late)
        everybody = [Connection.of(self.company, each) for each in self.company.people]
        self.offer.find = lambda: everybody
        dump = self.offer.dump(TableSerializer().dump)
        self.assertFalse(dump.capture.contains(late))

    def test_audience(self) -> None:
        """
        Only the shared part is told of its own move.
        """
        self.assertEqual(self.offer.audience(), [self.company])

    def test_refused(self) -> None:
        """
        What cannot be left out is in the way.
        """
        self.company.leader = self.person  # type: ignore[attr-defined]
        error = self.assertRaises(
            CannotMigrate, self.offer.dump, TableSerializer().dump
        )
        self.assertIn("chat.leader", str(error))
