"""
Twisted's listening ports on sockets that listen already: making one, and letting one
go without a trace.

It must not know where the sockets come from, nor who asked for them.
"""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable
from functools import partial
from typing import Any

from twisted.internet import tcp, udp, unix
from twisted.python.lockfile import FilesystemLock

from migrate.adapters.ports import abandonLock, listenAgain, takeLock


def isFile(path: Any) -> bool:
    """
    @param path: of a UNIX socket, text or bytes.
    @return: whether it is one of the file system.
    """
    return bool(path) and path[:1] not in (b"\0", "\0")


def isListening(skt: socket.socket) -> bool:
    """
    @return: whether clients can still come by a socket: one that any of its holders
        has shut down is of no more use to anybody.
    """
    if skt.type == socket.SOCK_DGRAM:
        return True
    if not skt.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return False
    poller = select.poll()
    poller.register(skt.fileno(), 0)
    return not dict(poller.poll(0)).get(skt.fileno(), 0) & select.POLLHUP


def begin(port: Any, skt: socket.socket) -> list[Callable[[], None]]:
    """
    Have a port listen by a socket that listens already, as one that is not this
    process's own: see L{disown}.  It must not have been started.

    @param port: a TCP, UNIX, UDP or UNIX datagram port of Twisted.
    @param skt: does not block, and belongs to the port from now on.
    @return: what is left to do, in order, once it is this process's own.
    """
    later = _beginUNIX(port, skt) if _isUNIX(port) else _beginInternet(port, skt)
    disown(port)
    return [partial(own, port), *later]


def _isUNIX(port: Any) -> bool:
    return bool(port.addressFamily == socket.AF_UNIX)


def _beginInternet(port: Any, skt: socket.socket) -> list[Callable[[], None]]:
    port._preexistingSocket = skt
    port.startListening()
    return []


def _beginUNIX(port: Any, skt: socket.socket) -> list[Callable[[], None]]:
    """
    Twisted would set the mode, and listen again, at once; and it has no way for
    datagrams.
    """
    path = port.port if isinstance(port, unix.DatagramPort) else port._bindPath
    later: list[Callable[[], None]] = []
    if isFile(path):
        later.append(partial(_chmod, path, port.mode))
    port.socket = skt
    port.fileno = skt.fileno
    port.connected = True
    if isinstance(port, unix.DatagramPort):
        port._connectToProtocol()
        return later
    tcp._reservedFD.reserve()
    port.factory.doStart()
    port.numberAccepts = 100
    port.startReading()
    later.append(partial(listenAgain, port))
    return later


def _chmod(path: Any, mode: int) -> None:
    if stat.S_ISSOCK(os.stat(path).st_mode):
        os.chmod(path, mode)


def lock(port: Any) -> Callable[[], None]:
    """
    Give a UNIX port the lock file that C{wantPID} asks for.

    @return: what has the file name this process, whomever it named.
    """
    made = port.lockFile = FilesystemLock(port._bindPath + b".lock")
    made.locked = True

    def take() -> None:
        try:
            owner = int(os.readlink(made.name))
        except (OSError, ValueError):
            made.locked = False
            made.lock()
        else:
            takeLock(made, owner)

    return take


def letGo(port: Any) -> None:
    """
    A port's socket is another process's from now on.
    """
    port.stopReading()
    disown(port)


def disown(port: Any) -> None:
    """
    Have a port close its own descriptor when it is told to stop, and nothing else: the
    listening is somebody else's.
    """
    port._shouldShutdown = False
    if isinstance(port, unix.Port):
        # It would remove the path by which the clients of the other one come.
        vars(port)["connectionLost"] = partial(tcp.Port.connectionLost, port)
        if port.lockFile is not None:
            abandonLock(port.lockFile)


def takeBack(port: Any) -> None:
    """
    Undo L{letGo}: the other process is no more.  It accepts again.
    """
    own(port)
    if isinstance(port, unix.Port):
        listenAgain(port)
        if port.lockFile is not None:
            lock(port)()
    port.startReading()


def own(port: Any) -> None:
    """
    Have a port end the listening for good when it is told to stop.
    """
    for name in ("_shouldShutdown", "connectionLost"):
        vars(port).pop(name, None)


def isPort(found: object) -> bool:
    """
    @return: whether C{found} is a port that clients come by.  A UDP port with whatever
        number, or with a peer, is a client's own.
    """
    if isinstance(found, unix.ConnectedDatagramPort):
        return False
    if isinstance(found, udp.Port):
        return bool(found.port) and not found._connectedAddr
    return isinstance(found, tcp.Port)
