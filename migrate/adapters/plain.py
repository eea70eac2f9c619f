"""
The attributes of objects that there are thousands of: nearly all have an
instance dictionary only, which is copied at once.

It must not know whose attributes they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, slotsOf, writeAttributes
from migrate.interfaces import ICapture, IDirectAdapter, ILoading
from migrate.model import Description, Named

#: What is called with an object and the capture, as L{IDirectAdapter.extract}.
Extract = Callable[[Any, ICapture], tuple[object, ...]]

#: What is called with an object, its values and the loading, as its C{restore}.
Restore = Callable[[Any, tuple[Any, ...], ILoading], None]


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


@implementer(IDirectAdapter)
class AttributesAdapter:
    """
    Knows objects that are their attributes, but for some.  The adapters of this
    package's families of such objects begin here.
    """

    complete = False
    omitted: tuple[str, ...] = ()
    extras: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name

    def isDirect(self, cls: Any) -> bool:
        """
        See L{IDirectAdapter.isDirect}.
        """
        kind = type(self)
        return (
            kind.describe is AttributesAdapter.describe
            and kind.make is AttributesAdapter.make
            and kind.fill is AttributesAdapter.fill
            and not slotsOf(cls)
        )

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{IDirectAdapter.extract}.
        """
        return ()

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{IDirectAdapter.restore}.
        """

    def extractor(self, capture: ICapture) -> Extract:
        """
        See L{IDirectAdapter.extractor}.
        """
        return self.extract

    def restorer(self, loading: ILoading) -> Restore | None:
        """
        See L{IDirectAdapter.restorer}.
        """
        if type(self).restore is AttributesAdapter.restore:
            return None
        return self.restore

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        values = self.extract(obj, capture)
        state = copyAttributes(obj)
        for name in self.omitted:
            state.pop(name, None)
        state.update(zip(self.extras, values, strict=True))
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        attributes = dict(state)
        values = tuple(attributes.pop(name, None) for name in self.extras)
        giveAttributes(obj, attributes)
        self.restore(obj, values, loading)
