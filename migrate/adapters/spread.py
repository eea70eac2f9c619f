"""
Perspective Broker: a broker knows the objects that its peer refers to by where
they are in memory, which is somewhere else in each process; and a reference to
what the peer has tells it when nobody needs it any more, which must be said by
nobody but the process that owns the graph.

It must not know any object that is referred to.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from twisted.spread.flavors import RemoteCache
from twisted.spread.pb import Broker, RemoteReference
from zope.interface import implementer

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description

#: What a broker keeps by place in memory, and where the objects themselves are.
_TABLES = {"luids": "localObjects", "remotelyCachedLUIDs": "remotelyCachedObjects"}
_CLEANUP = "_localCleanup"
CLEANED, CLEANERS = "@cleaned", "@cleaners"
SHARED = "@shared"


class BrokerAdapter(AttributesAdapter):
    """
    Knows L{Broker}.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        luids = state.get("luids") or {}
        cleanup = state.pop(_CLEANUP, {})
        known = [place for place in cleanup if place in luids]
        state[CLEANED] = [luids[place] for place in known]
        state[CLEANERS] = [cleanup[place] for place in known]
        for table in _TABLES:
            if state.get(table) is not None:
                state[table] = list(state[table].values())
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = {name: state[name] for name in state if name[0] != "@"}
        super().fill(obj, attributes, loading)
        obj._localCleanup = {}
        loading.afterFill(partial(_locate, obj, state[CLEANED], state[CLEANERS]))


def _locate(broker: Any, cleaned: list[Any], cleaners: list[Any]) -> None:
    """
    Know every object by its place in this process.
    """
    for luid, cleaner in zip(cleaned, cleaners, strict=True):
        broker._localCleanup[_placeOf(broker.localObjects[luid])] = cleaner
    for table, objects in _TABLES.items():
        luids = getattr(broker, table)
        if luids is not None:
            known = getattr(broker, objects)
            setattr(broker, table, {_placeOf(known[luid]): luid for luid in luids})


def _placeOf(local: Any) -> Any:
    """
    @return: what a broker knows an object by.
    """
    return local.object.processUniqueID()


@implementer(ILiveAdapter)
class ReferenceAdapter(AttributesAdapter):
    """
    Knows L{RemoteReference}.
    """

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        made = cls.__new__(cls)
        _silence(made)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        counts = state.pop("doRefCount")
        super().fill(obj, state, loading)
        loading.onAdopt(partial(setattr, obj, "doRefCount", counts))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_silence, obj))


def _silence(reference: Any) -> None:
    """
    Let it be collected without a word to the peer.
    """
    reference.doRefCount = 0


@implementer(ILiveAdapter)
class CacheAdapter(AttributesAdapter):
    """
    Knows L{RemoteCache}: all that refer to one object of the peer share one
    dictionary of attributes.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        return Description(type(obj), (), {SHARED: obj.__dict__})

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        made = cls.__new__(cls)
        _forgetBroker(made)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        loading.onDiscard(partial(_forgetBroker, obj))
        obj.__dict__ = state[SHARED]

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_forgetBroker, obj))


def _forgetBroker(cache: Any) -> None:
    """
    Let it be collected without a word to the peer.
    """
    cache.__dict__ = {"broker": None}


def register(registry: Registry) -> None:
    """
    Add the adapters of brokers and of what a peer refers to.
    """
    registry.register(Broker, BrokerAdapter("twisted.spread.pb.Broker"))
    registry.register(
        RemoteReference, ReferenceAdapter("twisted.spread.pb.RemoteReference")
    )
    registry.register(RemoteCache, CacheAdapter("twisted.spread.flavors.RemoteCache"))
