"""
A Twisted Web service of an application's own is moved while clients send to it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Answers what it was sent, and when idle connections are going to be closed;
#: its log tells how much of an upload has come.
SERVICE = """
import json
from hashlib import sha256

from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Upload(Request):
    def handleContentChunk(self, data):
        Request.handleContentChunk(self, data)
        log.msg(f"{self.getHeader('x-name')} sent {self.content.tell()} bytes")


class Digest(Resource):
    isLeaf = True

    def render_POST(self, request):
        content = request.content.read()
        answer = {
            "length": len(content),
            "digest": sha256(content).hexdigest(),
            "kind": type(request.content).__name__,
            "arguments": sorted(name.decode() for name in request.args),
        }
        return json.dumps(answer).encode() + b"\\n"

    render_PUT = render_POST

    def render_GET(self, request):
        due = [
            call.getTime()
            for call in reactor.getDelayedCalls()
            if "timedOut" in getattr(call.func, "__name__", "")
        ]
        return json.dumps(sorted(due)).encode() + b"\\n"


def makeService():
    site = Site(Digest(), requestFactory=Upload, timeout=%(timeout)s)
    return TCPServer(%(port)d, site, interface="127.0.0.1")
"""


class UploadTests(ServiceTestCase):
    """
    C{curl} sends the body of a request in pieces.
    """

    @inlineCallbacks
    def start(self, timeout: float = 60) -> Any:
        """
        Serve.
        """
        self.port = freePort()
        self.code("uploads", SERVICE % {"port": self.port, "timeout": timeout})
        yield self.serve("--service", "uploads=uploads.makeService")

    def curl(self, name: str, *options: str) -> Child:
        """
        Start to send what comes on the standard input.
        """
        return self.program(
            *("curl", "-sSv", "--no-buffer", "--upload-file", "-", *options),
            *("-H", f"X-Name: {name}", f"http://127.0.0.1:{self.port}/"),
        )

    def of(self, length: int) -> tuple[str, ...]:
        """
        @return: what has C{curl} tell the length instead of chunks.
        """
        return ("-H", f"Content-Length: {length}", "-H", "Transfer-Encoding:")

    @inlineCallbacks
    def answer(self, curl: Child) -> Any:
        """
        @return: what was answered to a whole upload.
        """
        ended = yield curl.ended()
        self.assertEqual(ended.status, 0, ended.err)
        self.assertIn("< HTTP/1.1 200 OK", ended.err)
        return json.loads(ended.out)

    @inlineCallbacks
    def test_pieces(self) -> Any:
        """
        Bodies in memory, in a file and in chunks arrive as they were sent,
        whatever part of them came before, between and after the moves; so does
        one that waits for the server's word to be sent.
        """
        yield self.start()
        piece = b"".join(sha256(b"%d" % i).digest() for i in range(31_250))
        curls = {
            "small": (self.curl("small", *self.of(3000), "-X", "POST"), piece[:1000]),
            "large": (self.curl("large", *self.of(3_000_000)), piece),
            "chunked": (self.curl("chunked", "-H", "Expect:"), piece),
        }
        for name in ("small", "large"):
            # That it may go on, and that it does so from then on.
            yield curls[name][0].line("< HTTP/1.1 100 Continue")
        yield curls["chunked"][0].line("> Transfer-Encoding: chunked")
        for i in range(1, 4):
            for name, (curl, part) in curls.items():
                curl.write(part)
                yield self.server.line(f"{name} sent {i * len(part)} bytes")
            if i < 3:
                yield self.move()
        for curl, part in curls.values():
            curl.closeInput()
            found = yield self.answer(curl)
            self.assertEqual(found["length"], 3 * len(part))
            self.assertEqual(found["digest"], sha256(3 * part).hexdigest())
            kind = "BytesIO" if len(part) == 1000 else "BufferedRandom"
            self.assertEqual(found["kind"], kind)

    @inlineCallbacks
    def test_form(self) -> Any:
        """
        A form with a file in it is taken apart as ever.
        """
        yield self.start()
        content = b"".join(sha256(b"%d" % i).digest() for i in range(10_000))
        head = (
            b'--xyz\r\nContent-Disposition: form-data; name="note"\r\n\r\nhello\r\n'
            b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
            b"Content-Type: application/octet-stream\r\n\r\n"
        )
        curl = self.curl(
            *("form", "-X", "POST", "-H"),
            "Content-Type: multipart/form-data; boundary=xyz",
        )
        yield curl.line("< HTTP/1.1 100 Continue")
        curl.write(head[:50])
        yield self.server.line("form sent 50 bytes")
        yield self.move()
        curl.write(head[50:] + content)
        yield self.server.line(f"form sent {len(head) + len(content)} bytes")
        yield self.move()
        curl.write(b"\r\n--xyz--\r\n")
        curl.closeInput()
        found = yield self.answer(curl)
        self.assertEqual(found["arguments"], ["file", "note"])

    @inlineCallbacks
    def idle(self) -> Any:
        """
        @return: a connection that has sent nothing, and one that has sent half
            of a request.
        """
        idle = yield self.processes.connect(self.port)
        half = yield self.processes.connect(self.port)
        half.send(b"PUT / HTTP/1.1\r\nContent-Length: 10\r\nX-Name: half\r\n\r\nhello")
        yield self.server.line("half sent 5 bytes")
        return idle, half

    @inlineCallbacks
    def test_timeouts(self) -> Any:
        """
        The time goes on counting after which idle connections are closed.
        """
        yield self.start()
        yield self.idle()
        due = yield self.due()
        self.assertEqual(len(due), 2)
        for _ in range(2):
            yield self.move()
            self.assertEqual((yield self.due()), due)

    @inlineCallbacks
    def test_timedOut(self) -> Any:
        """
        Idle connections are closed once that time has come.
        """
        yield self.start(timeout=2)
        idle, half = yield self.idle()
        yield self.move()
        yield idle.closed()
        yield half.closed()
        self.assertEqual((yield self.due()), [])

    @inlineCallbacks
    def due(self) -> Any:
        """
        @return: when idle connections are to be closed.
        """
        curl = self.program("curl", "-sS", f"http://127.0.0.1:{self.port}/")
        ended = yield curl.ended()
        return json.loads(ended.out)
