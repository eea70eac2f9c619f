"""
What every serializer does first: the walk over a graph, and the report of what
in it cannot be moved.

It must not know how anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import CannotMigrate
from migrate.graph.collector import uncollected
from migrate.graph.counting import surveyOf
from migrate.graph.environment import Environment
from migrate.graph.paths import refusals
from migrate.graph.plain import className
from migrate.graph.survey import Survey
from migrate.graph.walk import Walk
from migrate.interfaces import ICapture, IDump, ILiveAdapter
from migrate.model import Named

#: What makes of a chunk of the table what is sent of it.
Notation = Callable[[bytes], bytes]


def asIs(chunk: bytes) -> bytes:
    """
    @return: C{chunk}: the table's own notation.
    """
    return chunk


@implementer(IDump)
@attrs.define(eq=False)
class GraphDump:
    """
    A graph that is written down as its chunks are asked for.
    """

    _walk: Walk
    _label: str
    _environment: Environment
    chunks: Iterable[bytes]
    counts: Mapping[str, int] = attrs.field(factory=Counter, init=False)
    size: int = attrs.field(default=0, init=False)

    @property
    def capture(self) -> ICapture:
        """
        See L{IDump.capture}.
        """
        return self._walk.capture

    @property
    def filenos(self) -> Sequence[int]:
        """
        See L{IDump.filenos}.
        """
        return self._walk.filenos

    @property
    def spare(self) -> int:
        """
        See L{IDump.spare}.
        """
        return self._walk.spare

    @property
    def live(self) -> Sequence[tuple[ILiveAdapter, Any]]:
        """
        See L{IDump.live}.
        """
        return self._walk.live

    @property
    def names(self) -> Sequence[Named]:
        """
        See L{IDump.names}.
        """
        return list(dict.fromkeys(self._walk.names))

    @property
    def objects(self) -> int:
        """
        See L{IDump.objects}.
        """
        return sum(self.counts.values())

    @property
    def externals(self) -> frozenset[str]:
        """
        See L{IDump.externals}.
        """
        return frozenset(self._walk.externals)

    def survey(self) -> Survey:
        """
        See L{IDump.survey}.
        """
        return surveyed(self._walk.root, self._label, self._environment)

    def forget(self) -> None:
        """
        See L{IDump.forget}.
        """
        self._walk.forget()

    def end(self) -> None:
        """
        The walk is over: look at what it found.

        @raise CannotMigrate: with all refusals.
        """
        walk = self._walk
        if walk.refused or walk.knots():
            refuse(walk.root, self._label, self._environment)
        self.counts = named(walk.counts())


def named(counts: Mapping[type, int]) -> Counter[str]:
    """
    @return: how many objects move, by the name of their class.
    """
    found: Counter[str] = Counter()
    for cls, count in counts.items():
        found[className(cls)] += count
    return found


def streamed(
    root: object, label: str, environment: Environment, notation: Notation = asIs
) -> GraphDump:
    """
    Begin a walk over a graph.

    @param label: what paths in a report begin with.
    @return: the flat table, in some notation.  The walk goes on as its chunks are
        asked for; all else is known once there are no more of them.  They end with
        L{CannotMigrate} if anything cannot be moved.
    """
    walk = Walk(root, environment, keep=False)

    def chunks() -> Iterator[bytes]:
        with uncollected():
            for chunk in map(notation, walk.run()):
                dump.size += len(chunk)
                yield chunk
            dump.size += walk.beside
            dump.end()

    dump = GraphDump(walk, label, environment, chunks())
    return dump


def written(
    root: object, label: str, environment: Environment, notation: Notation = asIs
) -> GraphDump:
    """
    Walk over a graph, and write it down.

    @param label: what paths in a report begin with.
    @raise CannotMigrate: with all refusals.
    """
    dump = streamed(root, label, environment, notation)
    dump.chunks = list(dump.chunks)
    return dump


def refuse(root: object, label: str, environment: Environment) -> None:
    """
    Walk again, with all that is needed to say what cannot be moved and why.

    @raise CannotMigrate: with all refusals, if there are any.
    """
    refused = refusals(Walk.over(root, environment), label)
    if refused:
        raise CannotMigrate.of(refused)


def surveyed(root: object, label: str, environment: Environment) -> Survey:
    """
    See L{ISerializer.survey}.
    """
    with uncollected():
        size = sum(map(len, Walk(root, environment, keep=False).run()))
        return surveyOf(Walk.over(root, environment), label, size)


def audit(
    root: object, label: str, environment: Environment, notation: Notation = asIs
) -> GraphDump:
    """
    Find out whether a graph can be moved, without doing anything to it.

    @param root: the graph's root.
    @param label: what paths in a report begin with.
    @return: a dump to be thrown away, without chunks; its C{counts} say what
        would move.
    @raise CannotMigrate: with all refusals at once.
    """
    dump = streamed(root, label, environment, notation)
    for _ in dump.chunks:
        pass
    dump.forget()
    return dump
