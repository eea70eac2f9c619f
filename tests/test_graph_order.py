"""
Tests for L{migrate.graph.order}: whatever refers to what, each object comes
after what it needs, and all of them come.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SynchronousTestCase

from migrate.graph import records as r
from migrate.graph.order import FILL, KEEP, MAKE, PART, TRY, Order
from migrate.graph.paths import needs
from migrate.graph.planner import Planner
from migrate.graph.walk import Walk
from tests.graphs import Key, Thing, environment
from tests.test_graph_table import graphs


def ordered(root: Any) -> tuple[Walk, Order]:
    """
    @return: a walk, and the order for it.
    """
    process = environment()
    walk = Walk.over(root, process)
    return walk, Order(walk, Planner(process))


def mentioned(walk: Walk, number: int) -> list[int]:
    """
    @return: what an object's record refers to.
    """
    return r.references(walk.rows[number][1:])


class OrderTests(SynchronousTestCase):
    """
    The order.
    """

    def verbs(self, root: Any) -> list[tuple[str, Any]]:
        """
        @return: the steps, with the objects themselves; the last, which is for
            the list of roots, apart.
        """
        walk, order = ordered(root)
        *found, last = [(step.verb, walk.objects[step.number]) for step in order.steps]
        self.assertEqual(last, (MAKE, [root]))
        return found

    def test_tree(self) -> None:
        """
        Parts before wholes, each made and filled at once; what mentions no
        other object has no step.
        """
        inner = Thing(5)
        middle = [inner]
        outer = Thing((middle, {"k": "v"}))
        self.assertEqual(
            self.verbs(outer), [(MAKE, middle), (MAKE, outer.tag), (MAKE, outer)]
        )

    def test_cycle(self) -> None:
        """
        An object that its parts refer to is there before them.
        """
        thing = Thing()
        thing.tag = part = (thing, 1)
        self.assertEqual(
            self.verbs(thing), [(MAKE, thing), (MAKE, part), (FILL, thing)]
        )
        walk, order = ordered(thing)
        self.assertEqual(order.early, {walk.number(thing)})

    def test_blanks(self) -> None:
        """
        Builtin containers on a cycle are there from the start.
        """
        outer: list[Any] = []
        outer.append((outer,))
        walk, order = ordered(outer)
        self.assertEqual(order.blanks, [walk.number(outer)])
        self.assertEqual(self.verbs(outer), [(MAKE, outer[0]), (FILL, outer)])

    def test_keys(self) -> None:
        """
        What hashes a key is filled after the key.
        """
        key = Key("k")
        key.other = table = {key: 1}
        self.assertEqual(self.verbs(key), [(MAKE, key), (FILL, key), (FILL, table)])

    def test_frozenset(self) -> None:
        """
        What is hashed has what is made already.
        """
        key = Key("k")
        key.other = frozen = frozenset([key])
        steps = [(MAKE, key), (PART, key)]
        steps += [(TRY, frozen), (MAKE, frozen), (KEEP, frozen), (FILL, key)]
        self.assertEqual(self.verbs(key), steps)
        _, order = ordered(key)
        self.assertEqual(order.steps[1].places, (0, 1))

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def test_everyGraph(self, graph: list[Any]) -> None:
        """
        Each object is made once, after what it needs; and filled once, after
        all that it mentions is made.
        """
        walk, order = ordered(graph)
        leaves = {n for n in range(len(walk.rows)) if not mentioned(walk, n)}
        made, filled = leaves | set(order.blanks), set(leaves)
        self.assertFalse(leaves & set(order.blanks))
        for step in order.steps:
            number = step.number
            if step.verb in (MAKE, TRY):
                self.assertNotIn(number, made)
                self.assertLessEqual(set(needs(walk, number)), made)
            if step.verb in (FILL, PART):
                self.assertIn(number, made)
            early = number in order.early
            if step.verb == FILL or (step.verb == MAKE and not early):
                self.assertNotIn(number, filled)
                self.assertLessEqual(set(mentioned(walk, number)), made)
                filled.add(number)
            if step.verb == MAKE:
                made.add(number)
        self.assertEqual(filled, set(range(len(walk.rows))))
        self.assertEqual(made, filled)
        tried, kept = (
            Counter(step.number for step in order.steps if step.verb == verb)
            for verb in (TRY, KEEP)
        )
        self.assertEqual(tried, kept)
