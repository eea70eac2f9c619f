"""
Descriptors of connections that are sent to the recipient while the service is still
served, so that there are few to be sent while it stands still.

It must not know which connections these are, nor what follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import attrs
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from migrate.descriptors import BATCH, WINDOW
from migrate.errors import LocalProtocolError, MigrationError, PeerLost
from migrate.graph.ahead import Ahead, HasFileno
from migrate.interfaces import ISecondarySender

PATIENCE = 1.0
"""
Seconds that the kernel has at most to take a batch: the service stands still for as
long.
"""


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class Advance:
    """
    Sends a batch whenever one has arrived.

    @ivar owners: of descriptors; asked for the next only when it is to be sent.  What
        is less than a batch in the end is not sent.
    @ivar ahead: is told of what was sent.
    @ivar done: called once all have arrived, or with what is wrong.
    """

    _reactor: Any
    _socket: Any
    _sender: ISecondarySender
    _owners: Iterator[HasFileno]
    _ahead: Ahead
    _done: Callable[[MigrationError | None], object]
    _active: bool = attrs.field(default=False, init=False)

    def start(self) -> None:
        """
        Begin.
        """
        self._active = True
        self._reactor.addReader(self)
        self.doRead()

    def stop(self) -> None:
        """
        Send no more.  Calls nobody.
        """
        if self._active:
            self._active = False
            self._reactor.removeReader(self)

    def doRead(self) -> None:
        """
        See L{IReadDescriptor.doRead}.
        """
        try:
            self._send()
        except MigrationError as error:
            self._end(error)
        except Exception as error:
            self._end(MigrationError(f"nothing can be sent ahead: {error!r}"))
        else:
            if not self._sender.pending:
                self._end(None)

    def _send(self) -> None:
        """
        Send as much as can be under way now, and no more in this turn: the service is
        served between.
        """
        deadline = time.monotonic() + PATIENCE
        self._sender.offer((), deadline)
        for _ in range(WINDOW - self._sender.pending):
            batch = list(islice(self._owners, BATCH))
            if len(batch) < BATCH:
                return
            if self._sender.offer(self._ahead.add(batch), deadline) != BATCH:
                raise LocalProtocolError("there is room for a batch that is not sent")

    def _end(self, error: MigrationError | None) -> None:
        self.stop()
        self._done(error)

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{IReadDescriptor.connectionLost}: the reactor found the connection gone, or
        is ending.
        """
        if self._active:
            self._end(PeerLost("the secondary connection has ended"))

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        number: int = self._socket.fileno()
        return number

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return "descriptors"
