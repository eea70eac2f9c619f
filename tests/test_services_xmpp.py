"""
Twisted's router between XMPP components, moved while they are connected.
"""

from __future__ import annotations

import hashlib
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: A component that is written with Twisted: prints what it gets, and sends what
#: lines of its input say.
COMPONENT = """
import sys

from twisted.application.internet import StreamServerEndpointService
from twisted.internet import reactor, stdio
from twisted.protocols.basic import LineOnlyReceiver
from twisted.words.protocols.jabber import component
from twisted.words.xish import domish

port, name = sys.argv[1:]
connections = 0


class Printing(component.Service):
    def componentConnected(self, xs):
        print("connected", flush=True)
        xs.addObserver("/message", self.got)

    def got(self, message):
        print("got", message["from"], str(message.body), flush=True)


class Orders(LineOnlyReceiver):
    delimiter = b"\\n"

    def lineReceived(self, line):
        to, _, text = line.decode().partition(" ")
        message = domish.Element((None, "message"))
        message["to"], message["from"] = to, name
        message.addElement("body", content=text)
        manager.send(message)


manager = component.buildServiceManager(name, "secret", f"tcp:127.0.0.1:{port}")
Printing().setServiceParent(manager)
manager.startService()
stdio.StandardIO(Orders())
reactor.run()
"""

HEADER = (
    b"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "
    b"xmlns:stream='http://etherx.jabber.org/streams' xmlns:x='urn:x' to='%s'>"
)


class RouterTests(ServiceTestCase):
    """
    The plugin itself.
    """

    @inlineCallbacks
    def serveRouter(self) -> Any:
        """
        Start the server.
        """
        self.port = freePort()
        yield self.plugin(
            f"router=xmpp-router --port tcp:{self.port}:interface=127.0.0.1 --verbose"
        )

    @inlineCallbacks
    def header(self, name: bytes) -> Any:
        """
        @return: a connection that is to be component C{name}, and what it has to
            prove that it may with.
        """
        client = yield self.processes.connect(self.port)
        client.send(HEADER % name)
        found = yield client.expect(b"<stream:stream [^>]*id='([^']*)'[^>]*>")
        proof = hashlib.sha1(found[1] + b"secret").hexdigest()
        return client, b"<handshake>" + proof.encode() + b"</handshake>"

    @inlineCallbacks
    def component(self, name: bytes) -> Any:
        """
        @return: a connection that is component C{name}.
        """
        client, handshake = yield self.header(name)
        client.send(handshake)
        yield client.expect(b"<handshake/>")
        return client

    @inlineCallbacks
    def test_components(self) -> Any:
        """
        Two components go on to talk, on the connections that they had.
        """
        yield self.serveRouter()
        first = self.script(COMPONENT, str(self.port), "first.test")
        second = self.script(COMPONENT, str(self.port), "second.test")
        for component in (first, second):
            yield component.line("connected")
        for number in range(2):
            first.write(b"someone@second.test this is %d\n" % number)
            yield second.line(f"^got first.test this is {number}$")
            yield self.move()
            second.write(b"first.test that is %d\n" % number)
            yield first.line(f"^got second.test that is {number}$")
        for component in (first, second):
            self.assertEqual(component.lines.count("connected"), 1)

    @inlineCallbacks
    def test_stanzas(self) -> Any:
        """
        Moved in each state of a stream that is at the end of something.
        """
        yield self.serveRouter()
        silent = yield self.processes.connect(self.port)
        late, handshake = yield self.header(b"late.test")
        early = yield self.component(b"early.test")
        yield self.move()
        late.send(handshake)
        yield late.expect(b"<handshake/>")
        silent.send(HEADER % b"silent.test")
        yield silent.expect(b"<stream:stream [^>]*>")
        early.send(b"\n<message to='late.test'><body>a &lt; \xc3\xa4</body></message> ")
        yield late.expect(b"<message to='late.test'><body>a &lt; \xc3\xa4</body>")
        yield self.move()
        late.send(b"<message to='early.test'><x:y>z</x:y><stream:a/></message>")
        yield early.expect(
            b"<message to='early.test'><x:y>z</x:y><stream:a/></message>"
        )
        early.send(b"</stream:stream>")
        yield early.closed()
        yield self.move()
        again = yield self.component(b"early.test")
        late.send(b"<message to='early.test'><body>again</body></message>")
        yield again.expect(b"<body>again</body></message>")
        late.send(b"</wrong>")
        yield late.closed()

    @inlineCallbacks
    def test_middle(self) -> Any:
        """
        In the middle of a stanza it does not move, and goes on; at the end of it,
        it does.
        """
        yield self.serveRouter()
        client = yield self.component(b"some.test")
        for start, end in (
            (b"<message to='some.test'><body>ha", b"lf</body></message>"),
            (b"<message to='some.te", b"st'><body>half</body></message>"),
        ):
            client.send(start)
            yield self.server.line(r"RECV \(\d+\): .*<message")
            refused = yield self.refused()
            self.assertEqual(
                refused,
                "migrate-client: router.factory.router.routes['some.test'].stream: an "
                "XML stream in the middle of a stanza, of which the parser keeps a "
                "part in C; wait for the rest of it (it passes by itself: --wait "
                "SECONDS waits for that)",
            )
            # Newer parsers wait for more than what completes half a token.
            client.send(end + b" " * 64)
            yield client.expect(b"<message to='some.test'><body>half</body></message>")
            yield self.move()
