"""
Tests for L{migrate.roll}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import CannotMigrateYet, Refusal
from migrate.graph.environment import Outside
from migrate.roll import SPELLS, Roll, counted
from migrate.shares import Connection


class RollTests(SynchronousTestCase):
    """
    L{Roll}
    """

    def setUp(self) -> None:
        self.there: list[Connection] = []
        self.outside = Outside()
        self.roll = Roll(lambda: list(self.there), self.outside, lambda: self.now)
        self.now = 0.0
        self.over = False

    def enter(self, count: int) -> list[Connection]:
        """
        @return: new connections.
        """
        made = []
        for _ in range(count):
            protocol = Protocol()
            transport: Any = StringTransport()
            transport.protocol = protocol
            protocol.makeConnection(transport)
            made.append(Connection.of(object(), protocol))
        self.there += made
        return made

    def end(self, connection: Connection) -> None:
        """
        A connection ends; its transport has no protocol any more.
        """
        connection.transport.connected = False
        del connection.transport.protocol

    def error(self) -> CannotMigrateYet:
        """
        @return: something that is over when the test says so.
        """
        return CannotMigrateYet([Refusal("it", "is busy", over=lambda: self.over)])

    def barred(self) -> set[int]:
        """
        @return: what no walk may go over.
        """
        return set(self.outside.things)

    def test_turns(self) -> None:
        """
        Each has its turn once, in the order in which they were found; those that come
        meanwhile come last.
        """
        a, b = self.enter(2)
        turns = self.roll.waiting()
        self.assertIs(next(turns), a)
        (c,) = self.enter(1)
        self.assertEqual(list(turns), [b, c])
        self.assertEqual(list(self.roll.waiting()), [])
        self.assertEqual(len(self.roll), 3)

    def test_again(self) -> None:
        """
        One that is put back comes last.
        """
        a, b = self.enter(2)
        first = next(self.roll.waiting())
        self.roll.again(first)
        self.assertEqual(list(self.roll.waiting()), [b, a])

    def test_ended(self) -> None:
        """
        One that has ended has no turn, and nothing of it is barred any more.
        """
        a, b = self.enter(2)
        self.roll.discover()
        self.end(a)
        self.there.remove(a)
        self.assertEqual(list(self.roll.waiting()), [b])
        self.assertEqual(self.barred(), {id(each) for each in b.objects})
        self.end(b)
        self.there.remove(b)
        self.roll.sweep(b)
        self.assertEqual(len(self.roll), 1)
        self.roll.sweep(None)
        self.assertEqual((len(self.roll), self.barred()), (0, set()))

    def test_bars(self) -> None:
        """
        All are barred but those that are freed.
        """
        a, b = self.enter(2)
        self.roll.discover()
        everything = {id(each) for one in (a, b) for each in one.objects}
        self.assertEqual(self.barred(), everything)
        self.roll.free(a)
        self.roll.free(a)
        self.assertEqual(self.barred(), {id(each) for each in b.objects})
        self.roll.bar(a)
        self.assertEqual(self.barred(), everything)
        self.assertLessEqual({Protocol, StringTransport}, self.outside.types)

    def test_later(self) -> None:
        """
        One that cannot move at an instant has its next turn when that is over, first.
        """
        a, b = self.enter(2)
        self.roll.later(next(self.roll.waiting()), self.error())
        self.assertIs(next(self.roll.waiting()), b)
        self.roll.again(b)
        self.over = True
        self.assertEqual(list(self.roll.waiting()), [a, b])

    def test_obstacle(self) -> None:
        """
        What is in the way of those is told, and over once one of it is; or once it is
        time to look again, later each time; or if there is somebody new.
        """
        self.assertIsNone(self.roll.obstacle())
        self.enter(4)
        for connection in list(self.roll.waiting()):
            self.roll.later(connection, self.error())
        first = self.roll.obstacle()
        assert first is not None
        self.assertIn("4 not able to move yet: it: is busy; it: is busy; ", str(first))
        self.assertIn("; and 1 more", str(first))
        self.assertFalse(first.over())
        self.now += SPELLS[0]
        self.assertTrue(first.over())
        second = self.roll.obstacle()
        assert second is not None
        self.now += SPELLS[0]
        self.assertFalse(second.over())
        self.over = True
        self.assertTrue(second.over())

    def test_progress(self) -> None:
        """
        When one has moved it is soon time to look again.
        """
        (a,) = self.enter(1)
        self.roll.later(next(self.roll.waiting()), self.error())
        for _ in range(20):
            obstacle = self.roll.obstacle()
            assert obstacle is not None
        self.now += SPELLS[1] - 1
        self.assertFalse(obstacle.over())
        self.roll.progress()
        obstacle = self.roll.obstacle()
        assert obstacle is not None
        self.now += SPELLS[0]
        self.assertTrue(obstacle.over())
        self.assertTrue(a.isAlive)

    def test_stays(self) -> None:
        """
        Those that can never move are counted, with their reasons, until they end.
        """
        self.assertIsNone(self.roll.complaint())
        a, b = self.enter(2)
        for connection in list(self.roll.waiting()):
            self.roll.stays(connection, "it is stuck")
        self.assertIn("2 left behind until closed: ", str(self.roll.complaint()))
        self.end(a)
        self.roll.sweep(None)
        self.assertIn("1 left behind", str(self.roll.complaint()))
        self.roll.forget(b)
        self.assertIsNone(self.roll.complaint())

    def test_counted(self) -> None:
        """
        Few reasons are told.
        """
        self.assertEqual(counted(1, "left", ["a"]), "1 left: a")
        self.assertEqual(counted(9, "left", [*"abcde"]), "9 left: a; b; c; and 2 more")
