"""
Tests for L{migrate.adapters.futures}.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.futures import FutureAdapter, TaskAdapter
from migrate.errors import CannotMigrate, LoadError
from migrate.graph.pickling import PickleSerializer
from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move
from tests.loops import loopReactor, turnLoop

#: In whose value the context shows that somebody is called in.
WHO: contextvars.ContextVar[str] = contextvars.ContextVar("WHO", default="nobody")


class Owner:
    """
    Waits for a future.
    """

    def __init__(self) -> None:
        self.future: Any = None
        self.heard: list[Any] = []

    def hear(self, future: Any) -> None:
        """
        Be told.
        """
        self.heard.append((WHO.get(), future.result()))

    def listen(self, result: Any) -> None:
        """
        Be told as a Deferred tells it.
        """
        self.heard.append(result)


class Named(asyncio.Future):  # type: ignore[type-arg]
    """
    A future of an application.
    """


class FutureTestCase(SynchronousTestCase):
    """
    Moves something from one loop to another one.
    """

    def setUp(self) -> None:
        """
        Make two reactors.
        """
        self.origin, self.recipient = loopReactor(self), loopReactor(self)
        self.here: Any = self.origin._asyncioEventloop
        self.there: Any = self.recipient._asyncioEventloop
        self.complaints: list[Any] = []
        for loop in (self.here, self.there):
            loop.set_exception_handler(lambda _, about: self.complaints.append(about))

    def moved(self, obj: Any, **options: Any) -> Any:
        """
        @return: the same at the recipient.
        """
        return Move(obj, self.origin, self.recipient, **options).go()


class FutureTests(FutureTestCase):
    """
    L{asyncio.Future}
    """

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        for adapter in (FutureAdapter(), TaskAdapter()):
            verifyObject(ILiveAdapter, adapter)

    def test_pending(self) -> None:
        """
        Whoever waits is told at the recipient, in the context it waited in, and
        by its loop.
        """
        for options in ({}, {"serializer": PickleSerializer()}):
            owner = Owner()
            owner.future = self.here.create_future()
            owner.future.add_done_callback(owner.hear)
            context = contextvars.copy_context()
            context.run(WHO.set, "somebody")
            owner.future.add_done_callback(owner.hear, context=context)
            made = self.moved(owner, **options)
            self.assertIs(made.future.get_loop(), self.there)
            self.assertFalse(made.future.done())
            made.future.set_result(5)
            turnLoop(self.here)
            self.assertEqual((made.heard, owner.heard), ([], []))
            turnLoop(self.there)
            self.assertEqual(made.heard, [("nobody", 5), ("somebody", 5)])
            self.assertEqual(owner.heard, [])

    def test_done(self) -> None:
        """
        What has come of a future has come of it there.
        """
        result, cancelled = (self.here.create_future() for _ in range(2))
        result.set_result([result])
        cancelled.cancel("enough")
        again, other = self.moved([result, cancelled])
        self.assertIs(again.result()[0], again)
        self.assertTrue(other.cancelled())
        error = self.assertRaises(asyncio.CancelledError, other.result)
        self.assertEqual(error.args, ("enough",))

    def test_attributes(self) -> None:
        """
        An application's own future has what was set.
        """
        for value in (None, {"a": "result"}):
            future = Named(loop=self.here)
            future.name = "mine"  # type: ignore[attr-defined]
            if value:
                future.set_result(value)
            made = self.moved(future)
            self.assertIs(type(made), Named)
            self.assertEqual(made.name, "mine")
            if value:
                self.assertEqual(made.result(), value)

    def test_errors(self) -> None:
        """
        Of an error that nobody asks for the owner complains, once, and of no
        other one.
        """
        owner = Owner()
        owner.future = self.here.create_future()
        owner.future.set_exception(ValueError("bad"))
        move = Move(owner, self.origin, self.recipient)
        move.prepare()
        move.rollBack()
        move.made = None
        del move
        gc.collect()
        self.assertEqual(self.complaints, [])
        made = self.moved(owner)
        del owner
        gc.collect()
        self.assertEqual(self.complaints, [])
        self.assertEqual(repr(made.future._exception), "ValueError('bad')")
        made.future = None
        gc.collect()
        self.assertEqual(len(self.complaints), 1)

    def test_seen(self) -> None:
        """
        Of an error that somebody asked for nobody complains.
        """
        future = self.here.create_future()
        future.set_exception(ValueError("bad"))
        future.exception()
        made = self.moved([future])
        del future
        self.assertIsInstance(made[0].exception(), ValueError)
        made.clear()
        gc.collect()
        self.assertEqual(self.complaints, [])

    def test_bridges(self) -> None:
        """
        A Deferred that waits for a future, and the contrary.
        """
        owner = Owner()
        owner.future = self.here.create_future()
        Deferred.fromFuture(owner.future).addCallback(owner.listen)
        made = self.moved(owner)
        made.future.set_result(5)
        turnLoop(self.there)
        self.assertEqual(made.heard, [5])
        source: Deferred[int] = Deferred()
        future = source.asFuture(self.here)
        source, future = self.moved([source, future])
        source.callback(6)
        self.assertEqual(future.result(), 6)

    def test_synchronization(self) -> None:
        """
        Locks, events and queues keep what they know.
        """
        lock, event, queue = asyncio.Lock(), asyncio.Event(), asyncio.Queue[int](2)
        event.set()
        queue.put_nowait(1)
        lock, event, queue = self.moved([lock, event, queue])
        self.assertFalse(lock.locked())
        self.assertTrue(event.is_set())
        queue.put_nowait(2)
        self.assertTrue(queue.full())

        async def use() -> list[int]:
            async with lock:
                await event.wait()
                return [await queue.get(), await queue.get()]

        self.assertEqual(self.there.run_until_complete(use()), [1, 2])

    def test_noLoop(self) -> None:
        """
        There is no place for one where the reactor has no loop.
        """
        future = self.here.create_future()
        error = self.assertRaises(
            LoadError, Move([future], self.origin, Clock()).prepare
        )
        self.assertIn("--reactor=asyncio here, too", str(error))


class TaskTests(FutureTestCase):
    """
    L{asyncio.Task}
    """

    def test_running(self) -> None:
        """
        One that runs passes; once it has ended it is what came of it.
        """
        gate = self.here.create_future()

        async def inner() -> Any:
            return await gate

        async def outer() -> Any:
            return await inner()

        task = self.here.create_task(outer(), name="Tom")
        error = self.assertRaises(CannotMigrate, self.moved, [task])
        self.assertIn("service[0]: the task Tom of asyncio waits in line", str(error))
        turnLoop(self.here)
        error = self.assertRaises(CannotMigrate, self.moved, [task])
        line = inner.__code__.co_firstlineno + 1
        self.assertIn(f"waits in line {line} of {__file__}", str(error))
        self.assertTrue(error.passing)
        self.assertFalse(error.over())
        gate.set_result("done")
        turnLoop(self.here)
        self.assertTrue(error.over())
        (made,) = self.moved([task])
        self.assertEqual(made.result(), "done")

    def test_awaited(self) -> None:
        """
        So does what a task waits for.
        """
        gate = self.here.create_future()

        async def wait() -> Any:
            return await gate

        task = self.here.create_task(wait())
        turnLoop(self.here)
        error = self.assertRaises(CannotMigrate, self.moved, [gate])
        self.assertIn("service[0]: a future that a task of asyncio waits", str(error))
        self.assertFalse(error.over())
        gate.set_result(1)
        turnLoop(self.here)
        self.assertTrue(error.over())
        self.assertEqual(self.moved([gate])[0].result(), 1)
        self.assertTrue(task.done())
