"""
What a transport has instead of its reactor while it is paused, and for good
once it has been released.

It must not know what kind of transport that is.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import attrs

from migrate.model import Actions


def ignore(*args: object, **kwargs: object) -> None:
    """
    Do nothing: what a transport that lives in another process answers to
    whoever still calls it here.
    """


@attrs.define(eq=False)
class Detached:
    """
    A reactor that keeps its hands off one selectable.  Interest in that one is
    only noted; everything else goes to the real reactor.

    @ivar reactor: the real reactor.
    @ivar selectable: the one that must not be watched.
    @ivar reading: whether it wants to be watched for reading.
    @ivar writing: whether it wants to be watched for writing.
    """

    reactor: Any
    selectable: Any
    reading: bool
    writing: bool

    def addReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.addReader}.
        """
        if reader is self.selectable:
            self.reading = True
        else:
            self.reactor.addReader(reader)

    def addWriter(self, writer: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.addWriter}.
        """
        if writer is self.selectable:
            self.writing = True
        else:
            self.reactor.addWriter(writer)

    def removeReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.removeReader}.
        """
        if reader is self.selectable:
            self.reading = False
        else:
            self.reactor.removeReader(reader)

    def removeWriter(self, writer: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet.removeWriter}.
        """
        if writer is self.selectable:
            self.writing = False
        else:
            self.reactor.removeWriter(writer)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.reactor, name)


@attrs.define(eq=False)
class Hold:
    """
    One transport of the origin in the janitor's hands.

    Interest is removed from the reactor only where there is some: the poll
    reactor searches all that it watches for one that it does not watch.

    @ivar transport: the transport.
    @ivar reading: whether the reactor watches it for reading.
    @ivar writing: whether the reactor watches it for writing.
    """

    transport: Any
    reading: bool
    writing: bool
    _before: dict[str, Any] | None = None

    def actions(self) -> Actions:
        """
        @return: what the janitor does to the transport.
        """
        return Actions(self.pause, self.resume, self.release)

    def pause(self) -> None:
        """
        Unregister, and let nothing register again.  A shutdown of this
        process must from now on not shut the connection down.
        """
        transport = self.transport
        reactor = transport.reactor
        if self.reading:
            reactor.removeReader(transport)
        if self.writing:
            reactor.removeWriter(transport)
        attributes = transport.__dict__
        self._before = {
            name: attributes[name] for name in _REPLACED if name in attributes
        }
        transport.reactor = Detached(reactor, transport, self.reading, self.writing)
        transport._shouldShutdown = False

    def resume(self) -> None:
        """
        Register again, for exactly what it was registered for.
        """
        if self._before is None:
            # The pause did not come so far; adding what is there is harmless.
            reading, writing = self.reading, self.writing
        else:
            detached = self.transport.reactor
            reading, writing = detached.reading, detached.writing
            self._restore(self._before)
        reactor = self.transport.reactor
        if reading:
            reactor.addReader(self.transport)
        if writing:
            reactor.addWriter(self.transport)

    def _restore(self, before: dict[str, Any]) -> None:
        """
        Put the attributes back that the pause replaced.
        """
        attributes = self.transport.__dict__
        for name in _REPLACED:
            if name not in before:
                attributes.pop(name, None)
        attributes.update(before)

    def release(self) -> None:
        """
        Close this process's copy without a word to anybody.
        """
        abandon(self.transport)


_REPLACED = ("reactor", "_shouldShutdown")


def abandon(transport: Any) -> None:
    """
    Close this process's copy of a transport's socket, and leave the transport
    so that nothing that is called on it does anything: not the peer, not the
    protocol, not the file system must hear of it.

    Must not fail, and must be called only on what the reactor does not watch.
    """
    reactor = transport.reactor
    if not isinstance(reactor, Detached):
        transport.reactor = Detached(reactor, transport, False, False)
    skt = transport.__dict__.pop("socket", None)
    transport.__dict__.pop("fileno", None)
    if skt is not None:
        # shutdown(2) would end the connection for its new owner, too.
        with suppress(OSError):
            skt.close()
    transport.__dict__.update(
        connected=0,
        disconnected=1,
        producer=None,
        dataBuffer=b"",
        offset=0,
        _tempDataBuffer=[],
        _tempDataLen=0,
        _shouldShutdown=False,
        connectionLost=ignore,
        write=ignore,
        writeSequence=ignore,
        sendFileDescriptor=ignore,
        loseWriteConnection=ignore,
        doConnect=ignore,
        startListening=ignore,
    )


def isAbandoned(transport: Any) -> bool:
    """
    @return: whether C{transport} has been given up by this process.
    """
    return getattr(transport, "connectionLost", None) is ignore
