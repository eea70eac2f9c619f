"""
The serializer of flat tables: every object once, by number.

It must not know how chunks travel.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import CannotMigrate
from migrate.graph import records as r
from migrate.graph.collector import uncollected
from migrate.graph.environment import Environment
from migrate.graph.loader import TableLoader
from migrate.graph.paths import refusals
from migrate.graph.plain import className
from migrate.graph.records import MSGPACK, Codec, Record, Shape
from migrate.graph.walk import Walk
from migrate.interfaces import ICapture, IDump, ILiveAdapter, ILoader, ISerializer
from migrate.model import Named


@attrs.frozen(eq=False)
class Chunks:
    """
    The records of a table in pieces, encoded as they are asked for.  They are
    what the graph was at the walk, whatever became of it since.
    """

    _codec: Codec
    _shapes: Sequence[Shape]
    _rows: Sequence[Record]

    def __iter__(self) -> Iterator[bytes]:
        return self._codec.chunks(self._records())

    def _records(self) -> Iterator[Record]:
        """
        @return: shapes, objects and the end.
        """
        for shape in self._shapes:
            yield shape.record()
        yield from self._rows
        yield [r.END, len(self._rows)]


@implementer(IDump)
@attrs.frozen(eq=False)
class TableDump:
    """
    A graph written down.

    @ivar counts: how many objects move, by the name of their class.
    """

    capture: ICapture
    chunks: Chunks
    filenos: Sequence[int]
    live: Sequence[tuple[ILiveAdapter, Any]]
    names: Sequence[Named]
    objects: int
    counts: Mapping[str, int]


def _counts(walk: Walk) -> Counter[str]:
    """
    @return: how many objects move, by class.  The list of roots is none.
    """
    outside = r.OUTSIDE | {r.DESCRIPTOR, r.WEAK}
    kinds = Counter(
        type(obj)
        for obj, row in zip(walk.objects, walk.rows, strict=True)
        if row[0] not in outside
    )
    kinds[list] -= 1
    found: Counter[str] = Counter()
    for cls, count in kinds.items():
        if count:
            found[className(cls)] += count
    return found


def _named(walk: Walk) -> list[Shape]:
    """
    @return: the shapes, with the names of the classes that have one.
    """
    return [
        attrs.evolve(shape, module=record[1], qualname=record[2])
        if record[0] == r.NAMED
        else shape
        for shape in walk.shapes
        for record in (walk.rows[shape.cls],)
    ]


@implementer(ISerializer)
@attrs.frozen
class TableSerializer:
    """
    Writes and reads flat tables.

    @ivar name: see L{ISerializer}.
    """

    name: str = "table"
    _codec: Codec = MSGPACK

    def dump(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.dump}.
        """
        return written(root, label, environment, self._codec)

    def loader(self, environment: Environment) -> ILoader:
        """
        See L{ISerializer.loader}.
        """
        return TableLoader(environment, self._codec)


def written(
    root: object, label: str, environment: Environment, codec: Codec
) -> TableDump:
    """
    Walk over a graph.

    @raise CannotMigrate: with all refusals.
    """
    with uncollected():
        walk = Walk(root, environment)
        refused = refusals(walk, label)
        if refused:
            raise CannotMigrate(refused)
        counts = _counts(walk)
        return TableDump(
            capture=walk.capture,
            chunks=Chunks(codec, _named(walk), walk.rows),
            filenos=walk.filenos,
            live=walk.live,
            names=list(dict.fromkeys(walk.names)),
            objects=sum(counts.values()),
            counts=counts,
        )


def audit(root: object, label: str, environment: Environment) -> TableDump:
    """
    Find out whether a graph can be moved, without doing anything to it.

    @param root: the graph's root.
    @param label: what paths in a report begin with.
    @return: a dump to be thrown away; its C{counts} say what would move.
    @raise CannotMigrate: with all refusals at once.
    """
    return written(root, label, environment, MSGPACK)
