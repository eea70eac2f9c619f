"""
More of Twisted's protocols, moved while an answer is outstanding.
"""

from __future__ import annotations

import contextlib
import socket
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.listening import Listener
from tests.processes import freePort, freePorts
from tests.services import ServiceTestCase

CACHE = r"""
from twisted.application.internet import TCPClient, TCPServer
from twisted.application.service import MultiService
from twisted.internet.protocol import ReconnectingClientFactory, ServerFactory
from twisted.protocols.basic import LineReceiver
from twisted.protocols.memcache import MemCacheProtocol

class Cache(MemCacheProtocol):
    def connectionMade(self):
        self.factory.control.cache = self

class Control(LineReceiver):
    def lineReceived(self, line):
        command, *arguments = line.split()
        answer = getattr(self.factory.cache, command.decode())(*arguments)
        answer.addBoth(lambda found: self.sendLine(repr((line, found)).encode()))

class Factory(ServerFactory):
    protocol = Control

def makeService():
    parent, control, client = MultiService(), Factory(), ReconnectingClientFactory()
    client.protocol, client.control = Cache, control
    TCPServer(CONTROL, control, interface="127.0.0.1").setServiceParent(parent)
    TCPClient("127.0.0.1", SERVER, client).setServiceParent(parent)
    return parent
"""


class CacheTests(ServiceTestCase):
    """
    L{twisted.protocols.memcache}
    """

    @inlineCallbacks
    def test_outstanding(self) -> Any:
        """
        Whoever asked the cache before the moves is answered after them, each
        with his own answer.
        """
        control, port = freePorts(2)
        listener = Listener(self, port)
        listener.start()
        self.code("caching", f"CONTROL, SERVER = {control}, {port}\n" + CACHE)
        yield self.serve("--service=caching=caching.makeService")
        server = yield listener.next()
        client = yield self.processes.connect(control)
        for line in (b"get key", b"set key value", b"increment n", b"version"):
            client.sendLine(line)
        yield server.expect(b"get key\r\nset key 0 0 5\r\nvalue\r\n")
        yield server.expect(b"incr n 1\r\nversion\r\n")
        server.send(b"VALUE key 7 10\r\n012\r\n")
        yield self.move()
        server.send(b"5678")
        yield self.move()
        server.send(b"9\r\nEND\r\nSTORED\r\n42\r\nVER")
        client.sendLine(b"delete key")
        yield server.expect(b"delete key\r\n")
        server.send(b"SION 1.6\r\nDELETED\r\n")
        for answer in (
            b"(b'get key', (7, b'012\\r\\n56789'))",
            b"(b'set key value', True)",
            b"(b'increment n', 42)",
            b"(b'version', b'1.6')",
            b"(b'delete key', True)",
        ):
            self.assertEqual((yield client.line()), answer)


OTHERS = r"""
from twisted.application.internet import TCPServer, UDPServer
from twisted.application.service import MultiService
from twisted.internet.defer import Deferred
from twisted.protocols import postfix, sip

class Slow(postfix.PostfixTCPMapDeferringDictServerFactory):
    waiting = None
    def get(self, key):
        if key == b"slow":
            self.waiting = Deferred()
            return self.waiting
        if self.waiting is not None:
            waiting, self.waiting = self.waiting, None
            waiting.callback(b"it took a while")
        return super().get(key)

def makeService():
    parent = MultiService()
    tables = Slow({b"user@example.org": b"some body"})
    TCPServer(TABLES, tables, interface="127.0.0.1").setServiceParent(parent)
    proxy = sip.RegisterProxy("127.0.0.1")
    proxy.registry = proxy.locator = sip.InMemoryRegistry("example.org")
    UDPServer(SIP, proxy, interface="127.0.0.1").setServiceParent(parent)
    return parent
"""

REQUEST = """\
{method} sip:{to} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:{port}
To: sip:{to}
From: sip:somebody@example.net
Call-ID: {number}@127.0.0.1
CSeq: {number} {method}
{more}Content-Length: 0

"""


class OthersTests(ServiceTestCase):
    """
    L{twisted.protocols.postfix} and L{twisted.protocols.sip}
    """

    def request(self, method: str, to: str, number: int, more: str = "") -> None:
        """
        Send a request of somebody's telephone.
        """
        port = self.telephone.getsockname()[1]
        text = REQUEST.format(method=method, to=to, number=number, port=port, more=more)
        self.telephone.send(text.replace("\n", "\r\n").encode())

    def received(self) -> Any:
        """
        @return: a Deferred of the next datagram.
        """

        def probe() -> str | None:
            with contextlib.suppress(BlockingIOError):
                return self.telephone.recv(65536).decode()
            return None

        return self.processes.until(probe, "a datagram")

    @inlineCallbacks
    def test_registered(self) -> Any:
        """
        Who is registered stays registered, and a call finds him; a lookup that
        takes a while ends at the one who asked.
        """
        tables, sip = freePort(), freePort(socket.SOCK_DGRAM)
        self.code("others", f"TABLES, SIP = {tables}, {sip}\n" + OTHERS)
        yield self.serve("--service=others=others.makeService")
        self.telephone = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.telephone.close)
        self.telephone.setblocking(False)
        self.telephone.connect(("127.0.0.1", sip))
        contact = f"Contact: sip:joe@127.0.0.1:{self.telephone.getsockname()[1]}\n"
        self.request("REGISTER", "joe@example.org", 1, contact)
        answer = yield self.received()
        self.assertIn("SIP/2.0 200 OK\r\n", answer)
        slow = yield self.processes.connect(tables)
        slow.send(b"get slow\nget us")
        yield self.move()
        slow.send(b"er@example")
        yield self.move()
        slow.send(b".org\n")
        self.assertEqual((yield slow.line()), b"200 it%20took%20a%20while")
        self.assertEqual((yield slow.line()), b"200 some%20body")
        self.request("INVITE", "joe@example.org", 2)
        invitation = yield self.received()
        self.assertIn("Via: SIP/2.0/UDP 127.0.0.1:5060", invitation)
        self.request("INVITE", "nobody@example.org", 3)
        answer = yield self.received()
        self.assertIn("SIP/2.0 404 ", answer)
