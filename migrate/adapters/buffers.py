"""
Files in memory.

It must not know files on disk.
"""

from __future__ import annotations

import io
from typing import Any

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description


class Buffer(Whole):
    """
    C{BytesIO} and C{StringIO} and their subclasses, with their content, their
    position, their newlines, or closed.

    @ivar base: the builtin class.
    """

    def __init__(self, name: str, base: Any) -> None:
        self.name = name
        self.base = base

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        content = ()
        if not self.base.closed.__get__(obj):
            # The last item is the instance dictionary.
            content = self.base.__getstate__(obj)[:-1]
        return Description(type(obj), content, readAttributes(obj) or None)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = self.base.__new__(cls)
        self.base.__init__(made)
        if arguments:
            self.base.__setstate__(made, (*arguments, None))
        else:
            self.base.close(made)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(io.BytesIO, Buffer("bytesio", io.BytesIO))
    registry.register(io.StringIO, Buffer("stringio", io.StringIO))
