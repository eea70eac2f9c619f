"""
The reactor's threads: its pool stays with it, and what a thread is about to
hand to the graph is not lost.

It must not know what the threads do.
"""

from __future__ import annotations

from collections.abc import Iterator
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
        statistics = obj._team.statistics()
        if statistics.busyWorkerCount or statistics.backloggedWorkCount:
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
class CallFromThread:
    """
    A call into the graph that waits in the reactor's queue.
    """

    function: Any


@implementer(IAdapter)
class CallFromThreadAdapter:
    """
    Refuses L{CallFromThread}.
    """

    name = "callFromThread"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        raise NotMovable(
            f"a call from a thread is about to be made ({obj.function!r})",
            "try again",
        )

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
class ThreadCallSeeker:
    """
    Finds calls from threads that concern the graph and wait to be made: they
    would be made at the origin, where nothing is left to be called.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for function, arguments, keywords in _queued(capture.reactor):
            about = (function, *arguments, *keywords.values())
            if touches(about, capture.contains):
                # One is enough to be refused, and a second one in the next
                # round would never let the walk end.
                yield self._found(function, capture)
                return

    def __init__(self) -> None:
        self._last: CallFromThread | None = None

    def _found(self, function: object, capture: ICapture) -> CallFromThread:
        """
        @return: always the same object for the same function.
        """
        if self._last is None or self._last.function is not function:
            self._last = CallFromThread(function)
        return self._last


def _queued(reactor: Any) -> list[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    """
    @return: what the reactor will call on behalf of threads, as of now.
    """
    return list(getattr(reactor, "threadCallQueue", ()))


def register(registry: Registry) -> None:
    """
    Add the adapters and the seeker that have to do with threads.
    """
    registry.register(ThreadPool, ThreadPoolAdapter())
    registry.register(CallFromThread, CallFromThreadAdapter())
    registry.addSeeker(ThreadCallSeeker())
