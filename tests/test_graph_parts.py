"""
Tests for L{migrate.graph.parts} and L{migrate.graph.absent}.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict, defaultdict, deque
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate
from migrate.graph import Environment, PickleSerializer, TableSerializer
from migrate.graph.absent import Absent
from migrate.graph.environment import Outside
from migrate.graph.parts import Parts, partsOf, without
from migrate.model import External


class Thing:
    """
    Has attributes.
    """

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)


class Room(list):  # type: ignore[type-arg]
    """
    A list with an attribute.
    """

    owners: Any = ()


class Slotted(list):  # type: ignore[type-arg]
    """
    A list with a slot.
    """

    __slots__ = ("owners",)


class PartsTests(SynchronousTestCase):
    """
    L{partsOf}
    """

    def setUp(self) -> None:
        self.environment = Environment(defaultRegistry(), Clock())
        self.one, self.other = Thing(name="one"), Thing(name="other")

    def look(self, root: object) -> Parts:
        """
        @return: what is found without C{one} and C{other}.
        """
        later = {id(each): each for each in (self.one, self.other)}
        return partsOf(root, "root", self.environment, later)

    def assertSame(self, found: list[Any], expected: list[Any]) -> None:
        """
        The same objects, in whatever order.
        """
        self.assertCountEqual(map(id, found), map(id, expected))

    def test_objects(self) -> None:
        """
        What is there is told, without what moves later, and what that has.
        """
        inner = Thing()
        root = Thing(inner=inner, people=[self.one])
        found = self.look(root)
        for each in (root, inner, root.people):  # type: ignore[attr-defined]
            self.assertIn(id(each), map(id, found.objects))
        self.assertNotIn(id(self.one), map(id, found.objects))
        self.assertEqual((found.private, found.problems), ([], []))

    def test_nothingLater(self) -> None:
        """
        If nothing moves later, all is shared.
        """
        root = Thing(people=[1])
        found = self.look(root)
        self.assertEqual((found.holders, found.private, found.problems), ([], [], []))

    def test_holders(self) -> None:
        """
        The containers that hold what moves later, of any kind, and no others.
        """
        one, other = self.one, self.other
        holders: list[Any] = [
            [one],
            {one, other},
            {one: 1},
            {"one": one},
            deque([other]),
            OrderedDict({"x": one}),
            defaultdict(list, {one: 2}),
            Room([one, other]),
            Slotted([one]),
            weakref.WeakSet([one]),
            weakref.WeakKeyDictionary({one: 3}),
            weakref.WeakValueDictionary({1: one}),
        ]
        root = Thing(holders=[*holders, [1], {"a": Thing()}], nested={"room": holders})
        found = self.look(root)
        self.assertSame(found.holders, holders)
        self.assertEqual(found.problems, [])

    def test_attributesOfHolders(self) -> None:
        """
        A list that a container has as an attribute is a container of its own.
        """
        for cls in (Room, Slotted):
            room = cls()
            room.owners = [self.one]
            self.assertSame(self.look(Thing(room=room)).holders, [room.owners])

    def test_problems(self) -> None:
        """
        Whatever else mentions what moves later is named by its path.
        """
        one = self.one
        held = [lambda: one]
        for root, path in (
            (Thing(leader=one), "root.leader"),
            (Thing(pair=(1, one)), "root.pair[1]"),
            (Thing(people={"a": (one, 2)}), "root.people['a'][0]"),
            (Thing(some=frozenset([one])), "root.some{"),
            (Thing(last=weakref.ref(one)), "root.last"),
            (Thing(hook=held[0]), "root.hook"),
        ):
            found = self.look(root)
            self.assertEqual(len(found.problems), 1, path)
            self.assertTrue(found.problems[0].startswith(path), found.problems)

    def test_several(self) -> None:
        """
        Every mention is named, beside what is in order.
        """
        root = Thing(people=[self.one], leader=self.one, owner=self.other)
        self.assertEqual(self.look(root).problems, ["root.leader", "root.owner"])

    def test_private(self) -> None:
        """
        What a dictionary has beside what moves later belongs to that, unless it is
        there for something else too.
        """
        session, shared, name = Thing(), Thing(), Thing()
        for mapping in (dict, OrderedDict, weakref.WeakKeyDictionary):
            root = Thing(
                sessions=mapping({self.one: session, self.other: shared}),
                names={name: self.one},
                all=[shared],
            )
            self.assertSame(self.look(root).private, [session, name])

    def test_privateTwice(self) -> None:
        """
        It belongs to it too if several dictionaries have it so.
        """
        session = Thing()
        root = Thing(a={self.one: session}, b={self.other: session})
        self.assertSame(self.look(root).private, [session])


class WithoutTests(SynchronousTestCase):
    """
    L{without}, and what comes of it on arrival.
    """

    def test_absent(self) -> None:
        """
        Something stands in the place of each, whichever way it travels.
        """
        one, other = Thing(), Thing()
        root = Thing(people=[one, other, one], inside={one, other}, by={one: 1})
        here = Environment(defaultRegistry(), Clock())
        for serializer in (TableSerializer(), PickleSerializer()):
            dump = serializer.dump(root, "root", without(here, [one, other]))
            loader = serializer.loader(here)
            for chunk in dump.chunks:
                loader.feed(chunk)
            made: Any = loader.finish([])
            first, second, third = made.people
            self.assertEqual({type(first), type(second)}, {Absent})
            self.assertIs(first, third)
            self.assertEqual(made.inside, {first, second})
            self.assertEqual(made.by, {first: 1})
            loader.discard()

    def test_externals(self) -> None:
        """
        What is external otherwise stays so.
        """
        parent, one = Thing(), Thing()
        here = Environment(defaultRegistry(), Clock(), {"parent": parent})
        root = Thing(parent=parent, one=[one])
        dump = TableSerializer().dump(root, "root", without(here, [one]))
        self.assertIn("parent", dump.externals)

    def test_outside(self) -> None:
        """
        Whoever keeps account of what is outside decides on that.
        """
        shared = Thing()
        outside = Outside()
        here = Environment(
            defaultRegistry(),
            Clock(),
            forbidden=[(shared, "never asked for")],
            outside=outside,
        )
        dump = TableSerializer().dump(Thing(shared=shared), "root", here)
        self.assertEqual(dump.externals, frozenset())
        outside.add(shared, External("shared"))
        dump = TableSerializer().dump(Thing(shared=shared), "root", here)
        self.assertEqual(dump.externals, frozenset(["shared"]))
        known = Environment(
            defaultRegistry(), Clock(), forbidden=[(shared, "it is not to move")]
        )
        error = self.assertRaises(
            CannotMigrate, TableSerializer().dump, shared, "root", known
        )
        self.assertIn("it is not to move", str(error))
