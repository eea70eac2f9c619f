"""
AMP conversations: all that they are is plain, but for the descriptors that have
come from a peer before the box which they belong to.

It must not know any command.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any

from twisted.protocols import amp
from zope.interface import implementer

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor

ORDINALS, RECEIVED = "@ordinals", "@received"


@implementer(ILiveAdapter)
class ExchangerAdapter(AttributesAdapter):
    """
    Knows what every AMP conversation derives from.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        received = _receivedBy(obj)
        if received:
            del state["_descriptors"], state["_getDescriptor"]
            state[ORDINALS] = list(received)
            state[RECEIVED] = [Descriptor(fileno) for fileno in received.values()]
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = {name: state[name] for name in state if name[0] != "@"}
        super().fill(obj, attributes, loading)
        if RECEIVED in state:
            # What the constructor does.
            obj._descriptors = {}
            obj._getDescriptor = obj._descriptors.pop
            loading.onDiscard(partial(_close, obj))
            for ordinal, descriptor in zip(
                state[ORDINALS], state[RECEIVED], strict=True
            ):
                obj._descriptors[ordinal] = loading.own(descriptor)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_close, obj)) if _receivedBy(obj) else Actions()


def _receivedBy(obj: Any) -> dict[int, int]:
    """
    @return: the descriptors that no box has claimed yet, by their ordinals.
    """
    # A subclass need not have called the constructor.
    found: dict[int, int] = obj.__dict__.get("_descriptors", {})
    return found


def _close(obj: Any) -> None:
    """
    Nobody here will ask for what was received.
    """
    received = _receivedBy(obj)
    while received:
        with suppress(OSError):
            os.close(received.popitem()[1])


def register(registry: Registry) -> None:
    """
    Add the adapter of AMP conversations.
    """
    registry.register(
        amp._DescriptorExchanger, ExchangerAdapter("twisted.protocols.amp.AMP")
    )
