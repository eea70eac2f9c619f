"""
Making all of a graph once more, to see whether that can be done.

It must not know what becomes of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from twisted.application.service import IService
from twisted.trial.unittest import FailTest

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate, LoadError
from migrate.graph import Environment, PickleSerializer, Registry, TableSerializer
from migrate.interfaces import IDump, ILoader, ISerializer

SERIALIZERS: tuple[ISerializer, ...] = (TableSerializer(), PickleSerializer())
"""
The serializers that there are.
"""


def assertMigratable(
    root: object,
    *,
    reactor: Any = None,
    registry: Registry | None = None,
    resources: Mapping[str, object] | None = None,
    serializers: Sequence[ISerializer] = SERIALIZERS,
    label: str = "service",
) -> None:
    """
    Make sure that something could be moved in the state that it is in: all of
    it is written down and made once more, by each serializer, and thrown away.
    C{root} goes on as if nothing had happened, for nothing does.

    @param root: a service, or any other object.
    @param reactor: the reactor that it lives on; the one that is installed, by
        default.
    @param registry: the adapters; those of this package by default.
    @param resources: what the recipient would provide, by name.
    @param label: what paths begin with.
    @raise FailTest: it cannot be moved; the message has a line for each object
        that is in the way, with the path that leads there, the reason, and what
        to do about it.
    """
    if reactor is None:
        from twisted.internet import reactor
    parent = getattr(root, "parent", None) if IService.providedBy(root) else None
    environment = Environment(
        registry=defaultRegistry() if registry is None else registry,
        reactor=reactor,
        externals={**(resources or {}), **({"parent": parent} if parent else {})},
    )
    for serializer in serializers:
        try:
            _rehearse(root, serializer, environment, label)
        except CannotMigrate as error:
            raise FailTest(_report(label, error)) from None
        except LoadError as error:
            raise FailTest(
                f"{label} can be written down as a {serializer.name}, and not made "
                f"again: {error}"
            ) from error


def _report(label: str, error: CannotMigrate) -> str:
    """
    @return: a line for each object that is in the way.
    """
    count = len(error.refusals)
    head = f"{label} cannot be moved, for {count} object{'s' * (count > 1)}:"
    return "\n  ".join([head, *map(str, error.refusals)])


def _rehearse(
    root: object, serializer: ISerializer, environment: Environment, label: str
) -> None:
    """
    Make all of a graph once more, and throw it away.

    @raise CannotMigrate: that cannot be written down.
    @raise LoadError: it cannot be made again.
    """
    dump = serializer.dump(root, label, environment)
    loader = serializer.loader(environment)
    try:
        load(dump, loader)
    finally:
        loader.discard()


def load(dump: IDump, loader: ILoader) -> Any:
    """
    Make a graph once more, with copies of its descriptors.

    @return: its root.
    @raise LoadError: it cannot be made.
    """
    for chunk in dump.chunks:
        loader.feed(chunk)
    filenos: list[int] = []
    try:
        filenos += map(os.dup, dump.filenos)
    except OSError:
        for fileno in filenos:
            os.close(fileno)
        raise
    return loader.finish(filenos)
