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
from operator import itemgetter
from typing import Any

import attrs
from twisted.internet.base import DelayedCall, ReactorBase
from twisted.internet.error import AlreadyCalled, AlreadyCancelled
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.detached import ignore
from migrate.adapters.names import PerLoading
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
    postponable = True

    def __init__(self) -> None:
        self._timetable = PerLoading(Timetable)

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.  What nearly all of them have
        alike is left out, and given to them by L{make}.
        """
        kind = _kindOf(obj, capture.reactor)
        state = copyAttributes(obj)
        if kind != _FOREIGN:
            for name in _TIES:
                state.pop(name, None)
            state["time"] = obj.time + obj.delayed_time
            state.pop("delayed_time", None)
        if kind == _PENDING and not state["kw"]:
            del state["kw"]
        return Description(type(obj), (kind,), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        (kind,) = arguments
        if kind == _PENDING:
            return self._timetable.of(loading).blank(cls)
        made = cls.__new__(cls)
        if kind == _SETTLED:
            made.__dict__.update(delayed_time=0.0, seconds=loading.reactor.seconds)
            made.__dict__.update(canceller=ignore, resetter=ignore)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        tied = "canceller" in obj.__dict__
        if tied and obj.canceller is not ignore:
            self._timetable.of(loading).add(state.pop("time"), obj)
        giveAttributes(obj, state)

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
    by one they would cost a search through all the reactor's calls each.  Where the
    reactor is Twisted's own, it does not know them until then.
    """

    def __init__(self, loading: ILoading) -> None:
        self._reactor: Any = loading.reactor
        self._due: list[tuple[float, Any]] = []
        self._made: list[Any] = []
        self._joins = _keepsCalls(self._reactor)
        self._blank = {
            "args": (),
            "time": loading.reactor.seconds() + FAR,
            "delayed_time": 0.0,
            "cancelled": 0,
            "called": 0,
        }
        if self._joins:
            reactor = self._reactor
            self._blank["canceller"] = reactor._cancelCallLater
            self._blank["resetter"] = reactor._moveCallLaterSooner
            self._blank["seconds"] = reactor.seconds
        loading.onAdopt(self.start)
        if not self._joins:
            loading.onDiscard(self._forget)

    def blank(self, cls: Any) -> Any:
        """
        @return: a pending call.
        """
        if not self._joins:
            call = self._reactor.callLater(FAR, ignore)
            self._made.append(call)
            return call
        call = cls.__new__(cls)
        call.__dict__.update(self._blank, kw={}, func=ignore)
        return call

    def add(self, when: float, call: Any) -> None:
        """
        @param when: seconds since the epoch, as C{reactor.seconds} counts.
        """
        self._due.append((when, call))

    def _forget(self) -> None:
        for call in self._made:
            _cancelQuietly(call)

    def start(self) -> None:
        """
        Let every call be due when it was at the origin.  What should have
        happened by now happens in the next turn, in order.
        """
        pending = [entry for entry in self._due if entry[1].active()]
        pending.sort(key=itemgetter(0))
        if self._joins:
            self._join(pending)
            return
        for when, call in pending:
            call.reset(max(0.0, when - self._reactor.seconds()))

    def _join(self, pending: list[tuple[float, Any]]) -> None:
        """
        Set every time, then have the reactor sort the calls in among its own.
        """
        last = -math.inf
        for when, call in pending:
            # A heap does not keep the order of equal times.
            last = when if when > last else math.nextafter(last, math.inf)
            call.time, call.delayed_time = last, 0.0
        self._reactor._newTimedCalls += [call for _, call in pending]
        if pending:
            # Some reactors have to be told that there is something to do sooner.
            first = pending[0][1]
            first.resetter(first)


def _keepsCalls(reactor: Any) -> bool:
    """
    @return: whether a reactor keeps its calls in a list, and sorts new ones in at
        the beginning of each turn.
    """
    return isinstance(reactor, ReactorBase) and hasattr(reactor, "_newTimedCalls")


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
