"""
Numbers, text, bytes and tuples of user-made classes, and formats of L{struct}.

It must not know how the exact builtin types are written: the graph does that.
"""

from __future__ import annotations

import enum
import struct
import sys
from collections.abc import Callable
from typing import Any

import attrs
from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.adapters.sentinels import describeMember, makeMember
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named


@implementer(IAdapter)
@attrs.frozen(eq=False)
class Immutable:
    """
    Instances of subclasses of an immutable builtin, made of their payload in
    one go; and members of enumerations that mix it in.

    @ivar name: see L{IAdapter}.
    @ivar parts: takes the payload out of an instance, past any method that
        its class overrides: the arguments of the base class.
    @ivar build: makes an instance of a class of those.
    @ivar complete: see L{IAdapter}.
    """

    name: str
    parts: Callable[[Any], tuple[Any, ...]]
    build: Callable[..., Any]
    complete: bool = False

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        if isinstance(obj, enum.Enum):
            return describeMember(obj, capture)
        return Description(type(obj), self.parts(obj), readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if issubclass(cls, enum.Enum):
            return makeMember(cls, arguments)
        return self.build(cls, *arguments)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


def _tupleParts(obj: Any) -> tuple[Any, ...]:
    """
    The elements; of a struct sequence those too that are no elements.
    """
    if hasattr(type(obj), "n_sequence_fields"):
        reduced = obj.__reduce__()
        return (tuple(reduced[1][0]), reduced[1][1])
    return (tuple.__getitem__(obj, slice(None)),)


def _makeTuple(cls: Any, elements: tuple[Any, ...], *hidden: Any) -> Any:
    """
    A struct sequence wants its hidden fields too.
    """
    return cls(elements, *hidden) if hidden else tuple.__new__(cls, elements)


class StructSequences:
    """
    The struct sequences of L{sys}, of which no other can be made.
    """

    @staticmethod
    def nameOf(obj: object) -> Named | None:
        """
        @return: the name of the attribute of L{sys} that is C{obj}.
        """
        for name, value in vars(sys).items():
            if value is obj:
                return Named("sys", name)
        return None


class TupleAdapter(Immutable):
    """
    Instances of subclasses of tuple: named tuples, struct sequences.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        if hasattr(type(obj), "n_sequence_fields"):
            named = StructSequences.nameOf(obj)
            if named is not None:
                return named
        return super().describe(obj, capture)


class ByteArray(Whole):
    """
    Byte arrays and their subclasses.
    """

    name = "bytearray"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (bytes(obj),), readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = bytearray.__new__(cls)
        bytearray.__init__(made, *arguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


class Format(Whole):
    """
    Compiled formats of L{struct}.
    """

    name = "struct"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (obj.format,), readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = struct.Struct.__new__(cls, *arguments)
        struct.Struct.__init__(made, *arguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


def _registerImmutables(registry: Registry) -> None:
    """
    The subclasses of immutable builtins.
    """
    whole = slice(None)
    for cls, adapter in (
        (int, Immutable("int", lambda o: (int.__int__(o),), int.__new__)),
        (float, Immutable("float", lambda o: (float.__float__(o),), float.__new__)),
        (
            complex,
            Immutable(
                "complex",
                lambda o: (
                    vars(complex)["real"].__get__(o),
                    vars(complex)["imag"].__get__(o),
                ),
                complex.__new__,
            ),
        ),
        (str, Immutable("str", lambda o: (str.__str__(o),), str.__new__)),
        (
            bytes,
            Immutable("bytes", lambda o: (bytes.__getitem__(o, whole),), bytes.__new__),
        ),
        (
            frozenset,
            Immutable(
                "frozenset", lambda o: (frozenset(o),), frozenset.__new__, complete=True
            ),
        ),
        (tuple, TupleAdapter("tuple", _tupleParts, _makeTuple)),
    ):
        registry.register(cls, adapter)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    _registerImmutables(registry)
    registry.register(bytearray, ByteArray())
    registry.register(struct.Struct, Format())
