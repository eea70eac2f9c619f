"""
Tests for L{migrate.apart}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock, LoopingCall
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.adapters import defaultRegistry
from migrate.apart import apart
from migrate.graph import Environment, Registry, TableSerializer
from migrate.graph.parts import without
from migrate.interfaces import ICapture, ISeeker


class Thing:
    """
    Has methods that timers call.
    """

    def __init__(self, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def ring(self, *arguments: object, **keywords: object) -> None:
        """
        Called by a timer.
        """


class ApartTests(SynchronousTestCase):
    """
    L{apart}, by the timers that it finds.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.shared, self.one, self.other = Thing(), Thing(), Thing()

    def found(self, root: object, elsewhere: list[Any], **options: Any) -> list[Any]:
        """
        @return: the timers that are found for a graph.
        """
        known = {id(each): each for each in elsewhere}
        registry = apart(defaultRegistry(), known, **options)
        here = without(Environment(registry, self.clock), elsewhere)
        dump = TableSerializer().dump(root, "root", here)
        calls = self.clock.getDelayedCalls()
        return [call for call in calls if dump.capture.contains(call)]

    def test_own(self) -> None:
        """
        Each graph has its own timers.
        """
        calls = [
            self.clock.callLater(1, each.ring)
            for each in (self.shared, self.one, self.other)
        ]
        for at, each in enumerate((self.shared, self.one, self.other)):
            others = [x for x in (self.shared, self.one, self.other) if x is not each]
            self.assertEqual(self.found(each, others), [calls[at]])

    def test_argument(self) -> None:
        """
        A timer that is about a connection and calls the shared part is that
        connection's, and does not move with the shared part.
        """
        call = self.clock.callLater(1, self.shared.ring, self.one)
        self.assertEqual(self.found(self.one, [self.shared, self.other]), [call])
        self.assertEqual(self.found(self.other, [self.shared, self.one]), [])
        elsewhere = [self.one, self.other]
        self.assertEqual(self.found(self.shared, elsewhere, strict=True), [])
        keyword = self.clock.callLater(1, self.other.ring, about=self.one)
        self.assertIn(keyword, self.found(self.one, [self.shared, self.other]))

    def test_carried(self) -> None:
        """
        So is one that only carries it about.
        """
        one = self.one
        call = self.clock.callLater(1, lambda: self.shared.ring(one))
        self.assertEqual(self.found(self.shared, [one], strict=True), [])
        self.assertEqual(self.found(one, [self.shared, self.other, self]), [call])

    def test_loops(self) -> None:
        """
        A loop belongs to whom it calls, and to whom waits for its end.
        """
        loop = LoopingCall(self.one.ring)
        loop.clock = self.clock
        end = loop.start(1, now=False)
        (call,) = self.clock.getDelayedCalls()
        self.assertEqual(self.found(self.one, [self.shared, self.other]), [call])
        self.assertEqual(self.found(self.other, [self.shared, self.one]), [])
        end.addCallback(self.other.ring)
        self.assertEqual(self.found(self.other, [self.shared, self.one]), [call])

    def test_throughOthers(self) -> None:
        """
        What can be reached only through another connection is nobody's.
        """
        self.one.__dict__["factory"] = self.shared
        self.clock.callLater(1, self.one.ring)
        self.assertEqual(self.found(self.shared, [self.one], strict=True), [])

    def test_reactors(self) -> None:
        """
        Only seekers that look at what a reactor watches, or at its timers, see less
        of it; others see it as it is.
        """
        seen: list[Any] = []

        @implementer(ISeeker)
        class Looker:
            def seek(self, capture: ICapture) -> Any:
                seen.append((capture, capture.reactor, capture.reading(capture)))
                return ()

        registry = Registry()
        registry.addSeeker(Looker())
        reactor = MemoryReactorClock()
        here = Environment(apart(registry, {}), reactor)
        for _ in range(2):
            TableSerializer().dump([[1]], "root", here)
        views = {id(view) for view, *_ in seen}
        self.assertEqual(len(views), 2)
        self.assertEqual({(seen_, r) for _, seen_, r in seen}, {(reactor, False)})

    def test_copy(self) -> None:
        """
        What is registered with the copy is not registered with the original.
        """
        registry = defaultRegistry()
        twin = apart(registry, {})
        self.assertEqual(len(twin.seekers), len(registry.seekers))
        self.assertFalse({*map(id, twin.seekers)} & {*map(id, registry.seekers)})
