"""
Weak references, and the containers that are made of them.

A target has to come along by another path, or to be found by its name: what
only a weak reference leads to would be gone on arrival.  A dead reference
arrives dead.

It must not know what holds the targets.
"""

from __future__ import annotations

import gc
import weakref
from typing import Any

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.adapters.containers import afterLists
from migrate.adapters.names import PerCapture
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Weak


class _Gone:
    """
    What a dead reference refers to on arrival, for an instant.
    """


class Reference(Whole):
    """
    Plain weak references.
    """

    name = "weakref"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        target = weakref.ref.__call__(obj)
        if target is None:
            return Description(type(obj), (), readAttributes(obj) or None)
        callback = vars(weakref.ref)["__callback__"].__get__(obj)
        arguments = (Weak(target), callback)
        return Description(type(obj), arguments, readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if not arguments:
            return weakref.ref.__new__(cls, _Gone())
        made = weakref.ref.__new__(cls, *arguments)
        weakref.ref.__init__(made, *arguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


class MethodReference(Whole):
    """
    Weak references to bound methods.
    """

    name = "weakmethod"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        method = obj()
        if method is None:
            return Description(type(obj))
        if obj.__callback__ is not None and _callbackOf(obj) is not None:
            raise NotMovable(
                "a WeakMethod with a callback", "give it none, or make it again"
            )
        return Description(type(obj), (Weak(method.__self__), method.__func__))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if not arguments:
            return cls(_Callee().method)
        target, function = arguments
        return cls(function.__get__(target))

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


class _Callee:
    """
    Owner of the method of a dead reference.
    """

    def method(self) -> None:
        """
        Never called.
        """


def _callbackOf(reference: Any) -> Any:
    """
    @return: what a WeakMethod was told to call, which only its own callback
        closes over.
    """
    own = reference.__callback__
    cells = dict(zip(own.__code__.co_freevars, own.__closure__, strict=True))
    return cells["callback"].cell_contents


class Proxy(Whole):
    """
    Weak proxies.
    """

    name = "weakproxy"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        try:
            # Any bound method of a proxy is one of its target.
            target = obj.__repr__.__self__
        except ReferenceError:
            return Description(_Gone)
        if gc.get_referents(obj):
            raise NotMovable("a weak proxy with a callback", "give it none")
        return Description(_Gone, (Weak(target),))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return weakref.proxy(*(arguments or (_Gone(),)))


class WeakContainer(Whole):
    """
    Weak dictionaries and sets: made empty by their own constructor, for what
    they are made of closes over them, and filled by the methods of their base.

    @ivar base: the class in L{weakref}.
    """

    def __init__(self, name: str, base: Any) -> None:
        self.name = name
        self._base = base
        self._targets: PerCapture[dict[int, tuple[Any, tuple[Any, ...]]]] = PerCapture(
            dict
        )

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        weak, strong = self._read(obj)
        inner = set(vars(self._base()))
        attributes = readAttributes(obj)
        state = {name: attributes[name] for name in attributes if name not in inner}
        state["()"] = strong
        return Description(type(obj), tuple(map(Weak, weak)), state)

    def _read(self, obj: Any) -> tuple[list[Any], list[Any]]:
        """
        @return: what is held weakly, and what goes with each.
        """
        if self._base is weakref.WeakSet:
            return list(weakref.WeakSet.__iter__(obj)), []
        items = list(self._base.items(obj))
        keys, values = [key for key, _ in items], [value for _, value in items]
        if self._base is weakref.WeakValueDictionary:
            return values, keys
        return keys, values

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = cls.__new__(cls)
        self._base.__init__(made)
        # Strong from here until the items are in: whoever holds the targets
        # may be made later.
        self._targets.of(loading)[id(made)] = (made, arguments)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        _, weak = self._targets.of(loading).pop(id(obj))
        strong = state.pop("()")
        writeAttributes(obj, state)
        afterLists(lambda: self._restore(obj, weak, strong), loading)

    def _restore(self, obj: Any, weak: tuple[Any, ...], strong: list[Any]) -> None:
        """
        Put the items in, now that they can be hashed.
        """
        if self._base is weakref.WeakSet:
            for item in weak:
                weakref.WeakSet.add(obj, item)
        elif self._base is weakref.WeakValueDictionary:
            for key, value in zip(strong, weak, strict=True):
                weakref.WeakValueDictionary.__setitem__(obj, key, value)
        else:
            for key, value in zip(weak, strong, strict=True):
                weakref.WeakKeyDictionary.__setitem__(obj, key, value)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(weakref.ref, Reference())
    registry.register(weakref.WeakMethod, MethodReference())
    proxies = Proxy()
    for cls in weakref.ProxyTypes:
        registry.register(cls, proxies)
    for name, base in (
        ("weakset", weakref.WeakSet),
        ("weakkeydict", weakref.WeakKeyDictionary),
        ("weakvaluedict", weakref.WeakValueDictionary),
    ):
        registry.register(base, WeakContainer(name, base))
