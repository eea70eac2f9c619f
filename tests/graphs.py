"""
What tests of graphs share: a registry in which classes, functions and modules
go by name, and the way of a graph from one environment to another.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from migrate.graph import Environment, Registry, TableSerializer
from migrate.interfaces import IAdapter, ICapture, ILoading, ISerializer
from migrate.model import Named


@implementer(IAdapter)
class ByName:
    """
    Whatever has a module and a qualified name goes by those.
    """

    name = "by name"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Named:
        if isinstance(obj, types.ModuleType):
            return Named(obj.__name__)
        return Named(obj.__module__, obj.__qualname__)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        raise AssertionError("a name is made by nobody")

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("a name is filled by nobody")


def registry() -> Registry:
    """
    @return: a registry without any adapter but for names.
    """
    found = Registry()
    byName = ByName()
    for cls in (
        type,
        types.ModuleType,
        types.FunctionType,
        types.BuiltinFunctionType,
    ):
        found.register(cls, byName)
    return found


def environment(reactor: object = None, **options: Any) -> Environment:
    """
    @return: a process with that registry.
    """
    options.setdefault("registry", registry())
    return Environment(reactor=reactor, **options)


def moved(
    root: Any,
    origin: Environment | None = None,
    recipient: Environment | None = None,
    serializer: ISerializer | None = None,
    filenos: Sequence[int] = (),
) -> Any:
    """
    @return: what arrives of a graph and is adopted.
    """
    serializer = serializer or TableSerializer()
    dump = serializer.dump(root, "root", origin or environment())
    loader = serializer.loader(recipient or origin or environment())
    for chunk in dump.chunks:
        loader.feed(chunk)
    arrived = loader.finish(filenos)
    loader.adopt()
    return arrived
