"""
Tests for L{migrate.adapters.deferreds}.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.defer import (
    DebugInfo,
    Deferred,
    DeferredList,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    inlineCallbacks,
    succeed,
)
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.deferreds import DeferredAdapter, WatchdogAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import IAdapter, ILiveAdapter
from tests.inprocess import Move


class Listener:
    """
    Somebody who waits.
    """

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def hear(self, result: Any, *more: Any) -> Any:
        """
        Note a result, and pass it on.
        """
        self.heard.append((result, *more))
        return result

    def swallow(self, result: Any) -> None:
        """
        Note a result, and let it end here.
        """
        self.heard.append(result)


class OwnDeferred(Deferred[Any]):
    """
    A user's own.
    """


def move(root: Any) -> Any:
    """
    @return: what C{root} has become.
    """
    return Move(root, Clock(), Clock()).go()


class DeferredTests(SynchronousTestCase):
    """
    L{Deferred}
    """

    def test_interface(self) -> None:
        """
        An adapter, and a live one.
        """
        verifyObject(IAdapter, DeferredAdapter("x"))
        verifyObject(ILiveAdapter, WatchdogAdapter("y"))

    def test_waiting(self) -> None:
        """
        A Deferred that has not fired fires there, through all its callbacks.
        """
        listener = Listener()
        waiting: Deferred[Any] = OwnDeferred()
        waiting.addCallback(listener.hear, 1).addErrback(listener.hear)
        waiting.addBoth(listener.swallow)
        made, there = move([waiting, listener])
        self.assertIsInstance(made, OwnDeferred)
        made.callback("now")
        self.assertEqual(there.heard, [("now", 1), "now"])
        self.assertEqual((listener.heard, waiting.called), ([], False))

    def test_fired(self) -> None:
        """
        One that has fired has its result.
        """
        made = move(succeed(["result"]))
        self.assertEqual(self.successResultOf(made), ["result"])

    def test_paused(self) -> None:
        """
        One that is paused goes on when it is unpaused.
        """
        listener = Listener()
        waiting = succeed("x")
        waiting.pause()
        waiting.addCallback(listener.hear)
        made, there = move([waiting, listener])
        self.assertEqual(there.heard, [])
        made.unpause()
        self.assertEqual(there.heard, [("x",)])

    def test_chained(self) -> None:
        """
        One that waits for another one goes on to.
        """
        listener = Listener()
        inner: Deferred[Any] = Deferred()
        outer = succeed(None)
        outer.addCallback(lambda _: inner)
        outer.addCallback(listener.hear)
        made, second, there = move([outer, inner, listener])
        self.assertIs(made._chainedTo, second)
        second.callback(3)
        self.assertEqual(there.heard, [(3,)])
        self.assertEqual(listener.heard, [])

    def test_running(self) -> None:
        """
        One that is running its callbacks is refused.
        """
        waiting: Deferred[Any] = Deferred()
        waiting.addCallback(lambda _: move([waiting]))
        waiting.callback(None)
        failure = self.failureResultOf(waiting, CannotMigrate)
        self.assertIn("service[0]: ", str(failure.value))
        self.assertIn("running its callbacks", str(failure.value))

    def test_canceller(self) -> None:
        """
        It can be cancelled there.
        """
        clock = Clock()
        waiting = deferLater(clock, 5, lambda: None)
        recipient = Clock()
        made = Move(waiting, clock, recipient).go()
        self.assertEqual(len(recipient.getDelayedCalls()), 1)
        made.cancel()
        self.assertEqual(recipient.getDelayedCalls(), [])
        made.addErrback(lambda reason: None)
        self.assertFalse(waiting.called)

    def test_coroutine(self) -> None:
        """
        Whoever waits inside of a running coroutine is refused, with a reason
        that names the function.
        """
        inner: Deferred[Any] = Deferred()

        @inlineCallbacks
        def patiently() -> Any:
            yield inner

        outer = patiently()
        error = self.assertRaises(CannotMigrate, move, {"inner": inner})
        self.assertIn("service['inner']", str(error))
        self.assertIn("patiently", str(error))
        inner.callback(None)
        self.successResultOf(outer)


class UnhandledTests(SynchronousTestCase):
    """
    L{DebugInfo}: an error that nobody handles is reported once, by the owner.
    """

    def test_reportedByRecipient(self) -> None:
        """
        The origin's copy goes without a word.
        """
        box: list[Any] = [Deferred()]
        box[0].errback(Failure(ValueError("lost")))
        made = move(box)
        del box[:]
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(ValueError), [])
        self.assertIsInstance(made[0]._debugInfo, DebugInfo)
        del made[:]
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_reportedByOrigin(self) -> None:
        """
        What is thrown away goes without a word.
        """
        box: list[Any] = [Deferred()]
        box[0].errback(Failure(ValueError("lost")))
        transfer = Move(box, Clock(), Clock())
        transfer.prepare()
        transfer.rollBack()
        del transfer
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(ValueError), [])
        del box[:]
        gc.collect()
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)


class PrimitivesTests(SynchronousTestCase):
    """
    What is built of Deferreds.
    """

    def test_list(self) -> None:
        """
        L{DeferredList}
        """
        parts: list[Deferred[Any]] = [Deferred(), succeed(2)]
        whole = DeferredList(parts)
        made, there = move([whole, parts])
        there[0].callback(1)
        self.assertEqual(self.successResultOf(made), [(True, 1), (True, 2)])
        self.assertFalse(whole.called)

    def test_lock(self) -> None:
        """
        L{DeferredLock} and L{DeferredSemaphore}
        """
        for primitive in (DeferredLock(), DeferredSemaphore(1)):
            self.successResultOf(primitive.acquire())
            waiting = primitive.acquire()
            made, there = move([primitive, waiting])
            self.assertNoResult(there)
            made.release()
            self.assertIs(self.successResultOf(there), made)
            self.assertNoResult(waiting)

    def test_queue(self) -> None:
        """
        L{DeferredQueue}
        """
        queue: DeferredQueue[Any] = DeferredQueue()
        waiting = queue.get()
        made, there = move([queue, waiting])
        made.put("x")
        self.assertEqual(self.successResultOf(there), "x")
        full: DeferredQueue[Any] = DeferredQueue(size=2)
        full.put("y")
        self.assertEqual(self.successResultOf(move(full).get()), "y")

    def test_loopingCall(self) -> None:
        """
        L{LoopingCall} keeps its beat, and whoever waits for its end.
        """
        origin, recipient = Clock(), Clock()
        listener = Listener()
        loop = LoopingCall(listener.hear, "tick")
        loop.clock = origin
        done = loop.start(10)
        origin.advance(7)
        recipient.advance(8)
        made, there, waiting = Move([loop, listener, done], origin, recipient).go()
        recipient.advance(1.9)
        self.assertEqual(len(there.heard), 1)
        recipient.advance(0.2)
        self.assertEqual(len(there.heard), 2)
        self.assertEqual(origin.getDelayedCalls(), [])
        made.stop()
        self.assertIs(self.successResultOf(waiting), made)
        self.assertNoResult(done)
