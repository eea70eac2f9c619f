"""
WebSockets that Autobahn serves move in the middle of messages; the clients are
those of the C{websockets} library, which has nothing in common with it.
"""

from __future__ import annotations

from itertools import cycle
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.python.modules import getModule
from twisted.trial.unittest import SkipTest

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Says each message back, or tells everybody, or how many there were.
SERVICE = """
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.compress import (
    PerMessageDeflateOffer, PerMessageDeflateOfferAccept
)
from autobahn.twisted.resource import WebSocketResource
from twisted.application.internet import TCPServer
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.static import Data


class Echo(WebSocketServerProtocol):
    def onOpen(self):
        self.factory.members.append(self)

    def onMessage(self, payload, isBinary):
        self.factory.heard += 1
        if payload.startswith(b"all "):
            everybody = self.factory.prepareMessage(payload, isBinary)
            for member in self.factory.members:
                member.sendPreparedMessage(everybody)
        elif payload == b"count":
            figures = self.factory.heard, len(self.factory.members)
            self.sendMessage(b"%%d of %%d" %% figures)
        elif payload == b"bye":
            self.sendClose(1000, "farewell")
        elif payload == b"slowly":
            self.beginMessage()
            self.beginMessageFrame(6)
            self.sendMessageFrameData(b"one")
        elif payload == b"go on":
            self.sendMessageFrameData(b"two")
            self.sendMessageFrame(b"three")
            self.endMessage()
        else:
            self.sendMessage(payload, isBinary)

    def onClose(self, wasClean, code, reason):
        self.factory.closed.append((wasClean, code, reason))
        print("closed:", wasClean, code, reason)
        if self in self.factory.members:
            self.factory.members.remove(self)


def acceptDeflate(offers):
    for offer in offers:
        if isinstance(offer, PerMessageDeflateOffer):
            return PerMessageDeflateOfferAccept(offer)


def makeService():
    factory = WebSocketServerFactory()
    factory.protocol = Echo
    factory.members = []
    factory.closed = []
    factory.heard = 0
    factory.setProtocolOptions(%s)
    return TCPServer(%d, factory, interface="127.0.0.1")


def makeSite():
    site = Resource()
    factory = makeService().args[1]
    factory.startFactory()
    site.putChild(b"ws", WebSocketResource(factory))
    site.putChild(b"hello", Data(b"a page", "text/plain"))
    return TCPServer(%d, Site(site), interface="127.0.0.1")
"""

#: What clients are made of: one that waits until it is told to go on, and one
#: that decides which bytes are sent when.
PRELUDE = """
import asyncio, os, socket, sys
from websockets.asyncio import client as later
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect
from websockets.uri import parse_uri

URL = f"ws://127.0.0.1:{sys.argv[1]}/ws"


def pause(said):
    print("paused:", said)
    assert input() == "go on"


class Wire:
    def __init__(self, answers=True, cut=None):
        self.protocol = ClientProtocol(parse_uri(URL))
        self.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.answers = answers
        self.frames = []
        self.protocol.send_request(self.protocol.connect())
        self.flush(cut)
        if cut is None:
            self.opened()

    def opened(self):
        while not self.events():
            self.take()
        assert self.protocol.state.name == "OPEN", self.protocol.handshake_exc

    def flush(self, cut=None):
        data = b"".join(self.protocol.data_to_send())
        self.socket.sendall(data[:cut])
        self.rest = data[cut:] if cut is not None else b""

    def on(self):
        self.socket.sendall(self.rest)

    def take(self):
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            # How Autobahn drops a connection.
            data = b""
        if data:
            self.protocol.receive_data(data)
        else:
            self.protocol.receive_eof()
        if self.answers:
            self.flush()
        return bool(data)

    def events(self):
        found = self.protocol.events_received()
        self.frames += [event for event in found if isinstance(event, Frame)]
        return found

    def frame(self):
        while not self.frames:
            if not self.take():
                self.events()
                return self.frames.pop(0) if self.frames else None
            self.events()
        return self.frames.pop(0)

    def message(self):
        data = b""
        while True:
            frame = self.frame()
            if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                data += bytes(frame.data)
                if frame.fin:
                    return data


"""

