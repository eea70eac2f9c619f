"""
Delayed calls: the reactor's own, with the time at which they are due, and
those of a clock of the application, which are objects like any other.

It must not know what is called.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from heapq import heapify
from typing import Any

import attrs
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.detached import ignore
from migrate.adapters.plain import copyAttributes, giveAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description

# Further away, in seconds, than any process lives; about 31 years.
FAR = 1e9

# What ties a call to its reactor, and is the recipient's own.
_TIES = ("canceller", "resetter", "seconds")

# What a description's argument says of a call.
_PENDING, _SETTLED, _FOREIGN = "pending", "settled", "foreign"


@implementer(ILiveAdapter)
class DelayedCallAdapter:
    """
    Knows L{DelayedCall}.
    """

    name = "twisted.internet.base.DelayedCall"
    complete = False

    def __init__(self) -> None:
        # The loading is kept, too: its number must not become another one's.
        self._timetables: dict[int, tuple[ILoading, Timetable]] = {}

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        kind = _kindOf(obj, capture.reactor)
        state = copyAttributes(obj)
        if kind != _FOREIGN:
            for name in _TIES:
                state.pop(name, None)
            state["time"] = obj.getTime()
            state["delayed_time"] = 0.0
        return Description(type(obj), (kind,), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        (kind,) = arguments
        if kind != _PENDING:
            return cls.__new__(cls)
        call = loading.reactor.callLater(FAR, ignore)
        loading.onDiscard(partial(_cancelQuietly, call))
        return call

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        if "canceller" in state:
            giveAttributes(obj, state)
        elif "canceller" not in obj.__dict__:
            giveAttributes(obj, state)
            obj.canceller = obj.resetter = ignore
            obj.seconds = loading.reactor.seconds
        else:
            when = state["time"]
            rest = {k: v for k, v in state.items() if k not in _SCHEDULE}
            giveAttributes(obj, rest)
            self._timetableOf(loading).add(when, obj)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if _kindOf(obj, capture.reactor) != _PENDING:
            return Actions()
        postponed = Postponed(obj, obj.time, obj.delayed_time)
        return Actions(postponed.pause, postponed.resume, partial(_cancelQuietly, obj))

    def _timetableOf(self, loading: ILoading) -> Timetable:
        """
        @return: the calls of one loading.
        """
        number = id(loading)
        if number not in self._timetables:
            timetable = Timetable(loading.reactor)
            self._timetables[number] = (loading, timetable)
            loading.onAdopt(timetable.start)
            forget = partial(self._timetables.__delitem__, number)
            loading.onAdopt(forget)
            loading.onDiscard(forget)
        return self._timetables[number][1]


# Kept as the recipient's reactor made it, until the call is adopted.
_SCHEDULE = ("time", "delayed_time")


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


@attrs.define(eq=False)
class Timetable:
    """
    The pending calls of one loading, which begin to count down together: one
    by one they would cost a search through all the reactor's calls each.
    """

    _reactor: Any
    _due: list[tuple[float, Any]] = attrs.field(factory=list)

    def add(self, when: float, call: Any) -> None:
        """
        @param when: seconds since the epoch, as C{reactor.seconds} counts.
        """
        self._due.append((when, call))

    def start(self) -> None:
        """
        Let every call be due when it was at the origin.  What should have
        happened by now happens in the next turn, in order.
        """
        pending = [entry for entry in self._due if entry[1].active()]
        if not pending:
            return
        pending.sort(key=lambda entry: entry[0])
        if isinstance(self._reactor, ReactorBase):
            self._schedule(pending)
            return
        for when, call in pending:
            call.reset(max(0.0, when - self._reactor.seconds()))

    def _schedule(self, pending: list[tuple[float, Any]]) -> None:
        """
        Set every time, then sort the reactor's calls once.
        """
        last = -math.inf
        for when, call in pending:
            # A heap does not keep the order of equal times.
            last = when if when > last else math.nextafter(last, math.inf)
            call.time, call.delayed_time = last, 0.0
        heapify(self._reactor._pendingTimedCalls)
        first = pending[0][1]
        # Some reactors have to be told that there is something to do sooner.
        first.resetter(first)


@implementer(ISeeker)
class TimerSeeker:
    """
    Finds the timers of a graph that nothing in the graph refers to.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for call in capture.reactor.getDelayedCalls():
            if capture.contains(call) or not isinstance(call, DelayedCall):
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
