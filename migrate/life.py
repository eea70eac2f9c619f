"""
Watching whether the other process lives.

It must not know what follows from it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class LifeWatch:
    """
    Looks at the peer's life: a pipe that the kernel ends with the peer.

    @ivar onEnd: called once with what the peer said on it: nothing if it is
        dead.
    """

    reactor: Any
    _fileno: int
    onEnd: Callable[[bytes], None]

    def start(self) -> None:
        """
        Begin to watch.
        """
        self.reactor.addReader(self)

    def stop(self) -> None:
        """
        Watch no more.
        """
        self.reactor.removeReader(self)

    def fileno(self) -> int:
        """
        See L{IReadDescriptor}.
        """
        return self._fileno

    def logPrefix(self) -> str:
        """
        See L{IReadDescriptor}.
        """
        return "life"

    def doRead(self) -> None:
        """
        See L{IReadDescriptor}.
        """
        try:
            said = os.read(self._fileno, 1)
        except BlockingIOError:
            return
        self.stop()
        self.onEnd(said)

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{IReadDescriptor}: the reactor gives up on it.
        """
        self.stop()
