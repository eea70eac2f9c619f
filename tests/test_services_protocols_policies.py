"""
Policies around a factory, one within another, which count and limit on after
the moves.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.error import ConnectionDone

from tests.processes import NeverCame, freePorts
from tests.services import ServiceTestCase

NAMES = ("nested", "total", "peers", "slow", "impatient", "shaped")

#: Two policies are repaired here, for addresses are no tuples any more and bytes
#: no text: L{policies.LimitConnectionsByPeer} and L{htb.ShapedTransport}.
POLICIES = r"""
from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import LoopingCall
from twisted.protocols import htb, policies
from twisted.protocols.basic import LineReceiver

class Much:
    # Writes a thousand bytes at a time, as long as it may.
    def __init__(self, transport, left):
        self.transport, self.left, self.paused = transport, left, 0
        transport.registerProducer(self, True)
        self.loop = LoopingCall(self.write)
        self.resumeProducing()
    def write(self):
        self.transport.write(b"x" * 1000)
        self.left -= 1000
        if not self.left:
            self.loop.stop()
            self.transport.unregisterProducer()
            self.transport.write(b"%d times paused\r\n" % self.paused)
    def pauseProducing(self):
        self.paused += 1
        self.loop.stop()
    def resumeProducing(self):
        self.loop.start(0.02)

class Lines(LineReceiver):
    def lineReceived(self, line):
        self.factory.total += 1
        command, _, rest = line.partition(b" ")
        if command == b"much":
            Much(self.transport, int(rest))
        elif command == b"inside":
            self.sendLine(b"%d inside" % len(self.factory.outer.protocols))
        elif command == b"tired":
            for call in reactor.getDelayedCalls():
                if 800 < call.getTime() - reactor.seconds() < 899:
                    call.reset(0)
        else:
            self.sendLine(b"%d " % self.factory.total + line)

class LinesFactory(ServerFactory):
    protocol, outer, total = Lines, None, 0

class Full(Protocol):
    def connectionMade(self):
        self.transport.write(b"full\r\n")
        self.transport.loseConnection()

class Limited(policies.LimitTotalConnectionsFactory):
    protocol, overflowProtocol, connectionLimit, total = Lines, Full, 2, 0

class Peers(policies.LimitConnectionsByPeer):
    maxConnectionsPerPeer = 2
    def buildProtocol(self, address):
        return super().buildProtocol((address.host, address.port))
    def unregisterProtocol(self, protocol):
        peer = protocol.getPeer()
        protocol.getPeer = lambda: (None, peer.host)
        super().unregisterProtocol(protocol)

class Bucket(htb.Bucket):
    maxburst, rate = 1000, 1e9

class Buckets(htb.HierarchicalBucketFilter):
    bucketFactory = Bucket

class Encoding:
    def __init__(self, transport):
        self.transport = transport
    def write(self, text):
        self.transport.write(text.encode())
    def __getattr__(self, name):
        return getattr(self.transport, name)

class Shaped(Lines):
    def lineReceived(self, line):
        self.transport.write("x" * int(line))
        self.transport.write("end")

class Shaping(ServerFactory):
    def __init__(self):
        self.protocol = htb.ShapedProtocolFactory(Shaped, Buckets())
    def buildProtocol(self, address):
        protocol = super().buildProtocol(address)
        connect = protocol.makeConnection
        protocol.makeConnection = lambda transport: connect(Encoding(transport))
        return protocol

def nested(lines):
    wrapped = policies.TimeoutFactory(lines, 700)
    wrapped = policies.WrappingFactory(wrapped)
    wrapped = policies.ThrottlingFactory(wrapped, 3, 1 << 20, 1 << 20)
    wrapped = policies.SpewingFactory(wrapped)
    lines.outer = policies.TrafficLoggingFactory(wrapped, "traffic")
    return lines.outer

def makeService():
    parent = MultiService()
    factories = [
        nested(LinesFactory()),
        Limited(),
        Peers(LinesFactory()),
        policies.ThrottlingFactory(LinesFactory(), 5, None, 20000),
        policies.TimeoutFactory(LinesFactory(), 898),
        Shaping(),
    ]
    for port, factory in zip(PORTS, factories):
        TCPServer(port, factory, interface="127.0.0.1").setServiceParent(parent)
    return parent
