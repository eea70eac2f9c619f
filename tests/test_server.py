"""
What a migration server publishes, and when its process has done its work.
"""

from __future__ import annotations

from twisted.application.service import Application, IService, MultiService, Service
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from migrate.client import MigrationClient
from migrate.errors import (
    CannotMigrateYet,
    ConnectionsStay,
    ConnectionsWait,
    ControlError,
    NothingLeft,
    ServiceInTransit,
    ServiceUnavailable,
)
from migrate.graph import Registry, TableSerializer
from migrate.limits import Complaints
from migrate.offers import attach, detach
from migrate.server import CONTROL, ControlOffer, MigrationServer


class Stoppable(MemoryReactorClock):
    """
    A reactor that notes that it was stopped.
    """

    stops = 0

    def stop(self) -> None:
        """
        See L{twisted.internet.interfaces.IReactorCore}.
        """
        self.stops += 1


class PublishTests(SynchronousTestCase):
    """
    L{MigrationServer.publish} and L{MigrationServer.reserve}.
    """

    def setUp(self) -> None:
        """
        A server on no reactor that does anything.
        """
        self.reactor = Stoppable()
        self.server = MigrationServer(
            "unix:control", reactor=self.reactor, registry=Registry()
        )

    def test_orphan(self) -> None:
        """
        A service without a parent runs with the server, and the parent goes
        by name.
        """
        service = Service()
        self.server.publish("one", service)
        self.assertEqual(list(self.server), [service])
        offer = self.server.reserve("one")
        self.assertIs(offer.root, service)
        self.assertIs(offer.environment.externals["parent"], self.server)

    def test_child(self) -> None:
        """
        A service of an application stays where it is; its parent goes by
        name.
        """
        application = Application("own")
        service = Service()
        service.setServiceParent(application)
        self.server.publish("one", service)
        self.assertEqual(list(self.server), [])
        offer = self.server.reserve("one")
        self.assertIs(offer.environment.externals["parent"], IService(application))
        self.assertIn(self.server, [it for it, _ in offer.environment.forbidden])

    def test_neighbours(self) -> None:
        """
        A graph must not reach what is published on its own.
        """
        one, two = Service(), Service()
        self.server.publish("one", one)
        self.server.publish("two", two)
        forbidden = self.server.reserve("one").environment.forbidden
        self.assertEqual([it for it, _ in forbidden], [two])
        self.assertIn("'two'", forbidden[0][1])

    def test_depart(self) -> None:
        """
        What departs is not stopped, and is not a child any more.
        """
        service = Service()
        service.setName("inner")
        self.server.publish("one", service)
        service.startService()
        self.server.reserve("one").depart()
        self.assertEqual((list(self.server), self.server.namedServices), ([], {}))
        self.assertTrue(service.running)

    def test_attach(self) -> None:
        """
        What arrives is not started once more.
        """
        parent, service = MultiService(), Service()
        parent.startService()
        service.setName("inner")
        attach(parent, service)
        self.assertFalse(service.running)
        self.assertIs(parent.getServiceNamed("inner"), service)
        detach(service)
        self.assertEqual(list(parent), [])

    def test_control(self) -> None:
        """
        The control endpoint can be had when nothing else is left, by one.
        """
        self.server.publish("one", Service())
        self.server.startService()
        error = self.assertRaises(ServiceUnavailable, self.server.reserve, CONTROL)
        self.assertIn("one is still published", str(error))
        self.server.reserve("one").depart()
        port = self.server.port
        offer = self.server.reserve(CONTROL)
        self.assertIs(offer.root, port)
        self.assertRaises(ServiceInTransit, self.server.reserve, CONTROL)
        offer.restore()
        self.server.reserve(CONTROL).depart()
        self.assertIsNone(self.server.port)

    def test_controlWaits(self) -> None:
        """
        While connections of services that have left are here, the control endpoint
        can be waited for.
        """
        self.server.publish("one", Service())
        self.server.startService()
        self.server.publication.reserve("one")
        self.server.publication.leave("one")
        left = ["3 of one"]
        found = self.server.reserve(CONTROL)
        self.assertIsInstance(found, ControlOffer)
        offer = ControlOffer(
            CONTROL,
            None,
            found.environment,
            found.restore,
            found.depart,
            left=lambda: left,
        )
        error = self.assertRaises(CannotMigrateYet, offer.dump, TableSerializer().dump)
        self.assertIn("still served here: 3 of one", str(error))
        self.assertFalse(error.over())
        left.clear()
        self.assertTrue(error.over())
        self.assertEqual(offer.dump(TableSerializer().dump).filenos, [])

    def test_complaints(self) -> None:
        """
        That a recipient got nothing is said, but not where that is how it ends.
        """
        said: list[str] = []
        self.server._complaints = Complaints(self.reactor, said.append)
        for error in (NothingLeft("a"), ConnectionsStay("b"), ConnectionsWait([])):
            self.server.complain(error)
        self.server.complain(ServiceInTransit("it is being moved"))
        self.assertEqual(said, ["it is being moved"])

    def test_badControl(self) -> None:
        """
        A control endpoint that is none is refused at once.
        """
        self.assertRaises(ControlError, MigrationServer, "x", reactor=self.reactor)


class EmptyTests(SynchronousTestCase):
    """
    The process ends once nothing is left.
    """

    def emptied(self, server: MigrationServer) -> None:
        """
        Have everything leave.
        """
        for name in server.publication.names():
            server.reserve(name).depart()
        conversation = server.controlFactory.buildProtocol(None)
        server.ended(conversation)
        server.ended(conversation)

    def test_alone(self) -> None:
        """
        With nothing else in its application, the reactor is stopped, once.
        """
        reactor = Stoppable()
        application = Application("own")
        server = MigrationServer("unix:control", reactor=reactor, registry=Registry())
        server.publish("one", Service())
        server.setServiceParent(application)
        client = MigrationClient("unix:other", reactor=reactor, registry=Registry())
        client.setServiceParent(application)
        MultiService().setServiceParent(application)
        self.emptied(server)
        self.assertEqual(reactor.stops, 1)

    def test_others(self) -> None:
        """
        A service that was never published is not taken down with the rest.
        """
        reactor = Stoppable()
        application = Application("own")
        server = MigrationServer("unix:control", reactor=reactor, registry=Registry())
        server.publish("one", Service())
        server.setServiceParent(application)
        inner = MultiService()
        inner.setServiceParent(application)
        Service().setServiceParent(inner)
        self.emptied(server)
        self.assertEqual(reactor.stops, 0)

    def test_whenEmpty(self) -> None:
        """
        What is to be done then can be chosen.
        """
        done: list[str] = []
        server = MigrationServer(
            "unix:control",
            reactor=Stoppable(),
            registry=Registry(),
            whenEmpty=lambda: done.append("empty"),
        )
        server.publish("one", Service())
        self.emptied(server)
        self.assertEqual(done, ["empty"])

    def test_notYet(self) -> None:
        """
        Nothing ends while a recipient in conversation might claim more, nor
        where nothing was ever published.
        """
        reactor = Stoppable()
        server = MigrationServer("unix:control", reactor=reactor, registry=Registry())
        first = server.controlFactory.buildProtocol(None)
        server.ended(first)
        server.publish("one", Service())
        second = server.controlFactory.buildProtocol(None)
        third = server.controlFactory.buildProtocol(None)
        server.reserve("one").depart()
        server.ended(second)
        self.assertEqual(reactor.stops, 0)
        server.ended(third)
        self.assertEqual(reactor.stops, 1)
