"""
HTTP/2 is moved in the middle of several streams.

Twisted speaks it once TLS has negotiated it; here it is spoken without, by a
service of a few lines.
"""

from __future__ import annotations

import json
import shlex
from hashlib import sha256
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.pipes import Pipe
from tests.services import ServiceTestCase, freePort

SERVICE = """
import json
from hashlib import sha256

from twisted.application.internet import TCPServer
from twisted.internet import reactor, task
from twisted.python import log
from twisted.web._http2 import H2Connection
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from twisted.web.static import File


class Channel(H2Connection):
    def connectionMade(self):
        H2Connection.connectionMade(self)
        self.transport.registerProducer(self, True)


class ClearSite(Site):
    def buildProtocol(self, address):
        channel = Channel()
        channel.requestFactory = Upload
        channel.site = channel.factory = self
        channel.timeOut = self.timeOut
        channel.callLater = reactor.callLater
        return channel


class Upload(Request):
    def handleContentChunk(self, data):
        Request.handleContentChunk(self, data)
        log.msg(f"{self.content.tell()} bytes sent")


class Digest(Resource):
    isLeaf = True

    def render_PUT(self, request):
        content = request.content.read()
        remembered = request.requestHeaders.getRawHeaders("x-remember")[0]
        request.setHeader("x-remembered", remembered)
        answer = {"length": len(content), "digest": sha256(content).hexdigest()}
        return json.dumps(answer).encode()


class Held(Resource):
    isLeaf = True
    request = None

    def render_GET(self, request):
        self.request = request
        request.notifyFinish().addErrback(self.gone)
        log.msg("held")
        return NOT_DONE_YET

    def render_PUT(self, request):
        self.request.write(request.content.read())
        self.request.finish()
        return b"told"

    def gone(self, reason):
        log.msg("nobody waits")


def makeService():
    root = File("public")
    root.putChild(b"digest", Digest())
    root.putChild(b"held", Held())
    return TCPServer(%(port)d, ClearSite(root), interface="127.0.0.1")
"""


#: Speaks with a server as it is told to, a line at a time: which stream, what to
#: do there.  All its requests have a header that both sides have to remember.
CLIENT = """
import os
import select
import socket
import sys

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, ResponseReceived, StreamEnded

url, = sys.argv[1:]
host, port = url.removeprefix("http://").split(":")
sock = socket.create_connection((host, int(port)))
conn = H2Connection(H2Configuration(header_encoding="utf-8"))
conn.initiate_connection()
bodies = {}


def tell(stream, words):
    verb, *rest = words
    if verb in ("GET", "PUT"):
        headers = {":method": verb, ":path": rest[0], ":scheme": "http"}
        headers |= {":authority": host, "x-remember": "me" * 50}
        conn.send_headers(stream, list(headers.items()), end_stream=verb == "GET")
    elif verb == "data":
        conn.send_data(stream, rest[0].encode() * 1000)
    elif verb == "end":
        conn.end_stream(stream)
    elif verb == "reset":
        conn.reset_stream(stream)
    elif verb == "ping":
        conn.ping(b"12345678")


def hear(event):
    if isinstance(event, ResponseReceived):
        headers = dict(event.headers)
        print(event.stream_id, headers[":status"], headers.get("x-remembered"))
    elif isinstance(event, DataReceived):
        bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
        conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
    elif isinstance(event, StreamEnded):
        print(event.stream_id, "body", bodies.pop(event.stream_id, b"").decode())
    elif isinstance(event, PingAckReceived):
        print("pong")


while True:
    sock.sendall(conn.data_to_send())
    ready, _, _ = select.select([sock, 0], [], [])
    if sock in ready:
        data = sock.recv(65536)
        if not data:
            sys.exit("the server hung up")
        for event in conn.receive_data(data):
            hear(event)
    else:
        lines = os.read(0, 65536).decode().splitlines()
        if not lines:
            break
        for stream, *words in map(str.split, lines):
            tell(int(stream), words)
"""

