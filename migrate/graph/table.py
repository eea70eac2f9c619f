"""
The serializer of flat tables: every object once, by number.

It must not know how chunks travel.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs
from zope.interface import implementer

from migrate.graph import records as r
from migrate.graph.dumping import written
from migrate.graph.environment import Environment
from migrate.graph.loader import TableLoader
from migrate.graph.records import Record, Shape
from migrate.graph.walk import Walk
from migrate.interfaces import IDump, ILoader, ISerializer


@attrs.frozen(eq=False)
class Chunks:
    """
    The records of a table in pieces, encoded as they are asked for.  They are
    what the graph was at the walk, whatever became of it since.
    """

    _shapes: Sequence[Shape]
    _rows: Sequence[Record]

    def __iter__(self) -> Iterator[bytes]:
        return r.encoded(self._records())

    def _records(self) -> Iterator[Record]:
        """
        @return: shapes, objects and the end.
        """
        for shape in self._shapes:
            yield shape.record()
        yield from self._rows
        yield [r.END, len(self._rows)]


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
class TableSerializer:
    """
    Writes and reads flat tables.
    """

    name = "table"

    def dump(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.dump}.
        """
        return written(
            root, label, environment, lambda walk: Chunks(_named(walk), walk.rows)
        )

    def loader(self, environment: Environment) -> ILoader:
        """
        See L{ISerializer.loader}.
        """
        return TableLoader(environment)
