"""
Tests for L{migrate.graph.reduction}: objects that say themselves what they are
made of.
"""

from __future__ import annotations

import collections
import copyreg
import datetime
import decimal
import fractions
import io
import itertools
import threading
from typing import Any

from twisted.persisted.styles import Ephemeral
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.errors import CannotMigrate, LoadError, NotMovable
from migrate.graph.planner import Capture
from migrate.graph.reduction import ReduceAdapter, reduces
from migrate.interfaces import IAdapter
from migrate.model import Named
from tests.graphs import Key, Thing, environment, moved


class Money:
    """
    Made of its arguments; a state follows.
    """

    def __init__(self, amount: object) -> None:
        self.amount = amount
        self.seen = vars(amount).copy() if isinstance(amount, Thing) else None
        self.note: object = None

    def __reduce__(self) -> Any:
        return Money, (self.amount,), {"note": self.note}


class Stately:
    """
    Has a state that C{__setstate__} looks into.
    """

    def __init__(self, key: object = None) -> None:
        self.table = {key: "here"}
        self.size = 0

    def __reduce__(self) -> Any:
        return Stately, (), (self.table,)

    def __setstate__(self, state: Any) -> None:
        (self.table,) = state
        self.size = len(self.table)


class Collecting:
    """
    Gets its items and pairs one after the other.
    """

    def __init__(self) -> None:
        self.items: list[object] = []
        self.pairs: dict[object, object] = {}

    def __reduce_ex__(self, protocol: Any) -> Any:
        return (
            Collecting,
            (),
            None,
            iter(self.items),
            iter(self.pairs.items()),
        )

    def append(self, item: object) -> None:
        self.items.append(item)

    def __setitem__(self, key: object, value: object) -> None:
        self.pairs[key] = value


def restore(obj: Any, state: Any) -> None:
    """
    Set a state.
    """
    obj.set = state


class ByFunction:
    """
    Has its state set by a function.
    """

    set: object = None

    def __init__(self, what: object = None) -> None:
        self.what = what

    def __reduce__(self) -> Any:
        return ByFunction, (), ("state", self.what), None, None, restore


class Global:
    """
    One object that a module holds.
    """

    def __reduce__(self) -> str:
        return "GLOBAL"


GLOBAL = Global()
OTHER = Global()


