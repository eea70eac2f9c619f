"""
Making all of a graph once more, to see whether that can be done.

It must not know what becomes of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.trial.unittest import FailTest

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate, LoadError
from migrate.graph import Environment, PickleSerializer, Registry, TableSerializer
from migrate.interfaces import IDump, ILoader, ISerializer
from migrate.leaving import Leaving
from migrate.parting import SharedOffer, connectionsOf, providersOf
from migrate.shares import (
    Connection,
    ConnectionAdapter,
    Share,
    ShareAdapter,
    sharedNames,
)
from migrate.transfer import Offer

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
    offer = Offer(label, root, environment, _nothing, _nothing)
    for serializer in serializers:
        try:
            _rehearse(offer, serializer, environment)
            _rehearsePieces(offer, serializer)
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


def _nothing() -> None:
    """
    Nothing becomes of it.
    """


def _rehearse(offer: Offer, serializer: ISerializer, arriving: Environment) -> None:
    """
    Make all of a graph once more, and throw it away.

    @raise CannotMigrate: that cannot be written down.
    @raise LoadError: it cannot be made again.
    """
    dump = offer.dump(serializer.dump)
    loader = serializer.loader(arriving)
    try:
        load(dump, loader)
    finally:
        loader.discard()


def _rehearsePieces(whole: Offer, serializer: ISerializer) -> None:
    """
    The same, in the pieces in which something moves whose connections are
    independent of each other.
    """
    providers = providersOf(whole.root)
    if not providers:
        return
    known = whole.environment
    registry = known.registry.copy()
    registry.register(Share, ShareAdapter())
    registry.register(Connection, ConnectionAdapter())
    find = partial(connectionsOf, providers)
    offer = SharedOffer(
        whole.name, whole.root, known, _nothing, _nothing, life=-1, find=find
    )
    _rehearse(offer, serializer, attrs.evolve(known, registry=registry))
    names = {**known.externals, **sharedNames(offer.objects)}
    arriving = attrs.evolve(known, registry=registry, externals=names)
    pieces = Leaving(known.reactor, offer, -1, _ignore, _ignore).pieces()
    for piece in pieces:
        _rehearse(piece, serializer, arriving)


def _ignore(leaving: Leaving) -> None:
    """
    Nothing is left of anything.
    """


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
