"""
Tests for L{migrate.offers}.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.application.service import MultiService, Service
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.adapters import defaultRegistry
from migrate.errors import MigrationError, ServiceInTransit, UnknownService
from migrate.graph import Environment
from migrate.interfaces import INamedResources
from migrate.offers import Offers
from migrate.publication import Availability, Publication


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
