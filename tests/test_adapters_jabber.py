"""
Tests for L{migrate.adapters.jabber}.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase
from twisted.words.protocols.jabber import component, xmlstream
from twisted.words.xish import domish, xpath
from twisted.words.xish.xmlstream import STREAM_ERROR_EVENT
from zope.interface.verify import verifyObject

from migrate.adapters.jabber import ElementStreamAdapter, QueryAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter
from tests.inprocess import Move
from tests.reactors import freshReactor, spin

HEADER = (
    b"<?xml version='1.0'?><s:stream xmlns='jabber:client' xmlns:x='u:&amp;'"
    b" xmlns:s='http://etherx.jabber.org/streams' to='here'>"
)
STANZAS = (
    b"<message to='a'><body>a &lt; \xc3\xa4]]</body><x:y s:z='1'/></message>",
    b" \r\n",
    b"<iq><![CDATA[<not> & a tag]]><query xmlns='q'>t</query></iq>",
    b"<presence/>",
)
FOOTER = b"</s:stream>"


class Recording(xmlstream.XmlStream):
    """
    Keeps what it gets.
    """

    def __init__(self, authenticator: Any) -> None:
        super().__init__(authenticator)
        self.seen: list[str] = []
        self.bytes = 0
        self.addObserver(STREAM_ERROR_EVENT, self.onError)

    def connectionMade(self) -> None:
        """
        See L{xmlstream.XmlStream.connectionMade}.
        """
        super().connectionMade()
        # Newer parsers would wait for more than what completes half a token.
        if hasattr(self.stream.parser, "SetReparseDeferralEnabled"):
            self.stream.parser.SetReparseDeferralEnabled(False)

    def dataReceived(self, data: bytes) -> None:
        """
        See L{xmlstream.XmlStream.dataReceived}.
        """
        super().dataReceived(data)
        self.bytes += len(data)

    def onError(self, failure: Any) -> None:
        """
        The stream was no XML.
        """
        self.seen.append(f"error: {failure.getErrorMessage()}")

    def onElement(self, element: Any) -> None:
        """
        See L{xmlstream.XmlStream.onElement}.
        """
        self.seen.append(element.toXml())

    def onDocumentEnd(self) -> None:
        """
        See L{xmlstream.XmlStream.onDocumentEnd}.
        """
        self.seen.append("end")
        super().onDocumentEnd()


class Streams(Factory):
    """
    Serves streams.
    """

    def __init__(self, authenticator: Any = xmlstream.ListenAuthenticator) -> None:
        self.authenticator = authenticator
        self.protocols: list[Any] = []

    def buildProtocol(self, addr: object) -> Any:
        """
        See L{Factory.buildProtocol}.
        """
        made = Recording(self.authenticator())
        made.factory = self
        self.protocols.append(made)
        return made


class StreamTests(SynchronousTestCase):
    """
    L{ElementStreamAdapter}
    """

    def setUp(self) -> None:
        self.here, self.there = freshReactor(self), freshReactor(self)

    def serve(self, *options: Any) -> tuple[Any, socket.socket]:
        """
        @return: a port with one connection, and its peer.
        """
        port = self.here.listenTCP(0, Streams(*options), interface="127.0.0.1")
        peer = socket.create_connection(("127.0.0.1", port.getHost().port))
        self.addCleanup(peer.close)
        spin(lambda: port.factory.protocols, self.here)
        return port, peer

    def send(self, port: Any, peer: socket.socket, data: bytes) -> Any:
        """
        Have data parsed.

        @return: the protocol.
        """
        (protocol,) = port.factory.protocols
        wanted = protocol.bytes + len(data)
        peer.sendall(data)
        spin(lambda: protocol.bytes == wanted, port.reactor)
        return protocol

    def refusal(self, port: Any) -> Any:
        """
        @return: why a port cannot be moved.
        """
        error = self.assertRaises(CannotMigrate, Move(port, self.here, self.there).go)
        (refusal,) = error.refusals
        return refusal

    def whole(self, *chunks: bytes) -> list[str]:
        """
        @return: what is got of a stream that comes in C{chunks}.
        """
        port, peer = self.serve()
        for chunk in chunks:
            protocol = self.send(port, peer, chunk)
        seen: list[str] = protocol.seen
        return seen

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, ElementStreamAdapter("x"))
        verifyObject(IAdapter, QueryAdapter("x"))

    def test_everywhere(self) -> None:
        """
        Cut at each byte, a stream is moved and goes on as if it had not been, or
        passes: always between stanzas, and nowhere within one.
        """
        text = b"".join((HEADER, *STANZAS, FOOTER))
        expected = self.whole(text)
        self.assertEqual(len(expected), 4)
        ends = {0, len(HEADER) + len(STANZAS[0]) + 1}
        ends |= {len(HEADER) + len(b"".join(STANZAS[:n])) for n in range(5)}
        for cut in range(len(text)):
            port, peer = self.serve()
            self.send(port, peer, text[:cut])
            move = Move(port, self.here, self.there)
            if cut not in ends:
                self.assertRaises(CannotMigrate, move.go)
            else:
                port = move.go()
            protocol = self.send(port, peer, text[cut:])
            self.assertEqual(protocol.seen, expected, text[:cut])
            peer.close()
            for reactor in (self.here, self.there):
                reactor.disconnectAll()

    def test_again(self) -> None:
        """
        From one to another and on, with something said at each.
        """
        chunks = (HEADER, *STANZAS, FOOTER)
        port, peer = self.serve()
        here, there = self.here, self.there
        for chunk in chunks:
            port = Move(port, here, there).go()
            here, there = there, here
            protocol = self.send(port, peer, chunk)
        self.assertEqual(protocol.seen, self.whole(*chunks))

    def test_passing(self) -> None:
        """
        What is in the middle of a stanza passes with its end, or with the
        stream's.
        """
        port, peer = self.serve()
        self.send(port, peer, HEADER + b"<message>")
        inside = self.refusal(port)
        self.assertIn("in the middle of a stanza", inside.reason)
        self.assertFalse(inside.over())
        self.send(port, peer, b"</message><mess")
        between = self.refusal(port)
        for refusal in (inside, between):
            self.assertFalse(refusal.over())
        self.send(port, peer, b"age/>")
        for refusal in (inside, between):
            self.assertTrue(refusal.over())
        port, peer = self.serve()
        protocol = self.send(port, peer, HEADER + b"<message>")
        lost = self.refusal(port)
        peer.close()
        spin(lambda: not protocol.transport.connected, self.here)
        self.assertTrue(lost.over())

    def test_ending(self) -> None:
        """
        A stream that is about to end passes.
        """
        port, peer = self.serve()
        protocol = self.send(port, peer, HEADER)
        protocol.transport.write(bytes(1 << 25))
        protocol.transport.loseConnection()
        ending = self.refusal(port)
        self.assertFalse(ending.over())
        peer.close()
        spin(lambda: protocol.stream is None, self.here)
        self.assertTrue(ending.over())

    def test_deferral(self) -> None:
        """
        A parser that has half a token takes the rest as soon as before.
        """
        port, peer = self.serve()
        self.send(port, peer, HEADER)
        port = Move(port, self.here, self.there).go()
        self.send(port, peer, b"<message")
        protocol = self.send(port, peer, b"/>")
        self.assertEqual(len(protocol.seen), 1)

    def test_unread(self) -> None:
        """
        What the kernel has and nobody has read is not in the parser.
        """
        port, peer = self.serve()
        self.send(port, peer, HEADER)
        peer.sendall(b"<mess")
        port = Move(port, self.here, self.there).go()
        (protocol,) = port.factory.protocols
        peer.sendall(b"age/>")
        spin(lambda: protocol.seen, self.there)
        self.assertEqual(len(protocol.seen), 1)

    def test_rollBack(self) -> None:
        """
        A move that fails changes nothing.
        """
        port, peer = self.serve()
        self.send(port, peer, HEADER)
        move = Move(port, self.here, self.there)
        move.prepare()
        move.rollBack()
        protocol = self.send(port, peer, b"".join((*STANZAS, FOOTER)))
        self.assertEqual(protocol.seen, self.whole(HEADER, *STANZAS, FOOTER))

    def test_unknownRoot(self) -> None:
        """
        A root that is not XMPP's, which nobody has noted.
        """
        port, peer = self.serve()
        self.send(port, peer, b"<a xmlns='b'>")
        refusal = self.refusal(port)
        self.assertIn("whose root is none of XMPP's", refusal.reason)
        self.assertIsNone(refusal.over)

    def test_defaultRoot(self) -> None:
        """
        A root without a prefix.
        """
        root = b"<stream xmlns='http://etherx.jabber.org/streams'>"
        rest = b"<a xmlns='b'/></stream>"
        port, peer = self.serve()
        self.send(port, peer, root)
        port = Move(port, self.here, self.there).go()
        protocol = self.send(port, peer, rest)
        self.assertEqual(protocol.seen, self.whole(root, rest))
        self.assertEqual(len(protocol.seen), 2)

    def test_outgoing(self) -> None:
        """
        A stream that this side has begun: nobody has noted its root.
        """
        port, peer = self.serve(
            lambda: component.ConnectComponentAuthenticator("here", "secret")
        )
        self.send(port, peer, b"")
        refusal = self.refusal(port)
        self.assertIn("in C, and shows it to nobody", refusal.reason)
        self.assertIsNone(refusal.over)

    def test_alone(self) -> None:
        """
        A parser that no protocol has.
        """
        error = self.assertRaises(
            CannotMigrate,
            Move(domish.ExpatElementStream(), self.here, self.there).go,
        )
        self.assertFalse(error.passing)

    def test_elsewhere(self) -> None:
        """
        A connection of which the kernel does not tell how much was read.
        """
        protocol = Recording(xmlstream.ListenAuthenticator())
        near, far = socket.socketpair()
        self.addCleanup(near.close)
        self.addCleanup(far.close)

        class Pretended:
            disconnecting = False
            socket = near

        protocol.makeConnection(Pretended())
        error = self.assertRaises(
            CannotMigrate, Move(protocol, self.here, self.there).go
        )
        self.assertIn("does not tell how much was read", str(error))


class QueryTests(SynchronousTestCase):
    """
    L{QueryAdapter}
    """

    def move(self, query: Any) -> Any:
        """
        @return: a query after a move.
        """
        reactor = freshReactor(self)
        return Move(query, reactor, reactor).go()

    def test_interned(self) -> None:
        """
        What is known by its text is the one that is known by it there.
        """
        query = xpath.internQuery("/message[@to='a']/body")
        self.assertIs(self.move(query), query)

    def test_own(self) -> None:
        """
        Another one for the same text is another one there, too.
        """
        known = xpath.internQuery("/message[@to='a']")
        made = self.move(xpath.XPathQuery("/message[@to='a']"))
        self.assertIsNot(made, known)
        element = domish.Element((None, "message"))
        self.assertFalse(made.matches(element))
        element["to"] = "a"
        self.assertTrue(made.matches(element))

    def test_removal(self) -> None:
        """
        Who observes can stop to.
        """
        stream = Recording(xmlstream.ListenAuthenticator())
        stream.addObserver("/message", stream.onElement)
        made = self.move(stream)
        made.removeObserver("/message", made.onElement)
        made.dispatch(domish.Element((None, "message")))
        self.assertEqual(made.seen, [])
