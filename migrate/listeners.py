"""
Sockets that listen already: what each is, and whether it is what somebody asks for who
wants to listen.

It must not know where they come from, nor what listens by them.
"""

from __future__ import annotations

import os
import socket
from typing import Any

import attrs

from migrate.adoption import isFile, isListening
from migrate.errors import MalformedTable

STREAM, DATAGRAM = socket.SOCK_STREAM, socket.SOCK_DGRAM
ANY: dict[int, str] = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}


@attrs.define(eq=False)
class InheritedSocket:
    """
    One of them.

    @ivar skt: it; L{None} once a port has it, or it was closed.
    @ivar family: C{AF_INET}, C{AF_INET6} or C{AF_UNIX}.
    @ivar kind: C{SOCK_STREAM} or C{SOCK_DGRAM}.
    @ivar host: the numeric address; of UNIX sockets the absolute path, or what begins
        with a zero byte.
    @ivar number: that of the port; 0 for UNIX sockets.
    @ivar anyNumber: whether C{number} was the kernel's choice: it serves who asks for
        0.
    @ivar both: whether clients of IPv4 come by it, though it is of IPv6.
    @ivar name: what it is called by whoever gave it; may be empty.
    @ivar port: the port that listens by it, once there is one.
    @ivar identity: what it has in common with its copies in other processes.
    """

    skt: socket.socket | None
    family: int
    kind: int
    host: str
    number: int
    anyNumber: bool = False
    both: bool = False
    name: str = ""
    port: Any = attrs.field(default=None, init=False)
    identity: tuple[int, int] = attrs.field(default=(0, 0), init=False)

    @classmethod
    def of(
        cls,
        skt: socket.socket,
        *,
        path: str | None = None,
        anyNumber: bool = False,
        name: str = "",
    ) -> InheritedSocket:
        """
        @param skt: belongs to what is returned from now on.
        @param path: of a UNIX socket that was bound to a relative one.
        @raise MalformedTable: nobody can come by it.
        """
        family, kind, where = int(skt.family), int(skt.type), skt.getsockname()
        if family not in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX):
            raise MalformedTable(f"an inherited socket is of family {family}")
        if kind not in (STREAM, DATAGRAM) or not where or not isListening(skt):
            raise MalformedTable(f"an inherited socket does not listen: {skt}")
        skt.setblocking(False)
        skt.set_inheritable(False)
        if family == socket.AF_UNIX:
            made = cls(skt, family, kind, pathOf(path or where), 0, name=name)
        else:
            made = cls(skt, family, kind, where[0], where[1], anyNumber, name=name)
            made.both = family == socket.AF_INET6 and not skt.getsockopt(
                socket.IPPROTO_IPV6, socket.IPV6_V6ONLY
            )
        made.identity = identityOf(skt.fileno())
        return made

    def serves(self, family: int, kind: int, host: str, number: int) -> bool:
        """
        @return: whether it is what somebody asks for who wants to listen.
        """
        if self.skt is None or self.kind != kind:
            return False
        if family == self.family:
            return host == self.host and self._isNumber(number)
        wild = host == ANY.get(family) and self.host == "::"
        return wild and self.both and self._isNumber(number)

    def _isNumber(self, number: int) -> bool:
        if number == 0 and self.family != socket.AF_UNIX:
            return self.anyNumber
        return self.number == number

    def take(self) -> socket.socket:
        """
        @return: the socket, which is the caller's from now on.
        """
        skt, self.skt = self.skt, None
        assert skt is not None
        return skt

    def close(self) -> None:
        """
        Close this process's descriptor, unless a port has it.
        """
        if self.skt is not None:
            self.take().close()

    def __str__(self) -> str:
        if self.family == socket.AF_UNIX:
            kind = "unix" if self.kind == STREAM else "unix datagram"
            return f"{kind} {self.host}".replace("\0", "@")
        kind = "tcp" if self.kind == STREAM else "udp"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{kind} {host}:{self.number}"


def identityOf(fileno: int) -> tuple[int, int]:
    """
    @return: what the kernel's socket has in common with its copies, and nothing else.
    """
    found = os.fstat(fileno)
    return found.st_dev, found.st_ino


def pathOf(path: Any) -> str:
    """
    @return: one name for what may be called in several ways.
    """
    text: str = os.fsdecode(path)
    if not isFile(text):
        return text
    directory, name = os.path.split(os.path.abspath(text))
    return os.path.join(os.path.realpath(directory), name)


def numeric(interface: str, number: int, kind: int) -> tuple[int, str]:
    """
    @return: the family and the numeric address of what somebody wants to listen on.
    """
    if not interface:
        return socket.AF_INET, ANY[socket.AF_INET]
    family = socket.AF_INET6 if ":" in interface else socket.AF_INET
    try:
        found = socket.getaddrinfo(interface, number, family, kind)
    except OSError:
        # To bind to it will not work either, and says why.
        return family, interface
    return family, str(found[0][4][0])


def addressOf(port: Any, interface: str) -> tuple[str, int]:
    """
    @param port: what C{listenTCP} was given: a number, or a binding (since Twisted 26).
    @return: the interface and the number.
    """
    if isinstance(port, int):
        return interface, port
    return interface or port._address or "", port._port