TALK = """
with connect(URL, compression=None) as ws:
    for stage in range(2):
        for message in ("h\\u00e9llo \\u20ac", bytes(range(256)), "x" * 100_000, b""):
            ws.send(message)
            assert ws.recv() == message
        assert ws.ping().wait(10)
        pause(stage)
    ws.send("count")
    print("the end:", ws.recv())
"""

# The first cut is inside of a character, the second one of a frame's head, the
# third one of a masked payload at a place that is none of a multiple of four.
FRAGMENTS = """
wire = Wire()
text = "\\u20ac" * 100 + "x" * 300 + "\\U0001f600"
data = text.encode()
wire.protocol.send_text(data[:100], fin=False)
wire.flush()
pause(0)
wire.protocol.send_continuation(data[100:250], fin=False)
wire.flush(3)
pause(1)
wire.on()
wire.protocol.send_continuation(data[250:], fin=True)
wire.flush(201)
pause(2)
wire.on()
assert wire.message() == data
wire.protocol.send_text(b"slowly")
wire.flush()
while len(wire.frames) == 0 and b"one" not in bytes(wire.protocol.reader.buffer):
    wire.take()
pause(3)
wire.protocol.send_text(b"go on")
wire.flush()
assert wire.message() == b"onetwothree"
wire.protocol.send_text(b"ok \\xf0\\x9f", fin=False)
wire.flush()
pause(4)
wire.protocol.send_continuation(b"\\xc2\\xa0", fin=True)
wire.flush()
closing = wire.frame()
assert closing.opcode is Opcode.CLOSE, closing
assert bytes(closing.data[:2]) == (1007).to_bytes(2, "big"), closing
print("the end:", closing.data[2:].decode())
"""

# The one that answers is a thread of its own.
PINGS = """
import queue
from websockets.sync.client import ClientConnection

pings = queue.Queue()

class Answering(ClientConnection):
    def process_event(self, event):
        if getattr(event, "opcode", None) is Opcode.PING:
            pings.put(event)
        super().process_event(event)

answering = connect(URL, compression=None, create_connection=Answering)
silent = Wire(answers=False)
silent.protocol.send_text(b"hello")
silent.flush()
assert silent.message() == b"hello"
for stage in range(2):
    pings.get(timeout=20)
    pause(stage)
    while not pings.empty():
        pings.get()
pings.get(timeout=20)
seen = []
while (frame := silent.frame()) is not None:
    seen.append(frame.opcode.name)
answering.send("count")
print("the end:", seen, answering.recv())
answering.close()
"""

HANDSHAKE = """
wire = Wire(cut=20)
pause(0)
wire.socket.sendall(wire.rest[:50])
wire.rest = wire.rest[50:]
pause(1)
wire.on()
wire.opened()
wire.protocol.send_text(b"here")
wire.flush()
assert wire.message() == b"here"
print("the end")
"""

CLOSING = """
wire = Wire(answers=False)
wire.protocol.send_text(b"bye")
wire.flush()
closing = wire.frame()
assert closing.opcode is Opcode.CLOSE
pause(0)
pause(1)
wire.flush()
assert not wire.take()
print("the end:", wire.protocol.close_code, wire.protocol.close_reason)
"""

COMPRESSED = """
with connect(URL) as ws:
    assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
    lines = [f"{n} bottles of beer on the wall, " for n in range(3000)]
    for stage in range(2):
        for message in ("".join(lines), "".join(lines[::-1]), os.urandom(40_000)):
            ws.send(message)
            assert ws.recv() == message

        def parts():
            yield "fragment "
            pause(stage)
            yield from ("by ", "fragment")

        ws.send(parts())
        assert ws.recv() == "fragment by fragment"
    print("the end")
"""

HALF = """
wire = Wire()
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
wire.socket.close()
wire.protocol = ClientProtocol(
    parse_uri(URL), extensions=[ClientPerMessageDeflateFactory()]
)
wire.socket = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
wire.protocol.send_request(wire.protocol.connect())
wire.flush()
wire.opened()
text = os.urandom(1000).hex().encode()
wire.protocol.send_text(text)
wire.flush(300)
pause(0)
wire.on()
assert wire.message() == text
pause(1)
wire.protocol.send_text(text)
wire.flush()
assert wire.message() == text
print("the end")
"""

