"""
A supervisor for tests: a real notify socket that records who said what, in order.

It must not know what is told.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.waiting import DEADLINE, Expectations


@attrs.frozen
class Word:
    """
    One datagram.

    @ivar pid: who sent it, by the kernel's word.
    @ivar said: its assignments.
    @ivar living: those processes that were asked about, and lived when it was read.
    """

    pid: int
    said: dict[str, str]
    living: frozenset[int] = frozenset()


def isAlive(pid: int) -> bool:
    """
    @return: whether a process lives that has not ended: a zombie does not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


@implementer(IReadDescriptor)
class NotifySocket:
    """
    The socket of a supervisor.  Call L{start} to have it read by a reactor, or L{read}.

    @ivar words: all that came so far.
    @ivar suspects: the processes of which each word notes whether they lived.
    """

    def __init__(self, address: str) -> None:
        """
        @param address: as C{NOTIFY_SOCKET} has it.
        """
        self.address = address
        self.words: list[Word] = []
        self.suspects: list[int] = []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self._reactor: Any = None
        self._waiting: Expectations | None = None

    def start(self, testCase: Any, reactor: Any = None) -> NotifySocket:
        """
        Read, until the end of a test.
        """
        if reactor is None:
            from twisted.internet import reactor
        self._reactor = reactor
        self._waiting = Expectations(reactor, self._told)
        reactor.addReader(self)
        testCase.addCleanup(self.close)
        return self

    def close(self) -> None:
        """
        Read no more.
        """
        if self._reactor is not None:
            self._reactor.removeReader(self)
        self.socket.close()

    def read(self) -> list[Word]:
        """
        Read all there is.

        @return: L{words}.
        """
        while True:
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, 1024)
            except BlockingIOError:
                return self.words
            pid = next(
                struct.unpack("3i", content[:12])[0]
                for _, kind, content in ancillary
                if kind == socket.SCM_CREDENTIALS
            )
            lines = data.decode().splitlines()
            said = dict(line.split("=", 1) for line in lines)
            living = frozenset(each for each in self.suspects if isAlive(each))
            self.words.append(Word(pid, said, living))

    def until(
        self,
        probe: Callable[[Word], object],
        what: str,
        deadline: float = DEADLINE,
    ) -> Deferred[Word]:
        """
        @param probe: takes a word, and tells whether it is the one that is waited for.
        @param what: that word, for a person.
        @return: fires with the first one, even if it came before.
        """
        assert self._waiting is not None
        return self._waiting.expect(
            lambda: next((word for word in self.words if probe(word)), None),
            what,
            deadline,
        )

    def saying(self, name: str, value: object = 1) -> Deferred[Word]:
        """
        @return: fires with the first word that says C{name=value}.
        """
        return self.until(
            lambda word: word.said.get(name) == str(value), f"{name}={value}"
        )

    def _told(self) -> str:
        return "\n".join(f"{word.pid}: {word.said}" for word in self.words)

    def doRead(self) -> None:
        """
        See L{IReadDescriptor}.
        """
        self.read()
        if self._waiting is not None:
            self._waiting.look()

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor}.
        """
        return self.socket.fileno()

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor}.
        """

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext}.
        """
        return "notify socket"


def addressIn(directory: Path) -> str:
    """
    @return: the address of a socket in a directory, which is made; an abstract one if
        the path is too long for a socket.
    """
    directory.mkdir(parents=True, exist_ok=True)
    path = str((directory / "notify").absolute())
    return path if len(os.fsencode(path)) < 100 else f"@{path[-90:]}"
