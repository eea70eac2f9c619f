"""
The reactor's threads: its pool stays with it, and what a thread is about to
hand to the graph is not lost.

It must not know what the threads do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

import attrs
from twisted.python.threadpool import ThreadPool
from zope.interface import implementer

from migrate.adapters.base import onlyByName
from migrate.adapters.carriers import touches
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading, ISeeker
from migrate.model import Description


@implementer(IAdapter)
class ThreadPoolAdapter:
    """
    Knows the reactor's own L{ThreadPool}, whose place the recipient's takes.
    """

    name = "twisted.python.threadpool.ThreadPool"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if not _isOwnPool(obj, capture.reactor):
            raise NotMovable("a thread pool of its own", "use reactor.getThreadPool()")
        if _isBusy(obj):
            raise NotMovable(
                "the reactor's thread pool, which is busy", "try again once it is idle"
            )
        return Description(type(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return loading.reactor.getThreadPool()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """


def _isOwnPool(pool: object, reactor: Any) -> bool:
    """
    @return: whether C{pool} is the one that C{reactor} has made already.
    """
    return pool is getattr(reactor, "threadpool", None)


@attrs.frozen(eq=False)
class ThreadWork:
    """
    Something that a thread does for the graph, or is about to tell it.

    @ivar about: what tells this piece of work from others.
    @ivar reason: what it is, for a person.
    """

    about: object
    reason: str


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
        raise NotMovable(obj.reason, "try again once it is done")

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
        self._last: ThreadWork | None = None

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for about, reason, roots in _work(capture.reactor):
            if touches(roots, capture.contains):
                # One is enough to be refused.
                yield self._found(about, reason)
                return

    def _found(self, about: object, reason: str) -> ThreadWork:
        """
        @return: always the same object for the same work.
        """
        if self._last is None or self._last.about is not about:
            self._last = ThreadWork(about, reason)
        return self._last


def _work(reactor: Any) -> Iterator[tuple[object, str, Iterable[object]]]:
    """
    @return: what tells each piece of work from others, what it is, and the
        objects that it is about.
    """
    for function, arguments, keywords in list(getattr(reactor, "threadCallQueue", ())):
        reason = f"a call from a thread is about to be made ({function!r})"
        yield function, reason, (function, *arguments, *keywords.values())
    pool = getattr(reactor, "threadpool", None)
    if pool is not None and _isBusy(pool):
        reason = "a thread of the reactor's pool works for it at this moment"
        yield pool, reason, _inThreads(pool)


def _isBusy(pool: Any) -> bool:
    """
    @return: whether C{pool} works, or has work that waits.
    """
    statistics = pool._team.statistics()
    return bool(statistics.busyWorkerCount or statistics.backloggedWorkCount)


def _inThreads(pool: Any) -> list[object]:
    """
    @return: what the threads of C{pool} have in their hands, and the work that
        waits for them.
    """
    held: list[object] = list(pool._team._pending)
    frames = sys._current_frames()
    for thread in list(pool.threads):
        frame = frames.get(thread.ident)
        while frame is not None:
            held.extend(frame.f_locals.values())
            frame = frame.f_back
    return held


def register(registry: Registry) -> None:
    """
    Add the adapters and the seeker that have to do with threads.
    """
    registry.register(ThreadPool, ThreadPoolAdapter())
    registry.register(ThreadWork, ThreadWorkAdapter())
    registry.addSeeker(ThreadWorkSeeker())
