"""
What processes say of themselves to whoever started them, in the protocol of
C{sd_notify(3)}: datagrams of NAME=VALUE lines, each with the kernel's word on who sent
it.

It must not know which processes there are, nor what follows from what they say.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from migrate.control import reachable
from migrate.errors import ControlError

LARGEST = 1 << 16
"""
Bytes of one notice.
"""

AT_ONCE = 64
"""
Notices that are read in one turn of the reactor.
"""

_CREDENTIALS = struct.Struct("iII")
_ROOM = socket.CMSG_SPACE(_CREDENTIALS.size) + socket.CMSG_SPACE(253 * 4)


@attrs.frozen
class Notice:
    """
    What one process said.

    @ivar pid: the process, as the kernel says; 0 if it is not to be seen from here.
    @ivar fields: what it said, by name.
    """

    pid: int
    fields: Mapping[str, str]

    @classmethod
    def read(cls, pid: int, data: bytes) -> Notice:
        """
        @param data: as it was sent; lines that say nothing are passed over.
        """
        lines = data.decode("utf-8", "replace").splitlines()
        pairs = (line.partition("=") for line in lines)
        return cls(pid, {name: value for name, equals, value in pairs if equals})


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class Notices:
    """
    A socket that notices come to.

    @ivar reactor: watches it.
    @ivar path: where it is, absolute; or C{@} and an abstract name, at which only the
        kernel's word on who sent something keeps strangers out.
    @ivar heard: called with each notice.
    """

    _log = Logger()

    reactor: Any
    path: str
    heard: Callable[[Notice], None]
    _socket: socket.socket | None = attrs.field(default=None, init=False)

    def listen(self, fileno: int | None = None) -> None:
        """
        @param fileno: a descriptor of the socket, if this process has one already.
        @raise ControlError: it cannot be listened on.
        """
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        if fileno is None:
            self._socket = socket.socket(socket.AF_UNIX, kind)
            self._bind(self._socket)
        else:
            os.set_inheritable(fileno, False)
            self._socket = socket.socket(fileno=fileno)
            self._socket.setblocking(False)
        self.reactor.addReader(self)

    def _bind(self, bound: socket.socket) -> None:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        old = os.umask(0o177)
        try:
            if self.path.startswith("@"):
                bound.bind("\0" + self.path[1:])
                return
            # Whoever bound it before is no more: there is one manager at an endpoint.
            with suppress(FileNotFoundError):
                os.unlink(self.path)
            bound.bind(reachable(self.path))
        except OSError as error:
            bound.close()
            self._socket = None
            raise ControlError(f"cannot listen on {self.path}: {error}") from error
        finally:
            os.umask(old)

    def close(self) -> None:
        """
        Listen no more.
        """
        bound, self._socket = self._socket, None
        if bound is not None:
            self.reactor.removeReader(self)
            bound.close()
            with suppress(OSError):
                os.unlink(self.path)

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return -1 if self._socket is None else self._socket.fileno()

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return "notices"

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.connectionLost}.
        """
        self.close()

    def doRead(self) -> None:
        """
        See L{IReadDescriptor.doRead}.
        """
        for _ in range(AT_ONCE):
            if self._socket is None:
                return
            try:
                data, ancillary, _, _ = self._socket.recvmsg(
                    LARGEST, _ROOM, socket.MSG_CMSG_CLOEXEC
                )
            except BlockingIOError:
                return
            self._take(data, ancillary)

    def _take(self, data: bytes, ancillary: list[tuple[int, int, bytes]]) -> None:
        pid = 0
        for level, kind, value in ancillary:
            if level != socket.SOL_SOCKET:
                continue
            if kind == socket.SCM_CREDENTIALS:
                pid = _CREDENTIALS.unpack_from(value)[0]
            elif kind == socket.SCM_RIGHTS:
                # Nothing is stored for anybody; who waits for a barrier waits for
                # this.
                for (fileno,) in struct.iter_unpack("i", value[: len(value) // 4 * 4]):
                    os.close(fileno)
        try:
            self.heard(Notice.read(pid, data))
        except Exception:
            self._log.failure("a notice of process {pid} did harm", pid=pid)
