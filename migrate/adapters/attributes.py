"""
The attributes that an object has beside what its builtin base class keeps.

Both ways it is the raw storage that counts: the instance dictionary and the
slots.  No property, C{__getattr__}, C{__setattr__}, C{__getstate__} or
C{__setstate__} of the class is called, since those speak of objects at rest.
It must not know what any class means by its attributes.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from migrate.errors import LoadError, NotMovable

#: Set in C{__flags__} of classes that are made at run time.
_HEAP_TYPE = 1 << 9

_getDict = object.__getattribute__


@lru_cache(maxsize=4096)
def slotsOf(cls: Any) -> tuple[tuple[str, Any], ...]:
    """
    @return: the slots that Python classes of the MRO declare, nearest first,
        each with a key.  The key is the slot's own name unless a nearer class
        has one of that name too.
    """
    return tuple(_slots(cls))


def _slots(cls: type) -> Iterator[tuple[str, Any]]:
    mro = cls.__mro__
    seen: set[str] = set()
    for index, base in enumerate(mro):
        if not base.__flags__ & _HEAP_TYPE or "__slots__" not in base.__dict__:
            continue
        for name, value in base.__dict__.items():
            if type(value) is types.MemberDescriptorType:
                yield (f"{name}@{len(mro) - index}" if name in seen else name), value
                seen.add(name)


def instanceDict(obj: object) -> dict[str, Any] | None:
    """
    @return: the instance dictionary, or L{None} where there is none.
    """
    if not type(obj).__dictoffset__:
        return None
    found = _getDict(obj, "__dict__")
    return found if type(found) is dict else None


def readAttributes(obj: object) -> dict[str, Any]:
    """
    @return: the attributes of C{obj} in a fresh dictionary.
    @raise NotMovable: an attribute's name is no text.
    """
    state: dict[str, Any] = dict(instanceDict(obj) or ())
    for key in state:
        if type(key) is not str:
            raise NotMovable(
                f"{type(obj).__qualname__} has an attribute that is named {key!r}",
                "name attributes with text only",
            )
    cls: Any = type(obj)
    for name, slot in slotsOf(cls):
        try:
            state[name] = slot.__get__(obj)
        except AttributeError:
            continue
    return state


def writeAttributes(obj: object, state: Mapping[str, Any]) -> None:
    """
    Give C{obj} what L{readAttributes} read.

    @raise LoadError: the class here has no room for an attribute.
    """
    cls: Any = type(obj)
    slots = dict(slotsOf(cls))
    namespace = instanceDict(obj)
    if not slots and namespace is not None:
        namespace.update(state)
        return
    for name, value in state.items():
        if name in slots:
            slots[name].__set__(obj, value)
        elif namespace is not None:
            namespace[name] = value
        else:
            raise LoadError(
                f"{type(obj).__qualname__} has no slot {name!r} in this process"
            )
