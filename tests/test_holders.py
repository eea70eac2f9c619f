"""
Tests for L{migrate.holders}.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from twisted.trial.unittest import SynchronousTestCase

from migrate.holders import holds, isHolder, places, put, take


class Thing:
    """
    A member.
    """


class Room(list):  # type: ignore[type-arg]
    """
    A list of somebody's own.
    """


class HoldersTests(SynchronousTestCase):
    """
    Members leave containers, and get into others.
    """

    def setUp(self) -> None:
        self.a, self.b, self.c = (Thing() for _ in range(3))

    def containers(self) -> list[tuple[Any, Any]]:
        """
        @return: containers with three things, and what is left without C{b}.
        """
        a, b, c = self.a, self.b, self.c
        byKey: dict[Any, Any] = {a: 1, b: 2, c: 3}
        byValue = {"a": a, "b": b, "c": c}
        return [
            ([a, b, c, b], [a, c]),
            (Room([a, b, c]), [a, c]),
            (deque([a, b, c], 5), deque([a, c])),
            ({a, b, c}, {a, c}),
            (WeakSet([a, b, c]), WeakSet([a, c])),
            (dict(byKey), {a: 1, c: 3}),
            (dict(byValue), {"a": a, "c": c}),
            (OrderedDict(byValue), OrderedDict({"a": a, "c": c})),
            (defaultdict(list, byKey), {a: 1, c: 3}),
            (WeakKeyDictionary(byKey), WeakKeyDictionary({a: 1, c: 3})),
            (WeakValueDictionary(byValue), WeakValueDictionary({"a": a, "c": c})),
        ]

    def test_take(self) -> None:
        """
        What is left keeps its order.
        """
        for container, left in self.containers():
            self.assertTrue(isHolder(container))
            take(container, lambda member: member is self.b)
            self.assertEqual(container, left)
            take(container, lambda member: member is self.b)
            self.assertEqual(container, left)

    def test_others(self) -> None:
        """
        Nothing can be taken out of what does not change.
        """
        for thing in ((self.a,), frozenset([self.a]), "abc", self.a, range(3)):
            self.assertFalse(isHolder(thing))

    def test_places(self) -> None:
        """
        What has left can be put back, at the end where there is an order.
        """
        for container, _ in self.containers():
            before = list(container)
            found = list(places(container, {id(self.b)}))
            self.assertTrue(holds(container, {id(self.b)}))
            take(container, lambda member: member is self.b)
            self.assertFalse(holds(container, {id(self.b)}))
            self.assertEqual(list(places(container, {id(self.b)})), [])
            self.assertTrue(all(put(place) for place in found))
            self.assertCountEqual(list(container), before)
            self.assertTrue(holds(container, {id(self.b)}))

    def test_order(self) -> None:
        """
        It is as often in there as it was.
        """
        people = [self.a, self.b, self.c, self.b]
        found = list(places(people, {id(self.b)}))
        take(people, lambda member: member is self.b)
        for place in found:
            put(place)
        self.assertEqual(people, [self.a, self.c, self.b, self.b])

    def test_taken(self) -> None:
        """
        What is in the place of an item by now stays there.
        """
        names = {"b": self.b}
        (place,) = places(names, {id(self.b)})
        names["b"] = self.c
        self.assertFalse(put(place))
        self.assertEqual(names, {"b": self.c})

    def test_identity(self) -> None:
        """
        Members are known by their identities, whatever they take themselves for.
        """

        class Alike:
            def __eq__(self, other: object) -> bool:
                return True

            def __hash__(self) -> int:
                return 0

        one, other = Alike(), Alike()
        self.assertEqual(list(places([one], {id(other)})), [])
        (place,) = places([one, other], {id(other)})
        self.assertIs(place[1], other)
