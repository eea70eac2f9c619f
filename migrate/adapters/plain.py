"""
The attributes of objects that there are thousands of: nearly all have an
instance dictionary only, which is copied at once.

It must not know whose attributes they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, slotsOf, writeAttributes
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named


def copyAttributes(obj: Any) -> dict[str, Any]:
    """
    @return: the raw attributes of C{obj}, in a dictionary of the caller's own.
    """
    cls: Any = type(obj)
    return readAttributes(obj) if slotsOf(cls) else dict(obj.__dict__)


def giveAttributes(obj: Any, attributes: Mapping[str, Any]) -> None:
    """
    Give C{obj} what L{copyAttributes} returned.
    """
    cls: Any = type(obj)
    if slotsOf(cls):
        writeAttributes(obj, attributes)
    else:
        obj.__dict__.update(attributes)


@implementer(IAdapter)
class AttributesAdapter:
    """
    Knows objects that are their attributes and nothing else.  The adapters of
    this package's families of such objects begin here.
    """

    complete = False

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        return Description(type(obj), (), copyAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        giveAttributes(obj, state)
