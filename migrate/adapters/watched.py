"""
Ports, connections and attempts to connect that nothing of a graph refers to,
while they refer to it: an application need not keep what C{listenTCP} or
C{connectTCP} returned.

It must not know what kind of selectable it looks at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ISeeker


@implementer(ISeeker)
class WatchedSeeker:
    """
    Finds what the reactor watches on behalf of a graph.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for selectable in _watched(capture.reactor):
            if not capture.contains(selectable) and touches(
                [selectable], capture.contains
            ):
                yield selectable


def _watched(reactor: Any) -> Iterator[object]:
    """
    @return: what the reactor reads and writes; nothing if it only keeps time.
    """
    for method in ("getReaders", "getWriters"):
        yield from getattr(reactor, method, list)()


def register(registry: Registry) -> None:
    """
    Add the seeker of what is watched.
    """
    registry.addSeeker(WatchedSeeker())
