"""
The adapter of datagram ports: UDP, multicast and UNIX.  Memberships of groups
and the address that a port is connected to are the kernel's, and go along with
the descriptor.

It must not know what the datagrams say.
"""

from __future__ import annotations

from twisted.internet import udp

from migrate.adapters.transports import SocketAdapter
from migrate.graph.registry import Registry


def register(registry: Registry) -> None:
    """
    Add the adapter of datagram ports.
    """
    registry.register(udp.Port, SocketAdapter("twisted.internet.udp.Port"))
