"""
What classes of an application may implement to hear of a move.

It must not know when anybody is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from migrate.graph import records as r
from migrate.graph.collector import uncollected
from migrate.graph.environment import Environment
from migrate.graph.walk import Walk
from migrate.interfaces import IAboutToMigrate, IMigrated, IMigrationFailed

_AT_ORIGIN: tuple[Any, ...] = (IAboutToMigrate, IMigrationFailed)


def _isImplemented(interfaces: Iterable[Any]) -> bool:
    """
    @return: whether any class of this process implements any of C{interfaces}:
        where none does, there is no need to look for instances.
    """
    return any(len(interface.dependents) for interface in interfaces)


class _Implementers(dict[type, bool]):
    """
    Whether the instances of a class implement any of some interfaces.
    """

    def __init__(self, *interfaces: Any) -> None:
        self._interfaces = interfaces

    def __missing__(self, cls: type) -> bool:
        found = self[cls] = any("__implemented__" in vars(b) for b in cls.__mro__) and (
            any(interface.implementedBy(cls) for interface in self._interfaces)
        )
        return found


def audience(root: object, environment: Environment) -> list[object]:
    """
    @return: the objects of a graph, which perhaps cannot be moved, that are to
        hear at the origin that it is about to; in the order of the walk.
    """
    if not _isImplemented(_AT_ORIGIN):
        return []
    implement = _Implementers(*_AT_ORIGIN)
    with uncollected():
        walk = Walk.over(root, environment)
        return [
            obj
            for obj, row in zip(walk.objects, walk.rows, strict=True)
            if row[0] not in r.OUTSIDE and implement[type(obj)]
        ]


def hears(cls: type) -> bool:
    """
    @return: whether the instances of C{cls} want to be told of their arrival.
    """
    return _Implementers(IMigrated)[cls]


def arrivals(records: Any) -> Iterator[Any]:
    """
    @param records: those of a graph (L{migrate.graph.taking.Records}), of which all
        has been made.
    @return: the objects that want to be told of their arrival.
    """
    if not _isImplemented((IMigrated,)):
        return
    implement = _Implementers(IMigrated)
    for number, obj in enumerate(records.made):
        if implement[type(obj)] and records.head(number) >= r.FIRST:
            yield obj
