"""
Services that fetch something over HTTP, moved in the middle of a request or of
a response; the server is the test's.
"""

from __future__ import annotations

import gzip
import hashlib
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.clients import Client
from tests.listening import Listener
from tests.processes import freePorts
from tests.services import ServiceTestCase

FETCHING = r"""
import hashlib
from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.protocols.basic import LineReceiver
from twisted.web import client

URL = b"http://127.0.0.1:%d/" % SERVER

class Gathering(Protocol):
    # Takes a response when it likes to.
    def __init__(self, done):
        self.done, self.data = done, b""
    def dataReceived(self, data):
        self.data += data
        if self.data.endswith(b"wait"):
            self.transport.pauseProducing()
    def connectionLost(self, reason):
        self.done.callback(self.data + b" " + reason.type.__name__.encode())

class Control(LineReceiver):
    def lineReceived(self, line):
        command, path = line.split()
        found = getattr(self, "do_" + command.decode())(URL + path)
        if found is not None:
            found.addErrback(self.failed)
            found.addCallback(lambda data: self.sendLine(line + b": " + data))
    def failed(self, reason):
        return f"{reason.value!r}".encode()
    def do_get(self, url):
        return self.factory.agent.request(b"GET", url).addCallback(client.readBody)
    def do_gather(self, url):
        def gather(response):
            self.gathering = Gathering(Deferred())
            response.deliverBody(self.gathering)
            return self.gathering.done
        return self.factory.agent.request(b"GET", url).addCallback(gather)
    def do_resume(self, url):
        self.gathering.transport.resumeProducing()
    def do_put(self, url):
        body = client.FileBodyProducer(open("big", "rb"))
        sending = self.factory.agent.request(b"PUT", url, bodyProducer=body)
        return sending.addCallback(client.readBody)
    def do_browse(self, url):
        agent = client.BrowserLikeRedirectAgent(self.factory.agent)
        return agent.request(b"GET", url).addCallback(client.readBody)
    def do_proxied(self, url):
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", SERVER)
        agent = client.ProxyAgent(endpoint, pool=self.factory.pool)
        asking = agent.request(b"GET", b"http://example.org/" + url)
        return asking.addCallback(client.readBody)
    def do_unzip(self, url):
        agent = client.ContentDecoderAgent(
            self.factory.agent, [(b"gzip", client.GzipDecoder)])
        return agent.request(b"GET", url).addCallback(client.readBody)
    def do_idle(self, url):
        calls = reactor.getDelayedCalls()
        times = sorted(call.getTime() - reactor.seconds() for call in calls)
        self.sendLine(b"idle: %d" % sum(800 < time < 900 for time in times))
        for call in calls:
            if 800 < call.getTime() - reactor.seconds() < 900:
                call.reset(0)

class Factory(ServerFactory):
    protocol = Control
    def __init__(self):
        self.pool = client.HTTPConnectionPool(reactor)
        self.pool.cachedConnectionTimeout = 899
        self.agent = client.Agent(reactor, pool=self.pool, connectTimeout=700)

def makeService():
    return TCPServer(CONTROL, Factory(), interface="127.0.0.1")
"""


