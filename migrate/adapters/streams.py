"""
Adapters of connected, and connecting, stream transports: TCP and UNIX, server
and client side.

They must not know what protocol is spoken.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from functools import partial
from typing import Any, SupportsIndex

from twisted.internet import tcp, unix

from migrate.adapters.compiled import native
from migrate.adapters.detached import ignore
from migrate.adapters.plain import Extract, Restore
from migrate.adapters.transports import FAMILY_OF, TYPE_OF, SocketAdapter, Watchers
from migrate.errors import NotMovable
from migrate.graph.loading import Loading
from migrate.graph.planner import Capture
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Actions, Descriptor

QUEUE = "@descriptors"
RESOLVING = "@resolving"
DO_READ = "@doRead"
DO_WRITE = "@doWrite"


# Neither descriptors that wait, nor a host that is looked up, nor methods of its own.
_USUAL = (None, False, None, None)


class QueuedDescriptors(list[int]):
    """
    Descriptors that wait to be sent to a peer, and that belong to nobody else
    in this process: the application that queued them kept its own ones at the
    origin.  So they are closed once they are sent.
    """

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        """
        Forget what has been sent, and close it.
        """
        gone = self[index]
        super().__delitem__(index)
        for fileno in [gone] if isinstance(gone, int) else gone:
            with suppress(OSError):
                os.close(fileno)

    def close(self) -> None:
        """
        Close what has not been sent.
        """
        del self[:]

    def __del__(self) -> None:
        self.close()


class StreamAdapter(SocketAdapter):
    """
    Knows L{tcp.Server}, L{tcp.Client}, L{unix.Server} and L{unix.Client}.
    """

    omitted = (*SocketAdapter.omitted, "_sendmsgQueue", "doRead", "doWrite")
    extras = (*SocketAdapter.extras, QUEUE, RESOLVING, DO_READ, DO_WRITE)

    def audit(self, obj: Any, capture: ICapture) -> None:
        """
        See L{SocketAdapter.audit}.
        """
        super().audit(obj, capture)
        if obj.TLS:
            raise NotMovable(
                "TLS sessions cannot migrate yet",
                "end the session, or terminate TLS in a proxy in front",
            )

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        do = _own(obj, "doRead"), _own(obj, "doWrite")
        if obj._aborting:
            # Two lambdas that do nothing; the connection is lost for good in
            # the reactor's next turn.
            do = ignore, ignore
        queue = getattr(obj, "_sendmsgQueue", None)
        descriptors = None if queue is None else list(map(Descriptor, queue))
        resolving = isinstance(obj, tcp.Client) and _isResolving(obj)
        return (*super().extract(obj, capture), descriptors, resolving, *do)

    def ahead(self, obj: Any) -> Any:
        """
        See L{migrate.interfaces.ILiveAdapter}.  Such a connection is shut down before
        its socket is closed, so that the peer learns of that at once, whoever else has
        a copy; one that is aborted is reset no sooner than the last copy is closed.
        """
        return obj.socket if obj.connected and not obj.TLS else None

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        SocketAdapter.restore(self, obj, values, loading)
        if values[7:] == _USUAL:
            return
        descriptors, resolving, doRead, doWrite = values[7:]
        if doRead is not None:
            obj.doRead = doRead
        if doWrite is not None:
            obj.doWrite = doWrite
        if descriptors is not None:
            queue = obj._sendmsgQueue = QueuedDescriptors()
            loading.onDiscard(queue.close)
            # The list may still be on its way.
            loading.afterFill(lambda: queue.extend(map(loading.own, descriptors)))
        if resolving:
            loading.onAdopt(partial(_resolveAgain, obj, loading.reactor))

    def extractor(self, capture: ICapture) -> Extract:
        """
        See L{migrate.interfaces.IDirectAdapter}.
        """
        if native is None or type(self) is not StreamAdapter:
            return self.extract
        if not isinstance(capture, Capture):
            return self.extract
        found: Extract = native.socketExtractor(
            *(self.extract, _USUAL, _isUsual),
            *(capture.reactor, capture.readers, capture.writers),
            *(Descriptor, (), socket.socket, FAMILY_OF, TYPE_OF),
        )
        return found

    def restorer(self, loading: ILoading) -> Restore:
        """
        See L{migrate.interfaces.IDirectAdapter}.
        """
        if native is None or type(self) is not StreamAdapter:
            return self.restore
        if not isinstance(loading, Loading):
            return self.restore
        found: Restore = self.swiftRestorer(loading, _USUAL)
        return found

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        actions = super().actions(obj, capture)
        queue = obj.__dict__.get("_sendmsgQueue")
        if not isinstance(queue, QueuedDescriptors):
            return actions

        def release() -> None:
            actions.release()
            queue.close()

        return Actions(actions.pause, actions.resume, release)


def _isUsual(cls: type) -> bool:
    """
    @return: whether instances of a class neither have descriptors that wait nor look up
        a host.
    """
    return not issubclass(cls, tcp.Client | unix.Server | unix.Client)


def _own(obj: Any, name: str) -> Any:
    """
    @return: what an object has instead of its class's method; L{None} if it has not.
    """
    found = getattr(obj, name)
    try:
        if found.__func__ is getattr(type(obj), name):
            return None
    except AttributeError:
        pass
    return found


def _isResolving(obj: Any) -> bool:
    """
    @return: whether a client waits for the address of its host, which a thread
        looks up on its behalf.
    """
    return bool(
        obj._requiresResolution
        and "realAddress" not in obj.__dict__
        and "connector" in obj.__dict__
    )


def _resolveAgain(client: Any, reactor: Any) -> None:
    """
    Look the address up in this process, unless a timer that came along is
    going to do just that.
    """
    begin = client.resolveAddress
    if all(getattr(call, "func", None) != begin for call in reactor.getDelayedCalls()):
        reactor.callLater(0, begin)


def register(registry: Registry) -> None:
    """
    Add the adapter of stream transports.
    """
    adapter = StreamAdapter("twisted.internet.tcp.Connection")
    for cls in (tcp.Connection, unix.Server, unix.Client):
        registry.register(cls, adapter)
    registry.addPreparer(Watchers())
