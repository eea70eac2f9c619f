"""
What a process writes to standard error until all is well with it.

It must not know which process it is.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

KEPT = 1 << 16
"""
Bytes that are kept of what was written last.
"""

PATIENCE = 2.0
"""
Seconds that the rest may take to come once the process has ended: what it started in
turn may have it open, too.
"""


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class Complaint:
    """
    Reads a pipe to its end.

    @ivar reactor: watches it.
    @ivar heard: called with each line.
    """

    reactor: Any
    _fileno: int
    heard: Callable[[str], None]
    _kept: bytes = attrs.field(default=b"", init=False)
    _line: bytes = attrs.field(default=b"", init=False)
    _done: Deferred[None] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """
        Begin to read.
        """
        os.set_blocking(self._fileno, False)
        self.reactor.addReader(self)

    def text(self) -> str:
        """
        @return: all that was kept.
        """
        return self._kept.decode("utf-8", "replace").strip()

    def rest(self) -> Deferred[None]:
        """
        @return: fires once nothing more can come, or has not come for a while.
        """
        if self._fileno < 0:
            return succeed(None)
        self._done = Deferred()
        timer = self.reactor.callLater(PATIENCE, self.stop)

        def over(_: None) -> None:
            if timer.active():
                timer.cancel()

        return self._done.addCallback(over)

    def stop(self) -> None:
        """
        Read no more.
        """
        fileno, self._fileno = self._fileno, -1
        if fileno < 0:
            return
        self.reactor.removeReader(self)
        os.close(fileno)
        if self._line:
            self._say(self._line)
        done, self._done = self._done, None
        if done is not None:
            done.callback(None)

    def _say(self, line: bytes) -> None:
        self.heard(line.decode("utf-8", "replace").rstrip())

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return self._fileno

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return "standard error"

    def doRead(self) -> None:
        """
        See L{IReadDescriptor.doRead}.
        """
        try:
            data = os.read(self._fileno, KEPT)
        except BlockingIOError:
            return
        if not data:
            self.stop()
            return
        self._kept = (self._kept + data)[-KEPT:]
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._say(line)

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.connectionLost}.
        """
        self.stop()
