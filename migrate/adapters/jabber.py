"""
Streams of XMPP that this process accepts, between two stanzas.

What expat knows of a stream is in C and shown to nobody: the elements that are
open, the prefixes that are bound, the bytes that make no whole token yet.
Between two stanzas only the root is open; L{ListenAuthenticator} has noted its
prefixes; and nothing waits in the parser if it has consumed as much as the
kernel says has been read from the connection.  So a new parser is told the
root's start, and goes on from there.  Elsewhere in a stream, and for streams
whose root nobody has noted, there is no way; but a stanza comes to its end.

What does not survive is what XMPP forbids: entities that a document type
declares, and a CDATA section between stanzas.

It must not know what the stanzas say.
"""

from __future__ import annotations

import fcntl
import socket
import struct
import termios
import weakref
from typing import Any
from xml.sax.saxutils import quoteattr

from twisted.words.protocols.jabber import xmlstream
from twisted.words.xish import domish, xpath

from migrate.adapters.detached import ignore
from migrate.adapters.plain import AttributesAdapter, copyAttributes, giveAttributes
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

PROLOGUE = "@prologue"
CONSUMED = "@consumed"
DEFERRAL = "@deferral"

#: How much of the connection had been read before the parser that a stream has
#: now, less what that one was told first, in bytes.
OFFSET = "_readBeforeParser"

#: Where Linux says how many bytes came, in its C{struct tcp_info}.
_RECEIVED = 128


class ElementStreamAdapter(AttributesAdapter):
    """
    Knows L{domish.ExpatElementStream}, with the parser that belongs to it.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        owner = _ownerOf(obj)
        prologue = _prologueOf(owner, obj)
        read = _readFrom(owner.transport)
        if not _isBetween(owner, obj, read):
            raise NotMovable(
                "an XML stream in the middle of a stanza, of which the parser "
                "keeps a part in C",
                "wait for the rest of it",
                _whenBetween(owner, obj),
            )
        state = copyAttributes(obj)
        state.pop("parser")
        state[PROLOGUE] = prologue
        state[CONSUMED] = read
        state[DEFERRAL] = _defers(obj.parser)
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = dict(state)
        prologue, deferral = attributes.pop(PROLOGUE), attributes.pop(DEFERRAL)
        attributes[OFFSET] = attributes.pop(CONSUMED) - len(prologue)
        type(obj).__init__(obj)
        obj.DocumentStartEvent = ignore
        obj.parser.Parse(prologue)
        if hasattr(obj.parser, "SetReparseDeferralEnabled"):
            obj.parser.SetReparseDeferralEnabled(deferral)
        giveAttributes(obj, attributes)


def _defers(parser: Any) -> bool:
    """
    @return: whether a parser that has half a token waits until there is a good
        deal more; older ones never do.
    """
    ask = getattr(parser, "GetReparseDeferralEnabled", None)
    return True if ask is None else bool(ask())


def _ownerOf(stream: Any) -> Any:
    """
    @return: the protocol that a stream works for.
    @raise NotMovable: what its parser has been told was not noted by anybody.
    """
    owner = getattr(stream.DocumentStartEvent, "__self__", None)
    if (
        isinstance(owner, xmlstream.XmlStream)
        and owner.stream is stream
        and not owner.initiating
        and isinstance(owner.authenticator, xmlstream.ListenAuthenticator)
    ):
        return owner
    raise NotMovable(
        "an XML parser keeps what it has parsed in C, and shows it to nobody",
        "end the stream first; one that comes in by XMPP moves as it is",
    )


def _prologueOf(owner: Any, stream: Any) -> bytes:
    """
    @return: what a new parser has to be told before it goes on.
    @raise NotMovable: nobody knows how the root was named.
    """
    if not stream.documentStarted:
        return b""
    prefixes = {uri: prefix for uri, prefix in owner.prefixes.items() if prefix}
    declared = [f" xmlns:{prefix}={quoteattr(u)}" for u, prefix in prefixes.items()]
    default = stream.defaultNsStack[1] if len(stream.defaultNsStack) > 1 else None
    if default is not None:
        declared.append(f" xmlns={quoteattr(default)}")
    name = "stream"
    if xmlstream.NS_STREAMS in prefixes:
        name = f"{prefixes[xmlstream.NS_STREAMS]}:stream"
    elif default != xmlstream.NS_STREAMS:
        raise NotMovable(
            "an XML stream whose root is none of XMPP's, and the parser alone knows "
            "what it is",
            "end the stream first",
        )
    return f"<{name}{''.join(declared)}>".encode()


def _readFrom(transport: Any) -> int:
    """
    @return: how many bytes have been read from a connection.
    @raise NotMovable: the kernel does not say.
    """
    option = getattr(socket, "TCP_INFO", None)
    try:
        skt = transport.socket
        told = skt.getsockopt(socket.IPPROTO_TCP, option, _RECEIVED + 8)
        (received,) = struct.unpack_from("=Q", told, _RECEIVED)
        (waiting,) = struct.unpack("i", fcntl.ioctl(skt, termios.FIONREAD, bytes(4)))
    except (AttributeError, TypeError, OSError, struct.error) as e:
        raise NotMovable(
            "an XML stream on a connection of which the kernel does not tell how much "
            "was read",
            "have it come in by TCP, under Linux",
        ) from e
    return int(received - waiting)


def _isBetween(owner: Any, stream: Any, read: int) -> bool:
    """
    @param read: how much has been read from the connection, in bytes.
    @return: whether the parser has consumed all of it, and nothing but the root
        is open.
    """
    if stream.currElem is not None or owner.transport.disconnecting:
        return False
    parsed = max(0, stream.parser.CurrentByteIndex)
    if not stream.documentStarted and parsed:
        return False
    return bool(read - vars(stream).get(OFFSET, 0) == parsed)


def _whenBetween(owner: Any, stream: Any) -> Any:
    """
    @return: what tells whether a stream has come to the end of a stanza, or is
        gone.
    """
    owners, streams = weakref.ref(owner), weakref.ref(stream)

    def over() -> bool:
        owner, stream = owners(), streams()
        if owner is None or stream is None or owner.stream is not stream:
            return True
        return _isBetween(owner, stream, _readFrom(owner.transport))

    return over


class QueryAdapter(AttributesAdapter):
    """
    Knows L{xpath.XPathQuery}.  Queries are told apart by identity, and those
    that the module has made for a text are found again by it.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if vars(xpath)["__internedQueries"].get(obj.queryStr) is obj:
            return Description(type(obj), (obj.queryStr,))
        return Description(type(obj), (), copyAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        if arguments:
            return xpath.internQuery(*arguments)
        return super().make(cls, arguments, loading)


def register(registry: Registry) -> None:
    """
    Add the adapters of streams and of queries.
    """
    registry.register(
        domish.ExpatElementStream,
        ElementStreamAdapter("twisted.words.xish.domish.ExpatElementStream"),
    )
    registry.register(
        xpath.XPathQuery, QueryAdapter("twisted.words.xish.xpath.XPathQuery")
    )
