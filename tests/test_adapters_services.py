"""
Services, endpoints, factories and policies of Twisted: most are plain objects,
and what a class drops when it is pickled at rest must not be dropped here.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from twisted.application.internet import (
    ClientService,
    StreamServerEndpointService,
    TCPClient,
    TCPServer,
    TimerService,
    UDPServer,
    UNIXServer,
)
from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    HostnameEndpoint,
    TCP4ClientEndpoint,
    clientFromString,
    serverFromString,
)
from twisted.internet.protocol import (
    ClientFactory,
    DatagramProtocol,
    Factory,
    ReconnectingClientFactory,
    connectionDone,
)
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import (
    ThrottlingFactory,
    TimeoutFactory,
    TimeoutMixin,
    WrappingFactory,
)
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import CannotMigrate
from tests.inprocess import Move
from tests.reactors import DEADLINE, freshReactor, spin, turn


class Impatient(LineReceiver, TimeoutMixin):
    """
    Answers lines, and hangs up on who says nothing.
    """

    patience = 1000.0

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        # The mixin knows no other reactor than this.
        self.callLater = self.transport.reactor.callLater  # type: ignore[union-attr]
        self.setTimeout(self.patience)

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.resetTimeout()
        self.sendLine(b"you said " + line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        self.setTimeout(None)


class MoreImpatient(Impatient):
    """
    The same, but soon.
    """

    patience = 0.3


class Quiet(LineReceiver):
    """
    Keeps its lines.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.lines.append(line)


class Counter(Service):
    """
    Counts, and knows who started it.
    """

    def __init__(self) -> None:
        self.count = 0
        self.told: list[str] = []

    def tick(self, by: int = 1) -> None:
        """
        Count.
        """
        self.count += by

    def startService(self) -> None:
        """
        See L{Service.startService}.
        """
        Service.startService(self)
        self.told.append("start")

    def stopService(self) -> None:
        """
        See L{Service.stopService}.
        """
        Service.stopService(self)
        self.told.append("stop")


