"""
Child processes: one that has ended is nothing but its attributes; one that lives
stays with its parent, and is in the way until it ends.

It must not know what they do.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.process import PTYProcess, _BaseProcess

from migrate.adapters.base import onceNot, typeName
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture
from migrate.model import Description, Named


class ProcessAdapter(AttributesAdapter):
    """
    Knows L{twisted.internet.process.Process} and its like.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if _lives(obj):
            raise NotMovable(
                f"{typeName(type(obj))}: a child process cannot get another parent "
                f"(its id is {obj.pid})",
                "wait until it has ended, or have it run on its own behind a socket",
                onceNot(obj, _lives),
            )
        return super().describe(obj, capture)


def _lives(process: Any) -> bool:
    """
    @return: whether a process has not ended, or not all that it said was read.
    """
    return bool(
        process.pid is not None
        or getattr(process, "pipes", None)
        or getattr(process, "connected", False)
    )


def register(registry: Registry) -> None:
    """
    Add the adapter of child processes.
    """
    adapter = ProcessAdapter("twisted.internet.process.BaseProcess")
    # The latter is a descriptor too, as which it would be refused for good.
    for cls in (_BaseProcess, PTYProcess):
        registry.register(cls, adapter)