class Wrong:
    """
    Reduces to what it is told.
    """

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def __reduce_ex__(self, protocol: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Foreign:
    """
    Reduced by a function that is registered for it.
    """


class Sloppy:
    """
    Has its attributes in two places, and no C{__setstate__}.
    """

    __slots__ = ("__dict__", "slot")

    def __reduce__(self) -> Any:
        return Sloppy, (), ({"attribute": 1}, {"slot": 2})


class Lost:
    """
    Does not say which module holds it.
    """

    __module__ = None  # type: ignore[assignment]

    def __reduce__(self) -> str:
        return "LOST"


LOST = Lost()


class Fleeting(Ephemeral):
    """
    Reduces to nothing when it is at rest.
    """

    live = 0


class ReductionTests(SynchronousTestCase):
    """
    What moves by its reduction.
    """

    def test_interface(self) -> None:
        verifyObject(IAdapter, ReduceAdapter())

    def test_library(self) -> None:
        for value in (
            datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
            datetime.timedelta(3),
            decimal.Decimal("1.50"),
            decimal.Decimal("sNaN"),
            fractions.Fraction(1, 3),
            3 + 4j,
            range(5),
            slice(1, 2),
        ):
            arrived = moved([value, {repr(value): value}])
            self.assertEqual(repr(arrived[0]), repr(value))
            self.assertIs(arrived[1][repr(value)], arrived[0])

    def test_keys(self) -> None:
        """
        They are hashed only once they are made.
        """
        day = datetime.date(2026, 1, 2)
        self.assertEqual(
            moved([{day: 1}, {(day,)}, frozenset([day])]),
            [{day: 1}, {(day,)}, frozenset([day])],
        )

    def test_iterators(self) -> None:
        """
        They are not used up by looking at them.
        """
        one, two = iter([1, 2, 3]), itertools.count(7)
        next(one)
        arrived = moved([one, two])
        self.assertEqual((list(arrived[0]), next(arrived[1])), ([2, 3], 7))
        self.assertEqual((list(one), next(two)), ([2, 3], 7))

    def test_stream(self) -> None:
        stream = io.BytesIO(b"abc")
        stream.read(1)
        arrived = moved(stream)
        self.assertEqual((arrived.tell(), arrived.read()), (1, b"bc"))

    def test_argumentsAreWhole(self) -> None:
        """
        The function sees its arguments filled, also where they lead back.
        """
        thing = Thing([1])
        money = Money(thing)
        money.note = thing
        thing.back = money  # type: ignore[attr-defined]
        arrived = moved(money)
        self.assertEqual(arrived.seen["tag"], [1])
        self.assertIs(arrived.note, arrived.amount)
        self.assertIs(arrived.amount.back, arrived)

    def test_setState(self) -> None:
        """
        C{__setstate__} sees a state that is whole.
        """
        key = Key(1, ("a", frozenset([Key(2)])))
        stately = Stately(key)
        for root in ([stately, key], [key, stately], {stately.table[key]: stately}):
            arrived = moved(root)
            found = arrived["here"] if isinstance(arrived, dict) else None
            for each in arrived if found is None else ():
                if isinstance(each, Stately):
                    found = each
            assert found is not None
            self.assertEqual((found.size, found.table[key]), (1, "here"))

    def test_itemsAndPairs(self) -> None:
        collecting = Collecting()
        key = Key(1, (2,))
        collecting.items = [1, collecting, key]
        collecting.pairs = {key: collecting, "b": 2}
        arrived = moved(collecting)
        self.assertIs(arrived.items[1], arrived)
        self.assertIs(arrived.pairs[arrived.items[2]], arrived)
        self.assertEqual(list(arrived.pairs)[1], "b")

    def test_setter(self) -> None:
        arrived = moved(ByFunction(7))
        self.assertEqual((arrived.set, arrived.what), (("state", 7), None))

    def test_global(self) -> None:
        self.assertIs(moved([GLOBAL])[0], GLOBAL)
        error = self.assertRaises(CannotMigrate, moved, [OTHER])
        self.assertIn("means another object", str(error))

    def test_globalOfUnknownModule(self) -> None:
        """
        The module is looked for among those that are loaded.
        """
        self.assertIs(moved([LOST])[0], LOST)
        error = self.assertRaises(CannotMigrate, moved, [Lost()])
        self.assertIn("builtins:LOST cannot be found", str(error))

    def test_slotState(self) -> None:
        arrived = moved(Sloppy())
        self.assertEqual((arrived.attribute, arrived.slot), (1, 2))

    def test_copyreg(self) -> None:
        self.assertFalse(reduces(Foreign))
        copyreg.pickle(Foreign, lambda obj: (dict, ()))  # type: ignore[arg-type]
        self.addCleanup(copyreg.dispatch_table.pop, Foreign)
        self.assertTrue(reduces(Foreign))
        error = self.assertRaises(LoadError, moved, Foreign())
        self.assertIn("made <class 'dict'>", str(error))

    def test_atRestIsBypassed(self) -> None:
        """
        An ephemeral object moves like any other: it is not at rest.
        """
        fleeting = Fleeting()
        fleeting.live = 5
        arrived = moved(fleeting)
        self.assertIs(type(arrived), Fleeting)
        self.assertEqual(arrived.live, 5)

    def test_refused(self) -> None:
        """
        What has no reduction, or a wrong one.
        """
        capture = Capture(None, lambda candidate: False)
        for obj, reason in (
            (threading.Lock(), "_thread.lock cannot migrate"),
            ((i for i in ()), "generator cannot migrate"),
            (open, None),
            (Wrong(TypeError("no")), f"{__name__}.Wrong cannot migrate"),
            (
                Wrong(KeyError("k")),
                f"{__name__}.Wrong cannot migrate: KeyError: 'k'",
            ),
            (Wrong(5), f"{__name__}.Wrong reduces to int"),
            (Wrong((dict,)), f"{__name__}.Wrong reduces to tuple"),
            (Thing, "the class tests.graphs.Thing cannot migrate"),
        ):
            if reason is None:
                found = ReduceAdapter().describe(obj, capture)
                self.assertIn(found, (Named("_io", "open"), Named("io", "open")))
                continue
            error = self.assertRaises(
                NotMovable, ReduceAdapter().describe, obj, capture
            )
            self.assertEqual(
                (error.reason, error.remedy), (reason, "register an adapter")
            )

    def test_failingFunction(self) -> None:
        """
        A function that fails on arrival refuses the graph by its class.
        """
        error = self.assertRaises(LoadError, moved, Wrong((Wrong, ())))
        self.assertIn(f"{__name__}.Wrong", str(error))

    def test_containers(self) -> None:
        """
        Without their own adapters, containers in C move by their reductions.
        """
        deque = collections.deque([1, 2], 5)
        deque.append(deque)
        arrived = moved(deque, environment())
        self.assertIs(arrived[2], arrived)
        self.assertEqual((arrived.maxlen, arrived[0]), (5, 1))