class FetchingTests(ServiceTestCase):
    """
    L{twisted.web.client}
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve, and connect somebody who says what to fetch.
        """
        control, port = freePorts(2)
        self.listener = Listener(self, port)
        self.listener.start()
        self.code("fetching", f"CONTROL, SERVER = {control}, {port}\n" + FETCHING)
        yield self.serve("--service=fetching=fetching.makeService")
        self.nc = self.program(
            "nc", "127.0.0.1", str(control), package="netcat-openbsd"
        )

    @inlineCallbacks
    def ask(self, command: str, path: str, url: str = "") -> Any:
        """
        Have something fetched over a new connection.

        @return: the server's end of it.
        """
        self.nc.write(f"{command} {path}\r\n".encode())
        server: Client = yield self.listener.next()
        method = b"PUT" if command == "put" else b"GET"
        yield server.expect(method + f" {url}/{path} HTTP/1.1\r\n".encode())
        yield server.expect(b"\r\n\r\n")
        return server

    def fetched(self, command: str, path: str, data: str) -> Any:
        """
        Wait until something was fetched.
        """
        return self.nc.line(f"^{command} {path}: {data}$")

    @inlineCallbacks
    def test_responses(self) -> Any:
        """
        Responses that come in three pieces to three processes.
        """
        yield self.begin()
        pieces: dict[Any, tuple[bytes, bytes, bytes]] = {}
        for command, path, answers in RESPONSES:
            pieces[(yield self.ask(command, path))] = answers
        server = yield self.ask("browse", "from")
        pieces[server] = (b"HTTP/1.1 302 Fo", b"und\r\nLocation: /to\r\nCon", REST)
        url = f"http://example.org/http://127.0.0.1:{self.listener.port}"
        server = yield self.ask("proxied", "x", url)
        pieces[server] = (b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2", b"\r\n\r\nyz")
        for number in range(3):
            if number:
                yield self.move()
            for server, answers in pieces.items():
                server.send(answers[number])
        yield self.fetched("get", "late", "hello")
        yield self.fetched("get", "chunked", "abcdefghijkl")
        self.nc.write(b"resume x\r\n")
        yield self.fetched("gather", "paused", "please wait for me ResponseDone")
        yield self.fetched("proxied", "x", "yz")
        again = yield self.processes.until(
            lambda: [one for one in self.listener.accepted if TO in one.received],
            "the request for what the redirection leads to",
        )
        again[0].send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nlanded")
        yield self.fetched("browse", "from", "landed")

    @inlineCallbacks
    def test_idle(self) -> Any:
        """
        A connection that is kept for later is used later, and closed in time.
        """
        yield self.begin()
        server = yield self.ask("get", "first")
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none")
        yield self.fetched("get", "first", "one")
        yield self.move()
        self.nc.write(b"get second\r\n")
        yield server.expect(b"GET /second HTTP/1.1\r\n")
        yield self.move()
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntwo")
        yield self.fetched("get", "second", "two")
        yield self.move()
        self.nc.write(b"idle x\r\n")
        yield self.nc.line("^idle: 1$")
        yield server.closed()
        self.assertEqual(len(self.listener.accepted), 1)

    @inlineCallbacks
    def test_upload(self) -> Any:
        """
        A file that is being sent, faster than it is read, is sent on.
        """
        content = b"".join(b"line %d\n" % number for number in range(1_000_000))
        self.directory.joinpath("big").write_bytes(content)
        yield self.begin()
        server: Any = yield self.ask("put", "big")
        start = len(server.received.partition(b"\r\n\r\n")[0]) + 4
        server.transport.pauseProducing()
        yield self.move()
        yield self.move()
        server.transport.resumeProducing()
        yield self.processes.until(
            lambda: len(server.received) - start >= len(content), "the whole file"
        )
        self.assertEqual(
            hashlib.sha256(server.received[start:]).hexdigest(),
            hashlib.sha256(content).hexdigest(),
        )
        server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nstored")
        yield self.fetched("put", "big", "stored")

    @inlineCallbacks
    def test_decoding(self) -> Any:
        """
        What is half decompressed cannot be moved; once it is whole, the
        service moves.
        """
        yield self.begin()
        server = yield self.ask("unzip", "zipped")
        data = gzip.compress(b"hello")
        server.send(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
            % len(data)
            + data[:12]
        )
        other = yield self.ask("get", "late")
        line = yield self.refused()
        self.assertIn("a response that is being decompressed", line)
        self.assertIn("it passes by itself", line)
        old, self.server = self.server, self.client("--all", "--wait", "60")
        yield self.server.line("fetching waits: .*decompressed")
        server.send(data[12:])
        yield self.fetched("unzip", "zipped", "hello")
        yield old.ended()
        yield self.move()
        other.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        yield self.fetched("get", "late", "ok")


TO = b"GET /to HTTP/1.1\r\n"
REST = b"tent-Length: 0\r\n\r\n"

#: The command, the path, and what comes in three pieces.
RESPONSES = (
    (
        "get",
        "late",
        (b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 5\r\n\r\nhello"),
    ),
    (
        "get",
        "chunked",
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"de\r\n7",
            b"\r\nfghijkl\r\n0\r\n\r\n",
        ),
    ),
    (
        "gather",
        "paused",
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 18\r\n\r\nplease wait",
            b" for",
            b" me",
        ),
    ),
)
