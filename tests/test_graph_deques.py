"""
Tests for deques, of which the short ones have records of their own.
"""

from __future__ import annotations

from collections import deque
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.adapters.plain import AttributesAdapter
from migrate.graph import records as r
from migrate.graph.walk import Walk
from tests.graphs import Thing, environment, moved


class Queue(deque[Any]):
    """
    With attributes.
    """


class DequeTests(SynchronousTestCase):
    """
    Deques arrive as they were.
    """

    def setUp(self) -> None:
        """
        The adapters of a process.
        """
        self.environment = environment(registry=defaultRegistry().withoutSeekers())

    def moved(self, root: Any) -> Any:
        """
        @return: what arrives.
        """
        return moved(root, self.environment)

    def heads(self, root: Any) -> set[Any]:
        """
        @return: what the records of a graph begin with.
        """
        return {row[0] for row in Walk.over(root, self.environment).rows}

    def test_kinds(self) -> None:
        """
        Short and long ones, bounded and not, full and empty, with what is shared.
        """
        thing = Thing()
        before = [
            deque(),
            deque(maxlen=0),
            deque([1, None, b"x", "y" * 100, 1 << 80], 5),
            deque([thing, thing]),
            deque(range(1000), 2000),
            deque([[1], {2: thing}], 3),
        ]
        after = self.moved([before, thing])
        for old, new in zip(before, after[0], strict=True):
            self.assertIs(type(new), deque)
            self.assertEqual(new.maxlen, old.maxlen)
            self.assertEqual(len(new), len(old))
        self.assertEqual(
            [list(after[0][i]) for i in (0, 1, 2, 4)],
            [list(before[i]) for i in (0, 1, 2, 4)],
        )
        self.assertIs(after[0][3][0], after[1])
        self.assertIs(after[0][5][1][2], after[1])

    def test_cycles(self) -> None:
        """
        A deque may hold itself, and be needed by what it holds.
        """
        one: deque[Any] = deque(maxlen=3)
        one.extend([one, (one, 5)])
        after = self.moved(one)
        self.assertIs(after[0], after)
        self.assertIs(after[1][0], after)
        self.assertEqual((len(after), after.maxlen, after[1][1]), (2, 3, 5))

    def test_short(self) -> None:
        """
        Only short deques proper have records of their own.
        """
        self.assertIn(r.DEQUE, self.heads([deque([1])]))
        queue = Queue([1], 2)
        queue.name = "mine"  # type: ignore[attr-defined]
        for other in (deque(range(r.MANY)), queue):
            self.assertNotIn(r.DEQUE, self.heads([other]))
        after = self.moved(queue)
        self.assertIs(type(after), Queue)
        self.assertEqual((list(after), after.maxlen, after.name), ([1], 2, "mine"))

    def test_otherAdapter(self) -> None:
        """
        Somebody's own adapter for deques speaks for all of them.
        """
        self.environment.registry.register(deque, AttributesAdapter("mine"))
        self.assertNotIn(r.DEQUE, self.heads([deque([1])]))
