"""
Tests for L{migrate.adapters.cooperation}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twisted.internet import task
from twisted.internet.task import Clock, Cooperator, cooperate, deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.cooperation import CooperatorAdapter, TaskAdapter, TaskSeeker
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter, ILiveAdapter, ISeeker
from migrate.model import Named
from tests.adapting import Capture
from tests.inprocess import Move


class Work:
    """
    An iterator that can move.
    """

    def __init__(self) -> None:
        self.done = 0
        self.tasks: list[Any] = []

    def __iter__(self) -> Iterator[None]:
        return self

    def __next__(self) -> None:
        self.done += 1

    def generate(self) -> Iterator[None]:
        """
        @return: one that cannot.
        """
        while True:
            self.done += 1
            yield


class Slow:
    """
    An iterator that waits for a while at each step, and to which nothing that
    it works for refers.
    """

    def __init__(self, work: Work, clock: Clock) -> None:
        self.work, self.clock = work, clock

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        next(self.work)
        return deferLater(self.clock, 5)


class CooperationTests(SynchronousTestCase):
    """
    L{Cooperator} and L{CooperativeTask}
    """

    def setUp(self) -> None:
        """
        Leave no task behind.
        """
        self.addCleanup(self.clean)
        self.cooperator = task._theCooperator

    def clean(self) -> None:
        """
        Stop whatever runs.
        """
        for left in list(self.cooperator._tasks):
            left.stop()

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        verifyObject(IAdapter, CooperatorAdapter("x"))
        verifyObject(ILiveAdapter, TaskAdapter("y"))
        verifyObject(ISeeker, TaskSeeker())

    def test_global(self) -> None:
        """
        The process's own cooperator goes by name; another one moves.
        """
        adapter = CooperatorAdapter("x")
        self.assertEqual(
            adapter.describe(self.cooperator, Capture(Clock())),
            Named("twisted.internet.task", "_theCooperator"),
        )
        own = Cooperator(scheduler=cooperate, started=False)
        made = Move(own, Clock(), Clock()).go()
        self.assertIsNot(made, own)
        self.assertIs(made._scheduler, cooperate)

    def test_running(self) -> None:
        """
        A running task works at exactly one side.
        """
        work = Work()
        work.tasks.append(cooperate(work))
        move = Move(work, Clock(), Clock())
        made = move.prepare()
        self.assertEqual(self.cooperator._tasks, [])
        move.commit()
        self.assertEqual(self.cooperator._tasks, made.tasks)
        made.tasks[0]._oneWorkUnit()
        self.assertEqual((made.done, work.done), (1, 0))

    def test_rollBack(self) -> None:
        """
        A task goes on where it was.
        """
        work = Work()
        work.tasks.append(cooperate(work))
        move = Move(work, Clock(), Clock())
        move.prepare()
        move.rollBack()
        self.assertEqual(self.cooperator._tasks, work.tasks)
        self.assertIsNotNone(self.cooperator._delayedCall)

    def test_paused(self) -> None:
        """
        A paused task starts when it is resumed.
        """
        work = Work()
        work.tasks.append(cooperate(work))
        work.tasks[0].pause()
        made = Move(work, Clock(), Clock()).go()
        self.assertEqual(self.cooperator._tasks, [])
        made.tasks[0].resume()
        self.assertEqual(self.cooperator._tasks, made.tasks)

    def test_sought(self) -> None:
        """
        A task that nothing refers to goes along with its work.
        """
        work = Work()
        cooperate(work)
        cooperate(Work())
        made = Move(work, Clock(), Clock()).go()
        iterators = [each._iterator for each in self.cooperator._tasks]
        self.assertIn(made, iterators)
        self.assertNotIn(work, iterators)
        self.assertEqual(len(iterators), 2)

    def test_waiting(self) -> None:
        """
        A task that waits for a Deferred goes along with what will fire it.
        """
        work, origin, recipient = Work(), Clock(), Clock()
        cooperate(Slow(work, origin))._oneWorkUnit()
        self.assertEqual(self.cooperator._tasks, [])
        made = Move(work, origin, recipient).go()
        self.assertEqual(origin.getDelayedCalls(), [])
        recipient.advance(5)
        (moved,) = self.cooperator._tasks
        self.assertIs(moved._iterator.work, made)
        self.assertIs(moved._iterator.clock, recipient)
        self.assertEqual((made.done, work.done), (1, 1))

    def test_generator(self) -> None:
        """
        One that works on the graph from inside a generator is refused: it
        would work on at the origin.
        """
        work = Work()
        cooperate(work.generate())
        error = self.assertRaises(CannotMigrate, Move(work, Clock(), Clock()).go)
        self.assertIn("Work.generate", str(error))
