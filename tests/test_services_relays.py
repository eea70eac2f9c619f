"""
Twisted's own relays, C{portforward} and C{socks}, are moved while streams go
through them.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks

from tests.kernel import TCPState
from tests.services import ServiceTestCase, freePort
from tests.targets import Sink, TargetFactory, blob, position

#: More than the kernel and the relay hold of a stream whose reader rests.
MUCH = 12_000_000


class RelayTestCase(ServiceTestCase):
    """
    A target, and clients that get to it by a relay.
    """

    def setUp(self) -> None:
        super().setUp()
        self.targets = TargetFactory()
        self.targetPort = self.targets.listen(self, self.processes.reactor)

    def connected(self, number: int) -> Any:
        """
        Wait until so many have got through.

        @return: fires with the last one.
        """
        made = self.targets.made
        return self.processes.until(
            lambda: len(made) >= number and made[number - 1], "a connection"
        )

    def netcat(self, port: int, up: bytes, *options: str) -> tuple[Any, Sink]:
        """
        Start C{nc}, which sends one stream while it gets another one.

        @return: it, and what it has got.
        """
        number = len(self.targets.made)
        source = self.directory / f"up{number}"
        source.write_bytes(up)
        sink = Sink(self, self.directory / f"down{number}")
        nc = self.installed("nc", "netcat-openbsd")
        command = " ".join(
            ["exec", nc, *options, f"127.0.0.1 {port} <{source} >{sink.path}"]
        )
        child = self.processes.start(["sh", "-c", command], self.directory)
        return child, sink

    def stands(self, child: Any, size: int) -> Any:
        """
        Wait until a client cannot send any more, for nobody reads.
        """
        seen: list[int] = []

        def probe() -> bool:
            seen.append(position(child.pid))
            return 0 < seen[-1] < size and len(seen) > 10 and seen[-10] == seen[-1]

        return self.processes.until(probe, "a stream that stands still")


HALVES = """
from twisted.application.internet import StreamServerEndpointService
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.protocols.portforward import (
    ProxyClient, ProxyClientFactory, ProxyFactory, ProxyServer,
)
from zope.interface import implementer


@implementer(IHalfCloseableProtocol)
class Halves:
    def readConnectionLost(self):
        self.peer.transport.loseWriteConnection()

    def writeConnectionLost(self):
        pass


class HalfClient(Halves, ProxyClient):
    pass


class HalfClientFactory(ProxyClientFactory):
    protocol = HalfClient


class HalfServer(Halves, ProxyServer):
    clientProtocolFactory = HalfClientFactory


class HalfFactory(ProxyFactory):
    protocol = HalfServer


def makeService():
    endpoint = serverFromString(reactor, "tcp:%(port)d:interface=127.0.0.1")
    return StreamServerEndpointService(endpoint, HalfFactory("127.0.0.1", %(target)d))
