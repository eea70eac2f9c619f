"""
Tests for L{migrate.adapters.suspended}, and for what else in the way passes.
"""

from __future__ import annotations

import gc
import queue
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from automat import TypeMachineBuilder
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock, Cooperator
from twisted.protocols.basic import LineReceiver
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.names import PerCapture
from migrate.adapters.suspended import Suspended
from migrate.errors import CannotMigrate, Refusal
from migrate.interfaces import IAdapter
from tests.inprocess import Move


def refusals(root: Any) -> list[Refusal]:
    """
    @return: what cannot be moved in C{root}.
    """
    try:
        Move(root, Clock(), Clock()).go()
    except CannotMigrate as error:
        return list(error.refusals)
    raise AssertionError("it moved")


class Patient:
    """
    Waits for Deferreds in every way that Python has.
    """

    def __init__(self) -> None:
        self.held: list[Any] = []

    def spawn(self, coroutine: Any) -> Any:
        """
        Keep a coroutine or generator.
        """
        self.held.append(coroutine)
        return coroutine

    @inlineCallbacks
    def generator(self, deferred: Deferred[Any]) -> Any:
        """
        Waits as a generator.
        """
        yield deferred
        self.held.append(None)

    async def coroutine(self, deferred: Deferred[Any]) -> None:
        """
        Waits as a coroutine.
        """
        await deferred

    async def outer(self, deferred: Deferred[Any]) -> None:
        """
        Waits for a coroutine.
        """
        await self.spawn(self.coroutine(deferred))

    async def items(self, deferred: Deferred[Any]) -> Any:
        """
        Waits between items.
        """
        yield await deferred

    async def iterating(self, deferred: Deferred[Any]) -> None:
        """
        Waits for the items of an asynchronous generator.
        """
        async for _ in self.spawn(self.items(deferred)):
            pass

    def numbers(self) -> Iterator[int]:
        """
        Waits for nobody.
        """
        yield from self.spawn(number for number in range(3))


class SuspendedTests(SynchronousTestCase):
    """
    L{Suspended}
    """

    def test_interface(self) -> None:
        """
        It is an adapter.
        """
        verifyObject(IAdapter, Suspended("x", None, PerCapture(set)))

    def passes(self, root: Any, finish: Callable[[], object], count: int = 1) -> None:
        """
        All that is in the way is over once C{finish} was called, and no sooner.
        """
        found = refusals(root)
        overs = [refusal.over for refusal in found]
        self.assertEqual(len(overs), count, found)
        for over in overs:
            assert over is not None, found
            self.assertFalse(over())
        finish()
        for over in overs:
            assert over is not None
            self.assertTrue(over())

    def stays(self, root: Any) -> None:
        """
        Nothing of what is in the way passes.
        """
        self.assertEqual({refusal.over for refusal in refusals(root)}, {None})

    def test_inlineCallbacks(self) -> None:
        """
        A generator that a Deferred resumes passes.
        """
        waiting: Deferred[Any] = Deferred()
        Patient().generator(waiting)
        self.passes({"waiting": waiting}, lambda: waiting.callback(None))

    def test_coroutine(self) -> None:
        """
        So does a coroutine, whoever holds it.
        """
        waiting: Deferred[Any] = Deferred()
        held = Patient().coroutine(waiting)
        Deferred.fromCoroutine(held)
        self.passes([held], lambda: waiting.callback(None))

    def test_nested(self) -> None:
        """
        So does one that another one waits for.
        """
        waiting: Deferred[Any] = Deferred()
        patient = Patient()
        Deferred.fromCoroutine(patient.outer(waiting))
        self.assertEqual(len(patient.held), 1)
        self.passes(patient.held, lambda: waiting.callback(None))

    def test_asynchronousGenerator(self) -> None:
        """
        So does an asynchronous generator whose next item is waited for.
        """
        waiting: Deferred[Any] = Deferred()
        patient = Patient()
        Deferred.fromCoroutine(patient.iterating(waiting))
        self.assertEqual(len(patient.held), 1)
        self.passes(patient.held, lambda: waiting.callback(None))

    def test_task(self) -> None:
        """
        So does the generator of a cooperator's task, and one within; no
        longer once the task has been stopped.
        """
        turns: list[Any] = []
        cooperator = Cooperator(lambda: lambda: True, turns.append)
        patient = Patient()
        numbers = patient.numbers()
        cooperator.cooperate(numbers)
        turns.pop()()
        self.assertEqual(len(patient.held), 1)

        def finish() -> None:
            while turns:
                turns.pop()()

        self.passes([numbers, *patient.held], finish, 2)
        second = patient.numbers()
        task = cooperator.cooperate(second)
        task.whenDone().addErrback(lambda reason: None)
        task.stop()
        self.stays([second])

    def test_nobodys(self) -> None:
        """
        What only the application would resume does not pass by itself.
        """
        patient = Patient()
        self.stays([patient.numbers()])
        held = patient.coroutine(Deferred())
        self.stays([held])
        held.close()
        argument: Deferred[Any] = Deferred()
        argument.addCallback(lambda result, numbers: result, patient.numbers())
        self.stays([argument])

    def test_running(self) -> None:
        """
        One that is on the stack passes.
        """
        found: list[Refusal] = []

        def itself() -> Iterator[None]:
            found.extend(refusals([one]))
            yield

        one = itself()
        next(one)
        (over,) = (refusal.over for refusal in found)
        assert over is not None
        self.assertFalse(over())
        one.close()
        self.assertTrue(over())

    def test_forgotten(self) -> None:
        """
        To ask whether it is over keeps nothing alive.
        """
        waiting: Deferred[Any] = Deferred()
        held = Patient().coroutine(waiting)
        Deferred.fromCoroutine(held)
        over = refusals([held])[0].over
        assert over is not None
        reference = weakref.ref(held)
        del held, waiting
        gc.collect()
        self.assertIsNone(reference())
        self.assertTrue(over())

    def test_ended(self) -> None:
        """
        One that has ended is one that has ended.
        """
        one = Patient().numbers()
        one.close()  # type: ignore[attr-defined]
        (made,) = Move([one], Clock(), Clock()).go()
        self.assertEqual((list(made), made.__name__), ([], "numbers"))


