"""
For applications: factories whose connections move one at a time.

It must not know how they are moved.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

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
        protocol = getattr(protocol, "wrappedProtocol", None)


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
