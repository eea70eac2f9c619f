"""
What the kernel tells of files: the watches are those of the descriptor, with
their numbers, and so are the events that nobody has read yet.

It must not know who is told of them.
"""

from __future__ import annotations

from twisted.internet.inotify import INotify

from migrate.adapters.numbered import NumberAdapter
from migrate.graph.registry import Registry


def register(registry: Registry) -> None:
    """
    Add the adapter of L{INotify}.
    """
    name = "twisted.internet.inotify.INotify"
    registry.register(INotify, NumberAdapter(name, "_fd"))
