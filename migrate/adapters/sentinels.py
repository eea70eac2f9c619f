"""
Objects that are told by their identity: bare C{object()}, the sentinels of the
standard library, the constants of constantly, members of enumerations.

It must not know what any of them means.
"""

from __future__ import annotations

import dataclasses
import enum
import os
from typing import Any

from twisted.logger import LogLevel
from zope.interface import implementer

from migrate.adapters.base import Whole, onlyByName
from migrate.adapters.names import Globals, nameOf, nameOfClass
from migrate.errors import CannotResolve, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named

#: The base class of all constants of constantly, which has no public name.
_CONSTANT: Any = type(LogLevel.info).__mro__[1]


def describeMember(obj: enum.Enum, capture: ICapture) -> Description | Named:
    """
    A member goes by its name in its class, or by value where it has none: a
    combination of flags.
    """
    cls = type(obj)
    name = getattr(obj, "_name_", None)
    if name is None or cls._member_map_.get(name) is not obj:
        return Description(cls, ("", obj._value_))
    known = nameOfClass(cls)
    if known is not None:
        named = nameOf(obj, known.module, f"{known.qualname}.{name}")
        if named is not None:
            return named
    return Description(cls, (name, None))


def makeMember(cls: Any, arguments: tuple[Any, ...]) -> Any:
    """
    Find the member again.

    @raise CannotResolve: the class has no such member here.
    """
    name, value = arguments
    try:
        return cls._member_map_[name] if name else cls(value)
    except (KeyError, ValueError) as e:
        raise CannotResolve(f"{cls.__qualname__} has no member {name or value}") from e


class EnumMember(Whole):
    """
    Members of enumerations that mix in no builtin.
    """

    name = "enum"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        return describeMember(obj, capture)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return makeMember(cls, arguments)


@implementer(IAdapter)
class Sentinel:
    """
    Bare C{object()} instances: by the name of the module attribute that holds
    them, for they are told apart by identity; those that no module holds have
    their identity inside the graph only.
    """

    name = "object"
    complete = False

    def __init__(self) -> None:
        self._globals = Globals(object)

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        return self._globals.nameOf(obj, capture) or Description(object)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return object()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        onlyByName()


class NamedOnly(Whole):
    """
    Objects of classes of which each instance is some module's own.

    @ivar name: see L{IAdapter}.
    """

    def __init__(self, name: str, remedy: str, *classes: type) -> None:
        self.name = name
        self._remedy = remedy
        self._globals = Globals(*classes)

    def describe(self, obj: Any, capture: ICapture) -> Named:
        """
        See L{IAdapter.describe}.
        """
        named = self._globals.nameOf(obj, capture)
        if named is None:
            raise NotMovable(
                f"{obj!r} is told by its identity, and no importable module has it "
                "as an attribute",
                self._remedy,
            )
        return named

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()


class Constant(Whole):
    """
    The constants of constantly: by name in their container; combinations of
    flags by their names.
    """

    name = "constant"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        container = obj._container
        if container is None:
            raise NotMovable(
                f"{type(obj).__qualname__} belongs to no container",
                "make it an attribute of a subclass of constantly.Names, Values or "
                "Flags",
            )
        known = nameOfClass(container)
        if known is None:
            raise NotMovable(
                f"the constant {obj.name} belongs to {container.__qualname__}, which "
                "no importable module has",
                "define the container in a module",
            )
        named = nameOf(obj, known.module, f"{known.qualname}.{obj.name}")
        if named is not None:
            return named
        return Description(type(obj), (container, tuple(sorted(obj.names))))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        container, names = arguments
        try:
            found = [container.lookupByName(name) for name in names]
        except ValueError as e:
            raise CannotResolve(f"{container.__qualname__}: {e}") from e
        if not found:
            first = next(iter(container.iterconstants()))
            return first & ~first
        made = found[0]
        for flag in found[1:]:
            made = made | flag
        return made


def _sentinelClasses() -> tuple[type, ...]:
    """
    Classes of the standard library of which each instance is a sentinel.
    """
    return (
        type(Ellipsis),
        type(NotImplemented),
        type(os.environ),
        *{
            type(getattr(dataclasses, name))
            for name in ("MISSING", "KW_ONLY", "_FIELD", "_HAS_DEFAULT_FACTORY")
        },
    )


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(enum.Enum, EnumMember())
    registry.register(object, Sentinel())
    registry.register(_CONSTANT, Constant())
    sentinels = NamedOnly(
        "sentinel", "keep it in an importable module", *_sentinelClasses()
    )
    for cls in _sentinelClasses():
        registry.register(cls, sentinels)
