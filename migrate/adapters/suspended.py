"""
Generators and coroutines: what has ended is moved as one that has ended; what
runs or waits is refused, for its frame cannot be taken out nor put in.

Some go on by themselves: a Deferred or a cooperator is going to resume them, so
whoever waits may see them end.  Others stand until the application calls them,
which may be never.

It must not know what they compute.
"""

from __future__ import annotations

import contextlib
import gc
import types
from collections.abc import Iterable, Iterator
from typing import Any

from twisted.internet import defer
from twisted.internet.defer import Deferred
from twisted.internet.task import CooperativeTask
from zope.interface import implementer

from migrate.adapters.base import Whole, onceNot
from migrate.adapters.names import PerCapture
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description

#: What the attributes of each kind begin with.
_PREFIXES = {
    types.GeneratorType: "gi",
    types.CoroutineType: "cr",
    types.AsyncGeneratorType: "ag",
}

#: What goes on with a generator or coroutine once a Deferred has fired.
_RESUME = getattr(defer, "_gotResultInlineCallbacks", None)


@implementer(IAdapter)
class Suspended(Whole):
    """
    One kind of them.

    @ivar name: see L{IAdapter}.
    """

    def __init__(self, name: str, ended: Any, driven: PerCapture[set[int]]) -> None:
        self.name = name
        self._ended = ended
        self._driven = driven

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        frame = _frameOf(obj)
        if frame is not None:
            passes = _isRunning(obj) or id(obj) in self._driven.of(capture)
            raise NotMovable(
                f"the {self.name} {obj.__qualname__} waits in line {frame.f_lineno} "
                f"of {frame.f_code.co_filename}, and a frame cannot be moved",
                "let it finish, or keep its state in an object with callbacks",
                onceNot(obj, _frameOf) if passes else None,
            )
        return self.asEnded(obj)

    def asEnded(self, obj: Any) -> Description:
        """
        @return: what has ended, or will as soon as it is resumed.
        """
        return Description(_Ended, (obj.__name__, obj.__qualname__))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        made = self._ended()
        made.__name__, made.__qualname__ = arguments
        return made


class _Ended:
    """
    Stands for the classes of generators and coroutines.
    """


def _frameOf(obj: Any) -> Any:
    """
    @return: the frame of what has not ended, or L{None}.
    """
    return getattr(obj, f"{_PREFIXES[type(obj)]}_frame")


def _isRunning(obj: Any) -> bool:
    """
    @return: whether it is on the stack at this moment.
    """
    return bool(getattr(obj, f"{_PREFIXES[type(obj)]}_running"))


def drivenNow() -> set[int]:
    """
    @return: the identities of all that somebody is going to resume.  They are
        held by whoever does, so none is used again in this turn.
    """
    waiting = [one for each in gc.get_objects() for one in _resumedBy(each)]
    driven: set[int] = set()
    while waiting:
        one = waiting.pop()
        if id(one) not in driven:
            driven.add(id(one))
            waiting.extend(_awaitedBy(one))
    return driven


def _resumedBy(candidate: Any) -> Iterator[Any]:
    """
    @return: what a Deferred, or a task of a cooperator, is going to resume.
    """
    cls = type(candidate)
    if issubclass(cls, Deferred):
        for pair in candidate.__dict__.get("_callbacks", ()):
            for function, arguments, _ in pair:
                if function is _RESUME:
                    yield from filter(_isSuspended, arguments)
    elif issubclass(cls, CooperativeTask):
        iterator = candidate.__dict__.get("_iterator")
        if _isSuspended(iterator) and candidate._completionState is None:
            yield iterator


def _awaitedBy(one: Any) -> Iterable[Any]:
    """
    @return: what is going to be resumed by C{one}, itself or by what Python
        puts between the two.
    """
    prefix = _PREFIXES[type(one)]
    awaited = getattr(one, f"{prefix}_{'yieldfrom' if prefix == 'gi' else 'await'}")
    if _isSuspended(awaited):
        return [awaited]
    return filter(_isSuspended, gc.get_referents(awaited))


def _isSuspended(candidate: object) -> bool:
    """
    @return: whether it is of a kind that this module knows.
    """
    return type(candidate) in _PREFIXES


def endedGenerator() -> Any:
    """
    @return: a generator that has ended.
    """
    made = (_ for _ in ())
    made.close()
    return made


def _endedCoroutine() -> Any:
    """
    @return: a coroutine that has ended.
    """

    async def nothing() -> None:
        """
        Ends at once.
        """

    made = nothing()
    made.close()
    return made


def _endedAsyncGenerator() -> Any:
    """
    @return: an asynchronous generator that has ended.
    """

    async def nothing() -> Any:
        """
        Ends at once.
        """
        nobody: tuple[None, ...] = ()
        for one in nobody:
            yield one

    made = nothing()
    closing = made.aclose()
    with contextlib.suppress(StopIteration):
        closing.send(None)
    return made


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    driven = PerCapture(drivenNow)
    # The adapter of generators knows some more about them.
    for name, cls, ended in (
        ("coroutine", types.CoroutineType, _endedCoroutine),
        ("asyncgenerator", types.AsyncGeneratorType, _endedAsyncGenerator),
    ):
        registry.register(cls, Suspended(name, ended, driven))
