"""
Twisted's own relays, C{portforward} and C{socks}, are moved while streams go
through them.
"""

from __future__ import annotations

import re
import socket
import struct
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.trial.unittest import SkipTest

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
        either of them during the first move, and both run during the second.
        """
        port = yield self.forward()
        up, down = blob(MUCH, 1), blob(MUCH, 2)
        child, sink = self.netcat(port, up)
        target = yield self.connected(1)
        target.transport.write(down)
        yield self.stands(child, len(up))
        yield self.move()
        self.assertEqual(len(target.received), 0)
        half = MUCH / 2
        target.allow(half)
        moving = self.move()
        yield self.processes.until(lambda: sink.readUntil(half), "the way down")
        yield moving
        yield self.processes.until(lambda: len(target.received) >= half, "the way up")
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


#: Twisted's own class speaks Python 2 where it listens for others and where it
#: logs: the same, mended, so that there is something to move.
MENDED = """
import time

from twisted.application.internet import TCPServer
from twisted.internet import defer, reactor
from twisted.protocols import socks


class Incoming(socks.SOCKSv4IncomingFactory):
    def buildProtocol(self, addr):
        return super().buildProtocol((addr.host, addr.port))


class Mended(socks.SOCKSv4):
    def listenClass(self, port, klass, *args):
        listening = reactor.listenTCP(port, Incoming(*args), interface="127.0.0.1")
        host = listening.getHost()
        return defer.succeed((host.host, host.port))

    def log(self, proto, data):
        if self.logging:
            peers = [each.transport.getPeer() for each in (self, self.otherConn)]
            with open(self.logging, "a") as file:
                print(
                    *("%%s:%%d" %% (peer.host, peer.port) for peer in peers),
                    "<" if proto is self else ">",
                    data.hex(),
                    file=file,
                )


class Factory(socks.SOCKSv4Factory):
    def buildProtocol(self, addr):
        return Mended(self.logging, reactor)


def makeService():
    return TCPServer(%(port)d, Factory("socks.log"), interface="127.0.0.1")
