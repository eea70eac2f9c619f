"""
The connections that a service has accepted.

Neither a listening port nor Twisted's factories keep a list of them: it is the
connection that refers to its port, and only the reactor knows it.

It must not know what kind of transport a connection is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer

from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ISeeker


def _attribute(obj: object, name: str) -> object:
    """
    @return: what stands in the instance's own dictionary, or L{None}: nothing
        that the object would have to compute.
    """
    found: object = getattr(obj, "__dict__", {}).get(name)
    return found


def _watched(reactor: Any) -> Iterator[object]:
    """
    @return: what the reactor reads and writes; nothing if it only keeps time.
    """
    for method in ("getReaders", "getWriters"):
        yield from getattr(reactor, method, list)()


@implementer(ISeeker)
class ConnectionSeeker:
    """
    Finds the transports that belong to a port, a connector, a protocol or a
    factory of the graph.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for transport in _watched(capture.reactor):
            protocol = _attribute(transport, "protocol")
            owners = (
                _attribute(transport, "server"),
                _attribute(transport, "connector"),
                protocol,
                _attribute(protocol, "factory"),
            )
            if any(map(capture.contains, owners)):
                yield transport


def register(registry: Registry) -> None:
    """
    Add the seeker of connections.
    """
    registry.addSeeker(ConnectionSeeker())