#: Files, and what turns the same bytes into those of each.
ALPHABETS = {
    f"{number}.bin": bytes(number << 6 | byte & 63 for byte in range(256))
    for number in range(3)
}


class HTTP2Tests(ServiceTestCase):
    """
    HTTP/2 with prior knowledge.
    """

    @inlineCallbacks
    def start(self, size: int = 0) -> Any:
        """
        Serve three files, which have no byte in common.

        @param size: that of each, in bytes.
        """
        self.port = freePort()
        self.url = f"http://127.0.0.1:{self.port}"
        folder = self.directory / "public"
        folder.mkdir()
        self.data = b"".join(sha256(b"%d" % i).digest() for i in range(size // 32))
        for name, alphabet in ALPHABETS.items():
            (folder / name).write_bytes(self.data.translate(alphabet))
        self.code("clear", SERVICE % {"port": self.port})
        yield self.serve("--service", "site=clear.makeService")

    def nghttp(self, pipe: Pipe, *arguments: str) -> Child:
        """
        Start C{nghttp}, which writes what comes on all streams to one place.
        """
        found = self.installed("nghttp", "nghttp2-client")
        command = (
            f"exec {shlex.join([found, *arguments])} > {shlex.quote(str(pipe.path))}"
        )
        return self.program("sh", "-c", command)

    @inlineCallbacks
    def download(self, size: int, bits: int) -> Any:
        """
        Several streams of one connection download at the same time.

        @param bits: the size of each one's window, and of that of all.
        """
        yield self.start(size)
        pipe = Pipe(self, "got")
        windows = (f"--window-bits={bits}", f"--connection-window-bits={bits}")
        urls = (f"{self.url}/{name}" for name in ALPHABETS)
        client = self.nghttp(pipe, *windows, *urls)
        yield pipe.allow(300_000)
        for _ in range(2):
            pipe.allow(300_000)
            yield self.move()
        self.assertLess(len(pipe.received), size)
        yield pipe.rest()
        ended = yield client.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        for name, alphabet in ALPHABETS.items():
            others = bytes(set(range(256)) - set(alphabet))
            got = pipe.received.translate(None, others)
            self.assertTrue(got == self.data.translate(alphabet), name)

    def test_streams(self) -> Any:
        """
        The transport is what holds the server back: three files together are
        more than what all the buffers on the way hold.
        """
        return self.download(8 * 1024 * 1024, 30)

    def test_flowControl(self) -> Any:
        """
        The windows of the streams are what holds the server back.
        """
        return self.download(2 * 1024 * 1024, 16)

    @inlineCallbacks
    def test_conversation(self) -> Any:
        """
        One connection goes on with all that both sides remember of it: headers
        that were sent before, streams that are open, held or given up, bodies
        half of which has come.
        """
        yield self.start()
        client = self.script(CLIENT, self.url)
        told = "me" * 50
        client.write(b"1 GET /held\n3 PUT /digest\n3 data a\n")
        yield self.server.line("1000 bytes sent")
        for number in range(5, 11, 2):
            yield self.move()
            client.write(b"%d PUT /digest\n%d end\n" % (number, number))
            yield client.line(f"{number} 200 {told}")
            yield client.line(f'{number} body .*"length": 0')
            client.write(b"3 data b\n0 ping\n")
            yield self.server.line(f"{(number - 1) // 2 * 1000} bytes sent")
            yield client.line("pong")
        client.write(b"3 end\n")
        yield client.line(f"3 200 {told}")
        found = yield client.line("3 body (.*)")
        expected = sha256(b"a" * 1000 + b"b" * 3000).hexdigest()
        self.assertEqual(json.loads(found[1])["digest"], expected)
        client.write(b"11 PUT /held\n11 data n\n11 end\n")
        yield client.line("1 body n{1000}$")
        client.write(b"13 GET /held\n")
        yield self.server.line("held")
        yield self.move()
        client.write(b"13 reset\n")
        yield self.server.line("nobody waits")
        client.closeInput()
        ended = yield client.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