"""


class PortForwardTests(RelayTestCase):
    """
    C{twistd portforward}.
    """

    @inlineCallbacks
    def forward(self) -> Any:
        """
        Serve it.

        @return: its port.
        """
        port = freePort()
        yield self.plugin(
            f"relay=portforward --port tcp:{port}:interface=127.0.0.1 "
            f"--host 127.0.0.1 --dest_port {self.targetPort}"
        )
        return port

    @inlineCallbacks
    def test_bothWays(self) -> Any:
        """
        Two large streams pass each other on one connection; nobody reads
        either of them during the first move, and both run during the others.
        """
        port = yield self.forward()
        up, down = blob(MUCH, 1), blob(MUCH, 2)
        child, sink = self.netcat(port, up)
        target = yield self.connected(1)
        target.transport.write(down)
        yield self.stands(child, len(up))
        yield self.move()
        self.assertEqual(len(target.received), 0)
        for part in (0.25, 0.5):
            target.allow(MUCH * part)
            moving = self.move()
            yield self.processes.until(
                lambda much=MUCH * part: sink.readUntil(much), "the way down"
            )
            yield moving
            yield self.processes.until(
                lambda much=MUCH * part: len(target.received) >= much, "the way up"
            )
            self.assertLess(len(target.received), len(up))
        target.allow(MUCH)
        yield gatherResults(
            [
                self.processes.until(lambda: sink.readUntil(MUCH), "the rest"),
                self.processes.until(lambda: len(target.received) >= MUCH, "all"),
            ]
        )
        target.transport.loseConnection()
        ended = yield child.ended()
        self.assertEqual(ended.status, 0)
        self.assertTrue(target.received == up)
        self.assertTrue(sink.received == down)
        self.assertEqual(len(self.targets.made), 1)

    @inlineCallbacks
    def test_clientGone(self) -> Any:
        """
        A client has said all and is gone, but the target has not read it yet.
        """
        port = yield self.forward()
        up = blob(MUCH, 3)
        child, _ = self.netcat(port, up, "-N")
        target = yield self.connected(1)
        yield self.stands(child, len(up))
        yield self.move()
        target.allow(MUCH - 200_000)
        ended = yield child.ended()
        self.assertEqual(ended.status, 0)
        self.assertFalse(target.heardAll)
        yield self.move()
        yield self.move()
        target.allow(float("inf"))
        yield self.processes.until(lambda: target.heardAll, "the end")
        self.assertTrue(target.received == up)

    @inlineCallbacks
    def test_several(self) -> Any:
        """
        Many connections at a time, some of which come or go between moves,
        each with its own target.
        """
        port = yield self.forward()
        clients = []
        for number in range(12):
            if number % 4 == 0 and number:
                yield clients[number - 4].disconnect()
                gone = self.targets.made[number - 4]
                yield self.processes.until(lambda gone=gone: gone.heardAll, "an end")
                gone.transport.loseConnection()
                yield self.move()
            client = yield self.processes.connect(port)
            clients.append(client)
            target = yield self.connected(number + 1)
            target.allow(float("inf"))
            yield self._converse(clients, f"at {number}".encode())
        yield self._converse(clients, b"last")
        self.assertEqual([each.alive for each in clients].count(False), 2)

    @inlineCallbacks
    def _converse(self, clients: list[Any], word: bytes) -> Any:
        """
        Everybody who is there exchanges a word with its own target.
        """
        for number, (client, target) in enumerate(
            zip(clients, self.targets.made, strict=True)
        ):
            if client.alive:
                said = b"%s %d\n" % (word, number)
                client.send(said)
                yield self.processes.until(
                    lambda target=target, said=said: target.received.endswith(said),
                    "a word",
                )
                target.transport.write(b"re: " + said)
                self.assertEqual((yield client.line()) + b"\n", b"re: " + said)

    @inlineCallbacks
    def test_halves(self) -> Any:
        """
        A relay that passes on that one direction has ended: C{nc} has said all
        and the target has heard it, when the answer comes, moves later.
        """
        port = freePort()
        self.code("halves", HALVES % {"port": port, "target": self.targetPort})
        yield self.serve("--service", "relay=halves.makeService")
        up, down = blob(100_000, 4), blob(MUCH, 5)
        child, sink = self.netcat(port, up, "-N")
        target = yield self.connected(1)
        yield self.move()
        target.allow(float("inf"))
        yield self.processes.until(lambda: target.heardAll, "one end")
        yield self.move()
        target.transport.write(down)
        moving = self.move()
        yield self.processes.until(lambda: sink.readUntil(MUCH / 2), "a half")
        yield moving
        target.transport.loseConnection()
        yield self.processes.until(lambda: sink.readUntil(MUCH), "the rest")
        ended = yield child.ended()
        self.assertEqual(ended.status, 0)
        self.assertTrue(target.received == up)
        self.assertTrue(sink.received == down)


class ConnectingTests(RelayTestCase):
    """
    C{twistd portforward} while it connects to its target.
    """

    @inlineCallbacks
    def test_connecting(self) -> Any:
        """
        The target's queue is full, so that the relay's attempt to connect
        waits; what the client has said by then arrives once it gets through.
        """
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listening.close)
        target = listening.getsockname()
        other = socket.create_connection(target)
        self.addCleanup(other.close)
        port = freePort()
        yield self.plugin(
            f"relay=portforward --port tcp:{port}:interface=127.0.0.1 "
            f"--host 127.0.0.1 --dest_port {target[1]}"
        )
        client = yield self.processes.connect(port)
        client.sendLine(b"early")
        yield self.processes.until(lambda: connecting(target[1]), "an attempt")
        yield self.move()
        yield self.move()
        self.assertTrue(connecting(target[1]))
        listening.accept()[0].close()
        listening.setblocking(False)
        accepted = yield self.processes.until(lambda: accept(listening), "the relay")
        self.addCleanup(accepted.close)
        accepted.setblocking(True)
        yield self.move()
        self.assertEqual(accepted.recv(64), b"early\r\n")
        accepted.sendall(b"late\r\n")
        self.assertEqual((yield client.line()), b"late")

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        The target does not exist any more when the attempt gets on: the client
        is told as it would have been.
        """
        listening = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(listening.close)
        target = listening.getsockname()
        other = socket.create_connection(target)
        self.addCleanup(other.close)
        port = freePort()
        yield self.plugin(
            f"relay=portforward --port tcp:{port}:interface=127.0.0.1 "
            f"--host 127.0.0.1 --dest_port {target[1]}"
        )
        client = yield self.processes.connect(port)
        yield self.processes.until(lambda: connecting(target[1]), "an attempt")
        yield self.move()
        listening.close()
        yield self.move()
        yield client.closed()
        again = yield self.processes.connect(port)
        yield again.closed()


def connecting(port: int) -> bool:
    """
    @return: whether somebody waits to be connected to a port.
    """
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return any(
        line.split()[2].endswith(f":{port:04X}")
        and int(line.split()[3], 16) == TCPState.SYN_SENT.value
        for line in lines
    )


def accept(listening: socket.socket) -> socket.socket | None:
    """
    @return: whoever waits, if anybody does.
    """
    try:
        return listening.accept()[0]
    except BlockingIOError:
        return None
