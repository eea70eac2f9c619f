"""
The parts of a walk and of a loading that a single adapter sees.

It must not know any adapter.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import CannotResolve, MalformedTable
from migrate.interfaces import ICapture, ILoading
from migrate.model import Descriptor, Named


@implementer(ICapture)
@attrs.define(eq=False)
class Capture:
    """
    A walk that has met C{members}.
    """

    reactor: Any
    members: list[object] = attrs.field(factory=list)

    def reading(self, selectable: object) -> bool:
        """
        See L{ICapture.reading}.
        """
        return any(selectable is other for other in self.reactor.getReaders())

    def writing(self, selectable: object) -> bool:
        """
        See L{ICapture.writing}.
        """
        return any(selectable is other for other in self.reactor.getWriters())

    def contains(self, candidate: object) -> bool:
        """
        See L{ICapture.contains}.
        """
        return any(candidate is member for member in self.members)


@implementer(ILoading)
@attrs.define(eq=False)
class Loading:
    """
    A loading whose descriptors are copies of the origin's.
    """

    reactor: Any
    owned: list[int] = attrs.field(factory=list)
    _adopting: list[Callable[[], None]] = attrs.field(factory=list)
    _discarding: list[Callable[[], None]] = attrs.field(factory=list)
    _filled: list[Callable[[], None]] = attrs.field(factory=list)

    def own(self, descriptor: Descriptor) -> int:
        """
        See L{ILoading.own}.
        """
        if not isinstance(descriptor, Descriptor):
            raise MalformedTable(f"{descriptor!r} is no descriptor")
        self.owned.append(os.dup(descriptor.fileno))
        return self.owned[-1]

    def external(self, name: str) -> Any:
        """
        See L{ILoading.external}.
        """
        raise CannotResolve(name)

    def resolve(self, name: Named) -> Any:
        """
        See L{ILoading.resolve}.
        """
        raise CannotResolve(str(name))

    def permit(self, function: Any) -> None:
        """
        See L{ILoading.permit}.
        """

    def afterFill(self, action: Callable[[], None]) -> None:
        """
        See L{ILoading.afterFill}.
        """
        self._filled.append(action)

    def settle(self) -> None:
        """
        All that there is has been filled.
        """
        while self._filled:
            self._filled.pop(0)()

    def onAdopt(self, action: Callable[[], None]) -> None:
        """
        See L{ILoading.onAdopt}.
        """
        self._adopting.append(action)

    def onDiscard(self, action: Callable[[], None]) -> None:
        """
        See L{ILoading.onDiscard}.
        """
        self._discarding.append(action)

    def adopt(self) -> None:
        """
        Own what has been made.
        """
        for action in [*self._filled, *self._adopting]:
            action()

    def discard(self) -> None:
        """
        Throw away what has been made.
        """
        for action in reversed(self._discarding):
            action()


def remake(adapter: Any, obj: Any, capture: ICapture, loading: ILoading) -> Any:
    """
    Have an adapter describe an object and make it again, what it refers to
    being the same.

    @return: the second one.
    """
    description = adapter.describe(obj, capture)
    made = adapter.make(description.cls, description.arguments, loading)
    if description.state is not None:
        adapter.fill(made, dict(description.state), loading)
        loading.settle()
    return made
