"""
The secondary transport: what bytes cannot carry, from one process to another.

It must not know what the descriptors are for, nor the primary stream.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable, Sequence

import attrs
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from migrate.errors import MigrationError, PeerLost, PeerTimeout
from migrate.filenos import (
    OpenFiles,
    closeAll,
    ensureRoom,
    isAlive,
    makeLiveness,
    openFileLimit,
)
from migrate.inbox import DescriptorInbox
from migrate.rights import BATCH, MAX_DESCRIPTORS, WINDOW, DescriptorSender, waitFor

__all__ = [
    "BATCH",
    "MAX_DESCRIPTORS",
    "WINDOW",
    "DescriptorInbox",
    "DescriptorReceiver",
    "DescriptorSender",
    "ISecondary",
    "OpenFiles",
    "RightsSecondary",
    "closeAll",
    "ensureRoom",
    "isAlive",
    "makeLiveness",
    "openFileLimit",
]


class ISecondary(Interface):
    """
    A path for what bytes cannot carry.  Descriptors are all of it on POSIX;
    memory that is shared, handles of another platform, the state of a device
    would each be one more pair of methods here, and never part of a graph's
    bytes, which only mention such a thing by its number in the order of
    sending.
    """

    def send(filenos: Sequence[int], deadline: float) -> None:
        """
        Send descriptors.  They stay the caller's, to be closed or kept.

        @param deadline: in seconds of C{time.monotonic}.
        @raise PeerLost: the peer closed, or died.
        @raise PeerTimeout: it did not take all of them by the deadline.
        @raise DescriptorsLost: they did not all get through.
        @raise LocalProtocolError: one of them is not open.
        """

    def receive(count: int, deadline: float) -> list[int]:
        """
        Wait for descriptors.

        @param deadline: in seconds of C{time.monotonic}.
        @return: C{count} descriptors in the order in which they were sent;
            non-inheritable, and the caller's to close.
        @raise PeerLost: the peer closed, or died.
        @raise PeerTimeout: they did not come by the deadline.
        @raise DescriptorsLost: others came, or fewer.
        """

    def close() -> None:
        """
        End it.  Descriptors that came and that nobody has taken are closed.
        """


def _ignore(*_: object) -> None:
    """
    Nobody wants to know.
    """


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class DescriptorReceiver:
    """
    Receives descriptors as the reactor finds them.

    It owns the socket, and what came until L{take}.  At most one of C{onError}
    and C{onClosed} is called, once; the socket is closed by then.

    @ivar socket: a connected UNIX stream socket.
    @ivar onBatch: called with the descriptors of each batch.  They stay here
        until taken.
    @ivar onError: called with a L{MigrationError} if the peer breaks the
        protocol or descriptors are lost.  All that were not taken are closed.
    @ivar onClosed: called when the peer has closed, or died.  What has come
        can still be taken.
    @ivar limit: descriptors that one series may announce.
    """

    reactor: IReactorFDSet
    socket: socket.socket
    onBatch: Callable[[list[int]], object] = _ignore
    onError: Callable[[MigrationError], object] = _ignore
    onClosed: Callable[[], object] = _ignore
    limit: int = MAX_DESCRIPTORS
    inbox: DescriptorInbox = attrs.field(init=False)
    _open: bool = attrs.field(default=True, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Make the inbox.
        """
        self.inbox = DescriptorInbox(self.socket, self.limit)

    def start(self) -> None:
        """
        Have the reactor watch.
        """
        self.reactor.addReader(self)

    def take(self) -> list[int]:
        """
        @return: all that have come, in their order; the caller's to close.
        """
        return self.inbox.take()

    def close(self) -> None:
        """
        Stop, and close the socket and whatever was not taken.  Calls nobody.
        """
        self._stop()
        self.inbox.discard()

    def doRead(self) -> None:
        """
        See L{IReadDescriptor.doRead}.
        """
        try:
            batches = self.inbox.read()
        except PeerLost:
            self._end()
        except MigrationError as error:
            self._stop()
            self.onError(error)
        else:
            for batch in batches:
                if self._open:
                    self.onBatch(batch)

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{IReadDescriptor.connectionLost}: the reactor found the
        connection gone, or is ending.
        """
        self._end()

    def fileno(self) -> int:
        """
        See L{IReadDescriptor.fileno}.

        @return: -1 once it is closed.
        """
        return self.socket.fileno()

    def logPrefix(self) -> str:
        """
        See L{IReadDescriptor.logPrefix}.
        """
        return "descriptors"

    def _end(self) -> None:
        """
        Nothing more will come.
        """
        if self._open:
            self._stop()
            self.onClosed()

    def _stop(self) -> None:
        """
        Unregister, while the number is still good for that, and close.
        """
        if self._open:
            self._open = False
            self.reactor.removeReader(self)
            self.socket.close()


@implementer(ISecondary)
@attrs.define(eq=False)
class RightsSecondary:
    """
    Descriptors over a connected UNIX stream socket, by calls that wait.

    @ivar socket: the socket; closed with this.
    """

    socket: socket.socket
    _now: Callable[[], float] = time.monotonic
    _sender: DescriptorSender = attrs.field(init=False)
    _inbox: DescriptorInbox = attrs.field(init=False)
    _surplus: list[int] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Make both ways.
        """
        self._sender = DescriptorSender(self.socket, self._now)
        self._inbox = DescriptorInbox(self.socket)

    def send(self, filenos: Sequence[int], deadline: float) -> None:
        """
        See L{ISecondary.send}.
        """
        self._sender.send(filenos, deadline)

    def receive(self, count: int, deadline: float) -> list[int]:
        """
        See L{ISecondary.receive}.
        """
        while len(self._surplus) + len(self._inbox) < count:
            left = deadline - self._now()
            if waitFor(self.socket, select.POLLIN, min(left, 3600)):
                self._inbox.read()
            elif left <= 0:
                raise PeerTimeout(f"{count} descriptors did not come in time")
        come = self._surplus + self._inbox.take()
        self._surplus = come[count:]
        return come[:count]

    def close(self) -> None:
        """
        See L{ISecondary.close}.
        """
        self._inbox.discard()
        closeAll(self._surplus)
        self._surplus = []
        self.socket.close()
