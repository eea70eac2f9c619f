"""
Walks that keep apart what belongs to different graphs of one service: what only the
reactor knows of is found for the graph that it belongs to, and for no other.

It must not know which graphs there are.
"""

from __future__ import annotations

import weakref
from collections.abc import Container, Iterable, Iterator
from typing import Any
from weakref import WeakKeyDictionary

from twisted.internet.base import DelayedCall
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.timers import TimerSeeker
from migrate.adapters.watched import WatchedSeeker
from migrate.graph import Registry
from migrate.interfaces import ICapture, ISeeker

Elsewhere = Container[int]
"""
What belongs elsewhere, by identity.
"""


@implementer(ICapture)
class View:
    """
    A walk as a seeker sees it that is not to look into what belongs elsewhere.

    @ivar reactor: see L{ICapture}.
    """

    def __init__(self, capture: ICapture, reactor: Any, elsewhere: Elsewhere) -> None:
        # Seekers keep what they found for as long as this lives.
        self._capture: Any = weakref.ref(capture)
        self.reactor = reactor
        self._elsewhere = elsewhere

    def reading(self, selectable: object) -> bool:
        """
        See L{ICapture.reading}.
        """
        return bool(self._capture().reading(selectable))

    def writing(self, selectable: object) -> bool:
        """
        See L{ICapture.writing}.
        """
        return bool(self._capture().writing(selectable))

    def contains(self, candidate: object) -> Any:
        """
        See L{ICapture.contains}.

        @return: L{None} of what belongs elsewhere: see
            L{migrate.adapters.carriers.touches}.
        """
        if id(candidate) in self._elsewhere:
            return None
        return self._capture().contains(candidate)


class Few:
    """
    A reactor without what is known to belong elsewhere, for one walk, while nothing
    changes: with thousands of connections nearly all that it has does.
    """

    def __init__(self, reactor: Any, elsewhere: Elsewhere) -> None:
        self._reactor = reactor
        self._elsewhere = elsewhere
        self._found: dict[str, list[Any]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def getReaders(self) -> list[Any]:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.getReaders}.
        """
        return self._those("getReaders")

    def getWriters(self) -> list[Any]:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.getWriters}.
        """
        return self._those("getWriters")

    def _those(self, method: str) -> list[Any]:
        if method not in self._found:
            elsewhere = self._elsewhere
            watched: list[Any] = getattr(self._reactor, method, list)()
            found = [each for each in watched if id(each) not in elsewhere]
            self._found[method] = found
        return self._found[method]

    def getDelayedCalls(self) -> list[Any]:
        """
        See L{twisted.internet.interfaces.IReactorTime.getDelayedCalls}.
        """
        if "calls" not in self._found:
            elsewhere = self._elsewhere
            calls = self._reactor.getDelayedCalls()
            found = [call for call in calls if id(_ownerOf(call)) not in elsewhere]
            self._found["calls"] = found
        return self._found["calls"]


def _ownerOf(call: Any) -> object:
    """
    @return: whose method it is that a timer calls, with nothing else to be given
        to it.
    """
    if call.args or call.kw:
        return call
    function = call.func
    if type(function) is LoopingCall and not (function.a or function.kw):
        # Somebody else may wait for its end.
        end = function._deferred
        function = call if end is not None and end._callbacks else function.f
    return getattr(function, "__self__", call)


@implementer(ISeeker)
class ApartSeeker:
    """
    Has a seeker find what belongs to one graph.
    """

    def __init__(self, seeker: ISeeker, elsewhere: Elsewhere, strict: bool) -> None:
        """
        @param elsewhere: what belongs elsewhere.
        @param strict: whether what refers to that belongs elsewhere, too, whatever
            else it refers to.
        """
        self._seeker = seeker
        self._elsewhere = elsewhere
        self._strict = strict
        # These know no more of a reactor than what it watches, and when it calls.
        self._few = isinstance(seeker, (TimerSeeker, WatchedSeeker))
        self._views: WeakKeyDictionary[Any, View] = WeakKeyDictionary()

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        view = self._views.get(capture)
        if view is None:
            reactor = capture.reactor
            if self._few:
                reactor = Few(reactor, self._elsewhere)
            view = self._views[capture] = View(capture, reactor, self._elsewhere)
        for found in self._seeker.seek(view):
            if not (self._strict and self._isOthers(found, capture)):
                yield found

    def _isOthers(self, found: object, capture: ICapture) -> bool:
        """
        @return: whether something refers to what belongs elsewhere, and not only by
            way of what is in the graph.
        """

        def verdict(thing: object) -> bool | None:
            if id(thing) in self._elsewhere:
                return True
            return None if capture.contains(thing) else False

        return touches(_about(found), verdict)


def _about(found: Any) -> Iterable[object]:
    """
    @return: what something is for that a seeker found.
    """
    if isinstance(found, DelayedCall):
        return (found.func, *found.args, *found.kw.values())
    # What a reactor does when it stops, and what a loop of asyncio is going to call.
    entry = getattr(found, "entry", None)
    if entry is None:
        entry = (getattr(found, "_callback", None), getattr(found, "_args", None))
    return (found, entry)


def apart(
    registry: Registry, elsewhere: Elsewhere, *, strict: bool = False
) -> Registry:
    """
    @param elsewhere: see L{ApartSeeker}.
    @param strict: see L{ApartSeeker}.
    @return: a copy of which the seekers keep to one graph.
    """
    twin = registry.withoutSeekers()
    for seeker in registry.seekers:
        twin.addSeeker(ApartSeeker(seeker, elsewhere, strict))
    return twin
