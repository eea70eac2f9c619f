"""
What makes a graph again, and how that is done from a flat table.

Everything that comes is checked: the peer decides what is in the records, but
not what they do.  It must not know how chunks travel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import partial
from typing import Any

from zope.interface import implementer

from migrate.errors import LoadError, LocalProtocolError, MalformedTable
from migrate.graph import records as r
from migrate.graph.assembly import Assembly
from migrate.graph.collector import uncollected
from migrate.graph.environment import Environment
from migrate.graph.hooks import arrivals
from migrate.graph.kinds import MISSING, Kind, Shapes, natives
from migrate.graph.loading import Loading
from migrate.graph.planner import Planner
from migrate.graph.records import Record
from migrate.interfaces import ILoader

#: Heads of what is no object that moves.
_NO_OBJECT = r.OUTSIDE | {r.DESCRIPTOR, r.WEAK}


@implementer(ILoader)
class GraphLoader(ABC):
    """
    The life of one loader, whatever it reads.
    """

    def __init__(self, environment: Environment) -> None:
        self._loading = Loading(environment)
        self._finished = False
        self._graph: list[Any] = []

    @property
    def taken(self) -> int:
        """
        See L{ILoader.taken}.  Of what is read as a whole nothing can be told.
        """
        return 0

    @abstractmethod
    def _take(self, chunk: bytes) -> None:
        """
        Take the next piece.
        """

    @abstractmethod
    def _make(self) -> list[Any]:
        """
        Make and fill everything, and check that it is all.

        @return: the roots; the first is that of the graph.
        """

    @abstractmethod
    def _forget(self) -> None:
        """
        Drop what was taken.
        """

    def feed(self, chunk: bytes) -> None:
        """
        See L{ILoader.feed}.
        """
        if self._finished or self._loading.ended:
            raise LocalProtocolError("the graph takes no more records")
        try:
            with uncollected():
                self._take(chunk)
        except LoadError:
            raise
        except Exception as e:
            raise MalformedTable(f"no records: {type(e).__name__}: {e}") from e

    def finish(self, filenos: Sequence[int]) -> Any:
        """
        See L{ILoader.finish}.
        """
        if self._finished or self._loading.ended:
            raise LocalProtocolError("the graph was finished before")
        self._finished = True
        try:
            self._loading.receive(filenos)
            with uncollected():
                self._graph = self._make()
            self._forget()
            return self._graph[0]
        except BaseException:
            self.discard()
            raise

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
        self._graph = []
        self._forget()


def _tell(obj: Any) -> None:
    """
    See L{migrate.interfaces.IMigrated}.
    """
    obj.migrated()


class TableLoader(GraphLoader):
    """
    Makes one graph again of a flat table.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._shapes = Shapes(Planner(environment), self._loading)
        self._kinds: dict[int, Kind] = natives(self._loading)
        self._rows: list[Record] = []
        self._made: list[Any] = []
        self._shape = r.FIRST
        self._complete = False
        self._seen = self._objects = 0

    @property
    def taken(self) -> int:
        """
        See L{ILoader.taken}.  Counted when somebody asks; the list of roots is none.
        """
        fresh = self._rows[self._seen :]
        self._seen += len(fresh)
        self._objects += sum(row[0] not in _NO_OBJECT for row in fresh)
        return max(0, self._objects - 1)

    def _take(self, chunk: bytes) -> None:
        """
        See L{GraphLoader}.
        """
        for record in r.decoded(chunk):
            self._takeOne(record)

    def _takeOne(self, record: Record) -> None:
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

    def _make(self) -> list[Any]:
        """
        See L{GraphLoader}.
        """
        if not self._complete:
            raise MalformedTable("the records end too soon")
        if not self._rows or self._rows[0][0] != r.LIST or len(self._rows[0]) < 2:
            raise MalformedTable("the records have no root")
        Assembly(self._rows, self._made, self._kinds, self._loading).run()
        for obj in arrivals(self._rows, self._made):
            self._loading.onAdopted(partial(_tell, obj))
        found: list[Any] = self._made[0]
        return found

    def _forget(self) -> None:
        """
        See L{GraphLoader}.
        """
        self._rows, self._made = [], []
