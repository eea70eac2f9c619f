"""
The resources that come with Twisted Web are moved in the middle of what they do.
"""

from __future__ import annotations

from hashlib import md5, sha256
from typing import Any

from twisted.internet.defer import inlineCallbacks

from migrate.adapters.exits import answers
from tests.children import Child
from tests.pipes import Pipe
from tests.services import ServiceTestCase, freePort

#: More than all the buffers between a server and a client together.
SIZE = 16 * 1024 * 1024

SERVICE = """
from twisted.application.internet import TCPServer
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.web.client import Agent, HTTPConnectionPool, readBody
from twisted.web.guard import (
    BasicCredentialFactory,
    DigestCredentialFactory,
    HTTPAuthSessionWrapper,
)
from twisted.web.proxy import ReverseProxyResource
from twisted.web.resource import EncodingResourceWrapper, IResource, Resource
from twisted.web.server import NOT_DONE_YET, GzipEncoderFactory, Site
from twisted.web.static import File
from twisted.web.vhost import NameVirtualHost
from zope.interface import implementer


class Named(Resource):
    isLeaf = True

    def __init__(self, name):
        Resource.__init__(self)
        self.name = name

    def render_GET(self, request):
        return b"for " + self.name + b"\\n"


class Asking(Resource):
    isLeaf = True

    def __init__(self, where):
        Resource.__init__(self)
        self.agent = Agent(reactor, pool=HTTPConnectionPool(reactor))
        self.where = where

    def render_GET(self, request):
        answer = self.agent.request(b"GET", self.where)
        answer.addCallback(self.head, request)
        answer.addCallback(self.body, request)
        return NOT_DONE_YET

    def head(self, response, request):
        request.setResponseCode(response.code)
        request.write(response.headers.getRawHeaders(b"x-answer")[0] + b"\\n")
        return readBody(response)

    def body(self, body, request):
        request.write(body)
        request.finish()


@implementer(IRealm)
class Realm:
    def requestAvatar(self, avatarId, mind, *interfaces):
        return IResource, Named(avatarId), lambda: None


def makeService():
    passwords = InMemoryUsernamePasswordDatabaseDontUse(guest=b"secret")
    guard = HTTPAuthSessionWrapper(
        Portal(Realm(), [passwords]),
        [DigestCredentialFactory("md5", b"here"), BasicCredentialFactory(b"here")],
    )
    files = File("public")
    hosts = NameVirtualHost()
    hosts.addHost(b"proxy", ReverseProxyResource("127.0.0.1", %(behind)d, b"/there"))
    hosts.addHost(b"gzip", EncodingResourceWrapper(files, [GzipEncoderFactory()]))
    hosts.addHost(b"guard", guard)
    hosts.addHost(b"agent", Asking(b"http://127.0.0.1:%(behind)d/asked"))
    hosts.default = Named(b"whom")
    return TCPServer(%(port)d, Site(hosts), interface="127.0.0.1")
"""


