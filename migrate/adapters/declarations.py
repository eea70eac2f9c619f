"""
Interfaces of zope, and what classes and instances declare of them.

It must not know what any interface means.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementedBy
from zope.interface.declarations import (
    ClassProvides,
    Implements,
    Provides,
    ProvidesClass,
)
from zope.interface.interface import InterfaceClass

from migrate.adapters.base import Whole, onlyByName
from migrate.adapters.names import nameOf
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named


class InterfaceAdapter(Whole):
    """
    Interfaces, by name.
    """

    name = "interface"

    def describe(self, obj: Any, capture: ICapture) -> Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOf(obj, obj.__module__, obj.__name__)
        if named is None:
            raise NotMovable(
                f"no importable module has the interface {obj.__name__}",
                "define it in a module",
            )
        return named

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()


class Implementation(Whole):
    """
    What a class implements: the class's own word at the recipient.
    """

    name = "implements"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if not isinstance(obj.inherit, type):
            raise NotMovable(
                f"{obj!r} is what something implements that is no class, or only some "
                "interfaces of its bases",
                "keep the class instead",
            )
        return Description(Implements, (obj.inherit,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return implementedBy(*arguments)


class Provision(Whole):
    """
    What an instance provides beside what its class implements.
    """

    name = "provides"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        # Its own __reduce__ is the only one to tell how it was made.
        _, arguments = obj.__reduce__()
        return Description(ProvidesClass, arguments)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return Provides(*arguments)


class ClassProvision(Whole):
    """
    What a class itself provides.
    """

    name = "classprovides"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        _, (owner, *_rest) = obj.__reduce__()
        return Description(ClassProvides, (owner,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        (owner,) = arguments
        return owner.__dict__["__provides__"]


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(InterfaceClass, InterfaceAdapter())
    registry.register(Implements, Implementation())
    registry.register(ProvidesClass, Provision())
    registry.register(ClassProvides, ClassProvision())
