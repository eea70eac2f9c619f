"""
Twisted's name server, moved while questions wait for their answers.

C{twistd dns} serves zones unchanged.  The one that asks others, below, is what
the plugin builds, but that it asks a port and from an interface which the
plugin has no options for.
"""

from __future__ import annotations

import re
import struct
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import inlineCallbacks
from twisted.names import dns

from tests.services import ServiceTestCase, freePort

reactor: Any = installed

PYTHON_ZONE = """
zone = [
    SOA("example.com", mname="ns.example.com", rname="root.example.com", serial=7,
        refresh="1H", retry="1H", expire="1H", minimum="1H"),
    NS("example.com", "ns.example.com"),
    A("ns.example.com", "10.0.0.1"),
    A("www.example.com", "10.0.0.2"),
    MX("example.com", 10, "mail.example.com"),
    A("mail.example.com", "10.0.0.3"),
    TXT("example.com", b"a text"),
]
"""

BIND_ZONE = """\
$ORIGIN example.org.
$TTL 3600
example.org. IN SOA ns.example.org. root.example.org. 9 3600 3600 3600 3600
www.example.org. IN A 10.0.1.2
"""

RECURSIVE = """
from twisted.names import client, tap

PORT, UPSTREAM, TIMEOUTS = {port}, {upstream}, {timeouts}


class LoopbackResolver(client.Resolver):
    def _connectedProtocol(self, interface=""):
        return super()._connectedProtocol("127.0.0.1")


def makeService():
    options = tap.Options()
    options.parseOptions(
        ["--interface", "127.0.0.1", "--port", str(PORT), "--cache", "--verbose",
         "--hosts-file", "hosts", "--resolv-conf", "resolv.conf"]
    )
    service = tap.makeService(options)
    factory = service.services[0].args[1]
    resolver = factory.resolver.resolvers[-1].resolvers[-1]
    resolver.__class__ = LoopbackResolver
    resolver.servers = [("127.0.0.1", UPSTREAM)]
    resolver.dynServers = ()
    resolver.timeout = TIMEOUTS
    return service
"""

#: Questions at once; each has a port of its own in the server.
MANY = 300


