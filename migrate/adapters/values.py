"""
Numbers, text, bytes and tuples of user-made classes, members of enumerations,
and the views and proxies that speak for another object.

It must not know how the exact builtin types are written: the graph does that.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import gc
import sys
import types
from collections.abc import Callable
from typing import Any

import attrs
from constantly._constants import _Constant
from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole, onlyByName, refuse, typeName
from migrate.adapters.names import Globals, nameOf, nameOfClass
from migrate.errors import CannotResolve, LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named


def _enumMember(obj: enum.Enum, capture: ICapture) -> Description | Named:
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


def _makeMember(cls: Any, arguments: tuple[Any, ...]) -> Any:
    """
    Find the member again.

    @raise CannotResolve: the class has no such member here.
    """
    name, value = arguments
    try:
        return cls._member_map_[name] if name else cls(value)
    except (KeyError, ValueError) as e:
        raise CannotResolve(f"{cls.__qualname__} has no member {name or value}") from e


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
            return _enumMember(obj, capture)
        return Description(type(obj), self.parts(obj), readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if issubclass(cls, enum.Enum):
            return _makeMember(cls, arguments)
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


class EnumMember(Whole):
    """
    Members of enumerations that mix in no builtin.
    """

    name = "enum"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        return _enumMember(obj, capture)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return _makeMember(cls, arguments)


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


def _referent(proxy: Any) -> Any:
    """
    @return: the mapping for which a mapping proxy speaks, which it shows to
        nobody but the collector.
    """
    return gc.get_referents(proxy)[0]


def _classOfNamespace(namespace: Any) -> type | None:
    """
    @return: the class whose own namespace this is, or L{None}.
    """
    for value in namespace.values():
        owner = getattr(value, "__objclass__", None)
        if isinstance(owner, type) and _referent(vars(owner)) is namespace:
            return owner
    return None


class MappingProxy(Whole):
    """
    Read-only views of a mapping, or of a class's namespace.
    """

    name = "mappingproxy"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        target = _referent(obj)
        owner = _classOfNamespace(target) if type(target) is dict else None
        if owner is None and "__module__" in obj:
            raise NotMovable(
                f"a view of the namespace of a class ({obj.get('__module__')})",
                "keep the class itself and ask it for its __dict__ when needed",
            )
        return Description(
            types.MappingProxyType, (target if owner is None else owner,)
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        (target,) = arguments
        if isinstance(target, type):
            return target.__dict__
        return types.MappingProxyType(target)


_VIEWS: dict[type, str] = {
    type(base().__getattribute__(kind)()): kind
    for base in (dict, collections.OrderedDict)
    for kind in ("keys", "values", "items")
}


class DictView(Whole):
    """
    The keys, values and items of a dictionary, as they are and will be.
    """

    name = "dictview"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(dict, (_referent(obj.mapping), _VIEWS[type(obj)]))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        target, kind = arguments
        base = (
            collections.OrderedDict
            if isinstance(target, collections.OrderedDict)
            else dict
        )
        if kind not in _VIEWS.values() or not isinstance(target, dict):
            raise LoadError(f"no {kind!r} of a {typeName(type(target))}")
        return getattr(base, kind)(target)


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
                    complex.real.__get__(o),  # type: ignore[attr-defined]
                    complex.imag.__get__(o),  # type: ignore[attr-defined]
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


def _sentinelClasses() -> tuple[type, ...]:
    """
    Classes of the standard library of which each instance is a sentinel.
    """
    return (
        type(Ellipsis),
        type(NotImplemented),
        *{
            type(getattr(dataclasses, name))
            for name in ("MISSING", "KW_ONLY", "_FIELD", "_HAS_DEFAULT_FACTORY")
        },
    )


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    _registerImmutables(registry)
    registry.register(bytearray, ByteArray())
    registry.register(enum.Enum, EnumMember())
    registry.register(object, Sentinel())
    registry.register(_Constant, Constant())
    sentinels = NamedOnly(
        "sentinel", "keep it in an importable module", *_sentinelClasses()
    )
    for cls in _sentinelClasses():
        registry.register(cls, sentinels)
    registry.register(types.MappingProxyType, MappingProxy())
    views = DictView()
    for view in _VIEWS:
        registry.register(view, views)
    refuse(
        registry,
        "memoryview",
        "a window onto memory cannot be moved",
        "keep bytes, or the object that owns the memory",
        memoryview,
    )