class ResourceTests(ServiceTestCase):
    """
    One site with several hosts.
    """

    @inlineCallbacks
    def start(self) -> Any:
        """
        Serve.
        """
        self.port, self.behind = freePort(), freePort()
        (self.directory / "public").mkdir()
        self.code("hosts", SERVICE % {"port": self.port, "behind": self.behind})
        yield self.serve("--service", "site=hosts.makeService")

    def curl(self, host: str, path: str = "", *options: str) -> Child:
        """
        Start a request.
        """
        where = f"http://127.0.0.1:{self.port}/{path}"
        return self.program("curl", "-sSN", "-H", f"Host: {host}", *options, where)

    @inlineCallbacks
    def text(self, curl: Child) -> Any:
        """
        @return: what a request that ends well has got.
        """
        ended = yield curl.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        return ended.out

    @inlineCallbacks
    def test_proxy(self) -> Any:
        """
        A proxy keeps both its connections, to the client and to the server
        behind it, while an answer comes in pieces.
        """
        yield self.start()
        behind = self.program("nc", "-lv", "127.0.0.1", str(self.behind))
        yield behind.line("Listening")
        curl = self.curl("proxy", "some?query", "--data", "posted\n")
        yield behind.line("POST /there/some.query HTTP/1.0")
        yield behind.line("posted")
        behind.write(b"HTTP/1.0 200 OK\r\nX-Answer: 42\r\nContent-Le")
        yield self.move()
        behind.write(b"ngth: 21\r\n\r\nfirst\n")
        yield curl.line("first")
        yield self.move()
        behind.write(b"second\n")
        yield curl.line("second")
        yield self.move()
        behind.write(b"and last")
        self.assertEqual((yield self.text(curl)), "first\nsecond\nand last")
        self.assertEqual((yield self.text(self.curl("other"))), "for whom\n")

    @inlineCallbacks
    def test_agent(self) -> Any:
        """
        A resource that asks another server hears its answer, though nothing
        but the reactor knew whom it has asked.
        """
        yield self.start()
        behind = self.program("nc", "-lv", "127.0.0.1", str(self.behind))
        yield behind.line("Listening")
        curl = self.curl("agent")
        yield behind.line("GET /asked HTTP/1.1")
        yield self.move()
        behind.write(b"HTTP/1.1 404 OK\r\nX-Answer: fo")
        yield self.move()
        behind.write(b"rty-two\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst\n\r\n")
        yield curl.line("forty-two")
        yield self.move()
        behind.write(b"5\r\nlast\n\r\n0\r\n\r\n")
        self.assertEqual((yield self.text(curl)), "forty-two\nfirst\nlast\n")
        # Whoever listens behind listens only once.
        yield self.move()
        mark, curl = len(behind.lines), self.curl("agent")
        yield behind.line("GET /asked HTTP/1.1", after=mark)
        behind.write(b"HTTP/1.1 200 OK\r\nX-Answer: 1\r\nContent-Length: 0\r\n\r\n")
        self.assertEqual((yield self.text(curl)), "1\n")

    @inlineCallbacks
    def test_compressed(self) -> Any:
        """
        What is being compressed arrives whole, in one file that C{curl} can
        read, in spite of several moves in the middle of it.
        """
        yield self.start()
        data = b"".join(sha256(b"%d" % i).digest() for i in range(SIZE // 32))
        (self.directory / "public" / "big.bin").write_bytes(data)
        pipe = Pipe(self, "got")
        curl = self.curl("gzip", "big.bin", "--compressed", "--output", str(pipe.path))
        yield pipe.allow(200_000)
        for _ in range(2):
            pipe.allow(100_000)
            yield self.move()
        yield pipe.rest()
        yield self.text(curl)
        self.assertTrue(pipe.received == data, len(pipe.received))

    @inlineCallbacks
    def test_guarded(self) -> Any:
        """
        A challenge may be answered after the move; who knows the password is
        let in, and others are not.
        """
        yield self.start()
        client = yield self.processes.connect(self.port)
        client.send(b"GET /x HTTP/1.1\r\nHost: guard\r\n\r\n")
        challenge = yield client.expect(rb'digest nonce="(\w+)", opaque="([^"]+)"')
        yield client.expect(rb"\r\n\r\n")
        yield self.move()
        client.send(b"GET /x HTTP/1.1\r\nHost: guard\r\nAuthorization: ")
        client.send(self.response(*challenge.groups()) + b"\r\n\r\n")
        yield client.expect(b"200 OK")
        yield client.expect(b"for guest")
        yield self.move()
        for kind in ("--digest", "--basic"):
            curl = self.curl("guard", "", kind, "--user", "guest:secret")
            self.assertEqual((yield self.text(curl)), "for guest\n")
            curl = self.curl("guard", "", kind, "--user", "guest:wrong")
            self.assertEqual((yield self.text(curl)), "Unauthorized")

    def response(self, nonce: bytes, opaque: bytes) -> bytes:
        """
        @return: what proves the knowledge of the password.
        """
        halves = (b"guest:here:secret", b"GET:/x")
        first, second = (md5(half).hexdigest().encode() for half in halves)
        proof = md5(first + b":" + nonce + b":" + second).hexdigest().encode()
        fields = {
            b"username": b"guest",
            b"realm": b"here",
            b"nonce": nonce,
            b"uri": b"/x",
            b"response": proof,
            b"opaque": opaque,
        }
        return b"Digest " + b", ".join(b'%s="%s"' % pair for pair in fields.items())


class CGITests(ServiceTestCase):
    """
    C{twistd web --path} with a script in it.
    """

    @inlineCallbacks
    def test_script(self) -> Any:
        """
        A script goes on while the server moves away from under it, twice: what it
        says then is in the answer, which ends with it.  Where the kernel tells
        nobody but its parent how it ended, it is in the way, by its name, until
        then.
        """
        port, folder = freePort(), self.directory / "public"
        folder.mkdir()
        script = folder / "wait.cgi"
        script.write_text(
            "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\nbegun\\n'\n"
            "read word < ../word\necho $word\n"
        )
        script.chmod(0o755)
        yield self.processes.start(["mkfifo", "word"], self.directory).ended()
        yield self.plugin(
            f"site=web --listen tcp:{port}:interface=127.0.0.1 --path {folder}"
        )
        yield self.move()
        curl = self.program("curl", "-sSN", f"http://127.0.0.1:{port}/wait.cgi")
        yield curl.line("begun")
        if answers():
            yield self.move()
            yield self.move()
        else:
            line = yield self.refused()
            self.assertIn("_requestProducer.transport: the child process", line)
        (self.directory / "word").write_text("at last\n")
        ended = yield curl.ended()
        self.assertEqual((ended.status, ended.out), (0, "begun\nat last\n"))
        yield self.move()
