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


def named(counts: Mapping[type, int]) -> Counter[str]:
    """
    @return: how many objects move, by the name of their class.
    """
    found: Counter[str] = Counter()
    for cls, count in counts.items():
        found[className(cls)] += count
    return found


def written(
    root: object,
    label: str,
    environment: Environment,
    notation: Callable[[Walk], Iterable[bytes]] | None = None,
) -> GraphDump:
    """
    Walk over a graph, and write it down.

    @param label: what paths in a report begin with.
    @param notation: what makes chunks of a walk with its records; without,
        they are the flat table.
    @raise CannotMigrate: with all refusals.
    """
    with uncollected():
        walk = Walk(root, environment, keep=notation is not None)
        chunks: Iterable[bytes] = list(walk.run())
        if walk.refused or walk.knots():
            _refuse(root, label, environment)
        if notation is not None:
            chunks = notation(walk)
        counts = named(walk.counts())
        return GraphDump(
            capture=walk.capture,
            chunks=chunks,
            filenos=walk.filenos,
            live=walk.live,
            names=list(dict.fromkeys(walk.names)),
            objects=sum(counts.values()),
            counts=counts,
            externals=frozenset(walk.externals),
            survey=partial(surveyed, root, label, environment),
        )


def _refuse(root: object, label: str, environment: Environment) -> None:
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