"""


class PoliciesTests(ServiceTestCase):
    """
    L{twisted.protocols.policies} and L{twisted.protocols.htb}.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve.
        """
        ports = freePorts(len(NAMES))
        self.ports = dict(zip(NAMES, ports, strict=True))
        self.code("policed", POLICIES + f"\nPORTS = {ports}\n")
        yield self.serve("--service=policed=policed.makeService")

    def connect(self, name: str) -> Any:
        """
        @return: a Deferred of one more client of a factory.
        """
        return self.processes.connect(self.ports[name])

    @inlineCallbacks
    def full(self, name: str, answer: bytes = b"") -> Any:
        """
        No more clients are let in.
        """
        client = yield self.connect(name)
        yield client.closed()
        self.assertEqual(client.received, answer)

    @inlineCallbacks
    def test_limits(self) -> Any:
        """
        What is counted stays counted: as many as before are let in, and one
        more when somebody has left.
        """
        yield self.begin()
        held = {}
        for name, answer in (("total", b"full\r\n"), ("peers", b"")):
            held[name] = [(yield self.connect(name)), (yield self.connect(name))]
            self.assertEqual((yield held[name][1].ask(b"a")), b"1 a")
            yield self.full(name, answer)
        yield self.move()
        yield self.move()
        for name, answer in (("total", b"full\r\n"), ("peers", b"")):
            first, second = held[name]
            self.assertEqual((yield first.ask(b"b")), b"2 b")
            yield self.full(name, answer)
            yield second.disconnect()
            third = yield self.letIn(name)
            self.assertEqual((yield third.ask(b"c")), b"4 c")
            yield self.full(name, answer)

    @inlineCallbacks
    def letIn(self, name: str) -> Any:
        """
        The server learns a little later that somebody has left.

        @return: a client that is let in.
        """
        while True:
            client = yield self.connect(name)
            client.sendLine(b"in")
            try:
                answer = yield client.line()
            except NeverCame:
                continue
            if answer != b"full":
                self.assertEqual(answer, b"3 in")
                return client

    @inlineCallbacks
    def test_nested(self) -> Any:
        """
        Five policies around one factory: all go along, and what they keep of
        each connection.
        """
        yield self.begin()
        client = yield self.connect("nested")
        self.assertEqual((yield client.ask(b"a")), b"1 a")
        client.send(b"ha")
        yield self.move()
        client.send(b"l")
        yield self.move()
        client.send(b"f\r\ninside\r\n")
        self.assertEqual((yield client.line()), b"2 half")
        self.assertEqual((yield client.line()), b"1 inside")
        second = yield self.connect("nested")
        self.assertEqual((yield second.ask(b"inside")), b"2 inside")
        self.assertEqual((yield client.disconnect()).__class__, ConnectionDone)
        log = self.directory / "traffic-1"
        yield self.processes.until(
            lambda: "ConnectionDone" in log.read_text(), "the end of the log"
        )
        text = log.read_text()
        for data in ("b'ha'", "b'l'", "b'f\\r\\ninside\\r\\n'", "b'2 half\\r\\n'"):
            self.assertEqual(text.count(data), 1, text)

    @inlineCallbacks
    def test_slow(self) -> Any:
        """
        Who is throttled, shaped or about to be sent away for his silence goes
        on being that, and loses nothing.
        """
        yield self.begin()
        slow = yield self.connect("slow")
        shaped = yield self.connect("shaped")
        impatient = yield self.connect("impatient")
        self.assertEqual((yield impatient.ask(b"a")), b"1 a")
        slow.sendLine(b"much 60000")
        shaped.sendLine(b"8000000")
        yield shaped.expect(b"x{2000}")
        shaped.transport.pauseProducing()
        yield self.move()
        slow.sendLine(b"last")
        yield self.move()
        yield slow.expect(rb"^(?:x|2 last\r\n)*[1-9] times paused\r\n")
        self.assertEqual(slow.received.count(b"x"), 60000)
        self.assertEqual(slow.received.count(b"2 last\r\n"), 1)
        shaped.transport.resumeProducing()
        yield self.processes.until(
            lambda: shaped.received.endswith(b"end"), "the end of what is shaped"
        )
        self.assertEqual(shaped.received.count(b"x"), 8000000)
        other = yield self.connect("impatient")
        other.sendLine(b"tired")
        yield impatient.closed()
