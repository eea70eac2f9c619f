"""
Tests for L{migrate.adapters.threads}.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.python.threadpool import ThreadPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.threads import (
    CallFromThreadAdapter,
    ThreadCallSeeker,
    ThreadPoolAdapter,
)
from migrate.errors import CannotMigrate, MalformedTable, NotMovable
from migrate.interfaces import IAdapter, ISeeker
from tests.adapting import Capture, Loading
from tests.inprocess import Move
from tests.reactors import freshReactor


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
        verifyObject(IAdapter, CallFromThreadAdapter())
        verifyObject(ISeeker, ThreadCallSeeker())

    def test_pool(self) -> None:
        """
        The reactor's pool becomes the other reactor's pool.
        """
        owner = Owner()
        owner.pool = self.origin.getThreadPool()
        made = Move(owner, self.origin, self.recipient).go()
        self.assertIs(made.pool, self.recipient.getThreadPool())
        self.assertIsNot(made.pool, owner.pool)

    def test_otherPool(self) -> None:
        """
        Any other pool is refused.
        """
        owner = Owner()
        owner.pool = ThreadPool()
        error = self.assertRaises(
            CannotMigrate, Move(owner, self.origin, self.recipient).go
        )
        self.assertIn("service.pool: a thread pool of its own", str(error))

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

    def test_neverArrives(self) -> None:
        """
        A call from a thread in a table is a table that nobody wrote.
        """
        adapter = CallFromThreadAdapter()
        loading = Loading(self.recipient)
        self.assertRaises(MalformedTable, adapter.make, object, (), loading)
