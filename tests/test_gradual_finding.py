"""
Tests for L{migrate.gradual.finding}.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import MultiService
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.trial.unittest import TestCase

from migrate.gradual.finding import Search, connectionsOf, listening
from tests.processes import Processes


class FindingTests(TestCase):
    """
    Ports and connections are found in a process as it is.
    """

    def setUp(self) -> None:
        """
        Ports that a service has, in ways that differ, and one that it has not.
        """
        from twisted.internet import reactor

        self.reactor: Any = reactor
        self.factory = Factory.forProtocol(Protocol)
        self.service: Any = MultiService()
        self.held = self.listen(self.factory)
        self.service.port = self.held
        # One of which only the factory is known, in a closure.
        self.known = Factory.forProtocol(Protocol)
        self.byFactory = self.listen(self.known)
        known = self.known
        self.service.make = lambda: known
        self.protocol = DatagramProtocol()
        self.udp = self.reactor.listenUDP(0, self.protocol, interface="127.0.0.1")
        self.addCleanup(self.udp.stopListening)
        self.stranger = self.listen(Factory.forProtocol(Protocol))
        # Much that leads nowhere.
        self.service.much = [[number] for number in range(20000)]

    def listen(self, factory: Any) -> Any:
        """
        @return: a port.
        """
        port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        return port

    def test_listening(self) -> None:
        """
        Those by which somebody comes, whether they accept at present or not: none that
        have been stopped, nor a client's own UDP port.
        """
        self.held.stopReading()
        found = listening(self.reactor)
        for port in (self.held, self.byFactory, self.stranger):
            self.assertIn(port, found)
        self.assertNotIn(self.udp, found)
        gone = self.listen(self.factory)
        self.assertIn(gone, listening(self.reactor))
        stopped = gone.stopListening()
        stopped.addCallback(lambda _: self.assertNotIn(gone, listening(self.reactor)))
        return stopped

    def test_search(self) -> None:
        """
        What a service leads to, or to whose factory it does, a little at a time; not by
        what is outside, and nothing of others.
        """
        search = Search(self.service, listening(self.reactor), [self.reactor])
        steps = 1
        while not search.go(0.0):
            steps += 1
        self.assertGreater(steps, 10)
        found = search.found()
        self.assertIn(self.held, found)
        self.assertIn(self.byFactory, found)
        self.assertNotIn(self.stranger, found)
        search = Search(
            self.service, [self.held, self.byFactory], [self.reactor, self.known]
        )
        self.assertTrue(search.go(60.0))
        self.assertEqual(search.found(), [self.held])

    def test_connections(self) -> Any:
        """
        Those that were accepted by these ports, and live.
        """
        processes = Processes(self)
        accepted: list[Any] = []
        built = self.factory.buildProtocol

        def build(address: Any) -> Any:
            accepted.append(built(address))
            return accepted[-1]

        self.factory.buildProtocol = build  # type: ignore[method-assign]

        def connected(client: Any) -> Any:
            waiting = processes.until(lambda: accepted, "an accepted connection")
            return waiting.addCallback(lambda _: client)

        def found(client: Any) -> Any:
            (one,) = connectionsOf([self.held])
            self.assertIs(one, accepted[0].transport)
            self.assertEqual(connectionsOf([self.stranger]), [])
            gone = client.disconnect()
            gone.addCallback(
                lambda _: processes.until(
                    lambda: not connectionsOf([self.held]), "the end of it"
                )
            )
            return gone

        done = processes.connect(self.held.getHost().port)
        return done.addCallback(connected).addCallback(found)