class Upstream:
    """
    A name server that answers when it is told to.

    @ivar asked: the questions that came, with who asked them.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[dns.Message, Any]] = []
        self._protocol = dns.DNSDatagramProtocol(self)
        self.listening = reactor.listenUDP(0, self._protocol, interface="127.0.0.1")

    @property
    def names(self) -> list[bytes]:
        """
        What was asked for.
        """
        return [message.queries[0].name.name for message, _ in self.asked]

    def messageReceived(self, message: Any, protocol: object, address: Any) -> None:
        """
        Keep a question.
        """
        self.asked.append((message, address))

    def answer(self, ttl: int = 600) -> None:
        """
        Answer all that was asked: the host of number 7 has the address
        10.1.0.7.

        @param ttl: how long it may be remembered, in seconds.
        """
        for message, address in self.asked:
            name = message.queries[0].name.name
            number = int(name.split(b".")[0][1:])
            record = dns.Record_A(f"10.1.{number >> 8}.{number & 255}", ttl)
            message.answer = True
            message.answers = [dns.RRHeader(name, dns.A, dns.IN, ttl, record)]
            self._protocol.writeMessage(message, address)
        self.asked = []


def question(number: int, name: str | None = None) -> bytes:
    """
    @param name: if it is not that of the host of this number.
    @return: a question for an address, without its length.
    """
    message = dns.Message(id=number, recDes=1)
    message.addQuery(name or f"h{number}.test", dns.A)
    return message.toStr()


def answers(received: bytes) -> dict[int, list[str]]:
    """
    @param received: what came over a stream.
    @return: addresses by the number of the question.
    """
    found = {}
    while received:
        (length,) = struct.unpack("!H", received[:2])
        message = dns.Message()
        message.fromStr(received[2 : 2 + length])
        found[message.id] = [each.payload.dottedQuad() for each in message.answers]
        received = received[2 + length :]
    return found


def framed(message: bytes) -> bytes:
    """
    @return: a message as it goes over a stream.
    """
    return struct.pack("!H", len(message)) + message


class ZoneTests(ServiceTestCase):
    """
    The plugin itself, with zones.
    """

    @inlineCallbacks
    def serveZones(self) -> Any:
        """
        Start the server.
        """
        self.port = freePort()
        (self.directory / "zone.py").write_text(PYTHON_ZONE)
        (self.directory / "zone.bind").write_text(BIND_ZONE)
        yield self.plugin(
            f"names=dns --interface 127.0.0.1 --port {self.port} --verbose "
            "--pyzone zone.py --bindzone zone.bind"
        )

    def dig(self, *arguments: str) -> Any:
        """
        Start dig.
        """
        options = ["-p", str(self.port), "+noall", "+answer", "+time=20", "+tries=1"]
        return self.program(
            "dig", "@127.0.0.1", *options, *arguments, package="dnsutils"
        )

    @inlineCallbacks
    def digs(self, *arguments: str) -> Any:
        """
        @return: the lines of dig's answer.
        """
        ended = yield self.dig(*arguments).ended()
        self.assertEqual(ended.status, 0, ended.out)
        return [re.sub(r"\s+", " ", line) for line in ended.out.splitlines() if line]

    @inlineCallbacks
    def test_zones(self) -> Any:
        """
        Every process has the same answers.
        """
        yield self.serveZones()
        for move in (False, True, True):
            if move:
                yield self.move()
            for transport in ("+notcp", "+tcp"):
                self.assertEqual(
                    (yield self.digs(transport, "MX", "example.com")),
                    ["example.com. 3600 IN MX 10 mail.example.com."],
                )
                self.assertEqual(
                    (yield self.digs(transport, "A", "www.example.org")),
                    ["www.example.org. 3600 IN A 10.0.1.2"],
                )
        transferred = yield self.digs("AXFR", "example.com")
        self.assertEqual(len(transferred), 8)

    @inlineCallbacks
    def test_keepOpen(self) -> Any:
        """
        dig asks one question after the other on one connection.
        """
        yield self.serveZones()
        dig = self.dig("+tcp", "+keepopen", "-f", "-")
        connections = set()
        for number, name in enumerate(("www", "mail", "ns")):
            if number:
                yield self.move()
            dig.write(f"{name}.example.com A\n".encode())
            yield dig.line(rf"^{name}\.example\.com\.\s.*\sA\s+10\.0\.0\.")
            said = yield self.server.line(r"A query from .*TCP.*port=(\d+)")
            connections.add(said[1])
        dig.closeInput()
        yield dig.ended()
        self.assertEqual(len(connections), 1)

    @inlineCallbacks
    def test_half(self) -> Any:
        """
        Half a question waits for the rest.
        """
        yield self.serveZones()
        client = yield self.processes.connect(self.port)
        whole = framed(question(1, "www.example.com"))
        client.send(whole[:1])
        yield self.move()
        client.send(whole[1:11])
        yield self.move()
        client.send(whole[11:] + whole)
        yield client.expect(re.escape(bytes([10, 0, 0, 2])))
        yield client.expect(re.escape(bytes([10, 0, 0, 2])))
        self.assertEqual(answers(client.received), {1: ["10.0.0.2"]})


class RecursionTests(ServiceTestCase):
    """
    A server that asks another one.
    """

    @inlineCallbacks
    def serveRecursive(self, *timeouts: float) -> Any:
        """
        Start the server.

        @param timeouts: after how many seconds it asks again, or gives up.
        """
        self.upstream = Upstream()
        self.addCleanup(self.upstream.listening.stopListening)
        self.port = freePort()
        (self.directory / "hosts").write_text("10.2.0.1 printer.test\n")
        (self.directory / "resolv.conf").write_text("")
        source = RECURSIVE.format(
            port=self.port,
            upstream=self.upstream.listening.getHost().port,
            timeouts=timeouts,
        )
        self.code("dnsservice", source)
        yield self.serve("--service", "names=dnsservice.makeService")

    @inlineCallbacks
    def arrived(self, count: int) -> Any:
        """
        Wait until the other server has been asked so much.
        """
        yield self.processes.until(
            lambda: len(self.upstream.asked) >= count, f"{count} questions"
        )

    @inlineCallbacks
    def test_dig(self) -> Any:
        """
        What dig asked before the moves is answered after them; and so is what
        another one asks meanwhile, with the same answer.
        """
        yield self.serveRecursive(60)
        options = ["-p", str(self.port), "+short", "+time=60", "+tries=1"]
        digs = []
        for transport in ("+notcp", "+tcp"):
            digs.append(
                self.program("dig", "@127.0.0.1", *options, transport, "h5.test", "A")
            )
            yield self.server.line("A query from", after=len(self.server.lines))
            yield self.arrived(1)
            yield self.move()
        self.assertEqual(self.upstream.names, [b"h5.test"])
        self.upstream.answer()
        for dig in digs:
            ended = yield dig.ended()
            self.assertEqual(ended.out, "10.1.0.5\n")
        local = self.program("dig", "@127.0.0.1", *options, "printer.test", "A")
        ended = yield local.ended()
        self.assertEqual(ended.out, "10.2.0.1\n")
        self.assertEqual(self.upstream.asked, [])

    @inlineCallbacks
    def test_many(self) -> Any:
        """
        Hundreds of questions that wait for their answers, on one connection.
        """
        yield self.serveRecursive(60)
        client = yield self.processes.connect(self.port)
        numbers = range(1, MANY + 1)
        client.send(b"".join(framed(question(number)) for number in numbers))
        yield self.arrived(MANY)
        yield self.move()
        yield self.move()
        self.assertEqual(len(self.upstream.asked), MANY)
        self.upstream.answer()
        wanted = {n: [f"10.1.{n >> 8}.{n & 255}"] for n in numbers}
        size = 2 + len(question(1)) + 16
        yield self.processes.until(
            lambda: len(client.received) >= MANY * size, f"{MANY} answers"
        )
        self.assertEqual(answers(client.received), wanted)

    @inlineCallbacks
    def test_timers(self) -> Any:
        """
        The process that serves asks again when nobody has answered; and it
        forgets what it may no longer remember.
        """
        yield self.serveRecursive(3, 60)
        client = yield self.processes.connect(self.port)
        client.send(framed(question(1)))
        yield self.arrived(1)
        yield self.move()
        yield self.arrived(2)
        yield self.move()
        self.upstream.answer(ttl=3)
        yield client.expect(re.escape(bytes([10, 1, 0, 1])))
        yield self.server.line("Lookup found 1 record")
        client.send(framed(question(1)))
        yield client.expect(re.escape(bytes([10, 1, 0, 1])))
        self.assertEqual(self.upstream.asked, [])
        yield self.move()

        def forgotten() -> bool:
            client.send(framed(question(1)))
            return bool(self.upstream.asked)

        yield self.processes.until(forgotten, "a question that is passed on again")
        self.upstream.answer()
        yield client.expect(re.escape(bytes([10, 1, 0, 1])))
