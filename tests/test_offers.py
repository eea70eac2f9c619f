"""
Tests for L{migrate.offers}.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from twisted.application.internet import TCPServer
from twisted.application.service import MultiService, Service
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.adapters import defaultRegistry
from migrate.errors import (
    MigrationError,
    NothingLeft,
    ServiceInTransit,
    UnknownService,
)
from migrate.graph import Environment, TableSerializer
from migrate.independent import IndependentConnections
from migrate.interfaces import INamedResources
from migrate.offers import Offers
from migrate.parting import SharedOffer, keyOf
from migrate.publication import Availability, Publication
from migrate.transfer import Moved, Offer
from tests.inprocess import descriptors


@implementer(INamedResources)
class Naming(Service):
    """
    Names what it has.
    """

    failing = False

    def __init__(self) -> None:
        self.db: object = object()
        self.cache: object = None

    def namedResources(self) -> Mapping[str, object]:
        """
        See L{INamedResources.namedResources}.
        """
        if self.failing:
            raise RuntimeError("closed")
        return {"db": self.db, "cache": self.cache}


class OffersTests(SynchronousTestCase):
    """
    L{Offers}
    """

    def setUp(self) -> None:
        self.server = MultiService()
        self.publication = Publication()
        self.shared = object()
        self.offers = Offers(
            self.server,
            self.publication,
            {"db": lambda: "another", "shared": lambda: self.shared},
            self.environment,
        )
        self.service = Naming()
        self.service.setServiceParent(self.server)
        self.publication.publish("chat", self.service)

    def environment(self, **externals: object) -> Environment:
        """
        @return: what a walk needs to know.
        """
        return Environment(defaultRegistry(), Clock(), externals)

    def stays(self, *provides: str) -> dict[str, object]:
        """
        @return: what stays at the origin if a recipient has these of its own.
        """
        found = self.offers.offer("chat", provides).environment.externals
        return {name: found[name] for name in found if name.startswith("resource:")}

    def state(self) -> Availability:
        """
        @return: that of the service.
        """
        return self.publication.states()["chat"]

    def test_offer(self) -> None:
        """
        What there is to move is told without putting it in transit.
        """
        offer = self.offers.offer("chat", ())
        self.assertIs(offer.root, self.service)
        self.assertIs(offer.environment.externals["parent"], self.server)
        self.assertIs(self.state(), Availability.AVAILABLE)

    def test_unknown(self) -> None:
        """
        A service that is not here cannot be asked about, whether it was here or not.
        """
        error = self.assertRaises(UnknownService, self.offers.offer, "none", ())
        self.assertIn("published: chat", str(error))
        self.offers.reserve("chat", ()).depart()
        error = self.assertRaises(UnknownService, self.offers.offer, "chat", ())
        self.assertIn("published: none", str(error))

    def test_resources(self) -> None:
        """
        What the recipient has of its own stays: what the service calls so comes
        first, then what was named from outside.  What is not there is nobody's.
        """
        self.assertEqual(self.stays(), {})
        self.assertEqual(
            self.stays("db", "cache", "shared", "none"),
            {"resource:db": self.service.db, "resource:shared": self.shared},
        )

    def test_reserve(self) -> None:
        """
        Who reserves it has it alone, until it is restored.
        """
        offer = self.offers.reserve("chat", ())
        self.assertRaises(ServiceInTransit, self.offers.reserve, "chat", ())
        offer.restore()
        self.offers.reserve("chat", ()).depart()
        self.assertIs(self.state(), Availability.DEPARTED)
        self.assertNotIn(self.service, list(self.server))

    def test_fails(self) -> None:
        """
        A service that cannot say what its resources are is not reserved for ever.
        """
        self.service.failing = True
        self.assertRaises(MigrationError, self.offers.reserve, "chat", ["db"])
        self.assertIs(self.state(), Availability.AVAILABLE)


class Company(IndependentConnections, ServerFactory):
    """
    Has connections in memory.
    """

    def __init__(self) -> None:
        self.people: list[Protocol] = []

    def connections(self) -> Any:
        """
        See L{IndependentConnections.connections}.
        """
        return list(self.people)


class IndependentTests(SynchronousTestCase):
    """
    L{Offers}, of a service whose connections follow one at a time.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.server = MultiService()
        self.publication = Publication()
        self.emptied = 0
        self.offers = Offers(
            self.server,
            self.publication,
            {},
            lambda **externals: Environment(
                defaultRegistry(), self.reactor, externals=externals
            ),
            self.empty,
        )
        self.addCleanup(self.offers.stop)
        self.company = Company()
        self.service = TCPServer(0, self.company)
        self.service.setServiceParent(self.server)
        self.publication.publish("chat", self.service)
        self.before = descriptors()

    def empty(self) -> None:
        """
        Something has left.
        """
        self.emptied += 1

    def enter(self) -> Protocol:
        """
        @return: somebody.
        """
        person = Protocol()
        transport: Any = StringTransport()
        transport.protocol = person
        person.makeConnection(transport)
        self.company.people.append(person)
        return person

    def state(self) -> Availability:
        """
        @return: that of the service.
        """
        return self.publication.states()["chat"]

    def leave(self) -> SharedOffer:
        """
        @return: the shared part, as it departed.
        """
        offer = self.offers.reserve("chat", ())
        assert isinstance(offer, SharedOffer)
        # What the recipient holds.
        self.held = os.dup(offer.life)
        offer.janitor(offer.dump(TableSerializer().dump)).pause()
        offer.depart()
        return offer

    def readLives(self) -> None:
        """
        The reactor finds that something can be read.
        """
        for reader in list(self.reactor.getReaders()):
            reader.doRead()

    def test_reserve(self) -> None:
        """
        What is offered is the shared part; nothing is left open if it stays.
        """
        self.enter()
        offer = self.offers.reserve("chat", ())
        self.assertIsInstance(offer, SharedOffer)
        offer.restore()
        self.assertIs(self.state(), Availability.AVAILABLE)
        self.assertEqual(descriptors(), self.before)

    def test_offer(self) -> None:
        """
        What is surveyed is all of it.
        """
        self.assertIs(type(self.offers.offer("chat", ())), Offer)

    def test_leaves(self) -> None:
        """
        While connections are left, nobody else can have the service; whoever has the
        key can have them.
        """
        self.enter()
        offer = self.leave()
        self.assertIs(self.state(), Availability.LEAVING)
        self.assertNotIn(self.service, list(self.server))
        self.assertRaises(ServiceInTransit, self.offers.reserve, "chat", ())
        self.assertRaises(ServiceInTransit, self.offers.offer, "chat", ())
        self.assertEqual(self.offers.left(), ["1 of chat"])
        self.assertRaises(NothingLeft, self.offers.reserve, keyOf("chat"), ())
        claimed = self.offers.reserve(offer.key, ())
        self.assertTrue(claimed.name.startswith("chat<"))
        self.assertEqual(self.emptied, 0)
        claimed.depart()
        self.assertTrue(self.offers.note(Moved(claimed.name, 7, 0.1, 1, 1, 1, {})))
        self.assertRaises(NothingLeft, self.offers.reserve, offer.key, ())
        self.assertIs(self.state(), Availability.DEPARTED)
        self.assertEqual(self.emptied, 1)
        self.assertRaises(NothingLeft, self.offers.reserve, offer.key, ())
        os.close(self.held)
        self.assertEqual(descriptors(), self.before)

    def test_note(self) -> None:
        """
        What moved is not taken for a connection if it is none.
        """
        self.enter()
        self.leave()
        for name in ("chat", "mail", "(control)"):
            self.assertFalse(self.offers.note(Moved(name, 7, 0.1, 1, 1, 1, {})))
        os.close(self.held)

    def test_orphaned(self) -> None:
        """
        If the recipient dies, the service is there again.
        """
        self.enter()
        offer = self.leave()
        os.close(self.held)
        self.readLives()
        self.assertIs(self.state(), Availability.AVAILABLE)
        self.assertIn(self.service, list(self.server))
        self.assertRaises(NothingLeft, self.offers.reserve, offer.key, ())
        self.assertIsInstance(self.offers.reserve("chat", ()), SharedOffer)
        self.assertEqual(self.emptied, 0)

    def test_nobody(self) -> None:
        """
        Without connections nothing is left as soon as somebody asks.
        """
        offer = self.leave()
        self.assertRaises(NothingLeft, self.offers.reserve, offer.key, ())
        self.assertEqual(self.emptied, 1)
        os.close(self.held)

    def test_stop(self) -> None:
        """
        A process that ends looks after nothing any more.
        """
        self.enter()
        self.leave()
        self.offers.stop()
        os.close(self.held)
        self.assertEqual(self.reactor.getReaders(), [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])
