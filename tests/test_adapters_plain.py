"""
Tests for L{migrate.adapters.plain}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.plain import AttributesAdapter, copyAttributes, giveAttributes
from migrate.interfaces import IAdapter
from tests.adapting import Capture, Loading, remake


class Stubborn:
    """
    Says of itself what is not so.
    """

    def __init__(self) -> None:
        self.kept: Any = []

    def __getstate__(self) -> dict[str, object]:
        return {}

    def __setattr__(self, name: str, value: object) -> None:
        object.__setattr__(self, name, [value])


class Slotted(Stubborn):
    """
    Keeps something in a slot, too.
    """

    __slots__ = ("empty", "full")


class PlainTests(SynchronousTestCase):
    """
    L{copyAttributes}, L{giveAttributes} and L{AttributesAdapter}
    """

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, AttributesAdapter("x"))

    def test_raw(self) -> None:
        """
        Attributes are copied and given past what the class says of them.
        """
        thing, other = Stubborn(), Stubborn.__new__(Stubborn)
        attributes = copyAttributes(thing)
        self.assertIsNot(attributes, vars(thing))
        giveAttributes(other, attributes)
        self.assertEqual(vars(other), vars(thing))

    def test_slots(self) -> None:
        """
        Slots count; empty ones stay empty.
        """
        thing = Slotted()
        object.__setattr__(thing, "full", 1)
        clock = Clock()
        made = remake(AttributesAdapter("x"), thing, Capture(clock), Loading(clock))
        self.assertIsInstance(made, Slotted)
        self.assertEqual((made.full, vars(made)), (1, vars(thing)))
        self.assertFalse(hasattr(made, "empty"))