CROWD = """
async def main():
    crowd = [await later.connect(URL, compression=None) for _ in range(60)]
    for stage in range(2):
        await asyncio.to_thread(pause, stage)
        await crowd[stage].send(f"all at stage {stage}")
        heard = await asyncio.gather(*(one.recv() for one in crowd))
        assert set(heard) == {f"all at stage {stage}"}, heard
    await crowd[0].send("count")
    print("the end:", await crowd[0].recv())

asyncio.run(main())
"""


class WebSocketTestCase(ServiceTestCase):
    """
    Serves WebSockets, or uses them.
    """

    def setUp(self) -> None:
        """
        See L{ServiceTestCase.setUp}.
        """
        for name in ("autobahn", "websockets"):
            try:
                getModule(name)
            except KeyError:
                raise SkipTest(f"no {name} here") from None
        super().setUp()
        self.port = freePort()

    @inlineCallbacks
    def web(self, maker: str = "makeService", **options: Any) -> Any:
        """
        Serve WebSockets.

        @param maker: what makes the service.
        @param options: those of C{setProtocolOptions}, as source.
        """
        source = ", ".join(f"{name}={value}" for name, value in options.items())
        self.code("wsecho", SERVICE % (source, self.port, self.port))
        yield self.serve("--service", f"ws=wsecho.{maker}")

    def user(self, source: str) -> Child:
        """
        @return: a client.
        """
        return self.script(PRELUDE + source, str(self.port))

    @inlineCallbacks
    def moved(self, client: Child, times: int, *environments: Any) -> Any:
        """
        Have everything moved each time that a client pauses.

        @param times: how many times it does.
        @param environments: those of the new processes, in turn.
        """
        for stage, environment in zip(
            range(times), cycle(environments or [None]), strict=False
        ):
            yield client.line(f"paused: {stage}")
            yield self.move(environment=environment)
            client.write(b"go on\n")

    @inlineCallbacks
    def end(self, client: Child, said: str) -> Any:
        """
        Wait for the good end of a client.
        """
        ended = yield client.ended()
        self.assertEqual(ended.status, 0, ended.err)
        self.assertEqual(client.lines[-1], said)


class ServerTests(WebSocketTestCase):
    """
    C{autobahn.twisted.websocket.WebSocketServerFactory}
    """

    @inlineCallbacks
    def test_talk(self) -> Any:
        """
        Messages go to and fro, before and after each of several moves.
        """
        yield self.web()
        client = self.user(TALK)
        yield self.moved(client, 2)
        yield self.end(client, "the end: 9 of 1")

    @inlineCallbacks
    def test_site(self) -> Any:
        """
        The same beside other pages of a site.
        """
        yield self.web("makeSite")
        client = self.user(TALK)
        yield self.moved(client, 2)
        yield self.end(client, "the end: 9 of 1")
        page = yield self.program(
            "curl", "-sS", f"http://127.0.0.1:{self.port}/hello"
        ).ended()
        self.assertEqual(page.out, "a page")

    @inlineCallbacks
    def test_fragments(self) -> Any:
        """
        A message of which one half has been sent, either way, in the middle of
        a
        frame and of a character.  That it is no text after all is noticed as
        well.
        """
        yield self.web(failByDrop=False)
        client = self.user(FRAGMENTS)
        yield self.moved(client, 5)
        yield self.end(
            client,
            "the end: encountered invalid UTF-8 while processing text message at "
            "payload octet index 5",
        )

    @inlineCallbacks
    def test_pings(self) -> Any:
        """
        Who answers is asked on and on; who does not is dropped when it would
        have been without any move.
        """
        yield self.web(
            autoPingInterval=1, autoPingTimeout=2, autoPingRestartOnAnyTraffic=False
        )
        client = self.user(PINGS)
        yield self.moved(client, 2)
        yield self.end(client, "the end: ['PING'] 2 of 1")

    @inlineCallbacks
    def test_handshake(self) -> Any:
        """
        Somebody opens a connection while there are two moves.
        """
        yield self.web(openHandshakeTimeout=60)
        client = self.user(HANDSHAKE)
        yield self.moved(client, 2)
        yield self.end(client, "the end")

    @inlineCallbacks
    def test_closing(self) -> Any:
        """
        The server has said good-bye before, and is answered after, the moves.
        """
        yield self.web(closeHandshakeTimeout=60)
        client = self.user(CLOSING)
        yield self.moved(client, 2)
        yield self.end(client, "the end: 1000 farewell")
        yield self.server.line("closed: True 1000 farewell")

    @inlineCallbacks
    def test_compressed(self) -> Any:
        """
        Compressed messages refer to those before the moves, in the middle of
        one that is sent in parts as well.
        """
        yield self.web(perMessageCompressionAccept="acceptDeflate")
        client = self.user(COMPRESSED)
        yield self.moved(client, 2)
        yield self.end(client, "the end")

    @inlineCallbacks
    def test_halfCompressed(self) -> Any:
        """
        Where a compressed message is cut short, it has to be waited for.
        """
        yield self.web(perMessageCompressionAccept="acceptDeflate")
        client = self.user(HALF)
        yield client.line("paused: 0")
        said = yield self.refused()
        self.assertIn(
            "members[0]._perMessageCompress: a compressed message of which a part "
            "is under way, whose compression keeps its state in C; try again once "
            "the message is complete, or do without perMessageCompressionAccept",
            said,
        )
        client.write(b"go on\n")
        yield client.line("paused: 1")
        yield self.move()
        yield self.move()
        client.write(b"go on\n")
        yield self.end(client, "the end")

    @inlineCallbacks
    def test_crowd(self) -> Any:
        """
        Everybody is told by whoever serves.
        """
        yield self.web()
        client = self.user(CROWD)
        yield self.moved(client, 2)
        yield self.end(client, "the end: 3 of 60")


