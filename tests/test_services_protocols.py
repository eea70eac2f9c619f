"""
Twisted's protocols over streams, moved in the middle of a message.
"""

from __future__ import annotations

import struct
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.protocols.wire import Chargen

from tests.processes import Client, freePorts
from tests.services import ServiceTestCase

#: One port for each protocol, in the order of NAMES.
FRAMES = r'''
from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.internet.protocol import Factory
from twisted.protocols import basic, finger, ident, portforward, wire
from twisted.protocols.stateful import StatefulProtocol

class Framed:
    def stringReceived(self, string):
        self.sendString(b"<" + string + b">")

class Int32(Framed, basic.Int32StringReceiver): pass
class Int16(Framed, basic.Int16StringReceiver): pass
class Int8(Framed, basic.Int8StringReceiver): pass
class Netstring(Framed, basic.NetstringReceiver): pass

class Lines(basic.LineReceiver):
    """Lines, counted bytes, and a rest before it says more."""
    left = 0
    def lineReceived(self, line):
        command, _, rest = line.partition(b" ")
        if command == b"raw":
            self.left, self.raw = int(rest), b""
            self.setRawMode()
        elif command == b"pause":
            self.pauseProducing()
            self.factory.paused = self
        elif command == b"resume":
            self.factory.paused.goOn()
        else:
            self.sendLine(b"line " + line)
    def goOn(self):
        self.sendLine(b"going on")
        self.resumeProducing()
    def rawDataReceived(self, data):
        taken, rest = data[:self.left], data[self.left:]
        self.raw += taken
        self.left -= len(taken)
        if not self.left:
            self.sendLine(b"raw " + self.raw)
            self.setLineMode(rest)

class Stateful(StatefulProtocol):
    def getInitialState(self):
        return self.size, 2
    def size(self, data):
        return self.body, int(data)
    def body(self, data):
        self.transport.write(data + b"\n")
        return self.size, 2

class Ident(ident.IdentServer):
    """As it is on Python 2: its lines are text."""
    def lineReceived(self, line):
        super().lineReceived(line.decode())
    def sendLine(self, line):
        super().sendLine(line.encode())
    def lookup(self, server, client):
        return "LINUX", "somebody"

class Finger(finger.Finger):
    def getUser(self, slash_w, user):
        self.transport.write(b"Login: " + user + b"\nName: Somebody\n")
        self.transport.loseConnection()

def makeService():
    parent = MultiService()
    protocols = [Int32, Int16, Int8, Netstring, Lines, Stateful, Ident, Finger,
                 wire.Echo, wire.Chargen, wire.Discard]
    for protocol, port in zip(protocols, PORTS):
        factory = Factory.forProtocol(protocol)
        TCPServer(port, factory, interface="127.0.0.1").setServiceParent(parent)
    forward = portforward.ProxyFactory("127.0.0.1", PORTS[protocols.index(Lines)])
    TCPServer(PORTS[-1], forward, interface="127.0.0.1").setServiceParent(parent)
    return parent
'''

NAMES = (
    *("int32", "int16", "int8", "netstring", "lines", "stateful", "ident"),
    *("finger", "echo", "chargen", "discard", "forward"),
)


class FramesTests(ServiceTestCase):
    """
    The receivers of L{twisted.protocols.basic}, and the small old services.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve, and connect to everything.
        """
        ports = freePorts(len(NAMES))
        self.ports = dict(zip(NAMES, ports, strict=True))
        self.code("frames", FRAMES + f"\nPORTS = {ports}\n")
        yield self.serve("--service=frames=frames.makeService")
        self.clients: dict[str, Client] = {}
        for name, port in self.ports.items():
            self.clients[name] = yield self.processes.connect(port)
        for name in ("paused", "resuming"):
            self.clients[name] = yield self.processes.connect(self.ports["lines"])

    def send(self, **data: bytes) -> None:
        """
        Send to some of the protocols.
        """
        for name, each in data.items():
            self.clients[name].send(each)

    @inlineCallbacks
    def expect(self, **wanted: bytes) -> Any:
        """
        Wait for exactly these bytes.
        """
        for name, each in wanted.items():
            client = self.clients[name]
            yield self.processes.until(
                lambda client=client, each=each: len(client.received) >= len(each),
                f"all from {name}",
            )
            self.assertEqual(client.received, each, name)

    @inlineCallbacks
    def test_midFrame(self) -> Any:
        """
        Each message arrives whole, though its pieces came to three processes;
        lines that wait in a protocol which wants no more at present come when
        it wants them.
        """
        yield self.begin()
        body = bytes(range(200))
        big = body * 50
        int32 = struct.pack("!I", len(big)) + big
        int16 = struct.pack("!H", len(big)) + big
        netstring = b"%d:" % len(big) + big + b","
        yield self.pieces(
            int32=(int32[:2], int32[2:700], int32[700:]),
            int16=(int16[:1], int16[1:701], int16[701:]),
            int8=(b"\xc8" + body[:3], body[3:100], body[100:]),
            netstring=(netstring[:3], netstring[3:40], netstring[40:]),
            lines=(b"one\r\ntw", b"o\r\nraw 10\r\n\r\n34", b"56789\0three\r\n"),
            stateful=(b"05he", b"llo1", b"0goodbyexyz"),
            ident=(b"6191", b",", b" 23\r\n"),
            echo=(b"a", b"b", b"c"),
            forward=(b"raw ", b"3\r\nab", b"cfour\r\n"),
            discard=(b"x", b"y", b"z"),
            finger=(b"some", b"body", b"\r\n"),
            paused=(b"one\r\npause\r\nkept\r\nand ha", b"lf\r\nth", b"ree\r\n"),
            resuming=(b"", b"res", b"ume\r\n"),
        )
        yield self.expect(
            int32=struct.pack("!I", len(big) + 2) + b"<" + big + b">",
            int16=struct.pack("!H", len(big) + 2) + b"<" + big + b">",
            int8=b"\xca<" + body + b">",
            netstring=b"%d:<" % (len(big) + 2) + big + b">,",
            lines=b"line one\r\nline two\r\nraw \r\n3456789\0\r\nline three\r\n",
            stateful=b"hello\ngoodbyexyz\n",
            ident=b"6191, 23 : USERID : LINUX : somebody\r\n",
            echo=b"abc",
            forward=b"raw abc\r\nline four\r\n",
            discard=b"",
            finger=b"Login: somebody\nName: Somebody\n",
            paused=b"line one\r\ngoing on\r\nline kept\r\nline and half\r\n"
            b"line three\r\n",
        )

    @inlineCallbacks
    def pieces(self, **messages: tuple[bytes, bytes, bytes]) -> Any:
        """
        Send the pieces of messages, with a move in between.
        """
        yield self.processes.until(
            lambda: self.clients["chargen"].received, "characters"
        )
        chargen: Any = self.clients["chargen"]
        chargen.transport.pauseProducing()
        for number in range(3):
            if number:
                yield self.move()
            self.send(**{name: each[number] for name, each in messages.items()})
        before = len(chargen.received)
        chargen.transport.resumeProducing()
        yield self.processes.until(
            lambda: len(chargen.received) > before + 4_000_000, "more characters"
        )
        chargen.transport.abortConnection()
        noise = Chargen.noise
        whole = noise * (len(chargen.received) // len(noise) + 1)
        self.assertTrue(whole.startswith(chargen.received))
