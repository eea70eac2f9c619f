"""
Tests for L{migrate.graph.plain}: attributes are moved raw, and what only looks
plain is not taken for it.
"""

from __future__ import annotations

import abc
import array
import collections
import enum
import functools
import io
import sys
import threading
import types
from typing import Any, Generic, TypeVar

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface, directlyProvides
from zope.interface.verify import verifyObject

from migrate.errors import CannotMigrate, LoadError
from migrate.graph import TableSerializer
from migrate.graph.plain import PlainAdapter, isPlain
from migrate.interfaces import IAdapter
from tests.graphs import Slotted, Thing, environment, moved

T = TypeVar("T")


class IMark(Interface):
    """
    Marks objects.
    """


class Base:
    __slots__ = ("__private", "shared")

    def __init__(self, private: object, shared: object) -> None:
        self.__private = private
        self.shared = shared

    def private(self) -> object:
        return self.__private


class Derived(Base):
    """
    A slot of the same name hides that of the base class; there is an instance
    dictionary, and weak references are possible.
    """

    __slots__ = ("__dict__", "__private", "__weakref__", "shared")

    def __init__(self, private: object, shared: object) -> None:
        super().__init__(("base", private), None)
        Base.shared.__set__(self, ("base", shared))  # type: ignore[attr-defined]
        self.__private = private
        self.shared = shared

    def own(self) -> object:
        return self.__private


class Single:
    __slots__ = "only"


class Guarded:
    """
    Every way to its attributes does something.
    """

    def __init__(self) -> None:
        object.__getattribute__(self, "__dict__")["value"] = 1

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return object.__getattribute__(self, name)
        raise AssertionError("asked")

    def __setattr__(self, name: str, value: object) -> None:
        raise AssertionError("set")

    def __new__(cls) -> Any:
        raise AssertionError("made")


class FalseDict:
    """
    C{__dict__} means something else here.
    """

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise AssertionError("asked")


class Abstract(abc.ABC):
    @abc.abstractmethod
    def method(self) -> None:
        """
        Missing.
        """


class Concrete(Abstract, Generic[T]):
    def method(self) -> None:
        pass


class Reborn:
    """
    Has another class of its name at the recipient.
    """

    def __init__(self, number: int) -> None:
        self.number, self.half = number, number / 2
        self.name = f"number {number}"


class Event(threading.Event):
    pass


class LayoutTests(SynchronousTestCase):
    """
    Which classes are plain.
    """

    def test_interface(self) -> None:
        verifyObject(IAdapter, PlainAdapter())

    def test_plain(self) -> None:
        for cls in (Thing, Slotted, Derived, Single, Guarded, Concrete, Event, object):
            self.assertTrue(isPlain(cls), cls)

    def test_notPlain(self) -> None:
        """
        Whatever has state in C, and everything derived from it.
        """
        builtin = (dict, list, int, str, tuple, Exception, type, io.BytesIO, slice)
        others = (
            array.array,
            collections.deque,
            functools.partial,
            type(threading.Lock()),
            types.SimpleNamespace,
            threading.local,
            type(None),
            enum.IntEnum,
        )
        for cls in (*builtin, *others):
            self.assertFalse(isPlain(cls), cls)
        for cls in (dict, Exception, types.SimpleNamespace, collections.deque):
            self.assertFalse(isPlain(type("Sub", (cls,), {})), cls)
            self.assertFalse(isPlain(type("Sub", (cls,), {"__slots__": ()})), cls)

    def test_forgottenSlots(self) -> None:
        """
        A class that no longer says which slots it has.
        """
        cls = type("Iterated", (), {"__slots__": iter(["a", "b"])})
        self.assertFalse(isPlain(cls))
        self.assertRaises(LoadError, PlainAdapter().layout, cls)
        self.assertRaises(LoadError, PlainAdapter().layout, 5)


class AttributeTests(SynchronousTestCase):
    """
    What becomes of attributes.
    """

    def test_slots(self) -> None:
        slotted = Slotted([1])
        arrived = moved(slotted)
        self.assertEqual((arrived.tag, arrived.hidden()), ([1], [1]))
        self.assertIs(arrived.tag, arrived.hidden())
        self.assertFalse(hasattr(arrived, "maybe"))

    def test_hiddenSlots(self) -> None:
        derived = Derived([1], [2])
        derived.extra = [3]  # type: ignore[attr-defined]
        vars(derived)["shared"] = [4]
        vars(derived)["\0odd"] = [5]
        arrived = moved(derived)
        self.assertEqual((arrived.own(), arrived.shared), ([1], [2]))
        self.assertEqual(arrived.private(), ("base", [1]))
        self.assertEqual(
            Base.shared.__get__(arrived),  # type: ignore[attr-defined]
            ("base", [2]),
        )
        self.assertEqual(vars(arrived), {"extra": [3], "shared": [4], "\0odd": [5]})

    def test_single(self) -> None:
        single = Single()
        single.only = 5  # type: ignore[attr-defined]
        self.assertEqual(moved(single).only, 5)

    def test_guarded(self) -> None:
        guarded = object.__new__(Guarded)
        Guarded.__init__(guarded)
        raw = object.__getattribute__(moved([guarded])[0], "__dict__")
        self.assertEqual(raw, {"value": 1})

    def test_falseDict(self) -> None:
        self.assertFalse(isPlain(FalseDict))
        error = self.assertRaises(CannotMigrate, moved, [FalseDict()])
        self.assertIn("root[0]: ", str(error))
        self.assertIn("FalseDict hides its instance dictionary", str(error))

    def test_provides(self) -> None:
        """
        What an instance provides by itself is an attribute like others.
        """
        thing = Thing()
        directlyProvides(thing, IMark)
        self.assertTrue(IMark.providedBy(moved(thing)))

    def test_sharedKeys(self) -> None:
        """
        Arrived names are those that the code uses: the attributes of many
        instances share their keys as they did.
        """
        self.checkShared(moved([Thing(i) for i in range(10)])[5])

    def test_newClass(self) -> None:
        """
        So they do where the class has never had an instance before, though all of
        them come to be before one has an attribute.
        """
        made = [Reborn(number) for number in range(100)]
        dump = TableSerializer().dump(made, "root", environment())
        chunks = list(dump.chunks)
        names = {name: value for name, value in vars(Reborn).items() if name[0] != "_"}
        own = {"__module__": __name__, "__qualname__": "Reborn", **names}
        self.patch(sys.modules[__name__], "Reborn", type("Reborn", (), own))
        loader = TableSerializer().loader(environment())
        for chunk in chunks:
            loader.feed(chunk)
        arrived = loader.finish(())[90]
        loader.adopt()
        self.assertIsNot(type(arrived), type(made[90]))
        self.assertEqual(vars(arrived), vars(made[90]))
        self.checkShared(arrived)

    def checkShared(self, thing: object) -> None:
        """
        The attributes of C{thing} take less than a dictionary with keys of its own.
        """
        attributes = vars(thing)
        separate = {name: value for name, value in attributes.items()}  # noqa: C416
        self.assertLess(sys.getsizeof(attributes), sys.getsizeof(separate))
