"""
Watching whether the other process lives.

It must not know what follows from it.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

RESUMED = b"R"
"""
What the origin says on its life when it resumed without the stream.
"""

COMMITTED = b"C"
"""
What the origin says on its life when the stream was lost after it sent COMMIT.
"""

ADOPTED = b"A"
"""
What the recipient says on its life when it owns a service.
"""


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
        poller = select.poll()
        poller.register(self._fileno, select.POLLIN)
        if poller.poll(0):
            self.stop()
            self.onEnd(os.read(self._fileno, 1))

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{IReadDescriptor}.  Reactors say so of a pipe that ended without
        a word, and of every reader when they shut down: the kernel knows.
        """
        self.stop()
        self.doRead()
