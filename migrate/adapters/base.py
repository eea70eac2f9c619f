"""
The common ground of adapters: what most of them answer alike.

It must not know any family of objects.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NoReturn

import attrs
from zope.interface import implementer

from migrate.errors import MalformedTable, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named


def onlyByName(*unused: object) -> NoReturn:
    """
    Answer for adapters whose objects never arrive by value.

    @raise MalformedTable: always; no jellier asks for it.
    """
    raise MalformedTable("an object that goes by name only came by value")


def onceNot(obj: Any, happens: Callable[[Any], object]) -> Callable[[], bool]:
    """
    @param obj: what cannot be moved at this moment.
    @param happens: told C{obj}; what it returns is true as long as that lasts.
    @return: whether it is over (see L{NotMovable}), which it is too once nobody
        has C{obj} any more.
    """
    reference = weakref.ref(obj)

    def over() -> bool:
        found = reference()
        return found is None or not happens(found)

    return over


@implementer(IAdapter)
@attrs.frozen(eq=False)
class Refused:
    """
    Refuses a family of objects.

    @ivar name: see L{IAdapter}.
    @ivar explain: says of one object what it is and why it cannot be moved.
    @ivar remedy: what to do about it.
    """

    name: str
    explain: Callable[[Any], str]
    remedy: str
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        raise NotMovable(self.explain(obj), self.remedy)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        onlyByName()


def refuse(
    registry: Registry, name: str, what: str, remedy: str, *classes: type
) -> None:
    """
    Refuse the instances of C{classes}.

    @param what: what they are and why they cannot be moved.
    """
    adapter = Refused(name, lambda obj: f"{typeName(type(obj))}: {what}", remedy)
    for cls in classes:
        registry.register(cls, adapter)


def typeName(cls: type) -> str:
    """
    @return: a class's name as a person says it.
    """
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


@implementer(IAdapter)
class Whole:
    """
    An adapter whose descriptions carry everything in their arguments.
    """

    name = ""
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        raise NotImplementedError

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        raise NotImplementedError

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        raise MalformedTable(f"{self.name} has no state")
