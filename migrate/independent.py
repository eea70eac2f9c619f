"""
For applications: factories whose connections move one at a time.

It must not know how they are moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.tcp import Connection
from zope.interface import implementer

from migrate.interfaces import IIndependentConnections


def connectionsOf(factory: Any, reactor: Any = None) -> Iterator[Any]:
    """
    Find the connections of a factory among what the reactor watches.  One that is
    watched neither for reading nor for writing, its producer being paused, is not
    found: it moves with the shared part, if something there refers to it.

    @param reactor: the one that is installed, by default.
    @return: their protocols, those that the factory has built.
    """
    if reactor is None:
        from twisted.internet import reactor
    watched = {
        id(each): each
        for method in ("getReaders", "getWriters")
        for each in getattr(reactor, method, list)()
        if isinstance(each, Connection)
    }
    for transport in watched.values():
        for protocol in layers(transport):
            if getattr(protocol, "factory", None) is factory:
                yield protocol


def layers(transport: Any) -> Iterator[Any]:
    """
    @return: the protocol of a transport, and those that it wraps.
    """
    protocol = getattr(transport, "protocol", None)
    while protocol is not None:
        yield protocol
        protocol = below(protocol)


def below(protocol: Any) -> Any:
    """
    @return: what a protocol wraps, if that is one: what L{twisted.web} makes chooses
        among the versions of HTTP.
    """
    wrapped = getattr(protocol, "wrappedProtocol", None)
    return getattr(protocol, "_channel", None) if wrapped is None else wrapped


def transportOf(found: Any) -> Any:
    """
    @return: the transport that has a socket, of a protocol or a transport.
    """
    while not isinstance(found, FileDescriptor):
        transport = getattr(found, "transport", None) or below(found)
        if transport is None or transport is found:
            break
        found = transport
    return found


@implementer(IIndependentConnections)
class IndependentConnections:
    """
    To be inherited by a L{twisted.internet.protocol.Factory} whose connections are
    independent of each other; see L{IIndependentConnections} for what that means::

        class Telnet(IndependentConnections, ServerFactory):
            protocol = Session
    """

    def connections(self) -> Iterator[Any]:
        """
        See L{IIndependentConnections.connections}.
        """
        return connectionsOf(self)

    def connectionArrived(self, protocol: Any) -> None:
        """
        See L{IIndependentConnections.connectionArrived}.  There is nothing to do.
        """
