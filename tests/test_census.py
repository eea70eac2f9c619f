"""
Tests for L{migrate.census}, over the control socket of this very process.
"""

from __future__ import annotations

import os
import platform
from typing import Any

from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from migrate import __version__
from migrate.cli.status import told
from migrate.control import ControlAddress
from migrate.meeting import ask
from migrate.server import MigrationServer
from tests.procfs import descriptors, residentBytes


class Accepted(Protocol):
    """
    The server's end of a connection, which tells when that is over.
    """

    factory: Any

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol}.
        """
        self.factory.gone.callback(None)


class CensusTests(TestCase):
    """
    Tests for what a process tells of itself.
    """

    def setUp(self) -> None:
        """
        A server in this process.
        """
        path = os.path.relpath(self.mktemp())
        self.control = ControlAddress.parse(f"unix:{path}")
        self.server = MigrationServer(f"unix:{path}", whenEmpty=lambda: None)

        self.gone: Deferred[None] = Deferred()

        def publish(name: str) -> Any:
            factory: Any = Factory.forProtocol(Accepted)
            factory.gone = self.gone
            service: Any = TCPServer(0, factory, interface="127.0.0.1")
            self.server.publish(name, service)
            return service

        self.service = publish("chat")
        publish("mail")
        self.server.startService()
        self.addCleanup(self.server.stopService)

    def ask(self) -> Deferred[Any]:
        """
        @return: fires with the answer.
        """
        return Deferred.fromCoroutine(ask(reactor, self.control, "status"))

    @inlineCallbacks
    def test_process(self) -> Any:
        """
        It says which process it is, of which versions, and what that uses.
        """
        answer = yield self.ask()
        self.assertEqual(answer["pid"], os.getpid())
        self.assertEqual(answer["control"], str(self.control))
        self.assertEqual(answer["versions"]["txmigrate"], __version__)
        self.assertEqual(answer["versions"]["python"], platform.python_version())
        self.assertLess(0, answer["uptime"])
        self.assertApproximates(answer["memory"], residentBytes(os.getpid()), 1 << 24)
        # Those of the conversation itself have been closed since.
        self.assertApproximates(answer["descriptors"], len(descriptors(os.getpid())), 8)

    @inlineCallbacks
    def test_counts(self) -> Any:
        """
        Connections, ports and timers are counted, but for those of the control
        endpoint.
        """
        before = yield self.ask()
        own: Any = self.server.port
        self.assertIsNotNone(own)
        port = self.service._port.getHost().port
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        client: Any = yield connectProtocol(endpoint, Protocol())
        timer = reactor.callLater(1000, int)  # type: ignore[attr-defined]
        after = yield self.ask()
        timer.cancel()
        client.transport.loseConnection()
        yield self.gone
        # This process has both ends.
        self.assertEqual(after["connections"] - before["connections"], 2)
        self.assertEqual((before["ports"], after["ports"]), (2, 2))
        self.assertEqual(after["timers"] - before["timers"], 1)

    @inlineCallbacks
    def test_services(self) -> Any:
        """
        Each service has its state, its generation, and the last attempt of its own.
        """
        self.server.history.stayed("chat", 7, False, "a lock is held")
        answer = yield self.ask()
        chat, mail = answer["services"]
        self.assertEqual((chat["name"], chat["state"]), ("chat", "available"))
        self.assertEqual((chat["generation"], mail["generation"]), (1, 1))
        self.assertEqual(chat["since"], self.server.history.services["chat"].since)
        self.assertEqual(chat["last"]["reason"], "a lock is held")
        self.assertEqual((mail["name"], mail["last"]), ("mail", None))
        lines = told(answer)
        self.assertIn("chat stayed with process", lines[-1])
        self.assertIn("a lock is held", lines[-1])

    @inlineCallbacks
    def test_departed(self) -> Any:
        """
        What has been moved away is told of, too.
        """
        self.server.publication.reserve("mail")
        self.server.publication.depart("mail")
        answer = yield self.ask()
        self.assertEqual(
            [each["state"] for each in answer["services"]], ["available", "departed"]
        )
