"""
Delayed calls: the reactor's own, with the time at which they are due, and
those of a clock of the application, which are objects like any other.

It must not know what is called.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import partial
from heapq import heappush
from itertools import filterfalse
from operator import itemgetter
from typing import Any

import attrs
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from twisted.internet.task import Clock
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.compiled import native
from migrate.adapters.detached import ignore
from migrate.adapters.names import PerLoading
from migrate.adapters.plain import AttributesAdapter, Extract, Restore
from migrate.errors import LoadError
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions

# Further away, in seconds, than any process lives; about 31 years.
FAR = 1e9

# What ties a call to its reactor, and is the recipient's own.
_TIES = ("canceller", "resetter", "seconds")

# What is said of a call.
_PENDING, _SETTLED, _FOREIGN = "pending", "settled", "foreign"


@implementer(ILiveAdapter)
class DelayedCallAdapter(AttributesAdapter):
    """
    Knows L{DelayedCall}.
    """

    postponable = True
    immediate = True
    omitted: tuple[str, ...] = (*_TIES, "time", "delayed_time", "kw")
    extras = ("@kind", "@time", "@kw", "@foreign")

    def __init__(self) -> None:
        super().__init__("twisted.internet.base.DelayedCall")
        self._timetable = PerLoading(Timetable)

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        kind = _kindOf(obj, capture.reactor)
        foreign = None
        if kind == _FOREIGN:
            attributes = obj.__dict__
            own = (*_TIES, "time", "delayed_time")
            foreign = {name: attributes[name] for name in own if name in attributes}
        # Not its dictionary: who asks for that makes it slower for good.
        when = obj.time + obj.delayed_time
        return kind, when, getattr(obj, "kw", None) or None, foreign

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        kind, when, keywords, foreign = values
        # Whatever is in a dictionary may still be on its way.
        if kind == _PENDING:
            obj.kw = {} if keywords is None else keywords
            self._timetable.of(loading).add(when, obj)
            return
        if hasattr(obj, "func"):
            obj.kw = {} if keywords is None else keywords
        if foreign is not None:
            loading.afterFill(lambda: obj.__dict__.update(foreign))
            return
        obj.canceller = obj.resetter = ignore
        obj.time, obj.delayed_time = when, 0.0
        obj.seconds = loading.reactor.seconds

    def extractor(self, capture: ICapture) -> Extract:
        """
        See L{migrate.interfaces.IDirectAdapter}.
        """
        if native is None or type(self) is not DelayedCallAdapter:
            return self.extract
        found: Extract = native.timerExtractor(
            self.extract, capture.reactor, DelayedCall, _PENDING
        )
        return found

    def restorer(self, loading: ILoading) -> Restore:
        """
        See L{migrate.interfaces.IDirectAdapter}.
        """
        if native is None or type(self) is not DelayedCallAdapter:
            return self.restore
        timetable = self._timetable.of(loading)
        found: Restore = native.timerRestorer(
            *(self.restore, _PENDING, 0.0, *timetable.ties, timetable.due)
        )
        return found

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if _kindOf(obj, capture.reactor) != _PENDING:
            return Actions()
        postponed = Postponed(obj, obj.time, obj.delayed_time)
        return Actions(postponed.pause, postponed.resume, partial(_cancelQuietly, obj))


def _kindOf(call: Any, reactor: Any) -> str:
    """
    @return: whether C{reactor} is going to make the call, has done with it, or
        has nothing to do with it.
    """
    canceller = call.canceller
    owner = getattr(canceller, "__self__", None)
    # A Clock's calls are cancelled by removal from its list.
    ours = owner is reactor or owner is getattr(reactor, "calls", reactor)
    if not ours and canceller is not ignore:
        return _FOREIGN
    return _PENDING if call.active() else _SETTLED


def _cancelQuietly(call: Any) -> None:
    """
    Let a call never happen; it may have been cancelled already.
    """
    with suppress(AlreadyCalled, AlreadyCancelled):
        call.cancel()


@attrs.define(eq=False)
class Postponed:
    """
    One pending call of the origin in the janitor's hands.

    Only the delay is changed, as a reactor looks through all its calls for one
    whose time itself is changed.
    """

    _call: Any
    _time: float
    _delay: float

    def pause(self) -> None:
        """
        Put the call off for good.
        """
        self._call.delayed_time = FAR

    def resume(self) -> None:
        """
        Have the call due again when it was.
        """
        call = self._call
        untouched = call.time == self._time
        call.time, call.delayed_time = self._time, self._delay
        if not untouched:
            # The reactor has run meanwhile and sorted the call in anew.
            call.resetter(call)


class Timetable:
    """
    The pending calls of one loading, which begin to count down together: one
    by one they would cost a search through all the reactor's calls each.  The reactor
    does not know them until then.

    @ivar due: when each is due, in seconds since the epoch, and which.
    @ivar ties: see L{_tiesTo}.
    """

    def __init__(self, loading: ILoading) -> None:
        self._reactor: Any = loading.reactor
        self.due: list[tuple[float, Any]] = []
        self.ties = _tiesTo(self._reactor)
        loading.onAdopt(self.start)

    def add(self, when: float, call: Any) -> None:
        """
        @param when: seconds since the epoch, as C{reactor.seconds} counts.
        @param call: is pending.
        """
        call.time = when
        call.delayed_time = 0.0
        call.canceller, call.resetter, call.seconds = self.ties
        self.due.append((when, call))

    def start(self) -> None:
        """
        Let every call be due when it was at the origin.  What should have
        happened by now happens in the next turn, in order.
        """
        moved: list[Any] = []
        pending = (_arranged if native is None else native.arrange)(self.due, moved)
        if pending or moved:
            self._join(pending, moved)

    def _join(self, calls: list[Any], moved: list[Any]) -> None:
        """
        Have the reactor sort calls in among its own.

        @param calls: are in order.
        @param moved: are not.
        """
        reactor = self._reactor
        if isinstance(reactor, Clock):
            reactor.calls += calls + moved
            reactor._sortCalls()
            return
        # What is in order is a heap.
        heap = reactor._pendingTimedCalls
        before = list(heap)
        if len(before) < len(calls):
            heap[:] = calls
            for call in before:
                heappush(heap, call)
        else:
            moved = calls + moved
        reactor._newTimedCalls += moved
        # Some reactors have to be told that there is something to do sooner.
        first = (calls or moved)[0]
        first.resetter(first)


def _arranged(due: Iterable[tuple[float, Any]], moved: list[Any]) -> list[Any]:
    """
    Set the times of pending calls apart.

    @param due: when, and what.
    @param moved: takes those that have been put off, or forward, since they were made.
    @return: the others that are still pending, in order.
    """
    pending = []
    last = -math.inf
    for when, call in sorted(due, key=itemgetter(0)):
        if call.called or call.cancelled:
            continue
        if call.time != when or call.delayed_time:
            moved.append(call)
            continue
        if when <= last:
            # A heap does not keep the order of equal times.
            call.time = when = math.nextafter(last, math.inf)
        last = when
        pending.append(call)
    return pending


def _tiesTo(reactor: Any) -> tuple[Any, Any, Any]:
    """
    @return: how a call is cancelled, how it is reset, and what time it is: all that
        ties it to C{reactor}.
    @raise LoadError: it is none of Twisted's.
    """
    if isinstance(reactor, Clock):
        return reactor.calls.remove, ignore, reactor.seconds
    if not isinstance(reactor, ReactorBase):
        raise LoadError(f"a {type(reactor).__name__} does not take calls over")
    calls: Any = reactor
    return calls._cancelCallLater, calls._moveCallLaterSooner, reactor.seconds


@implementer(ISeeker)
class TimerSeeker:
    """
    Finds the timers of a graph that nothing in the graph refers to.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        calls = capture.reactor.getDelayedCalls()
        # Of thousands, nearly all are in the graph.
        for call in filterfalse(capture.contains, calls):
            if not isinstance(call, DelayedCall):
                continue
            about = (call.func, *call.args, *call.kw.values())
            if touches(about, capture.contains):
                yield call


def register(registry: Registry) -> None:
    """
    Add the adapter of delayed calls and the seeker of timers.
    """
    registry.register(DelayedCall, DelayedCallAdapter())
    registry.addSeeker(TimerSeeker())
