"""
The common part of every transport with a socket: the whole C{__dict__} moves,
the socket goes as a descriptor, and the reactor's interest is recorded.

It must not know what the socket is for.
"""

from __future__ import annotations

import os
import socket
from functools import partial
from typing import Any

from twisted.internet import abstract
from zope.interface import implementer

from migrate.adapters.detached import Hold, abandon, isAbandoned
from migrate.adapters.plain import copyAttributes, giveAttributes
from migrate.errors import LoadError, NotMovable
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor

# No attribute has such a name, so that none can be taken for one of these.
SOCKET = "@socket"
FAMILY = "@family"
TYPE = "@type"
PROTOCOL = "@protocol"
READING = "@reading"
WRITING = "@writing"


@implementer(ILiveAdapter)
class SocketAdapter:
    """
    Knows transports that derive from
    L{twisted.internet.abstract.FileDescriptor} and keep a C{socket}.
    """

    complete = False

    def __init__(self, name: str) -> None:
        self.name = name

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        self.audit(obj, capture)
        state = copyAttributes(obj)
        skt = state.pop("socket", None)
        state.pop("fileno", None)
        _dropWritten(state)
        if skt is not None:
            state[SOCKET] = Descriptor(_descriptorOf(skt))
            state[FAMILY] = int(skt.family)
            state[TYPE] = int(skt.type)
            state[PROTOCOL] = skt.proto
            state[READING] = capture.reading(obj)
            state[WRITING] = capture.writing(obj)
        self.refine(obj, state)
        return Description(type(obj), (), state)

    def audit(self, obj: Any, capture: ICapture) -> None:
        """
        Refuse what cannot be moved as it is.

        @raise NotMovable: and why.
        """
        if isAbandoned(obj):
            raise NotMovable("a transport that has been moved away already")
        if obj.__dict__.get("reactor", capture.reactor) is not capture.reactor:
            raise NotMovable(
                "a transport of another reactor than the one that runs",
                "make it with the reactor of the service",
            )

    def refine(self, obj: Any, state: dict[str, Any]) -> None:
        """
        Change what one family of transports has to have changed in C{state}.
        """

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = {name: state[name] for name in state if name[0] != "@"}
        giveAttributes(obj, attributes)
        if SOCKET in state:
            bind(obj, state, loading)
        self.outfit(obj, state, loading)

    def outfit(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        Do what one family of transports needs beside.
        """

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if "socket" not in obj.__dict__:
            return Actions()
        return Hold(obj, capture.reading(obj), capture.writing(obj)).actions()


def bind(obj: Any, state: dict[str, Any], loading: ILoading) -> None:
    """
    Give a transport the socket that came for it, to be watched once it is
    adopted.

    @raise LoadError: the descriptor is no such socket.
    """
    fileno = loading.own(state[SOCKET])
    try:
        skt = socket.socket(state[FAMILY], state[TYPE], state[PROTOCOL], fileno=fileno)
    except OSError as error:
        os.close(fileno)
        raise LoadError(f"no socket came for a {type(obj).__name__}") from error
    if skt.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != state[TYPE]:
        skt.close()
        raise LoadError(f"another kind of socket came for a {type(obj).__name__}")
    # O_NONBLOCK is set already, for every holder; this tells the object.
    skt.settimeout(0)
    obj.socket = skt
    if type(obj).fileno is abstract.FileDescriptor.fileno:
        obj.fileno = skt.fileno
    loading.onDiscard(partial(abandon, obj))
    reactor = loading.reactor
    if state[READING]:
        loading.onAdopt(partial(reactor.addReader, obj))
    if state[WRITING]:
        loading.onAdopt(partial(reactor.addWriter, obj))


def _descriptorOf(skt: socket.socket) -> int:
    """
    @raise NotMovable: the socket was closed behind the transport's back.
    """
    fileno = skt.fileno()
    if fileno < 0:
        raise NotMovable(
            "a transport whose socket is closed", "drop it, or let it be lost"
        )
    return fileno


def _dropWritten(state: dict[str, Any]) -> None:
    """
    Leave out the bytes that are with the kernel already.
    """
    if state.get("offset"):
        state["dataBuffer"] = state["dataBuffer"][state["offset"] :]
        state["offset"] = 0
