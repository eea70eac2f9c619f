"""
Tests for L{migrate.adapters.eventloops}.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from functools import partial
from typing import Any

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.eventloops import (
    HandleAdapter,
    LoopAdapter,
    LoopSeeker,
    LoopWorkAdapter,
)
from migrate.errors import CannotMigrate, MalformedTable
from migrate.interfaces import IAdapter, ILiveAdapter, ISeeker
from tests.adapting import Capture, Loading
from tests.inprocess import Move
from tests.loops import loopReactor, turnLoop
from tests.waiting import DEADLINE


class Owner:
    """
    Is called.
    """

    def __init__(self) -> None:
        self.called: list[Any] = []
        self.handle: Any = None

    def call(self, *arguments: Any) -> None:
        """
        Be called.
        """
        self.called.append(*arguments)


class LoopTests(SynchronousTestCase):
    """
    A reactor's loop
    """

    def setUp(self) -> None:
        """
        Make two reactors, and something to move.
        """
        self.origin, self.recipient = loopReactor(self), loopReactor(self)
        self.here: Any = self.origin._asyncioEventloop
        self.there: Any = self.recipient._asyncioEventloop
        self.owner = Owner()

    def move(self) -> Move:
        """
        @return: a move of the owner.
        """
        return Move(self.owner, self.origin, self.recipient)

    def until(self, loop: Any, owner: Owner) -> None:
        """
        Let a loop run until something was called.
        """
        end = time.monotonic() + DEADLINE
        while not owner.called and time.monotonic() < end:
            turnLoop(loop)

    def refused(self) -> CannotMigrate:
        """
        @return: why the owner cannot be moved.
        """
        return self.assertRaises(CannotMigrate, self.move().go)

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        verifyObject(IAdapter, LoopAdapter())
        verifyObject(ILiveAdapter, HandleAdapter())
        verifyObject(IAdapter, LoopWorkAdapter())
        verifyObject(ISeeker, LoopSeeker())

    def test_loop(self) -> None:
        """
        The reactor's loop becomes the other reactor's loop; any other one stays.
        """
        self.owner.handle = self.here
        self.assertIs(self.move().go().handle, self.there)
        self.owner.handle = self.there
        self.assertIn(
            "service.handle: an event loop that the reactor does not run on; start "
            "twistd with --reactor=asyncio",
            str(self.refused()),
        )

    def test_timer(self) -> None:
        """
        A call is made at the recipient when it is due, once, if the graph knows
        of it or not.
        """
        for known in (True, False):
            self.owner = Owner()
            handle = self.here.call_later(0.05, self.owner.call, known)
            self.owner.handle = handle if known else None
            del handle
            before = time.time()
            made = self.move().go()
            self.until(self.there, made)
            self.assertEqual(made.called, [known])
            self.assertTrue(before + 0.04 < time.time())
            turnLoop(self.here)
            self.assertEqual(self.owner.called, [])

    def test_cancelled(self) -> None:
        """
        It can be cancelled, before or after; one that was made is not made again.
        """
        self.owner.handle = self.here.call_later(100, self.owner.call, 1)
        made = self.move().go()
        made.handle.cancel()
        self.assertTrue(made.handle.cancelled())
        self.owner.handle = self.here.call_later(0, self.owner.call, 1)
        self.owner.handle.cancel()
        made = self.move().go()
        self.assertTrue(made.handle.cancelled())
        self.owner.handle = self.here.call_soon(self.owner.call, 2)
        turnLoop(self.here)
        made = self.move().go()
        turnLoop(self.there)
        self.assertEqual(made.called, [2])
        self.assertIsInstance(made.handle, asyncio.Handle)

    def test_rollBack(self) -> None:
        """
        A call that did not get away is made when it was due, whether or not the
        loop has run meanwhile.
        """
        for runs in (False, True):
            self.owner = Owner()
            handle = self.here.call_later(0.02, self.owner.call, runs)
            move = self.move()
            made = move.prepare()
            while runs and self.here.time() < handle.when():
                turnLoop(self.here)
            turnLoop(self.here, 3 if runs else 0)
            self.assertEqual(self.owner.called, [])
            move.rollBack()
            self.until(self.here, self.owner)
            self.assertEqual(self.owner.called, [runs])
            self.assertFalse(handle.cancelled())
            turnLoop(self.there)
            self.assertEqual(made.called, [])
            self.assertEqual(self.here._timer_cancelled_count, 0)

    def test_due(self) -> None:
        """
        What is due in this turn passes.
        """
        self.owner.handle = self.here.call_soon(self.owner.call, 1)
        error = self.refused()
        self.assertIn("a call of asyncio's loop that is due at this m", str(error))
        self.owner.handle = None
        unknown = self.refused()
        self.assertIn("service<loop work>: a call of asyncio's loop", str(unknown))
        for each in (error, unknown):
            self.assertTrue(each.passing)
            self.assertFalse(each.over())
        turnLoop(self.here)
        self.assertTrue(error.over())
        self.assertTrue(unknown.over())
        self.move().go()

    def test_dueAndCancelled(self) -> None:
        """
        One that is due, but was cancelled, is in nobody's way.
        """
        self.here.call_soon(self.owner.call, 1).cancel()
        self.assertEqual(self.move().go().called, [])

    def test_readable(self) -> None:
        """
        What is readable in this turn is not in the way: its transport is about
        to be paused, and the loop does not call it then.
        """
        reading, writing = socket.socketpair()
        self.addCleanup(writing.close)
        transport = tcp.Connection(reading, Protocol(), self.origin)
        transport.startReading()
        self.owner.handle = transport
        writing.send(b"x")
        moves: list[Any] = []

        def move() -> None:
            moves.append(self.move())
            moves[0].prepare()

        # Both are found ready in one turn, and this one comes first.
        self.here.call_soon(self.here.call_soon, move)
        turnLoop(self.here)
        self.assertEqual(len(moves), 1)
        moves[0].commit()
        self.assertEqual(writing.send(b"y"), 1)
        moves[0].made.handle.connectionLost(Failure(ConnectionDone()))

    def test_fromThread(self) -> None:
        """
        So does what a thread has just left for the graph.
        """
        self.origin.callFromThread(self.owner.call, 1)
        self.assertTrue(self.refused().passing)

    def test_watched(self) -> None:
        """
        A descriptor that the loop watches for the graph is in the way, and none
        that it watches for others, such as the reactor.
        """
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        self.here.add_writer(writing, Owner().call)
        self.move().go()
        self.here.add_reader(reading, partial(self.owner.call, 1))
        error = self.refused()
        self.assertIn(f"service<loop work>: descriptor {reading}, which", str(error))
        self.assertFalse(error.passing)
        self.here.remove_reader(reading)
        self.here.remove_writer(writing)
        self.move().go()

    def test_tasks(self) -> None:
        """
        A task that works on the graph is in the way though nothing of the graph
        knows of it, however deep in it that is; another one is not.
        """
        gate = self.here.create_future()

        async def inner(owner: Owner) -> None:
            await gate
            owner.call(1)

        async def outer(coroutine: Any) -> None:
            await coroutine

        self.here.create_task(outer(inner(Owner())))
        turnLoop(self.here)
        self.move().go()
        task = self.here.create_task(outer(inner(self.owner)), name="Tom")
        turnLoop(self.here)
        error = self.refused()
        self.assertIn("service<task>: the task Tom of asyncio waits", str(error))
        gate.set_result(None)
        turnLoop(self.here)
        self.assertTrue(error.over())
        self.assertTrue(task.done())

    def test_listened(self) -> None:
        """
        So is one that has to tell the graph that it has ended.
        """

        async def work() -> int:
            await asyncio.sleep(100)
            return 1

        self.here.create_task(work()).add_done_callback(self.owner.call)
        turnLoop(self.here)
        self.assertIn("service<task>: the task", str(self.refused()))

    def test_stream(self) -> None:
        """
        A connection of asyncio is in the way by name.
        """

        async def connect() -> Any:
            server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            return server, await asyncio.open_connection("127.0.0.1", port)

        server, (_, writer) = self.here.run_until_complete(connect())
        turnLoop(self.here)
        for one in (server, writer):
            self.owner.handle = one
            self.assertIn("a transport or server of asyncio", str(self.refused()))
        writer.close()
        server.close()
        turnLoop(self.here, 10)

    def test_strangers(self) -> None:
        """
        Who knows the loop is not taken along with who knows it too.
        """
        stranger = Owner()
        self.owner.handle = self.here
        self.here.call_later(100, stranger.call, self.here)
        self.origin.callLater(100, self.here.call_soon, stranger.call)
        made = self.move().go()
        self.assertIs(made.handle, self.there)
        self.assertEqual(len(self.origin.getDelayedCalls()), 1)
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_noLoop(self) -> None:
        """
        A reactor without any has nothing to seek.
        """
        self.assertEqual(list(LoopSeeker().seek(Capture(Clock()))), [])

    def test_neverArrives(self) -> None:
        """
        Work of a loop in a table is a table that nobody wrote.
        """
        self.assertRaises(
            MalformedTable, LoopWorkAdapter().make, object, (), Loading(Clock())
        )
