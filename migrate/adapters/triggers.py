"""
What a service wants to be done when the reactor starts or stops: it has to be
done by the process that the service lives in then.

It must not know what that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.plain import AttributesAdapter
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description

PHASES = ("before", "during", "after")


@attrs.define(eq=False, slots=False)
class SystemEventTrigger:
    """
    One trigger of a reactor's system event.

    @ivar event: C{"startup"}, C{"shutdown"} or one of the application.
    @ivar phase: one of L{PHASES}.
    @ivar entry: the function, its arguments and its keyword arguments.
    """

    event: str
    phase: str
    entry: tuple[Any, tuple[Any, ...], dict[str, Any]]

    def add(self, reactor: Any) -> None:
        """
        Have C{reactor} pull it.
        """
        function, arguments, keywords = self.entry
        reactor.addSystemEventTrigger(
            self.phase, self.event, function, *arguments, **keywords
        )

    def remove(self, reactor: Any) -> None:
        """
        Have C{reactor} forget it; it may have done so already.
        """
        with suppress(ValueError, KeyError):
            reactor.removeSystemEventTrigger((self.event, (self.phase, *self.entry)))


@implementer(ILiveAdapter)
class TriggerAdapter(AttributesAdapter):
    """
    Knows L{SystemEventTrigger}.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        return Description(SystemEventTrigger, (), dict(vars(obj)))

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        loading.onAdopt(partial(obj.add, loading.reactor))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(obj.remove, capture.reactor))


@implementer(ISeeker)
class TriggerSeeker:
    """
    Finds the triggers that concern a graph.
    """

    def __init__(self) -> None:
        # A walk that asks again has to get the same objects.
        self._met: WeakKeyDictionary[Any, dict[int, SystemEventTrigger]] = (
            WeakKeyDictionary()
        )

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        met = self._met.setdefault(capture, {})
        for event, phase, entry in _triggers(capture.reactor):
            if id(entry) in met:
                continue
            function, arguments, keywords = entry
            about = (function, *arguments, *keywords.values())
            if touches(about, capture.contains):
                met[id(entry)] = SystemEventTrigger(event, phase, entry)
        yield from met.values()


def _triggers(reactor: Any) -> Iterator[tuple[str, str, Any]]:
    """
    @return: event, phase and entry of each trigger of a reactor that has any.
    """
    for name, event in list(getattr(reactor, "_eventTriggers", {}).items()):
        for phase in PHASES:
            for entry in getattr(event, phase):
                yield name, phase, entry


def register(registry: Registry) -> None:
    """
    Add the adapter and the seeker of triggers.
    """
    registry.register(SystemEventTrigger, TriggerAdapter("SystemEventTrigger"))
    registry.addSeeker(TriggerSeeker())
