"""
Containers of user-made classes, and those of L{collections}.

What a container holds is read and written with the methods of its builtin base
class, never with those that a subclass overrides.  It is written once every
object is whole, so that C{__hash__} and C{__eq__} of what it holds see all
that they look at.  A class that defines C{__reduce__} and derives from a
container moves in the same way: C{__reduce__} speaks of an object at rest.

It must not know how the exact builtin containers are written.
"""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable
from typing import Any

import attrs
from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.graph.records import DEQUES
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description

#: What the content is called among the attributes; no attribute that a
#: program sets with a dot is called so.
_CONTENT = "[]"


def afterLists(action: Callable[[], None], loading: ILoading) -> None:
    """
    Do something that hashes objects: after all lists and deques have what they
    hold, for a user's list may be hashed by that.
    """
    loading.afterFill(lambda: loading.afterFill(action))


@implementer(IAdapter)
@attrs.frozen(eq=False)
class Container:
    """
    Instances of a mutable container's subclasses.

    @ivar name: see L{IAdapter}.
    @ivar base: the builtin class.
    @ivar content: the content of an instance in a fresh builtin container.
    @ivar restore: gives a blank instance such content.
    """

    name: str
    base: Any
    content: Callable[[Any], Any]
    restore: Callable[[Any, Any], object]
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        state = readAttributes(obj)
        state[_CONTENT] = self.content(obj)
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = self.base.__new__(cls)
        self.base.__init__(made)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        content = state.pop(_CONTENT)
        writeAttributes(obj, state)

        def restore() -> None:
            """
            The content is whole now.
            """
            self.restore(obj, content)

        if self.base is list:
            loading.afterFill(restore)
        else:
            afterLists(restore, loading)


def _restoreDict(obj: Any, content: dict[Any, Any]) -> None:
    """
    Put the items in one after the other: what copies a dictionary copies the
    hashes of its keys, which were perhaps not whole when they got in there.
    """
    for key, value in content.items():
        dict.__setitem__(obj, key, value)


def _restoreSet(obj: Any, content: set[Any]) -> None:
    """
    Put the members in one after the other, for the same reason.
    """
    for member in content:
        set.add(obj, member)


def _orderedItems(obj: Any) -> list[Any]:
    """
    Keys and values by turns, in the order of C{obj}, which is not that of the
    dictionary beneath.
    """
    return [part for pair in collections.OrderedDict.items(obj) for part in pair]


def _restoreOrdered(obj: Any, content: list[Any]) -> None:
    """
    Put the items in one after the other.
    """
    for key, value in zip(content[::2], content[1::2], strict=True):
        collections.OrderedDict.__setitem__(obj, key, value)


class Deque(Whole):
    """
    Deques and their subclasses.
    """

    name = DEQUES

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        base: Any = collections.deque
        state = readAttributes(obj)
        state[_CONTENT] = list(base.__iter__(obj))
        return Description(type(obj), (base.maxlen.__get__(obj),), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = collections.deque.__new__(cls)
        collections.deque.__init__(made, (), *arguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        content = state.pop(_CONTENT)
        writeAttributes(obj, state)
        loading.afterFill(functools.partial(collections.deque.extend, obj, content))


class DefaultDict(Container):
    """
    Dictionaries with a factory, and their subclasses.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        description = super().describe(obj, capture)
        factory = vars(collections.defaultdict)["default_factory"]
        state = {**(description.state or {}), "()": factory.__get__(obj)}
        return attrs.evolve(description, state=state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        factory = vars(collections.defaultdict)["default_factory"]
        factory.__set__(obj, state.pop("()"))
        super().fill(obj, state, loading)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    ordered = collections.OrderedDict
    for adapter in (
        Container(
            "list",
            list,
            lambda obj: list.__getitem__(obj, slice(None)),
            list.extend,
        ),
        Container("dict", dict, lambda obj: dict(dict.items(obj)), _restoreDict),
        Container("set", set, set, _restoreSet),
        Container("ordereddict", ordered, _orderedItems, _restoreOrdered),
        DefaultDict(
            "defaultdict",
            collections.defaultdict,
            lambda obj: dict(dict.items(obj)),
            _restoreDict,
        ),
    ):
        registry.register(adapter.base, adapter)
    registry.register(collections.deque, Deque())
