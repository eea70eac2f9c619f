"""
The flat table of a walk, in pieces.

It must not know how pieces travel, nor what is made of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import attrs

from migrate.graph import records as r
from migrate.graph.records import Record, Shape
from migrate.graph.walk import Walk


@attrs.frozen(eq=False)
class Chunks:
    """
    The records of a table in pieces, encoded as they are asked for.  They are
    what the graph was at the walk, whatever became of it since.
    """

    _shapes: Sequence[Shape]
    _rows: Sequence[Record]

    @classmethod
    def of(cls, walk: Walk) -> Chunks:
        """
        @return: the table of a walk.
        """
        return cls(_named(walk), walk.rows)

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