#: Passes lines of a client on to a WebSocket server, and its messages back.
BRIDGE = """
from autobahn.twisted.websocket import WebSocketClientFactory, WebSocketClientProtocol
from twisted.application.internet import TCPClient, TCPServer
from twisted.application.service import MultiService
from twisted.internet.protocol import Factory, ReconnectingClientFactory
from twisted.protocols.basic import LineReceiver


class Far(WebSocketClientProtocol):
    def onOpen(self):
        self.factory.near.far = self
        for line in self.factory.near.waiting:
            self.sendMessage(line)

    def onMessage(self, payload, isBinary):
        for line in self.factory.near.lines:
            line.sendLine(payload)


class FarFactory(WebSocketClientFactory, ReconnectingClientFactory):
    protocol = Far
    maxDelay = 0.1


class Line(LineReceiver):
    delimiter = b"\\n"

    def connectionMade(self):
        self.factory.lines.append(self)

    def lineReceived(self, line):
        if self.factory.far is None:
            self.factory.waiting.append(line)
        else:
            self.factory.far.sendMessage(line, isBinary=line.startswith(b"bin"))


def makeService():
    near = Factory.forProtocol(Line)
    near.lines, near.waiting, near.far = [], [], None
    far = FarFactory("ws://127.0.0.1:%(far)d/")
    far.near = near
    far.setProtocolOptions(autoPingInterval=1, openHandshakeTimeout=60)
    services = MultiService()
    TCPServer(%(near)d, near, interface="127.0.0.1").setServiceParent(services)
    TCPClient("127.0.0.1", %(far)d, far).setServiceParent(services)
    return services
"""

#: Answers late, and once in two halves.
FAR = """
import sys
from websockets.sync.server import serve

def talk(ws):
    print("somebody is there")
    for message in ws:
        print("asked:", message)
        answer = input()
        ws.send(iter(answer.split()) if " " in answer else answer)

with serve(talk, "127.0.0.1", int(sys.argv[1])) as server:
    print("serving")
    server.serve_forever()
"""


class ClientTests(WebSocketTestCase):
    """
    C{autobahn.twisted.websocket.WebSocketClientFactory}
    """

    @inlineCallbacks
    def test_client(self) -> Any:
        """
        A service uses a WebSocket server: while it has none it tries on and on,
        and answers that come after a move get to whoever asked.
        """
        near = freePort()
        self.code("bridge", BRIDGE % {"near": near, "far": self.port})
        yield self.serve("--service", "bridge=bridge.makeService")
        client = yield self.processes.connect(near)
        client.send(b"early\n")
        yield self.move()
        far = self.script(FAR, str(self.port))
        yield far.line("asked: b?'?early")
        yield self.move()
        far.write(b"good morning\n")
        self.assertEqual((yield client.line()), b"goodmorning")
        client.send(b"binary?\n")
        yield far.line(r"asked: b'binary\?'")
        yield self.move()
        far.write(b"yes\n")
        self.assertEqual((yield client.line()), b"yes")
        self.assertEqual(sum("somebody" in line for line in far.lines), 1)