class Busy(LineReceiver):
    """
    Does something when it receives a line.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.act()


class Button:
    """
    The inputs of a machine.
    """

    def press(self) -> None:
        """
        Act.
        """


class Core:
    """
    What the machine works for.
    """

    def __init__(self, act: Callable[[], None]) -> None:
        self.act = act


_builder = TypeMachineBuilder(Button, Core)
_up = _builder.state("up")


@_up.upon(Button.press).loop()
def _press(button: Button, core: Core) -> None:
    core.act()


buttons = _builder.build()


class PassingTests(SynchronousTestCase):
    """
    What cannot be moved only as long as it is on the stack, or held.
    """

    def during(self, root: Any) -> None:
        """
        To be called in the middle of something.
        """
        found = refusals(root)
        self.overs = [refusal.over for refusal in found]
        self.answers = [over and over() for over in self.overs]

    def after(self) -> None:
        """
        To be called after it.
        """
        self.assertEqual(self.answers, [False])
        self.assertEqual([over and over() for over in self.overs], [True])

    def test_receiver(self) -> None:
        """
        A protocol that is receiving.
        """
        busy = Busy(lambda: None)
        busy.act = lambda: self.during([busy])
        busy.dataReceived(b"x\r\n")
        self.after()

    def test_deferred(self) -> None:
        """
        A Deferred that is running its callbacks.
        """
        waiting: Deferred[Any] = Deferred()
        waiting.addCallback(lambda result: self.during([waiting]))
        waiting.callback(None)
        self.after()

    def test_machine(self) -> None:
        """
        A state machine in a transition.
        """
        core = Core(lambda: None)
        machine = buttons(core)
        core.act = lambda: self.during([machine])
        machine.press()
        self.after()

    def test_locks(self) -> None:
        """
        A lock that is held.
        """
        for lock in (threading.Lock(), threading.RLock()):
            with lock:  # type: ignore[attr-defined]
                self.during([lock])
            self.after()

    def test_queue(self) -> None:
        """
        A queue whose items nobody can see.
        """
        items: queue.SimpleQueue[int] = queue.SimpleQueue()
        items.put(1)
        self.during([items])
        items.get()
        self.after()
