"""
A service of a test in the pieces in which it moves, if its connections are
independent of each other.

It must not know how a piece is moved.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from migrate.graph import Environment
from migrate.independent import layers
from migrate.parting import connectionsOf, providersOf
from migrate.shares import (
    Connection,
    ConnectionAdapter,
    Share,
    ShareAdapter,
    sharedNames,
)
from migrate.testing.processes import FakeProcess

Finder = Callable[[], list[Connection]]


def nothing(*_: object) -> None:
    """
    There is nothing to do.
    """


def finder(process: FakeProcess, root: Any) -> Finder | None:
    """
    @return: what finds the connections of something, in memory too; L{None} if it
        does not say that they are independent.
    """
    providers = providersOf(root)
    if not providers:
        return None

    def find() -> list[Connection]:
        found = {id(each.transport): each for each in connectionsOf(providers)}
        for client in process.clients():
            for each in layers(client.transport):
                for provider in providers:
                    if getattr(each, "factory", None) is provider:
                        known = Connection.of(provider, each)
                        found.setdefault(id(known.transport), known)
        return [each for each in found.values() if each.isAlive]

    return find


@attrs.define(eq=False)
class Arrival:
    """
    What one loading needs to know of a recipient, and what it has of the shared part
    once that is there.

    @ivar environment: what the loading of the shared part needs to know.
    """

    environment: Environment
    _shares: list[Share] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Know what comes beside the graph.
        """
        registry = self.environment.registry
        registry.register(Share, ShareAdapter(self._shares.append))
        registry.register(Connection, ConnectionAdapter())

    def withShared(self) -> Environment:
        """
        @return: what the loading of a connection needs to know.
        """
        shares = sorted(self._shares, key=lambda each: each.first)
        names = sharedNames(each for share in shares for each in share.objects)
        known = {**self.environment.externals, **names}
        return attrs.evolve(self.environment, externals=known)
