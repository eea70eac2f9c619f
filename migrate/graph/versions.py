"""
Classes whose instances change from version to version:
L{twisted.persisted.styles.Versioned}.

It must not know how versions travel.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from twisted.persisted.styles import Versioned

from migrate.errors import LoadError
from migrate.graph.plain import className

#: No name of a class that was moved has more dots.
_DEEPEST = 32


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


def _byNewNames(
    known: list[tuple[type, int]], versions: Mapping[str, int]
) -> Mapping[str, int]:
    """
    @param known: classes that have versions here.
    @param versions: versions at the origin.
    @return: the same, and those of classes that have another name here, if the
        old one leads to them.
    """
    missing = {id(base) for base, _ in known if className(base) not in versions}
    if not missing:
        return versions
    moved = {
        className(found): version
        for name, version in versions.items()
        if id(found := _meaning(name)) in missing and isinstance(found, type)
    }
    return {**versions, **moved}


def _meaning(name: str) -> object:
    """
    Nothing is imported, and no code runs: the name is the peer's.

    @param name: a module and a path inside it, as L{className} joins them.
    @return: what it means here; L{None} if it means nothing.
    """
    parts = name.split(".", _DEEPEST)
    for length in range(len(parts) - 1, 0, -1):
        found: object = sys.modules.get(".".join(parts[:length]))
        for part in parts[length:]:
            inside = isinstance(found, ModuleType | type)
            found = vars(found).get(part) if inside else None
        if found is not None:
            return found
    return None


def upgradesOf(cls: type, versions: Mapping[str, int]) -> list[Callable[[Any], object]]:
    """
    @param versions: the versions of C{cls} and its bases at the origin; what
        is missing there had version 0.
    @return: what brings an instance up to date here, in this order.
    @raise LoadError: the origin is ahead of this process.
    """
    steps = []
    versions = _byNewNames(list(_versioned(cls)), versions)
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
