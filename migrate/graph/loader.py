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
from migrate.graph import taking as plain
from migrate.graph.assembly import Assembly
from migrate.graph.collector import uncollected
from migrate.graph.compiled import native
from migrate.graph.environment import Environment
from migrate.graph.hooks import arrivals
from migrate.graph.kinds import MISSING, Kind, Shapes, natives
from migrate.graph.loading import Loading
from migrate.graph.planner import Planner
from migrate.graph.records import Record
from migrate.interfaces import ILoader


@implementer(ILoader)
class GraphLoader(ABC):
    """
    The life of one loader, whatever it reads.
    """

    def __init__(self, environment: Environment) -> None:
        self._loading = Loading(environment)
        self._preparers = environment.registry.preparers
        self._finished = False
        self._graph: list[Any] = []

    @property
    @abstractmethod
    def taken(self) -> int:
        """
        See L{ILoader.taken}.
        """

    @property
    def read(self) -> int:
        """
        See L{ILoader.read}.
        """
        return self._loading.read

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

    def receive(self, filenos: Sequence[int], ahead: bool = False) -> None:
        """
        See L{ILoader.receive}.
        """
        self._loading.receive(filenos)
        if ahead:
            for preparer in self._preparers:
                preparer.prepare(filenos, self._loading)

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
            raise self._wrong(e) from e

    def _wrong(self, error: Exception) -> LoadError:
        """
        @return: what says that something could not be made of what has come.
        """
        return MalformedTable(f"no records: {type(error).__name__}: {error}")

    def finish(self, filenos: Sequence[int]) -> Any:
        """
        See L{ILoader.finish}.
        """
        if self._finished or self._loading.ended:
            raise LocalProtocolError("the graph was finished before")
        self._finished = True
        try:
            self._loading.check(filenos)
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
        self._shape = r.FIRST
        self._records = self._begin()

    def _begin(self) -> Any:
        """
        @return: no records yet.
        """
        made = (native or plain).Records
        return made(self._kinds, self._shapeCame, self._loading, MISSING)

    def _shapeCame(self, record: Record) -> Kind:
        """
        @return: what becomes of the objects with the next head.
        """
        kind = self._kinds[self._shape] = self._shapes.kind(r.shapeOf(record))
        self._shape += 1
        return kind

    @property
    def taken(self) -> int:
        """
        See L{ILoader.taken}.  The list of roots is none.
        """
        taken: int = self._records.taken
        return max(0, taken - 1)

    def _take(self, chunk: bytes) -> None:
        """
        See L{GraphLoader}.
        """
        self._records.take(chunk)

    def _wrong(self, error: Exception) -> LoadError:
        """
        See L{GraphLoader}.  Nothing but adapters and classes fails with anything else
        than a L{LoadError}.
        """
        number = self._loading.number
        try:
            head = self._records.head(number)
        except (IndexError, TypeError):
            return super()._wrong(error)
        wrong = LoadError if head >= r.FIRST else MalformedTable
        says = self._kinds[head].says
        return wrong(f"{says}, object {number}: {type(error).__name__}: {error}")

    def _make(self) -> list[Any]:
        """
        See L{GraphLoader}.
        """
        records = self._records
        if not records.complete:
            raise MalformedTable("the records end too soon")
        if not len(records) or records.head(0) != r.LIST or len(records[0]) < 2:
            raise MalformedTable("the records have no root")
        Assembly(records, self._kinds, self._loading).run()
        for obj in arrivals(records):
            self._loading.onAdopted(partial(_tell, obj))
        found: list[Any] = records.made[0]
        return found

    def _forget(self) -> None:
        """
        See L{GraphLoader}.
        """
        self._records = self._begin()
