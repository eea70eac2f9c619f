"""
What every serializer does first: the walk over a graph, and the report of what
in it cannot be moved.

It must not know how anything is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import CannotMigrate
from migrate.graph import records as r
from migrate.graph.collector import uncollected
from migrate.graph.counting import surveyOf
from migrate.graph.environment import Environment
from migrate.graph.paths import refusals
from migrate.graph.plain import className
from migrate.graph.survey import Survey
from migrate.graph.walk import Walk
from migrate.interfaces import ICapture, IDump, ILiveAdapter
from migrate.model import Named


@implementer(IDump)
@attrs.frozen(eq=False)
class GraphDump:
    """
    A graph written down.

    @ivar counts: how many objects move, by the name of their class.
    """

    capture: ICapture
    chunks: Iterable[bytes]
    filenos: Sequence[int]
    live: Sequence[tuple[ILiveAdapter, Any]]
    names: Sequence[Named]
    objects: int
    counts: Mapping[str, int]
    externals: frozenset[str]
    _survey: Callable[[], Survey]

    def survey(self) -> Survey:
        """
        See L{IDump.survey}.
        """
        return self._survey()


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


def written(
    root: object,
    label: str,
    environment: Environment,
    notation: Callable[[Walk], Iterable[bytes]],
) -> GraphDump:
    """
    Walk over a graph, and write it down.

    @param label: what paths in a report begin with.
    @param notation: what makes chunks of a walk.
    @raise CannotMigrate: with all refusals.
    """
    with uncollected():
        walk = Walk(root, environment)
        refused = refusals(walk, label)
        if refused:
            raise CannotMigrate.of(refused)
        counts = _counts(walk)
        return GraphDump(
            capture=walk.capture,
            chunks=notation(walk),
            filenos=walk.filenos,
            live=walk.live,
            names=list(dict.fromkeys(walk.names)),
            objects=sum(counts.values()),
            counts=counts,
            externals=frozenset(walk.externals),
            survey=partial(surveyOf, walk, label),
        )


def surveyed(root: object, label: str, environment: Environment) -> Survey:
    """
    See L{ISerializer.survey}.
    """
    with uncollected():
        return surveyOf(Walk(root, environment), label)


def audit(root: object, label: str, environment: Environment) -> GraphDump:
    """
    Find out whether a graph can be moved, without doing anything to it.

    @param root: the graph's root.
    @param label: what paths in a report begin with.
    @return: a dump to be thrown away, without chunks; its C{counts} say what
        would move.
    @raise CannotMigrate: with all refusals at once.
    """
    return written(root, label, environment, lambda walk: ())
