"""
Sockets that no transport owns.

A socket goes as its descriptor; the kernel keeps its options with that.
Whether it blocks is part of the descriptor too, and shared with the origin: it
is left as it is.

It must not know the reactor.
"""

from __future__ import annotations

import functools
import socket
from typing import Any

from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor


@implementer(ILiveAdapter)
class BareSocket(Whole):
    """
    Sockets, open and closed ones.
    """

    name = "socket"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        fileno = socket.socket.fileno(obj)
        kind = (int(obj.family), int(obj.type), obj.proto)
        if fileno < 0:
            return Description(type(obj), (None, *kind, None), readAttributes(obj))
        timeout = socket.socket.gettimeout(obj)
        descriptor = Descriptor(fileno)
        return Description(type(obj), (descriptor, *kind, timeout), readAttributes(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        descriptor, family, type_, proto, timeout = arguments
        made = socket.socket.__new__(cls)
        if descriptor is None:
            socket.socket.__init__(made, family, type_, proto)
            socket.socket.close(made)
            return made
        fileno = loading.own(descriptor)
        socket.socket.__init__(made, family, type_, proto, fileno)
        loading.onDiscard(functools.partial(_closeSilently, made))
        if timeout is not None:
            # The descriptor does not block already.
            socket.socket.settimeout(made, timeout)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        writeAttributes(obj, state)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=functools.partial(_closeSilently, obj))


def _closeSilently(obj: Any) -> None:
    """
    Close this process's descriptor, even if a file made of the socket is
    open.  Nothing is shut down.
    """
    fileno = socket.socket.detach(obj)
    if fileno >= 0:
        socket.close(fileno)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(socket.socket, BareSocket())
