"""
The common part of every transport with a socket: the whole C{__dict__} moves,
the socket goes as a descriptor, and the reactor's interest is recorded.

It must not know what the socket is for.
"""

from __future__ import annotations

import _socket
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from twisted.internet import abstract
from twisted.logger import Logger
from zope.interface import implementer

from migrate.adapters.compiled import native
from migrate.adapters.detached import Hold, abandon, isAbandoned
from migrate.adapters.names import PerLoading
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import LoadError, NotMovable
from migrate.graph.loading import Loading
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, IPreparer
from migrate.model import Actions, Descriptor

EPollReactor: Any = None
with suppress(ImportError):
    from twisted.internet.epollreactor import EPollReactor

_log = Logger()

# No attribute has such a name, so that none can be taken for one of these.
SOCKET = "@socket"
FAMILY = "@family"
TYPE = "@type"
PROTOCOL = "@protocol"
READING = "@reading"
WRITING = "@writing"
UNSENT = "@unsent"

# What a socket was made as, without the classes of constants that Python makes of it.
FAMILY_OF: Any = vars(_socket.socket)["family"]
TYPE_OF: Any = vars(_socket.socket)["type"]
_family: Any = FAMILY_OF.__get__
_fileno: Any = abstract.FileDescriptor.fileno
_LEVEL, _KIND = socket.SOL_SOCKET, socket.SO_TYPE
_NONBLOCK = socket.SOCK_NONBLOCK
_type: Any = TYPE_OF.__get__
_UNBLOCKING = {socket.SOCK_STREAM: socket.SOCK_STREAM | _NONBLOCK}


@implementer(ILiveAdapter)
class SocketAdapter(AttributesAdapter):
    """
    Knows transports that derive from
    L{twisted.internet.abstract.FileDescriptor} and keep a C{socket}.
    """

    postponable = True
    immediate = True
    omitted: tuple[str, ...] = (
        *("socket", "fileno", "dataBuffer", "offset"),
        *("_tempDataBuffer", "_tempDataLen"),
    )
    extras: tuple[str, ...] = (
        *(SOCKET, FAMILY, TYPE, PROTOCOL),
        *(READING, WRITING, UNSENT),
    )

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        self.audit(obj, capture)
        # Not its dictionary: who asks for that makes it slower for good.
        skt = getattr(obj, "socket", None)
        watched = capture.reading(obj), capture.writing(obj), _unsent(obj)
        if skt is None:
            return (None, None, None, None, *watched)
        fileno = skt.fileno()
        if fileno < 0:
            raise NotMovable(
                "a transport whose socket is closed", "drop it, or let it be lost"
            )
        kind = _family(skt), _type(skt), skt.proto
        return (Descriptor(fileno), *kind, *watched)

    def audit(self, obj: Any, capture: ICapture) -> None:
        """
        Refuse what cannot be moved as it is.

        @raise NotMovable: and why.
        """
        if isAbandoned(obj):
            raise NotMovable("a transport that has been moved away already")
        if getattr(obj, "reactor", capture.reactor) is not capture.reactor:
            raise NotMovable(
                "a transport of another reactor than the one that runs",
                "make it with the reactor of the service",
            )

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        descriptor, family, kind, protocol, reading, writing, unsent = values[:7]
        if unsent:
            obj.dataBuffer = unsent
        obj._tempDataBuffer = []
        obj._tempDataLen = 0
        if descriptor is None:
            return
        fileno = loading.own(descriptor)
        try:
            # O_NONBLOCK is set already, for every holder; this tells the object,
            # without asking the kernel once more.
            skt = socket.socket(family, kind | _NONBLOCK, protocol, fileno)
            if skt.getsockopt(_LEVEL, _KIND) != kind:
                skt.detach()
                raise OSError("it is of another kind")
        except (OSError, TypeError, ValueError, OverflowError) as error:
            with suppress(OSError):
                os.close(fileno)
            raise LoadError(f"no socket came for a {type(obj).__name__}") from error
        obj.socket = skt
        if type(obj).fileno is _fileno:
            obj.fileno = skt.fileno
        arrived = _arrived.of(loading)
        arrived.all.append(obj)
        if reading:
            arrived.reading.append(obj)
        if writing:
            arrived.writing.append(obj)

    def swiftRestorer(self, loading: Loading, beside: tuple[object, ...]) -> Any:
        """
        @param beside: what follows the values of a socket, where nothing is special.
        @return: what does the same as C{restore}, compiled.
        """
        arrived = _arrived.of(loading)
        return native.socketRestorer(
            *(self.restore, beside, Descriptor, loading.unowned),
            *(socket.socket, _UNBLOCKING, _fileno),
            *(arrived.all, arrived.reading, arrived.writing, arrived.lookout),
        )

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

    @ivar all: those that have a socket.
    @ivar reading: those to be watched for what comes, from the adoption on.
    @ivar writing: the same for room to write.
    @ivar lookout: watches what has come ahead, for the reactor; L{None} where there is
        none, or where the reactor is one that cannot take it over.
    """

    def __init__(self, loading: ILoading) -> None:
        self._reactor = loading.reactor
        self.lookout = None
        if native is not None and type(loading.reactor) is EPollReactor:
            self.lookout = native.Lookout()
        self.all: list[Any] = []
        self.reading: list[Any] = []
        self.writing: list[Any] = []
        loading.onAdopt(self._watch)
        loading.onDiscard(self._abandon)

    def _watch(self) -> None:
        reactor = self._reactor
        reading = self.reading
        if self.lookout is not None:
            # What its addReader does.
            reading = self.lookout.watch(
                *(reading, reactor._poller.fileno()),
                *(reactor._reads, reactor._writes, reactor._selectables),
            )
        _each(reactor.addReader, reading)
        _each(reactor.addWriter, self.writing)

    def _abandon(self) -> None:
        if self.lookout is not None:
            self.lookout.close()
        _each(abandon, self.all)


_arrived = PerLoading(Arrived)


@implementer(IPreparer)
class Watchers:
    """
    Has sockets that come ahead watched for what comes, for the reactor that is going to
    have them.
    """

    def prepare(self, filenos: Sequence[int], loading: ILoading) -> None:
        """
        See L{IPreparer.prepare}.
        """
        lookout = _arrived.of(loading).lookout
        if lookout is not None:
            lookout.prepare(filenos)


def _unsent(obj: Any) -> bytes | None:
    """
    @return: what waits to be sent; what stands before the offset is with the kernel
        already.
    """
    later = getattr(obj, "_tempDataBuffer", None)
    if later:
        return b"".join([obj.dataBuffer[obj.offset :], *later])
    found: bytes = obj.dataBuffer
    return found[obj.offset :] if found else None


def _each(action: Callable[[Any], object], transports: Iterable[Any]) -> None:
    """
    Do something to all, whatever becomes of one.
    """
    for transport in transports:
        try:
            action(transport)
        except Exception:
            _log.failure("a transport is lost that has just arrived")
