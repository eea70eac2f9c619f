"""
Sockets that a supervisor listens on for its service and hands over when it starts that,
as systemd's C{sd_listen_fds(3)} has it.

Whatever then listens in this process, on the address of one of them, has that one.  The
supervisor goes on to hold each, so that nothing here may end the listening or remove a
path, nor may any process that the service moves to.

It must not know what listens.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
from twisted.logger import Logger

from migrate.adapters.ports import listenAgain
from migrate.adoption import isListening
from migrate.control import ControlAddress
from migrate.errors import ControlError
from migrate.inherited import InheritedSockets
from migrate.listeners import InheritedSocket, identityOf

FIRST = 3
"""
The number of the first descriptor (C{SD_LISTEN_FDS_START}).
"""

CONTROL = "control"
"""
What the unit calls the control endpoint (C{FileDescriptorName=}).
"""

VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")
FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


def initialEnvironment(path: Path = Path("/proc/self/environ")) -> dict[str, str]:
    """
    @return: the environment that this process was started with: Twisted takes the
        variables out of it that this is about.
    """
    try:
        entries = path.read_bytes().split(b"\0")
    except OSError:
        return dict(os.environ)
    pairs = (os.fsdecode(entry).partition("=") for entry in entries if entry)
    return {name: value for name, _, value in pairs}


def descriptorsOf(environ: Mapping[str, str]) -> list[tuple[int, str]]:
    """
    @return: the descriptors that were handed to this process, and what the supervisor
        calls them.
    """
    count = environ.get("LISTEN_FDS", "")
    mine = environ.get("LISTEN_PID") == str(os.getpid())
    if not (mine and count.isascii() and count.isdigit()):
        return []
    named = environ.get("LISTEN_FDNAMES", "")
    names = named.split(":") if named else []
    names += [""] * (int(count) - len(names))
    return [(FIRST + i, names[i]) for i in range(int(count))]


@attrs.define(eq=False)
class Activation:
    """
    The sockets of one process.

    @ivar reactor: that which listens by them.
    @ivar sockets: those by which clients come.
    """

    _log = Logger()

    reactor: Any
    sockets: InheritedSockets
    _given: dict[int, tuple[int, int]] = attrs.field(factory=dict)
    _standing: bool = attrs.field(default=False, init=False)

    @classmethod
    def fromEnvironment(
        cls, reactor: Any, environ: Mapping[str, str] | None = None
    ) -> Activation:
        """
        Call it before this process becomes a daemon, which has another id.
        """
        found, given = [], {}
        for fileno, name in descriptorsOf(environ or initialEnvironment()):
            skt = _listener(fileno)
            if skt is None:
                cls._log.info(
                    "descriptor {fileno} ({name}) is no listening socket: it is left "
                    "alone",
                    fileno=fileno,
                    name=name,
                )
                continue
            found.append(InheritedSocket.of(skt, name=name))
            given[fileno] = identityOf(fileno)
        return cls(reactor, InheritedSockets(found, reactor, owned=False), given)

    @contextmanager
    def standing(self) -> Iterator[None]:
        """
        While this lasts, who listens gets what is here.
        """
        if self._standing or not self.sockets.sockets:
            yield
            return
        self._standing = True
        try:
            with self.sockets:
                yield
        finally:
            self._standing = False

    def control(self, wanted: ControlAddress, default: bool) -> ControlAddress | None:
        """
        @param wanted: the control endpoint.
        @param default: whether it was just not said to be another one.
        @return: that which the supervisor listens on, if there is one.
        @raise ControlError: it is not the one that is wanted.
        """
        named = [each for each in self.sockets.sockets if each.name == CONTROL]
        if not named:
            return None
        found = named[0]
        if found.kind != socket.SOCK_STREAM or found.host[:1] == "\0":
            raise ControlError(
                f"the supervisor listens on {found} as {CONTROL}: a control endpoint "
                "is a path or a TCP port (ListenStream=)"
            )
        if found.family == socket.AF_UNIX:
            address = ControlAddress.parse(f"unix:{_quoted(found.host)}")
        else:
            address = ControlAddress("tcp", host=found.host, port=found.number)
        if not default and str(address) != str(wanted):
            raise ControlError(
                f"the supervisor listens on {address} as {CONTROL}, and --control is "
                f"{wanted}: leave --control out, or name the same"
            )
        return address

    def listen(self, control: ControlAddress, factory: Any) -> Any:
        """
        @param control: what L{control} returned.
        @return: the port of the control endpoint.
        """
        with self.standing():
            if control.kind != "unix":
                return self.reactor.listenTCP(
                    control.port, factory, control.backlog, control.host
                )
            port = self.reactor.listenUNIX(
                control.path, factory, control.backlog, control.mode
            )
        # Recipients have the kernel tell them whose the socket is.
        listenAgain(port)
        return port

    def settle(self) -> None:
        """
        Everything listens that is to.
        """
        unused = self.sockets.closeUnused()
        for fileno, identity in self._given.items():
            # A service may have used it by its number, and closed it.
            with suppress(OSError):
                if identityOf(fileno) == identity and not self._isUsed(fileno):
                    os.close(fileno)
        self._given.clear()
        for name in VARIABLES:
            # Nobody whom this process executes has them under these numbers.
            os.environ.pop(name, None)
        if unused:
            self._log.warn(
                "the supervisor listens on {sockets} for this service, but nothing in "
                "it does",
                sockets=", ".join(map(str, unused)),
            )

    def _isUsed(self, fileno: int) -> bool:
        return any(each.port.fileno() == fileno for each in self.sockets.used())


def _listener(fileno: int) -> socket.socket | None:
    """
    @return: a copy of a socket by which clients come.
    """
    try:
        os.set_inheritable(fileno, False)
        skt = socket.socket(fileno=os.dup(fileno))
    except OSError:
        return None
    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
    named = skt.family in FAMILIES and skt.type in kinds and bool(skt.getsockname())
    if not named or not isListening(skt):
        skt.close()
        return None
    return skt


def _quoted(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace("=", "\\=")
