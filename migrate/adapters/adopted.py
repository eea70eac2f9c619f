"""
Endpoints that are going to listen on a descriptor which they were given, by
systemd for one, and have not done so yet.  Later on it is a port like any other.

It must not know where the descriptor came from.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.internet.endpoints import AdoptedStreamServerEndpoint
from zope.interface import implementer

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor

GIVEN = "@descriptor"


@implementer(ILiveAdapter)
class AdoptedAdapter(AttributesAdapter):
    """
    Knows L{AdoptedStreamServerEndpoint}.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        if not obj._used:
            state[GIVEN] = Descriptor(state.pop("fileno"))
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = dict(state)
        given = attributes.pop(GIVEN, None)
        super().fill(obj, attributes, loading)
        if given is not None:
            obj.fileno = loading.own(given)
            loading.onDiscard(partial(_forget, obj))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions() if obj._used else Actions(release=partial(_forget, obj))


def _forget(endpoint: Any) -> None:
    """
    Close this process's copy, and let nothing be done with it any more.
    """
    endpoint._used = True
    with suppress(OSError):
        os.close(endpoint.fileno)


def register(registry: Registry) -> None:
    """
    Add the adapter of endpoints that have a descriptor.
    """
    registry.register(
        AdoptedStreamServerEndpoint,
        AdoptedAdapter("twisted.internet.endpoints.AdoptedStreamServerEndpoint"),
    )
