"""
The common part of every transport with a socket: the whole C{__dict__} moves,
the socket goes as a descriptor, and the reactor's interest is recorded.

It must not know what the socket is for.
"""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Callable, Iterable
from typing import Any

from twisted.internet import abstract
from twisted.logger import Logger
from zope.interface import implementer

from migrate.adapters.detached import Hold, abandon, isAbandoned
from migrate.adapters.names import PerLoading
from migrate.adapters.plain import copyAttributes, giveAttributes
from migrate.errors import LoadError, NotMovable
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor

_log = Logger()

# No attribute has such a name, so that none can be taken for one of these.
SOCKET = "@socket"
FAMILY = "@family"
TYPE = "@type"
PROTOCOL = "@protocol"
READING = "@reading"
WRITING = "@writing"

# What a socket was made as, without the classes of constants that Python makes of it.
_family: Any = vars(_socket.socket)["family"].__get__
_type: Any = vars(_socket.socket)["type"].__get__


@implementer(ILiveAdapter)
class SocketAdapter:
    """
    Knows transports that derive from
    L{twisted.internet.abstract.FileDescriptor} and keep a C{socket}.

    @ivar special: the names in a state that are no attributes.
    """

    complete = False
    postponable = True
    special: tuple[str, ...] = (SOCKET, FAMILY, TYPE, PROTOCOL, READING, WRITING)

    def __init__(self, name: str) -> None:
        self.name = name
        self._arrived = PerLoading(Arrived)

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.  What nearly all of them have
        alike is left out, and given to them by L{fill}.
        """
        self.audit(obj, capture)
        state = copyAttributes(obj)
        skt = state.pop("socket", None)
        state.pop("fileno", None)
        if state.get("offset"):
            # The bytes before it are with the kernel already.
            state["dataBuffer"] = state["dataBuffer"][state["offset"] :]
            state["offset"] = 0
        if state.get("_tempDataBuffer") == []:
            del state["_tempDataBuffer"]
        if skt is not None:
            state[SOCKET] = Descriptor(_descriptorOf(skt))
            state[FAMILY] = _family(skt)
            state[TYPE] = _type(skt)
            state[PROTOCOL] = skt.proto
            if capture.reading(obj):
                state[READING] = True
            if capture.writing(obj):
                state[WRITING] = True
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
        special = {name: state.pop(name) for name in self.special if name in state}
        state.setdefault("_tempDataBuffer", [])
        if SOCKET in special:
            skt = state["socket"] = _socketOf(obj, special, loading)
            if type(obj).fileno is abstract.FileDescriptor.fileno:
                state["fileno"] = skt.fileno
            giveAttributes(obj, state)
            arrived = self._arrived.of(loading)
            arrived.add(obj, READING in special, WRITING in special)
        else:
            giveAttributes(obj, state)
        self.outfit(obj, special, loading)

    def outfit(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        Do what one family of transports needs beside.

        @param state: what of a state is no attribute.
        """

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if "socket" not in obj.__dict__:
            return Actions()
        return Hold(obj, capture.reading(obj), capture.writing(obj)).actions()


class Arrived:
    """
    The transports of one loading: together they come into the reactor's hands, or
    are abandoned.
    """

    def __init__(self, loading: ILoading) -> None:
        self._reactor = loading.reactor
        self._all: list[Any] = []
        self._reading: list[Any] = []
        self._writing: list[Any] = []
        loading.onAdopt(self._watch)
        loading.onDiscard(self._abandon)

    def add(self, transport: Any, reading: bool, writing: bool) -> None:
        """
        @param transport: has a socket; its number is to be watched from the
            adoption on.
        """
        self._all.append(transport)
        if reading:
            self._reading.append(transport)
        if writing:
            self._writing.append(transport)

    def _watch(self) -> None:
        reactor = self._reactor
        _each(reactor.addReader, self._reading)
        _each(reactor.addWriter, self._writing)

    def _abandon(self) -> None:
        _each(abandon, self._all)


def _each(action: Callable[[Any], object], transports: Iterable[Any]) -> None:
    """
    Do something to all, whatever becomes of one.
    """
    for transport in transports:
        try:
            action(transport)
        except Exception:
            _log.failure("a transport is lost that has just arrived")


def _socketOf(obj: Any, state: dict[str, Any], loading: ILoading) -> socket.socket:
    """
    @return: the socket that came for a transport.
    @raise LoadError: the descriptor is no such socket.
    """
    fileno = loading.own(state[SOCKET])
    kind = state[TYPE]
    try:
        skt = socket.socket(state[FAMILY], kind, state[PROTOCOL], fileno)
    except OSError as error:
        os.close(fileno)
        raise LoadError(f"no socket came for a {type(obj).__name__}") from error
    if skt.getsockopt(socket.SOL_SOCKET, socket.SO_TYPE) != kind:
        skt.close()
        raise LoadError(f"another kind of socket came for a {type(obj).__name__}")
    # O_NONBLOCK is set already, for every holder; this tells the object.
    skt.settimeout(0)
    return skt


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
