"""
Ports, connections and attempts to connect that nothing of a graph refers to,
while they refer to it: an application need not keep what C{listenTCP} or
C{connectTCP} returned.

It must not know what kind of selectable it looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, filterfalse
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
        # Of thousands, nearly all are in the graph.
        for selectable in filterfalse(capture.contains, _watched(capture.reactor)):
            if touches([selectable], capture.contains):
                yield selectable


def _watched(reactor: Any) -> Iterable[object]:
    """
    @return: what the reactor reads and writes; nothing if it only keeps time.
    """
    methods = ("getReaders", "getWriters")
    return chain(*(getattr(reactor, method, list)() for method in methods))


def register(registry: Registry) -> None:
    """
    Add the seeker of what is watched.
    """
    registry.addSeeker(WatchedSeeker())
