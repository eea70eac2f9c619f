"""
What a service uses and a recipient has of its own: at the origin, which objects
those are; at the recipient, how they are made ready before the service comes.

It must not know what any of them is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from twisted.application.service import IServiceCollection
from twisted.internet.defer import (
    Deferred,
    FirstError,
    gatherResults,
    maybeDeferred,
    succeed,
)

from migrate.errors import MigrationError
from migrate.interfaces import INamedResources

PREFIX = "resource:"
"""
What the names of resources begin with where those of all external objects are.
"""


def named(service: Any) -> dict[str, object]:
    """
    @return: the resources that a service, or one below it, names.
    @raise MigrationError: it fails to, or two of them use one name for different
        objects.
    """
    found: dict[str, object] = {}
    for each in below(service):
        if not INamedResources.providedBy(each):
            continue
        for name, resource in _ask(each).items():
            if found.setdefault(name, resource) is not resource:
                raise MigrationError(f"two resources are named {name!r}")
    return found


def _ask(service: Any) -> Mapping[str, object]:
    """
    @return: the resources that one service names.
    @raise MigrationError: it fails to.
    """
    try:
        return dict(service.namedResources())
    except Exception as error:
        raise MigrationError(
            f"{type(service).__qualname__}.namedResources failed: "
            f"{type(error).__name__}: {error}"
        ) from error


def below(service: Any) -> Iterator[Any]:
    """
    @return: a service and all below it.
    """
    waiting = [service]
    while waiting:
        each = waiting.pop()
        yield each
        if IServiceCollection.providedBy(each):
            waiting.extend(each)


@attrs.define(eq=False)
class Provision:
    """
    The resources of one recipient.

    @ivar openers: makes one ready, by name: returns it, or a L{Deferred} of it.
    @ivar opened: those that are ready, by name.
    """

    openers: Mapping[str, Callable[[], Any]] = attrs.field(factory=dict)
    opened: dict[str, object] = attrs.field(factory=dict, init=False)

    def open(self, names: Iterable[str]) -> Deferred[None]:
        """
        Make some ready, all at once, unless they are.

        @return: fires once they are; fails with a L{MigrationError} if one
            cannot be.
        """
        missing = [name for name in names if name not in self.opened]
        unknown = [name for name in missing if name not in self.openers]
        if unknown:
            raise MigrationError(f"nobody provides {', '.join(map(repr, unknown))}")
        if not missing:
            return succeed(None)
        opening = [
            maybeDeferred(self.openers[name]).addCallback(self._keep, name)
            for name in missing
        ]
        return gatherResults(opening, consumeErrors=True).addCallbacks(
            lambda _: None, self._failed
        )

    def _keep(self, resource: object, name: str) -> None:
        self.opened[name] = resource

    def _failed(self, failure: Any) -> None:
        if failure.check(FirstError):
            failure = failure.value.subFailure
        raise MigrationError(
            f"a resource could not be made ready: {failure.type.__name__}: "
            f"{failure.getErrorMessage()}"
        ) from failure.value

    def externals(self) -> dict[str, object]:
        """
        @return: those that are ready, as a graph refers to them.
        """
        return {f"{PREFIX}{name}": thing for name, thing in self.opened.items()}
