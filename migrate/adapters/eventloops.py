"""
The event loop of asyncio that a reactor runs on: it stays with its process, and
what it is going to do for a graph is either moved or said to be in the way.

It must not know what is called.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from zope.interface import implementer

from migrate.adapters.base import Whole, onceNot, onlyByName, refuse
from migrate.adapters.carriers import touches
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description

_REACTOR = "start twistd with --reactor=asyncio"


def loopOf(reactor: Any) -> Any:
    """
    @return: the loop that a reactor runs on, or L{None}.
    """
    return getattr(reactor, "_asyncioEventloop", None)


class LoopAdapter(Whole):
    """
    Knows event loops: the place of the reactor's is taken by the recipient's.
    """

    name = "asyncio.AbstractEventLoop"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if obj is not loopOf(capture.reactor):
            raise NotMovable("an event loop that the reactor does not run on", _REACTOR)
        return Description(asyncio.AbstractEventLoop)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        loop = loopOf(loading.reactor)
        if loop is None:
            raise LoadError(f"the service uses asyncio: {_REACTOR} here, too")
        return loop


@implementer(ILiveAdapter)
class HandleAdapter:
    """
    Knows L{asyncio.Handle} and L{asyncio.TimerHandle}: calls that a loop is
    going to make, or has made.
    """

    name = "asyncio.Handle"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if _isDue(obj):
            raise NotMovable(
                f"a call of asyncio's loop that is due at this moment ({obj!r})",
                "try again once it is made",
                onceNot(obj, _isDue),
            )
        state = {
            "callback": obj._callback,
            "arguments": obj._args,
            "context": obj._context,
            "cancelled": obj._cancelled,
            "due": _dueTime(obj) if _isPending(obj) else None,
        }
        return Description(type(obj), (obj._loop,), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        made = cls.__new__(cls)
        (made._loop,) = arguments
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        rest = (state["callback"], state["arguments"], obj._loop, state["context"])
        if not isinstance(obj, asyncio.TimerHandle):
            asyncio.Handle.__init__(obj, *rest)
        else:
            asyncio.TimerHandle.__init__(obj, 0.0, *rest)
            if state["due"] is not None:
                loading.onAdopt(partial(_schedule, obj, state["due"]))
        obj._cancelled = state["cancelled"]

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        if not _isPending(obj):
            return Actions()
        return Actions(
            pause=partial(_putOff, obj),
            resume=partial(_takeUp, obj),
            release=partial(_forget, obj),
        )


def _isPending(handle: Any) -> bool:
    """
    @return: whether a call is going to be made at its time.
    """
    return getattr(handle, "_scheduled", False) and not handle._cancelled


def _isDue(handle: Any) -> bool:
    """
    @return: whether a call is going to be made in this turn of the loop.
    """
    ready = getattr(handle._loop, "_ready", ())
    return not handle._cancelled and any(handle is other for other in ready)


def _dueTime(handle: Any) -> float:
    """
    @return: when a call is due, in seconds since the epoch: a loop's own time
        is nobody else's.
    """
    return float(time.time() + handle.when() - handle._loop.time())


def _schedule(handle: Any, due: float) -> None:
    """
    Have a call made at its time, or at once if that is over.
    """
    loop = handle._loop
    handle._when = loop.time() + max(0.0, due - time.time())
    heapq.heappush(loop._scheduled, handle)
    handle._scheduled = True


def _putOff(handle: Any) -> None:
    """
    Have a loop take a call for one that was cancelled.
    """
    handle._cancelled = True
    handle._loop._timer_cancelled_count += 1


def _takeUp(handle: Any) -> None:
    """
    The contrary of L{_putOff}; the loop may have thrown the call out meanwhile.
    """
    loop = handle._loop
    handle._cancelled = False
    if handle._scheduled:
        loop._timer_cancelled_count -= 1
    else:
        heapq.heappush(loop._scheduled, handle)
        handle._scheduled = True


def _forget(handle: Any) -> None:
    """
    Hold on to nothing that has gone, as C{cancel} does.
    """
    handle._callback, handle._args = None, ()


@attrs.frozen(eq=False)
class LoopWork:
    """
    Something that a loop does for a graph and that cannot be moved.

    @ivar reason: what it is, for a person.
    @ivar remedy: what to do about it.
    @ivar over: see L{NotMovable}.
    """

    reason: str
    remedy: str
    over: Callable[[], bool] | None = None


@implementer(IAdapter)
class LoopWorkAdapter(Whole):
    """
    Refuses L{LoopWork}.
    """

    name = "LoopWork"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        raise NotMovable(obj.reason, obj.remedy, obj.over)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()


@implementer(ISeeker)
class LoopSeeker:
    """
    Finds what only the loop knows of: tasks, timers, calls that are due, and
    descriptors.
    """

    def __init__(self) -> None:
        # A walk that asks again has to get the same objects.
        self._met: WeakKeyDictionary[Any, dict[int, LoopWork]] = WeakKeyDictionary()

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        loop = loopOf(capture.reactor)
        if loop is None:
            return
        for one in [*asyncio.all_tasks(loop), *getattr(loop, "_scheduled", ())]:
            if touches(_about(one), capture.contains):
                yield one
        met = self._met.setdefault(capture, {})
        for handle, say in [*_due(loop), *_watched(loop)]:
            if id(handle) in met or _isFor(handle, capture.reactor):
                continue
            if touches(_about(handle), capture.contains):
                met[id(handle)] = say()
        yield from met.values()


def _about(one: Any) -> list[object]:
    """
    @return: what a task or a call is for.
    """
    if isinstance(one, asyncio.Task):
        return [one]
    return [] if one._cancelled else [one._callback, *one._args]


def _isFor(handle: Any, reactor: Any) -> bool:
    """
    @return: whether it is the reactor that a call tells of something readable or
        writable: what is not watched any more is not told then.
    """
    arguments = handle._args or ()  # None, once it was cancelled
    return any(getattr(one, "__self__", None) is reactor for one in arguments)


def _due(loop: Any) -> Iterator[tuple[Any, Callable[[], LoopWork]]]:
    """
    @return: the calls that are due, and what says so of each: there may be many, and
        few of them are in the way.
    """
    for handle in list(getattr(loop, "_ready", ())):
        yield handle, partial(_sayDue, handle)


def _sayDue(handle: Any) -> LoopWork:
    return LoopWork(
        f"a call of asyncio's loop that is due at this moment ({handle!r})",
        "try again once it is made",
        onceNot(handle, _isDue),
    )


def _watched(loop: Any) -> Iterator[tuple[Any, Callable[[], LoopWork]]]:
    """
    @return: the calls that are made when something is readable or writable, and what
        says so of each.
    """
    selector = getattr(loop, "_selector", None)
    for key in list(selector.get_map().values()) if selector is not None else ():
        for handle in filter(None, key.data):
            yield handle, partial(_sayWatched, handle, key.fd)


def _sayWatched(handle: Any, fileno: int) -> LoopWork:
    return LoopWork(
        f"descriptor {fileno}, which asyncio's loop watches for it ({handle!r})",
        "have the reactor watch it, or have it closed first",
    )


def register(registry: Registry) -> None:
    """
    Add the adapters of loops and of their calls, and the seeker.
    """
    registry.register(asyncio.AbstractEventLoop, LoopAdapter())
    registry.register(asyncio.Handle, HandleAdapter())
    registry.register(LoopWork, LoopWorkAdapter())
    refuse(
        registry,
        "asyncio.transports",
        "a transport or server of asyncio belongs to the loop of its process",
        "use Twisted's transports, or have it closed first",
        asyncio.BaseTransport,
        asyncio.AbstractServer,
    )
    registry.addSeeker(LoopSeeker())
