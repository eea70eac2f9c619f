"""
Pools of threads: that of the reactor stays with it, one of the application's own
is made again, and what a thread is about to hand to the graph is not lost.

It must not know what the threads do.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import FrameType, FunctionType
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from twisted._threads import _threadworker
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from migrate.adapters.base import onceNot, onlyByName
from migrate.adapters.carriers import touches
from migrate.adapters.plain import copyAttributes, giveAttributes
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description

#: Of a pool, what its threads are to it: the recipient's has others.
_THREADS = ("threads", "_team", "started")
STARTED = "@started"

#: Says of a pool that it is not the reactor's.
OWN = "own"

#: Attributes of a job of a pool: what there is to do, and who is told of it.
_TO_DO = ("theWork", "onResult")


@implementer(ILiveAdapter)
class ThreadPoolAdapter:
    """
    Knows L{ThreadPool}: the reactor's own, whose place the recipient's takes,
    and others, whose threads are started anew.
    """

    name = "twisted.python.threadpool.ThreadPool"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        reactors = _isOwnPool(obj, capture.reactor)
        if _isBusy(obj):
            called = "the reactor's thread pool" if reactors else "a thread pool"
            raise NotMovable(
                f"{called}, which is busy",
                "try again once it is idle",
                onceNot(obj, _isBusy),
            )
        if reactors:
            return Description(type(obj))
        state = copyAttributes(obj)
        for name in _THREADS:
            state.pop(name, None)
        state[STARTED] = obj.started
        return Description(type(obj), (OWN,), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if arguments:
            return cls.__new__(cls)
        return loading.reactor.getThreadPool()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        attributes = dict(state)
        started = attributes.pop(STARTED)
        ThreadPool.__init__(obj, state["min"], state["max"])
        giveAttributes(obj, attributes)
        if started:
            loading.onAdopt(obj.start)
        elif obj.joined:
            obj._team.quit()

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        if _isOwnPool(obj, capture.reactor) or obj.joined:
            return Actions()
        return Actions(release=partial(_dismiss, obj))


def _dismiss(pool: Any) -> None:
    """
    Let the threads of C{pool} end, without waiting for them.
    """
    pool.joined, pool.started = True, False
    pool._team.quit()


def _isOwnPool(pool: object, reactor: Any) -> bool:
    """
    @return: whether C{pool} is the one that C{reactor} has made already.
    """
    return pool is getattr(reactor, "threadpool", None)


@attrs.frozen(eq=False)
class ThreadWork:
    """
    Something that a thread does for the graph, or is about to tell it.

    @ivar reason: what it is, for a person.
    @ivar over: see L{NotMovable}.
    """

    reason: str
    over: Callable[[], bool]


@implementer(IAdapter)
class ThreadWorkAdapter:
    """
    Refuses L{ThreadWork}.
    """

    name = "ThreadWork"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        raise NotMovable(obj.reason, "try again once it is done", obj.over)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        onlyByName()


@implementer(ISeeker)
class ThreadWorkSeeker:
    """
    Finds what threads do for the graph: its result would be delivered at the
    origin, where nobody is left to wait for it.
    """

    def __init__(self) -> None:
        # A walk that asks again has to get the same object.
        self._met: WeakKeyDictionary[Any, ThreadWork] = WeakKeyDictionary()

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        if capture not in self._met:
            for work, roots in _work(capture.reactor):
                if touches(roots, capture.contains):
                    # One is enough to be refused.
                    self._met[capture] = work
                    break
        if capture in self._met:
            yield self._met[capture]


def _work(reactor: Any) -> Iterator[tuple[ThreadWork, Iterable[object]]]:
    """
    @return: each piece of work, and the objects that it is about.
    """
    queue = getattr(reactor, "threadCallQueue", ())
    for entry in list(queue):
        function, arguments, keywords = entry
        reason = f"a call from a thread is about to be made ({function!r})"
        over = partial(_hasLeft, queue, id(entry))
        yield ThreadWork(reason, over), (function, *arguments, *keywords.values())
    pool = getattr(reactor, "threadpool", None)
    if pool is None or not _isBusy(pool):
        return
    reason = "a thread of the reactor's pool works for it at this moment"
    for job, roots in _jobs(pool):
        yield ThreadWork(reason, onceNot(job, _isToDo)), (job, *roots)


def _hasLeft(queue: Iterable[object], number: int) -> bool:
    """
    @return: whether an entry that is known by its identity is not in C{queue}.
    """
    return all(id(entry) != number for entry in list(queue))


def _isToDo(job: Any) -> bool:
    """
    @return: whether a pool has not done a job yet.  It lets go of what there was
        to do then, but perhaps not of the function that did it.
    """
    return any(getattr(job, name, job) is not None for name in _TO_DO)


def _isBusy(pool: Any) -> bool:
    """
    @return: whether C{pool} works, or has work that waits.
    """
    statistics = pool._team.statistics()
    return bool(statistics.busyWorkerCount or statistics.backloggedWorkCount)


def _jobs(pool: Any) -> Iterator[tuple[Any, list[object]]]:
    """
    @return: the functions that C{pool} calls or is going to call, and what the
        thread that it is for has in its hands meanwhile.
    """
    for job in list(pool._team._pending):
        yield job, []
    frames = sys._current_frames()
    for thread in list(pool.threads):
        held: list[object] = []
        frame = frames.get(thread.ident)
        while frame is not None and not _isLoop(frame):
            held.extend(frame.f_locals.values())
            frame = frame.f_back
        for job in _given(frame):
            yield job, held


def _isLoop(frame: FrameType) -> bool:
    """
    @return: whether a frame is that in which a thread takes up its work.
    """
    return frame.f_globals is vars(_threadworker) and frame.f_code.co_name == "work"


def _given(frame: FrameType | None) -> Iterator[Any]:
    """
    @return: the jobs that a thread works at or has been given to work at.
    """
    known = {} if frame is None else frame.f_locals
    waiting = list(known["queue"].queue) if "queue" in known else []
    for turn in (known.get("task"), *waiting):
        # The last turn stays in the frame until there is another one.
        for cell in getattr(turn, "__closure__", None) or ():
            job = cell.cell_contents
            if isinstance(job, FunctionType) and _isToDo(job):
                yield job


def register(registry: Registry) -> None:
    """
    Add the adapters and the seeker that have to do with threads.
    """
    registry.register(ThreadPool, ThreadPoolAdapter())
    registry.register(ThreadWork, ThreadWorkAdapter())
    registry.addSeeker(ThreadWorkSeeker())
