"""
Classes whose instances change from version to version:
L{twisted.persisted.styles.Versioned}.

It must not know how versions travel.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from twisted.persisted.styles import Versioned

from migrate.errors import LoadError
from migrate.graph.plain import className


def _versioned(cls: type) -> Iterator[tuple[type, int]]:
    """
    @return: C{cls} and its bases that have a version of their own, and the
        version; base classes first.
    """
    if not issubclass(cls, Versioned):
        return
    for base in reversed(cls.__mro__):
        if base is Versioned or not issubclass(base, Versioned):
            continue
        if "persistenceVersion" in vars(base) or Versioned in base.__bases__:
            yield base, base.persistenceVersion


def versionsOf(cls: type) -> tuple[str | int, ...]:
    """
    @return: names and versions of C{cls} and its bases, by turns; empty if it
        has no versions.
    """
    return tuple(
        part for base, version in _versioned(cls) for part in (className(base), version)
    )


def upgradesOf(cls: type, versions: Mapping[str, int]) -> list[Callable[[Any], object]]:
    """
    @param versions: the versions of C{cls} and its bases at the origin; what
        is missing there had version 0.
    @return: what brings an instance up to date here, in this order.
    @raise LoadError: the origin is ahead of this process.
    """
    steps = []
    for base, current in _versioned(cls):
        old = versions.get(className(base), 0)
        if old > current:
            raise LoadError(
                f"{className(base)} has version {old} at the origin and "
                f"{current} here: versions never go back"
            )
        for version in range(old + 1, current + 1):
            step = vars(base).get(f"upgradeToVersion{version}")
            if step is not None:
                steps.append(step)
    return steps
