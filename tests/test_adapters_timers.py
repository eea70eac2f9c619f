"""
Tests for L{migrate.adapters.timers}.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, LoopingCall, deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import timers
from migrate.adapters.detached import ignore
from migrate.adapters.timers import DelayedCallAdapter, TimerSeeker
from migrate.graph.registry import Registry
from migrate.interfaces import ILiveAdapter, ISeeker
from tests.adapting import Capture, Loading, remake
from tests.reactors import freshReactor


class Owner:
    """
    An object of a graph, with something to call.
    """

    def __init__(self) -> None:
        self.called: list[object] = []

    def ring(self, *what: object, **how: object) -> None:
        """
        Note that it was called.
        """
        self.called.append(what)


class AdapterTests(SynchronousTestCase):
    """
    L{DelayedCallAdapter}
    """

    def setUp(self) -> None:
        """
        Make an origin's reactor and a recipient's.
        """
        self.adapter = DelayedCallAdapter()
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.capture = Capture(self.origin)
        self.loading = Loading(self.recipient)

    def remake(self, call: Any) -> Any:
        """
        @return: the recipient's call.
        """
        return remake(self.adapter, call, self.capture, self.loading)

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, self.adapter)

    def test_pending(self) -> None:
        """
        A pending call is due at the same instant, with the same function and
        arguments, and belongs to the recipient's reactor.
        """
        owner = Owner()
        call = self.origin.callLater(60, owner.ring, 1, two=2)
        call.delay(5)
        made = self.remake(call)
        self.assertEqual(self.recipient.getDelayedCalls(), [])
        self.loading.adopt()
        self.assertEqual(made.getTime(), call.getTime())
        self.assertEqual(
            (made.func, made.args, made.kw), (owner.ring, (1,), {"two": 2})
        )
        self.assertEqual(self.recipient.getDelayedCalls(), [made])
        made.cancel()
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_overdue(self) -> None:
        """
        What should have happened meanwhile happens in the first turn, in the
        order in which it was due.
        """
        owner = Owner()
        calls = [self.origin.callLater(n / 100, owner.ring, n) for n in (3, 1, 2)]
        for call in calls:
            call.time -= 50
            self.remake(call)
        self.recipient.iterate(0)
        self.assertEqual(owner.called, [])
        self.loading.adopt()
        self.recipient.iterate(0)
        self.assertEqual(owner.called, [(1,), (2,), (3,)])

    def test_equalTimes(self) -> None:
        """
        Calls that are due at the very same instant keep their order.
        """
        owner = Owner()
        when = self.origin.seconds() - 1
        for number in range(20):
            call = self.origin.callLater(9, owner.ring, number)
            call.time = when
            self.remake(call)
        self.loading.adopt()
        self.recipient.iterate(0)
        self.assertEqual(owner.called, [(number,) for number in range(20)])

    def test_betweenMakingAndAdoption(self) -> None:
        """
        The recipient's reactor may run before the adoption, and has calls of
        its own.
        """
        own: list[str] = []
        self.recipient.callLater(0, own.append, "own")
        later = self.recipient.callLater(30, own.append, "later")
        owner = Owner()
        soon = self.remake(self.origin.callLater(0, owner.ring))
        late = self.remake(self.origin.callLater(60, owner.ring))
        self.recipient.iterate(0)
        self.assertEqual((own, owner.called), (["own"], []))
        self.loading.adopt()
        self.recipient.iterate(0)
        self.assertEqual((owner.called, soon.called), ([()], 1))
        self.assertLess(self.recipient.timeout(), 30.5)
        later.cancel()
        late.cancel()

    def test_amongOthers(self) -> None:
        """
        However many calls the recipient's reactor has of its own, known to it for
        long or not, all are made in the order in which they are due.
        """
        for count, known in ((0, False), (3, False), (3, True), (40, True)):
            recipient = freshReactor(self)
            loading = Loading(recipient)
            rung: list[float] = []
            first = recipient.seconds() - 500
            for number in range(count):
                recipient.callLater(0, rung.append, number).time = first + number
            if known:
                recipient.timeout()
            for number in (7, 30, 1, 11, 50):
                call = self.origin.callLater(0, rung.append, number + 0.5)
                call.time = first + number + 0.5
                remake(self.adapter, call, self.capture, loading)
            loading.adopt()
            recipient.iterate(0)
            theirs = [1.5, 7.5, 11.5, 30.5, 50.5]
            self.assertEqual(rung, sorted([*range(count), *theirs]))

    def test_movedBeforeAdoption(self) -> None:
        """
        A call that somebody puts off, or makes happen sooner, while the graph is
        completed is due when that says, and not when it was.
        """
        owner = Owner()
        names = ("off", "sooner", "later", "as it was")
        calls = {name: self.origin.callLater(5, owner.ring, name) for name in names}
        made = {name: self.remake(call) for name, call in calls.items()}
        now = self.recipient.seconds()
        made["off"].delay(60)
        made["sooner"].reset(-1)
        made["later"].reset(20)
        due = {name: call.getTime() for name, call in made.items()}
        self.loading.adopt()
        self.recipient.iterate(0)
        self.assertEqual(owner.called, [("sooner",)])
        self.assertEqual({name: call.getTime() for name, call in made.items()}, due)
        self.assertAlmostEqual(self.recipient.timeout(), calls["off"].time - now, 0)
        self.assertEqual(due["as it was"], calls["as it was"].getTime())
        for call in self.recipient.getDelayedCalls():
            call.cancel()

    def test_cancelledBeforeAdoption(self) -> None:
        """
        A call that somebody cancels while the graph is completed stays so.
        """
        made = self.remake(self.origin.callLater(1, ignore))
        made.cancel()
        self.loading.adopt()
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_discarded(self) -> None:
        """
        Nothing stays with the reactor of a loading that is thrown away.
        """
        self.remake(self.origin.callLater(1, ignore))
        self.assertEqual(self.recipient.getDelayedCalls(), [])
        self.loading.discard()
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_settled(self) -> None:
        """
        A call that was cancelled or made stays so, and may move again.
        """
        owner = Owner()
        cancelled = self.origin.callLater(1, owner.ring)
        cancelled.cancel()
        called = self.origin.callLater(0, owner.ring)
        self.origin.iterate(0)
        for call in (cancelled, called):
            made = self.remake(call)
            again = remake(self.adapter, made, Capture(self.recipient), self.loading)
            for one in (made, again):
                self.assertFalse(one.active())
                self.assertEqual(
                    (one.cancelled, one.called), (call.cancelled, call.called)
                )
                self.assertIn("DelayedCall", repr(one))
            self.adapter.actions(made, Capture(self.recipient)).release()
        self.loading.adopt()
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_foreignClock(self) -> None:
        """
        A call of a clock that is part of the graph is an object like others.
        """
        clock = Clock()
        call = clock.callLater(5, ignore)
        made = self.remake(call)
        self.assertEqual(vars(made), vars(call))
        actions = self.adapter.actions(call, self.capture)
        actions.pause()
        actions.release()
        self.assertEqual((made.getTime(), call.active()), (5, True))
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_clockAsReactor(self) -> None:
        """
        Where the reactor itself is a clock, the calls are its own.
        """
        origin, recipient, owner = Clock(), Clock(), Owner()
        loading = Loading(recipient)
        origin.advance(100)
        recipient.advance(103)
        call = origin.callLater(5, owner.ring)
        made = remake(self.adapter, call, Capture(origin), loading)
        loading.adopt()
        recipient.advance(1.9)
        self.assertEqual(owner.called, [])
        recipient.advance(0.2)
        self.assertEqual(owner.called, [()])
        self.assertTrue(made.called)

    def test_pauseAndResume(self) -> None:
        """
        A paused call does not happen; a resumed one is due when it was.
        """
        owner = Owner()
        late = self.origin.callLater(70, owner.ring)
        late.delay(7)
        soon = self.origin.callLater(0.001, owner.ring, "soon")
        before = [(call.time, call.delayed_time) for call in (late, soon)]
        actions = [self.adapter.actions(call, self.capture) for call in (late, soon)]
        for action in actions:
            action.pause()
        while self.origin.seconds() <= before[1][0]:
            self.origin.iterate(0.01)
        self.origin.iterate(0)
        self.assertEqual(owner.called, [])
        for action in reversed(actions):
            action.resume()
        self.assertEqual(
            [(call.time, call.delayed_time) for call in (late, soon)], before
        )
        self.origin.iterate(0)
        self.assertEqual(owner.called, [("soon",)])
        late.cancel()

    def test_release(self) -> None:
        """
        A released call is gone for good, whatever the application does.
        """
        call = self.origin.callLater(0, ignore)
        actions = self.adapter.actions(call, self.capture)
        actions.pause()
        actions.release()
        actions.release()
        self.assertEqual(self.origin.getDelayedCalls(), [])
        self.assertFalse(call.active())

    def test_cost(self) -> None:
        """
        Thousands of calls among which the reactor has run start at once.
        """
        owner = Owner()
        calls = [self.origin.callLater(900 + n, owner.ring) for n in range(5000)]
        searched: list[object] = []
        self.recipient._moveCallLaterSooner = searched.append
        made = [self.remake(call) for call in calls]
        self.recipient.iterate(0)
        self.loading.adopt()
        self.assertEqual(searched, [made[0]])
        self.assertEqual([c.getTime() for c in made], [c.getTime() for c in calls])


class SeekerTests(SynchronousTestCase):
    """
    L{TimerSeeker}
    """

    def setUp(self) -> None:
        """
        Make a graph of one object, on a clock.
        """
        self.clock = Clock()
        self.owner = Owner()
        self.stranger = Owner()
        self.capture = Capture(self.clock, [self.owner])

    def found(self) -> list[Any]:
        """
        @return: the calls that belong to the graph.
        """
        return list(TimerSeeker().seek(self.capture))

    def test_interface(self) -> None:
        """
        It is a seeker.
        """
        verifyObject(ISeeker, TimerSeeker())

    def test_strangers(self) -> None:
        """
        Nobody else's timers are taken, whatever constants they share.
        """
        self.capture.members.extend([(), ignore.__defaults__])
        self.clock.callLater(1, self.stranger.ring, (), self.stranger, a=frozenset())
        loop = LoopingCall(self.stranger.ring)
        loop.clock = self.clock
        loop.start(1)
        self.assertEqual(len(self.clock.getDelayedCalls()), 2)
        self.assertEqual(self.found(), [])

    def test_known(self) -> None:
        """
        What the walk has met already is passed over.
        """
        self.capture.members.append(self.clock.callLater(1, self.owner.ring))
        self.assertEqual(self.found(), [])

    def test_direct(self) -> None:
        """
        By method, by argument, by partial call, by closure, by default.
        """
        owner = self.owner
        ring = self.stranger.ring

        def closure() -> None:
            owner.ring()

        calls = [
            self.clock.callLater(1, owner.ring),
            self.clock.callLater(2, ring, owner),
            self.clock.callLater(3, ring, what=owner),
            self.clock.callLater(4, ring, [{"a": (owner,)}]),
            self.clock.callLater(5, partial(ring, 1, b=owner)),
            self.clock.callLater(6, partial(owner.ring)),
            self.clock.callLater(7, closure),
            self.clock.callLater(8, lambda x=owner: None),
        ]
        self.assertEqual(self.found(), calls)

    def test_throughTwisted(self) -> None:
        """
        Through a LoopingCall, deferLater and addTimeout that nothing of the
        graph refers to.
        """
        loop = LoopingCall(self.owner.ring)
        loop.clock = self.clock
        loop.start(1, now=False)
        deferLater(self.clock, 2, self.owner.ring)
        waiting: Deferred[object] = Deferred()
        waiting.addTimeout(3, self.clock)
        waiting.addErrback(self.owner.ring)
        waiting.addErrback(lambda reason: None)
        self.assertEqual(self.found(), self.clock.getDelayedCalls())
        self.assertEqual(len(self.found()), 3)

    def test_emptyCell(self) -> None:
        """
        A closure over a name that has no value yet carries nothing.
        """
        self.clock.callLater(1, lambda: later)
        self.assertEqual(self.found(), [])
        later = self.owner
        self.assertEqual(self.found(), self.clock.getDelayedCalls())


class RegisterTests(SynchronousTestCase):
    """
    L{timers.register}
    """

    def test_register(self) -> None:
        """
        The adapter speaks for the reactor's calls, and there is a seeker.
        """
        registry = Registry()
        timers.register(registry)
        call = Clock().callLater(1, ignore)
        self.assertIsInstance(registry.lookup(type(call)), DelayedCallAdapter)
        self.assertEqual([type(s) for s in registry.seekers], [TimerSeeker])

    def test_installedReactor(self) -> None:
        """
        Whatever reactor runs, its calls are found to be its own.
        """
        reactor: Any = installed
        call = reactor.callLater(1000, ignore)
        self.addCleanup(call.cancel)
        description = DelayedCallAdapter().describe(call, Capture(reactor))
        self.assertEqual(dict(description.state or {})["@kind"], "pending")