class Base(SynchronousTestCase):
    """
    Two reactors.
    """

    def setUp(self) -> None:
        """
        Make them.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)

    def move(self, root: Any) -> Any:
        """
        @return: what C{root} has become.
        """
        return Move(root, self.origin, self.recipient).go()

    def connect(self, port: Any) -> socket.socket:
        """
        @return: a peer that somebody at the origin serves.
        """
        peer = socket.create_connection(
            ("127.0.0.1", port.getHost().port), timeout=DEADLINE
        )
        self.addCleanup(peer.close)
        self.assertEqual(self.ask(peer, b"one", self.origin), b"you said one\r\n")
        return peer

    def ask(self, peer: socket.socket, line: bytes, *reactors: Any) -> bytes:
        """
        @return: the answer to a line.
        """
        peer.settimeout(DEADLINE)
        peer.sendall(line + b"\r\n")
        peer.setblocking(False)
        answer = bytearray()

        def complete() -> bool:
            try:
                answer.extend(peer.recv(65536))
            except BlockingIOError:
                return False
            return answer.endswith(b"\r\n")

        spin(complete, *reactors)
        return bytes(answer)

    def listener(self) -> socket.socket:
        """
        @return: a socket that somebody may connect to.
        """
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(DEADLINE)
        self.addCleanup(listener.close)
        return listener


class ServiceTests(Base):
    """
    Services of L{twisted.application}.
    """

    def test_multiService(self) -> None:
        """
        A tree of services is the same tree, running, and nobody is told to
        start or to stop.
        """
        tree = MultiService()
        child, named = Counter(), Counter()
        child.setServiceParent(tree)
        named.setName("named")
        named.setServiceParent(tree)
        tree.startService()
        made = self.move(tree)
        self.assertEqual(made.running, 1)
        self.assertIs(made.getServiceNamed("named"), made.services[1])
        for service in made:
            self.assertIs(service.parent, made)
            self.assertEqual((service.running, service.told), (1, ["start"]))
        self.assertEqual(child.told, ["start"])
        self.successResultOf(made.stopService())
        self.assertEqual(made.services[0].told, ["start", "stop"])
        self.assertEqual(child.told, ["start"])

    def test_parent(self) -> None:
        """
        What a service's parent is at the recipient is said by name.
        """
        here, there = MultiService(), MultiService()
        service = Counter()
        service.setServiceParent(here)
        outside = ({"parent": here}, {"parent": there})
        made = Move(service, self.origin, self.recipient, outside).go()
        self.assertIs(made.parent, there)

    def test_tcpServer(self) -> None:
        """
        L{TCPServer} keeps its port, which a pickle would drop.
        """
        service = TCPServer(
            0,
            Factory.forProtocol(Impatient),
            interface="127.0.0.1",
            reactor=self.origin,
        )
        service.startService()
        peer = self.connect(service._port)
        made = self.move(service)
        self.assertIs(made.reactor, self.recipient)
        self.assertEqual(made.running, 1)
        self.assertEqual(self.ask(peer, b"two", self.recipient), b"you said two\r\n")
        done = made.stopService()
        spin(lambda: done.called, self.recipient)
        self.assertIsNone(service.stopService())

    def test_unixServer(self) -> None:
        """
        L{UNIXServer}
        """
        path = self.mktemp()
        service = UNIXServer(path, Factory.forProtocol(Impatient), reactor=self.origin)
        service.startService()
        made = self.move(service)
        service.stopService()
        turn(self.origin)
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(path)
            answer = self.ask(peer, b"one", self.recipient)
            self.assertEqual(answer, b"you said one\r\n")
        self.assertEqual(made._port.getHost().name, path.encode())

    def test_udpServer(self) -> None:
        """
        L{UDPServer}
        """
        service = UDPServer(
            0, DatagramProtocol(), interface="127.0.0.1", reactor=self.origin
        )
        service.startService()
        address = service._port.getHost()
        made = self.move(service)
        self.assertEqual(made._port.getHost(), address)
        self.assertIs(made._port.protocol.transport, made._port)

    def test_tcpClient(self) -> None:
        """
        L{TCPClient} keeps its connection, which a pickle would drop.
        """
        listener = self.listener()
        factory = ClientFactory()
        factory.protocol = Quiet
        service = TCPClient(*listener.getsockname(), factory, reactor=self.origin)
        service.startService()
        spin(lambda: service._connection.state == "connected", self.origin)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        made = self.move(service)
        peer.sendall(b"hello\r\n")
        moved = made._connection.transport.protocol
        spin(lambda: moved.lines == [b"hello"], self.recipient)

    def test_endpointService(self) -> None:
        """
        L{StreamServerEndpointService} keeps the Deferred with its port, and
        stops it there.
        """
        endpoint = serverFromString(self.origin, "tcp:0:interface=127.0.0.1")
        service = StreamServerEndpointService(endpoint, Factory.forProtocol(Impatient))
        service.startService()
        peer = self.connect(service._waitingForPort.result)
        made = self.move(service)
        self.assertIs(made.endpoint._reactor, self.recipient)
        self.assertEqual(self.ask(peer, b"two", self.recipient), b"you said two\r\n")
        done = made.stopService()
        spin(lambda: not made._waitingForPort.paused, self.recipient)
        self.assertFalse(made.running)
        self.successResultOf(done)
        self.assertTrue(service.running)

    def test_timerService(self) -> None:
        """
        L{TimerService} keeps its loop, which a pickle would drop; there are
        never two.
        """
        counter = Counter()
        service = TimerService(0.05, counter.tick, by=2)
        service.clock = self.origin
        service.startService()
        self.assertEqual(counter.count, 2)
        made = self.move(service)
        moved = made.call[0].__self__
        turn(self.origin)
        spin(lambda: moved.count >= 6, self.recipient, self.origin)
        self.assertEqual(counter.count, 2)
        self.assertEqual(len(self.recipient.getDelayedCalls()), 1)
        self.successResultOf(made.stopService())


class ClientServiceTests(Base):
    """
    L{ClientService}, with its state machine.
    """

    def service(self, endpoint: Any, **options: Any) -> Any:
        """
        @return: a client service that is running.
        """
        service = ClientService(
            endpoint, Factory.forProtocol(Quiet), clock=self.origin, **options
        )
        service.startService()
        return service

    def test_connected(self) -> None:
        """
        A connected service goes on with its connection, and connects again
        when that is lost.
        """
        listener = self.listener()
        endpoint = TCP4ClientEndpoint(self.origin, *listener.getsockname())
        service = self.service(endpoint, retryPolicy=immediately)
        waiting = service.whenConnected()
        spin(lambda: waiting.called, self.origin)
        peer, _ = listener.accept()
        self.addCleanup(peer.close)
        made = self.move(service)
        protocol = self.successResultOf(made.whenConnected())
        self.assertIsNot(protocol, waiting.result)
        peer.sendall(b"hello\r\n")
        spin(lambda: protocol.lines == [b"hello"], self.recipient)
        peer.close()
        listener.setblocking(False)
        again: list[Any] = []

        def accepted() -> bool:
            try:
                again.append(listener.accept()[0])
            except BlockingIOError:
                return False
            return True

        spin(accepted, self.recipient, self.origin)
        self.addCleanup(again[0].close)
        listener.setblocking(False)
        self.assertRaises(BlockingIOError, listener.accept)
        anew = made.whenConnected()
        spin(lambda: anew.called, self.recipient)
        self.assertIsNot(self.successResultOf(anew), protocol)
        done = made.stopService()
        spin(lambda: done.called, self.recipient)

    def test_waiting(self) -> None:
        """
        A service that waits for its next attempt waits there, and whoever
        waits for the connection is told there.
        """
        listener = self.listener()
        where = listener.getsockname()
        listener.close()
        service = self.service(
            TCP4ClientEndpoint(self.origin, *where), retryPolicy=soon
        )
        connected = service.whenConnected()
        spin(lambda: stateOf(service) == "Waiting", self.origin)
        made, moved = self.move([service, connected])
        self.assertEqual(self.origin.getDelayedCalls(), [])
        listener = socket.create_server(where)
        self.addCleanup(listener.close)
        spin(lambda: moved.called, self.recipient, self.origin)
        self.assertNoResult(connected)
        done = made.stopService()
        spin(lambda: done.called, self.recipient)

    def test_connecting(self) -> None:
        """
        A service in the middle of an attempt completes it there.
        """
        listener = self.listener()
        service = self.service(TCP4ClientEndpoint(self.origin, *listener.getsockname()))
        connected = service.whenConnected()
        made, moved = self.move([service, connected])
        turn(self.origin)
        spin(lambda: moved.called, self.recipient)
        self.assertNoResult(connected)
        self.assertEqual(self.successResultOf(moved).lines, [])
        done = made.stopService()
        spin(lambda: done.called, self.recipient)

    def test_stopped(self) -> None:
        """
        A service that has not started, or has stopped, does so still.
        """
        listener = self.listener()
        endpoint = TCP4ClientEndpoint(self.origin, *listener.getsockname())
        fresh = ClientService(endpoint, Factory(), clock=self.origin)
        stopped = ClientService(endpoint, Factory(), clock=self.origin)
        self.successResultOf(stopped.stopService())
        made, other = self.move([fresh, stopped])
        self.assertEqual((stateOf(made), stateOf(other)), ("Init", "Stopped"))
        self.successResultOf(made.stopService())


def stateOf(service: Any) -> str:
    """
    @return: the state that a client service's machine is in.
    """
    state: str = service._machine.__automat_transitioner__._state.name
    return state


def immediately(attempt: int) -> float:
    """
    Wait for nothing.
    """
    return 0.0


def soon(attempt: int) -> float:
    """
    Wait a little.
    """
    return 0.2


class FactoryTests(Base):
    """
    Factories, policies, endpoints.
    """

    def serve(self, wrap: Callable[[Factory], Any]) -> None:
        """
        Have a wrapped factory serve somebody, before and after the move.
        """
        port = self.origin.listenTCP(
            0, wrap(Factory.forProtocol(Impatient)), interface="127.0.0.1"
        )
        peer = self.connect(port)
        made = self.move(port)
        turn(self.origin)
        self.assertEqual(self.origin.getDelayedCalls(), [])
        self.assertEqual(self.ask(peer, b"two", self.recipient), b"you said two\r\n")
        peer.close()
        reading = self.recipient.getReaders
        spin(lambda: not any(hasattr(r, "server") for r in reading()), self.recipient)
        self.assertIs(type(made.factory), type(port.factory))

    def test_plain(self) -> None:
        """
        No policy at all: nothing but the reactor knows the connections.
        """
        self.serve(lambda factory: factory)

    def test_wrapping(self) -> None:
        """
        L{WrappingFactory}
        """
        self.serve(WrappingFactory)

    def test_throttling(self) -> None:
        """
        L{ThrottlingFactory}, whose own timers use the reactor that runs.
        """

        def wrap(factory: Factory) -> Any:
            throttling = ThrottlingFactory(factory, maxConnectionCount=5)
            throttling.callLater = self.origin.callLater
            return throttling

        self.serve(wrap)

    def test_timeout(self) -> None:
        """
        L{TimeoutFactory}
        """

        def wrap(factory: Factory) -> Any:
            timeout = TimeoutFactory(factory, 500)
            timeout.callLater = self.origin.callLater
            return timeout

        self.serve(wrap)

    def test_timeoutMixin(self) -> None:
        """
        Who says nothing is hung up on at the recipient, when it was due at
        the origin.
        """
        port = self.origin.listenTCP(
            0, Factory.forProtocol(MoreImpatient), interface="127.0.0.1"
        )
        peer = self.connect(port)
        (call,) = self.origin.getDelayedCalls()
        when = call.getTime()
        self.move(port)
        (moved,) = self.recipient.getDelayedCalls()
        self.assertEqual(moved.getTime(), when)
        peer.setblocking(False)

        def over() -> bool:
            try:
                return peer.recv(1) == b""
            except BlockingIOError:
                return False

        spin(over, self.recipient, self.origin)
        self.assertGreaterEqual(self.recipient.seconds(), when)

    def test_reconnecting(self) -> None:
        """
        L{ReconnectingClientFactory} waits there for its next attempt, which
        is a closure.
        """
        listener = self.listener()
        where = listener.getsockname()
        listener.close()
        factory = ReconnectingClientFactory()
        factory.protocol = Quiet
        factory.clock = self.origin
        factory.initialDelay = factory.delay = 0.05
        connector = self.origin.connectTCP(*where, factory)
        spin(lambda: factory._callID is not None, self.origin)
        made = self.move(connector)
        self.assertEqual(self.origin.getDelayedCalls(), [])
        listener = socket.create_server(where)
        self.addCleanup(listener.close)
        spin(lambda: made.state == "connected", self.recipient, self.origin)
        self.assertEqual(connector.state, "disconnected")
        made.factory.stopTrying()
        made.disconnect()
        spin(lambda: made.state == "disconnected", self.recipient)

    def test_endpoints(self) -> None:
        """
        Endpoints are plain objects.
        """
        endpoints = [
            serverFromString(self.origin, "tcp:0:interface=127.0.0.1"),
            serverFromString(self.origin, "unix:a"),
            clientFromString(self.origin, "tcp:127.0.0.1:1"),
            HostnameEndpoint(self.origin, b"localhost", 1),
        ]
        made = self.move(endpoints)
        for endpoint in made:
            self.assertIs(endpoint._reactor, self.recipient)
        port: Deferred[Any] = made[0].listen(Factory())
        self.assertIn(self.successResultOf(port), self.recipient.getReaders())

    def test_wholeReport(self) -> None:
        """
        Everything that cannot move is in one report, each with its path.
        """
        tree = MultiService()
        for name in ("a", "b"):
            child: Any = Counter()
            child.setName(name)
            child.setServiceParent(tree)
            child.generator = (number for number in range(3))
        error = self.assertRaises(CannotMigrate, self.move, tree)
        self.assertEqual(
            [refusal.path for refusal in error.refusals],
            ["service.services[0].generator", "service.services[1].generator"],
        )
