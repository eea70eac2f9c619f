"""
Whole moves of a graph within one process, without descriptors.

It must not know what is moved.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock

from migrate.adapters import defaultRegistry
from migrate.graph import Environment, TableSerializer, TrustingPolicy
from migrate.interfaces import IPolicy


def environment(policy: IPolicy | None = None) -> Environment:
    """
    @return: a process to move from or to.
    """
    return Environment(defaultRegistry(), Clock(), policy=policy or TrustingPolicy())


def written(root: object) -> list[bytes]:
    """
    @return: C{root}, written down.
    """
    return list(TableSerializer().dump(root, "root", environment()).chunks)


def read(chunks: list[bytes], policy: IPolicy | None = None) -> Any:
    """
    @return: what was written down.
    """
    loader = TableSerializer().loader(environment(policy))
    try:
        for chunk in chunks:
            loader.feed(chunk)
        found = loader.finish([])
    except BaseException:
        loader.discard()
        raise
    loader.adopt()
    return found


def moved(root: object) -> Any:
    """
    @return: what becomes of C{root}.
    """
    return read(written(root))