"""


class SocksTests(RelayTestCase):
    """
    C{twistd socks}.
    """

    @inlineCallbacks
    def socks(self) -> Any:
        """
        Serve it.

        @return: its port.
        """
        port = freePort()
        yield self.plugin(f"proxy=socks --port {port}")
        return port

    def curl(self, *options: str) -> tuple[Any, Sink]:
        """
        Start C{curl}.

        @return: it, and what it gets.
        """
        sink = Sink(self, self.directory / f"curl{len(self.targets.made)}")
        return self.program("curl", "-sS", "-o", sink.path, *options), sink

    @inlineCallbacks
    def _download(self, *options: str) -> Any:
        """
        A response comes through the proxy in pieces, one for each process; the
        proxy, which does not hold anybody back, has much of it in hand.
        """
        child, sink = self.curl(*options)
        target = yield self.connected(1)
        target.allow(float("inf"))
        yield self.processes.until(
            lambda: target.received.endswith(b"\r\n\r\n"), "a request"
        )
        body = blob(MUCH, 6)
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
        target.transport.write(head + body[: MUCH // 2])
        yield self.processes.until(lambda: sink.readUntil(MUCH // 4), "some")
        yield self.move()
        target.transport.write(body[MUCH // 2 :])
        moving = self.move()
        yield self.processes.until(lambda: sink.readUntil(MUCH), "the rest")
        yield moving
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        self.assertTrue(sink.received == body)
        self.assertEqual(len(self.targets.made), 1)

    @inlineCallbacks
    def test_download(self) -> Any:
        """
        C{curl --socks4}, in the middle of a response.
        """
        port = yield self.socks()
        yield self._download(
            "--socks4", f"127.0.0.1:{port}", f"http://127.0.0.1:{self.targetPort}/"
        )

    @inlineCallbacks
    def test_downloadByName(self) -> Any:
        """
        C{curl --socks4a}, for which the proxy has looked up the name.
        """
        port = yield self.socks()
        yield self._download(
            "--socks4a", f"127.0.0.1:{port}", f"http://localhost:{self.targetPort}/"
        )

    @inlineCallbacks
    def test_upload(self) -> Any:
        """
        C{curl -T}, in the middle of a request that the target reads slowly;
        the proxy reads all that comes.
        """
        port = yield self.socks()
        up = blob(MUCH, 7)
        (self.directory / "up").write_bytes(up)
        child, sink = self.curl(
            *("--socks4", f"127.0.0.1:{port}", "-H", "Expect:", "-T", "up"),
            f"http://127.0.0.1:{self.targetPort}/",
        )
        target = yield self.connected(1)
        target.allow(100_000)
        yield self.processes.until(lambda: len(target.received) >= 100_000, "some")
        yield self.move()
        target.allow(MUCH / 2)
        moving = self.move()
        target.allow(float("inf"))
        yield self.processes.until(
            lambda: len(target.received.partition(b"\r\n\r\n")[2]) == MUCH, "all"
        )
        yield moving
        target.transport.write(b"HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nkept")
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        self.assertTrue(sink.readUntil(4))
        self.assertEqual(bytes(sink.received), b"kept")
        self.assertTrue(target.received.endswith(up))

    @inlineCallbacks
    def test_request(self) -> Any:
        """
        Half of what a client asks the proxy for has come.
        """
        port = yield self.socks()
        client = yield self.processes.connect(port)
        request = socksRequest(1, self.targetPort)
        client.send(request[:6])
        yield self.move()
        client.send(request[6:])
        yield client.expect(re.escape(socksReply(self.targetPort)))
        target = yield self.connected(1)
        target.allow(float("inf"))
        yield self.move()
        client.sendLine(b"hello")
        yield self.processes.until(lambda: target.received == b"hello\r\n", "words")

    @inlineCallbacks
    def test_bind(self) -> Any:
        """
        A client that has the proxy listen for somebody who comes moves later;
        what the two say to each other is logged by whoever serves.
        """
        port = freePort()
        self.code("mended", MENDED % {"port": port})
        yield self.serve("--service", "proxy=mended.makeService")
        client = yield self.processes.connect(port)
        client.send(socksRequest(2, 0))
        answer = yield client.expect(rb"(?s)\0\x5a(..)\x7f\0\0\x01")
        yield self.move()
        other = yield self.processes.connect(int.from_bytes(answer[1], "big"))
        yield client.expect(rb"(?s)\0\x5a\0\0\0\0\0\0")
        other.sendLine(b"from outside")
        self.assertEqual((yield client.line()), b"from outside")
        yield self.move()
        client.sendLine(b"from inside")
        self.assertEqual((yield other.line()), b"from inside")
        yield other.disconnect()
        yield client.closed()
        said = [
            bytes.fromhex(line.split()[-1])
            for line in (self.directory / "socks.log").read_text().splitlines()
        ]
        self.assertEqual(said, [b"from outside\r\n", b"from inside\r\n"])


def socksRequest(command: int, port: int) -> bytes:
    """
    @param command: 1 to connect, 2 to be connected to.
    @return: what a client says, of a port of the loopback interface.
    """
    return struct.pack("!BBH4s", 4, command, port, b"\x7f\0\0\1") + b"user\0"


def socksReply(port: int) -> bytes:
    """
    @return: what a proxy says that is connected to a port of the loopback
        interface.
    """
    return struct.pack("!BBH4s", 0, 90, port, b"\x7f\0\0\1")


class EndpointForwardTests(RelayTestCase):
    """
    C{twistd endpointforward}, which comes with Autobahn.
    """

    @inlineCallbacks
    def test_talk(self) -> Any:
        """
        Two connections talk on through it.
        """
        try:
            import autobahn.twisted  # noqa: F401
        except ImportError:
            raise SkipTest("no autobahn here") from None
        port = freePort()
        yield self.plugin(
            f"relay=endpointforward --endpoint tcp:{port}:interface=127.0.0.1 "
            f"--dest_endpoint tcp:127.0.0.1:{self.targetPort}"
        )
        pairs = []
        for number in (1, 2):
            client = yield self.processes.connect(port)
            target = yield self.connected(number)
            target.allow(float("inf"))
            # What a client says before the relay is through is lost there.
            target.transport.write(b"ready\r\n")
            self.assertEqual((yield client.line()), b"ready")
            pairs.append((client, target))
        for word in (b"one", b"two", b"three"):
            for client, target in pairs:
                client.sendLine(word)
                yield self.processes.until(
                    lambda target=target, word=word: target.received.endswith(
                        word + b"\r\n"
                    ),
                    "a word",
                )
                target.transport.write(b"re: " + word + b"\r\n")
                self.assertEqual((yield client.line()), b"re: " + word)
            if word != b"three":
                yield self.move()
        for _, target in pairs:
            self.assertEqual(target.received, b"one\r\ntwo\r\nthree\r\n")


class TLSTests(ServiceTestCase):
    """
    Ports that speak TLS.
    """

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        C{twistd web} on such a port is refused by name, and serves on.
        """
        made = self.program(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
            *("-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "cert.pem"),
        )
        yield made.ended()
        (self.directory / "page").mkdir()
        (self.directory / "page" / "index.html").write_text("served")
        port = freePort()
        keys = "privateKey=key.pem:certKey=cert.pem:interface=127.0.0.1"
        yield self.plugin(f"site=web --listen ssl:{port}:{keys} --path page")
        yield self._fetch(port)
        line = yield self.refused()
        self.assertEqual(
            line,
            "migrate-client: site.services[0].endpoint._sslContextFactory: "
            "twisted.internet._sslverify.OpenSSLCertificateOptions: the keys of TLS "
            "are in C; provide it as a resource, or listen without TLS behind a proxy "
            "in which TLS ends | site.services[0]._waitingForPort.result.factory: "
            "twisted.protocols.tls.TLSMemoryBIOFactory: what speaks TLS on "
            "connections, with keys that are in C; listen without TLS, behind a "
            "proxy in which TLS ends",
        )
        yield self._fetch(port)

    @inlineCallbacks
    def _fetch(self, port: int) -> Any:
        """
        It serves.
        """
        child = self.program("curl", "-sSk", f"https://127.0.0.1:{port}/")
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.out), (0, "served"))
