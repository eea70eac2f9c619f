"""
Tests for L{migrate.adapters.threads}.
"""

from __future__ import annotations

import threading
from typing import Any

import attrs
from twisted._threads import AlreadyQuit
from twisted.internet._resolver import GAIResolver
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.threads import (
    ThreadPoolAdapter,
    ThreadWorkAdapter,
    ThreadWorkSeeker,
)
from migrate.errors import CannotMigrate, MalformedTable, NotMovable
from migrate.interfaces import IAdapter, ISeeker
from tests.adapting import Capture, Loading
from tests.inprocess import Move
from tests.reactors import DEADLINE, freshReactor, spin


class Owner:
    """
    An object of a graph.
    """

    def __init__(self) -> None:
        self.pool: Any = None

    def hear(self, result: object) -> None:
        """
        Be called from a thread.
        """


@attrs.frozen
class Team:
    """
    A pool's team that is busy.
    """

    busyWorkerCount: int = 0
    backloggedWorkCount: int = 0

    def statistics(self) -> Team:
        """
        See L{twisted._threads._team.Team.statistics}.
        """
        return self


class ThreadTests(SynchronousTestCase):
    """
    The reactor's pool, and calls from its threads.
    """

    def setUp(self) -> None:
        """
        Make two reactors.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        verifyObject(IAdapter, ThreadPoolAdapter())
        verifyObject(IAdapter, ThreadWorkAdapter())
        verifyObject(ISeeker, ThreadWorkSeeker())

    def test_pool(self) -> None:
        """
        The reactor's pool becomes the other reactor's pool.
        """
        owner = Owner()
        owner.pool = self.origin.getThreadPool()
        made = Move(owner, self.origin, self.recipient).go()
        self.assertIs(made.pool, self.recipient.getThreadPool())
        self.assertIsNot(made.pool, owner.pool)

    def ownPool(self) -> Any:
        """
        @return: a pool of the application's own.
        """
        pool = ThreadPool(1, 3, "own")
        self.addCleanup(lambda: pool.joined or pool.stop())
        return pool

    def moved(self, pool: Any) -> Any:
        """
        @return: what has become of C{pool}.
        """
        made = Move([pool], self.origin, self.recipient).go()[0]
        self.addCleanup(lambda: made.joined or made.stop())
        self.assertIsNot(made, pool)
        self.assertEqual((made.name, made.min, made.max), ("own", 1, 3))
        return made

    def test_ownPool(self) -> None:
        """
        Any other pool is made again, with threads of its own, and the threads
        of the one that moved away end.
        """
        pool = self.ownPool()
        pool.start()
        pool.note = "kept"
        made = self.moved(pool)
        self.assertTrue(made.started)
        self.assertEqual(made.note, "kept")
        for thread in pool.threads:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive())
        self.assertEqual([t.name for t in made.threads], ["PoolThread-own-0"])
        done = threading.Event()
        made.callInThread(done.set)
        self.assertTrue(done.wait(DEADLINE))

    def test_ownPoolNotYet(self) -> None:
        """
        Its threads start once it is adopted, if they had started; it can be
        started later else, and not again once it was stopped.
        """
        pool = self.ownPool()
        made = self.moved(pool)
        self.assertEqual((made.started, made.threads), (False, []))
        made.start()
        move = Move([made], self.origin, self.recipient)
        waiting = move.prepare()[0]
        self.assertEqual((waiting.started, waiting.threads), (False, []))
        move.rollBack()
        self.assertTrue(made.started)
        made.stop()
        stopped = self.moved(made)
        self.assertTrue(stopped.joined)
        self.assertRaises(AlreadyQuit, stopped.startAWorker)

    def test_ownPoolBusy(self) -> None:
        """
        One that works, or is going to, is refused until it has done so.
        """
        pool = self.ownPool()
        pool.callInThread(int)
        error = self.assertRaises(
            CannotMigrate, Move([pool], self.origin, self.recipient).go
        )
        self.assertIn("service[0]: a thread pool, which is busy", str(error))
        self.assertTrue(error.passing)
        self.assertFalse(error.over())
        pool.start()
        spin(error.over, self.origin)
        self.moved(pool)

    def test_busyPool(self) -> None:
        """
        A pool that works is refused for now.
        """
        pool = self.origin.getThreadPool()
        for team in (Team(1, 0), Team(0, 1)):
            pool._team = team
            error = self.assertRaises(
                NotMovable, ThreadPoolAdapter().describe, pool, Capture(self.origin)
            )
            self.assertIn("busy", str(error))
            assert error.over is not None
            self.assertFalse(error.over())
            pool._team = Team()
            self.assertTrue(error.over())

    def test_callFromThread(self) -> None:
        """
        A result that a thread has just left for the graph refuses it; one for
        somebody else does not.
        """
        owner, queue = Owner(), [(Owner().hear, (1,), {})]
        self.origin.threadCallQueue = queue
        Move(owner, self.origin, self.recipient).prepare()
        queue.append((owner.hear, (1,), {}))
        error = self.assertRaises(
            CannotMigrate, Move(owner, self.origin, self.recipient).go
        )
        self.assertEqual(len(error.refusals), 1)
        self.assertIn("a call from a thread", str(error))
        self.assertIn("Owner.hear", str(error))
        self.assertFalse(error.over())
        queue.pop()
        self.assertTrue(error.over())

    def test_working(self) -> None:
        """
        While a thread works for the graph, or is going to, the graph is
        refused; while one works for somebody else, or none does, it is not.
        """
        owner = Owner()
        started, finish = threading.Event(), threading.Event()
        pool = self.origin.getThreadPool()
        pool.adjustPoolsize(0, 1)
        pool.start()
        self.addCleanup(pool.stop)
        self.addCleanup(finish.set)

        def work(whom: object) -> None:
            started.set()
            finish.wait(DEADLINE)

        errors: list[CannotMigrate] = []

        def refused() -> bool:
            try:
                Move(owner, self.origin, self.recipient).go()
            except CannotMigrate as error:
                self.assertIn("a thread of the reactor's pool", str(error))
                self.assertFalse(error.over())
                errors.append(error)
                return True
            return False

        pool.callInThread(work, Owner())
        self.assertTrue(started.wait(DEADLINE))
        self.assertFalse(refused())
        owner = Owner()
        done = deferToThreadPool(self.origin, pool, work, None)
        done.addCallback(owner.hear)
        self.assertTrue(refused())
        started.clear()
        finish.set()
        self.assertTrue(started.wait(DEADLINE))
        spin(errors[0].over, self.origin)
        spin(lambda: done.called, self.origin)
        spin(lambda: not pool.working and not pool._team._pending, self.origin)
        self.assertFalse(refused())

    def test_resolving(self) -> None:
        """
        An endpoint whose host is being looked up is refused meanwhile.
        """
        finish = threading.Event()
        pool = self.origin.getThreadPool()
        pool.start()
        self.addCleanup(pool.stop)
        self.addCleanup(finish.set)

        def lookup(*unused: object) -> list[Any]:
            finish.wait(DEADLINE)
            return []

        resolver = GAIResolver(self.origin, lambda: pool, lookup)
        self.origin.installNameResolver(resolver)
        endpoint = HostnameEndpoint(self.origin, b"host.example", 1)
        waiting = endpoint.connect(Factory())
        self.addCleanup(waiting.addErrback, lambda reason: None)
        error = self.assertRaises(
            CannotMigrate, Move([waiting], self.origin, self.recipient).go
        )
        self.assertIn("a thread of the reactor's pool works for it", str(error))

    def test_neverArrives(self) -> None:
        """
        Work of a thread in a table is a table that nobody wrote.
        """
        adapter = ThreadWorkAdapter()
        loading = Loading(self.recipient)
        self.assertRaises(MalformedTable, adapter.make, object, (), loading)
