"""
The loader of flat tables.

Everything that comes is checked: the peer decides what is in the records, but
not what they do.  It must not know how chunks travel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from migrate.errors import LocalProtocolError, MalformedTable
from migrate.graph import records as r
from migrate.graph.assembly import Assembly
from migrate.graph.collector import uncollected
from migrate.graph.environment import Environment
from migrate.graph.kinds import MISSING, Kind, Shapes, natives
from migrate.graph.loading import Loading
from migrate.graph.planner import Planner
from migrate.graph.records import Codec, Record
from migrate.interfaces import ILoader


@implementer(ILoader)
class TableLoader:
    """
    Makes one graph again.
    """

    def __init__(self, environment: Environment, codec: Codec) -> None:
        self._codec = codec
        self._loading = Loading(environment)
        self._shapes = Shapes(Planner(environment), self._loading)
        self._kinds: dict[int, Kind] = natives(self._loading)
        self._rows: list[Record] = []
        self._made: list[Any] = []
        self._shape = r.FIRST
        self._complete = False
        self._finished = False
        self._graph: list[Any] = []

    def feed(self, chunk: bytes) -> None:
        """
        See L{ILoader.feed}.
        """
        if self._finished or self._loading.ended:
            raise LocalProtocolError("the graph takes no more records")
        with uncollected():
            for record in self._codec.decode(chunk):
                self._take(record)

    def _take(self, record: Record) -> None:
        """
        Take one record, and make a blank where that is possible.
        """
        if self._complete:
            raise MalformedTable("records come after the last")
        head = record[0]
        kind = self._kinds.get(head) if type(head) is int else None
        if kind is None:
            self._control(head, record)
            return
        self._rows.append(record)
        self._made.append(MISSING if kind.blank is None else kind.blank())

    def _control(self, head: Any, record: Record) -> None:
        """
        Take a record that describes no object.
        """
        if head == r.MORE and self._rows:
            self._rows[-1].extend(record[1:])
        elif head == r.SHAPE:
            self._kinds[self._shape] = self._shapes.kind(r.shapeOf(record))
            self._shape += 1
        elif head == r.END and record[1:] == [len(self._rows)]:
            self._complete = True
        else:
            raise MalformedTable(f"a record begins with {head!r}")

    def finish(self, filenos: Sequence[int]) -> Any:
        """
        See L{ILoader.finish}.
        """
        if self._finished or self._loading.ended:
            raise LocalProtocolError("the graph was finished before")
        self._finished = True
        try:
            return self._finish(filenos)
        except BaseException:
            self.discard()
            raise

    def _finish(self, filenos: Sequence[int]) -> Any:
        """
        Make and fill everything, and check that it is all.
        """
        self._loading.receive(filenos)
        if not self._complete:
            raise MalformedTable("the records end too soon")
        if not self._rows or self._rows[0][0] != r.LIST or len(self._rows[0]) < 2:
            raise MalformedTable("the records have no root")
        with uncollected():
            Assembly(self._rows, self._made, self._kinds, self._loading).run()
        self._graph, self._rows, made = self._made[0], [], self._made
        self._made = []
        del made
        return self._graph[0]

    def adopt(self) -> None:
        """
        See L{ILoader.adopt}.

        @raise LocalProtocolError: there is no graph to adopt.
        """
        if not self._finished:
            raise LocalProtocolError("the graph is not finished")
        self._loading.adopt()
        self._graph = []

    def discard(self) -> None:
        """
        See L{ILoader.discard}.
        """
        self._loading.discard()
        self._graph, self._rows, self._made = [], [], []
