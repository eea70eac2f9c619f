"""
What a relay connects to, and what a test reads a client's output from, both no
faster than the test allows.

It must not know what stands between them.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

#: What the kernel holds of a connection to a target, in bytes, so that it is
#: soon full.
RECEIVED = 32768


def blob(length: int, seed: int) -> bytes:
    """
    @return: bytes of which no part is like another, the same for the same
        seed.
    """
    return random.Random(seed).randbytes(length)


@implementer(IHalfCloseableProtocol)
class Target(Protocol):
    """
    One connection to a target: reads as much as it is allowed to.

    @ivar received: every byte that has come.
    @ivar heardAll: whether the peer has said that it sends no more.
    @ivar over: whether the connection has ended.
    """

    def __init__(self, onMade: Callable[[Target], None]) -> None:
        self.received = bytearray()
        self.heardAll = False
        self.over = False
        self._allowed: float = 0
        self._onMade = onMade

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        transport: Any = self.transport
        transport.pauseProducing()
        self._onMade(self)

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.received += data
        if len(self.received) >= self._allowed:
            transport: Any = self.transport
            transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.readConnectionLost}.
        """
        self.heardAll = True

    def writeConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.writeConnectionLost}.
        """

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.over = True

    def allow(self, total: float) -> None:
        """
        Read until at least so many bytes have come in all.
        """
        self._allowed = total
        if len(self.received) < total:
            transport: Any = self.transport
            transport.resumeProducing()


class TargetFactory(Factory):
    """
    A server that counts whoever connects.

    @ivar made: the connections, in the order of their arrival.
    """

    noisy = False

    def __init__(self) -> None:
        self.made: list[Target] = []

    def buildProtocol(self, addr: object) -> Any:
        """
        See L{Factory.buildProtocol}.
        """
        return Target(self.made.append)

    def listen(self, testCase: Any, reactor: Any, port: int = 0) -> int:
        """
        Listen on the loopback interface until the test ends.

        @return: the port.
        """
        listening = reactor.listenTCP(port, self, interface="127.0.0.1")
        # Before anybody connects, so that it holds for all who do.
        listening.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED)
        testCase.addCleanup(self._end, listening)
        return int(listening.getHost().port)

    def _end(self, listening: Any) -> Any:
        for one in self.made:
            transport: Any = one.transport
            transport.abortConnection()
        return listening.stopListening()


class Sink:
    """
    A FIFO that a program writes its output to.

    @ivar received: every byte that was read.
    """

    def __init__(self, testCase: Any, path: Path) -> None:
        """
        @param testCase: the end of the test is the FIFO's.
        @param path: where to make it.
        """
        os.mkfifo(path)
        self.path = path
        self.received = bytearray()
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        testCase.addCleanup(os.close, self._fd)

    def readUntil(self, total: float) -> bool:
        """
        Read what there is, until at least so many bytes have come in all.

        @return: whether they have.
        """
        while len(self.received) < total:
            try:
                data = os.read(self._fd, 65536)
            except BlockingIOError:
                return False
            if not data:
                return False
            self.received += data
        return True


def position(pid: int, descriptor: int = 0) -> int:
    """
    @return: how far a process has read a file, in bytes.
    """
    lines = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines()
    return int(lines[0].split()[1])
