"""
Objects of the standard library that have other attributes in other versions of
Python: what the origin's version does not know is as in a new object.

It must not know what the attributes mean.
"""

from __future__ import annotations

import functools
import queue
from collections.abc import Callable
from typing import Any

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description


class Evolving(Whole):
    """
    Instances of one class of Python.
    """

    def __init__(self, name: str, fresh: Callable[[], object]) -> None:
        """
        @param fresh: makes a new object, whose attributes are in no relation
            to each other.
        """
        self.name = name
        self._fresh = fresh

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (), readAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return object.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, {**vars(self._fresh()), **state})


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(queue.Queue, Evolving("queue", queue.Queue))
    registry.register(
        functools.cached_property,
        Evolving("cached_property", lambda: functools.cached_property(repr)),
    )
