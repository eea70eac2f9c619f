"""
Views and proxies, which speak for another object: of dictionaries, and of the
namespaces of classes.

It must not know how what they speak for is moved.
"""

from __future__ import annotations

import collections
import gc
import types
from typing import Any

from migrate.adapters.base import Whole, refuse, typeName
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description


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


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
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
