"""
Instances of classes that are written in Python through and through: all their
state lies in an instance dictionary and in slots.

Attributes are read and written raw.  No C{__getattr__}, property,
C{__getstate__} or C{__setstate__} is asked, for those speak of objects at rest
and may leave out what is live, or do something.

It must not know how a state is written.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import LoadError, NotMovable
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description

#: Set in C{__flags__} of classes that a class statement made.
_HEAP_TYPE = 1 << 9
_POINTER = object.__sizeof__(()) - object.__sizeof__(object())

#: Begins the name of what no attribute access reaches: a slot that a derived
#: class hides, or an entry of the instance dictionary that a slot hides.
_HIDDEN = "\0"


def className(cls: type) -> str:
    """
    @return: the name that a person knows a class by.
    """
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def _slotNames(cls: type) -> set[str]:
    """
    @return: the slots that a class of its own declares, as its namespace
        calls them.
    """
    declared = vars(cls).get("__slots__", ())
    owner = cls.__name__.lstrip("_")
    return {
        f"_{owner}{name}"
        if name.startswith("__") and not name.endswith("__") and owner
        else name
        for name in ((declared,) if isinstance(declared, str) else declared)
    }


def _members(cls: type) -> Iterator[tuple[type, str, Any]]:
    """
    @return: class, name and descriptor of everything that has a place of its
        own in instances, the nearest class first.
    """
    for base in cls.__mro__:
        for name, member in vars(base).items():
            if type(member) is types.MemberDescriptorType:
                yield base, name, member


def hidesDictionary(cls: type) -> bool:
    """
    @return: whether C{__dict__} of instances of C{cls} is something else than
        their instance dictionary, which nobody can get at then.
    """
    for base in cls.__mro__:
        found = vars(base).get("__dict__", cls)
        if found is not cls:
            return not isinstance(
                found, types.GetSetDescriptorType | types.MemberDescriptorType
            )
    return False


def isPlain(cls: type) -> bool:
    """
    @return: whether instances of C{cls} hold nothing but attributes: no class
        it derives from is written in C, other than L{object}, and its size is
        that of its slots.
    """
    bases = [base for base in cls.__mro__ if base is not object]
    if hidesDictionary(cls) or not all(b.__flags__ & _HEAP_TYPE for b in bases):
        return False
    slots = 0
    for owner, name, _ in _members(cls):
        if name not in _slotNames(owner):
            return False
        slots += 1
    size = object.__basicsize__ + _POINTER * slots
    size += _POINTER * (cls.__dictoffset__ > 0)
    size += _POINTER * (getattr(cls, "__weakrefoffset__", 0) > 0)
    return cls.__basicsize__ == size and cls.__itemsize__ == 0


def _dictionaryOf(cls: type) -> Callable[[Any], dict[str, Any]] | None:
    """
    @return: what gets at the raw instance dictionary, if there is one.
    """
    if not cls.__dictoffset__:
        return None
    found: Any = next(
        vars(base)["__dict__"] for base in cls.__mro__ if "__dict__" in vars(base)
    )
    getter: Callable[[Any], dict[str, Any]] = found.__get__
    return getter


def _keyed(cls: type) -> Iterator[tuple[str, Any]]:
    """
    @return: the slots' names, told apart where one hides another, and their
        descriptors.
    """
    seen: set[str] = set()
    for owner, name, member in _members(cls):
        hidden = f"{_HIDDEN}{owner.__qualname__}.{name}"
        yield (hidden if name in seen else name), member
        seen.add(name)


@attrs.frozen(eq=False)
class Layout:
    """
    Where the instances of one plain class have their attributes.

    @ivar cls: the class.
    @ivar dictionary: gets the instance dictionary; L{None} if there is none.
    @ivar slots: the slots by name.
    """

    cls: type
    dictionary: Callable[[Any], dict[str, Any]] | None
    slots: Mapping[str, Any]

    @classmethod
    def of(cls, plain: type) -> Layout:
        """
        @param plain: a class that L{isPlain}.
        """
        return cls(plain, _dictionaryOf(plain), dict(_keyed(plain)))

    def blank(self) -> Any:
        """
        @return: an instance without attributes.
        """
        return object.__new__(self.cls)

    def named(self, names: Iterable[Any]) -> tuple[str, ...]:
        """
        @param names: keys of an instance dictionary.
        @return: what a state calls them.
        @raise NotMovable: one is no text.
        """
        found = []
        for name in names:
            if type(name) is not str:
                raise NotMovable(
                    f"{className(self.cls)} has an attribute whose name is no text",
                    "remove it, or register an adapter",
                )
            hidden = name in self.slots or name.startswith(_HIDDEN)
            found.append(f"{_HIDDEN}{_HIDDEN}{name}" if hidden else name)
        return tuple(found)

    def state(self, obj: Any) -> dict[str, Any]:
        """
        @return: the attributes of C{obj}.
        @raise NotMovable: one has no name.
        """
        found = {}
        for name, slot in self.slots.items():
            try:
                found[name] = slot.__get__(obj)
            except AttributeError:
                continue
        if self.dictionary is not None:
            attributes = self.dictionary(obj)
            found.update(zip(self.named(attributes), attributes.values(), strict=True))
        return found

    def fill(self, obj: Any, state: Mapping[str, Any]) -> None:
        """
        Give C{obj} these attributes and no others.

        @raise LoadError: the class has no place for one.
        """
        attributes = None if self.dictionary is None else self.dictionary(obj)
        if attributes is not None:
            attributes.clear()
        for name, value in state.items():
            slot = self.slots.get(name)
            if slot is not None:
                slot.__set__(obj, value)
                continue
            if attributes is None:
                raise LoadError(f"{className(self.cls)} has no place for {name!r}")
            attributes[name[2:] if name.startswith(_HIDDEN) else name] = value


@implementer(IAdapter)
@attrs.define(eq=False)
class PlainAdapter:
    """
    Speaks for the instances of all plain classes that nobody else speaks for.
    """

    name = "plain"
    complete = False

    _layouts: dict[type, Layout] = attrs.field(factory=dict)

    def layout(self, cls: Any) -> Layout:
        """
        @return: the layout of C{cls}.
        @raise LoadError: it is no plain class.
        """
        found = self._layouts.get(cls)
        if found is None:
            if not isinstance(cls, type) or not isPlain(cls):
                raise LoadError(f"{cls!r} is no class written in Python alone")
            found = self._layouts[cls] = Layout.of(cls)
        return found

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        cls = type(obj)
        return Description(cls, (), self.layout(cls).state(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return self.layout(cls).blank()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        self.layout(type(obj)).fill(obj, state)
