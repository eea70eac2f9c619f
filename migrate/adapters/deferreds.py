"""
Deferreds, and the watchdogs that complain of errors nobody took notice of.

They must not know what is waited for.
"""

from __future__ import annotations

from functools import partial
from operator import attrgetter
from typing import Any

from twisted.internet.defer import DebugInfo, Deferred
from zope.interface import implementer

from migrate.adapters.base import onceNot
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Named


class DeferredAdapter(AttributesAdapter):
    """
    Knows L{Deferred} and its subclasses.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if obj._runningCallbacks:
            raise NotMovable(
                "a Deferred that is running its callbacks at this moment",
                "claim the service from outside of its own callbacks",
                onceNot(obj, attrgetter("_runningCallbacks")),
            )
        return super().describe(obj, capture)


@implementer(ILiveAdapter)
class WatchdogAdapter(AttributesAdapter):
    """
    Knows L{DebugInfo}, which reports an unhandled error when it is collected.
    Only the one of the process that owns the graph may do that.
    """

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        loading.onDiscard(partial(_silence, obj))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_silence, obj))


def _silence(watchdog: Any) -> None:
    """
    Let it be collected without a word.
    """
    watchdog.failResult = None


def register(registry: Registry) -> None:
    """
    Add the adapters of Deferreds.
    """
    registry.register(Deferred, DeferredAdapter("twisted.internet.defer.Deferred"))
    registry.register(DebugInfo, WatchdogAdapter("twisted.internet.defer.DebugInfo"))
