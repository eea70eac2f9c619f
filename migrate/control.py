"""
The control endpoint: where an origin listens for recipients.

It must not know what is said there.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    UNIXClientEndpoint,
    _parse,
)
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort, IProtocol, IProtocolFactory

from migrate.errors import ControlError

DEFAULT = "unix:migrate.sock"
"""
The control endpoint where none is given.
"""

MAX_PATH = 107
"""
Bytes that the path of a UNIX socket may have on Linux (C{sun_path}, unix(7)).
"""

CONNECT_TIMEOUT = 10
"""
Seconds that connecting to a control endpoint may take.
"""

LOCK_ATTEMPTS = 50
LOCK_RETRY = 0.01
"""
How often another process is looked for that is about to listen, and how many
seconds lie between: it takes a moment.
"""


@attrs.frozen
class ControlAddress:
    """
    A control endpoint, as both sides understand it.

    @ivar kind: C{"unix"} or C{"tcp"}.
    @ivar path: of the UNIX socket, absolute; otherwise empty.
    @ivar host: of the TCP socket, and C{port}.
    @ivar mode: permission bits of the UNIX socket.
    @ivar backlog: as given to C{listen}.
    """

    kind: str
    path: str = ""
    host: str = ""
    port: int = 0
    mode: int = 0o600
    backlog: int = 50

    @classmethod
    def parse(cls, description: str) -> ControlAddress:
        """
        Read an endpoint string: C{unix:PATH[:mode=600]}, C{tcp:PORT},
        C{tcp:HOST:PORT}; the same string serves origin and recipient.

        @raise ControlError: it is none of these.
        """
        try:
            arguments, options = _parse(description)
            kind = arguments.pop(0)
            if kind == "unix":
                return cls._unix(arguments, options)
            if kind == "tcp":
                return cls._tcp(arguments, options)
        except (ValueError, IndexError, KeyError) as error:
            raise ControlError(
                f"--control {description!r} is no endpoint: {error}; use unix:PATH, "
                "tcp:PORT or tcp:HOST:PORT"
            ) from error
        raise ControlError(
            f"--control {description!r}: a control endpoint is unix:PATH, tcp:PORT "
            "or tcp:HOST:PORT"
        )

    @classmethod
    def _unix(cls, arguments: list[str], options: dict[str, str]) -> ControlAddress:
        given = arguments[0] if arguments else options["address"]
        if not given:
            raise ValueError("it has no path")
        path = os.path.abspath(given)
        reachable(path)
        return cls(
            "unix",
            path=path,
            mode=int(options.get("mode", "600"), 8),
            backlog=int(options.get("backlog", "50")),
        )

    @classmethod
    def _tcp(cls, arguments: list[str], options: dict[str, str]) -> ControlAddress:
        port = options.get("port") or arguments.pop()
        host = arguments.pop() if arguments else options.get("host", "")
        return cls(
            "tcp",
            host=host or options.get("interface", "127.0.0.1"),
            port=int(port),
            backlog=int(options.get("backlog", "50")),
        )

    def __str__(self) -> str:
        if self.kind == "unix":
            return f"unix:{self.path}"
        return f"tcp:{self.host}:{self.port}"

    def beside(self, suffix: str) -> ControlAddress:
        """
        @return: an address of this process's own for the time that another
            process keeps this one.
        """
        if self.kind == "unix":
            return attrs.evolve(self, path=f"{self.path}.{suffix}")
        return attrs.evolve(self, port=0)

    def listen(self, reactor: Any, factory: IProtocolFactory) -> IListeningPort:
        """
        Listen here.  A UNIX path that nobody listens on any more is taken over.

        @raise ControlError: it cannot be listened on; a live one is left alone.
        """
        try:
            if self.kind == "unix":
                with _alone(os.path.dirname(self.path)):
                    _clear(self.path)
                    return _listenPrivately(reactor, self, factory)
            port: IListeningPort = reactor.listenTCP(
                self.port, factory, self.backlog, self.host
            )
            return port
        except CannotListenError as error:
            raise ControlError(
                f"cannot listen on {self}: {error.socketError}"
            ) from error

    def isListenedOn(self) -> bool:
        """
        Find out, without a reactor, whether a process listens here.

        @return: not if there is nothing, or what a dead process has left behind.
        @raise ControlError: it cannot be told.
        """
        unix = self.kind == "unix"
        where: Any = reachable(self.path) if unix else (self.host, self.port)
        family = socket.AF_UNIX if unix else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.settimeout(CONNECT_TIMEOUT)
            try:
                probe.connect(where)
            except (FileNotFoundError, ConnectionRefusedError):
                return False
            except BlockingIOError:
                # More wait than it has room for: it lives.
                return True
            except OSError as error:
                raise ControlError(
                    f"cannot tell who listens on {self}: {error}"
                ) from error
        return True

    def connect(self, reactor: Any, factory: IProtocolFactory) -> Deferred[IProtocol]:
        """
        Connect to the origin that listens here.
        """
        if self.kind == "unix":
            endpoint: Any = UNIXClientEndpoint(
                reactor, reachable(self.path), timeout=CONNECT_TIMEOUT
            )
        else:
            endpoint = TCP4ClientEndpoint(
                reactor, self.host, self.port, timeout=CONNECT_TIMEOUT
            )
        connected: Deferred[IProtocol] = endpoint.connect(factory)
        return connected


def reachable(path: str) -> str:
    """
    @param path: an absolute path, of any length.
    @return: a path to the same file that fits into a UNIX address; relative to
        the working directory if the absolute one is too long.
    @raise ControlError: there is none.
    """
    for candidate in (path, os.path.relpath(path)):
        if len(os.fsencode(candidate)) <= MAX_PATH:
            return candidate
    raise ControlError(
        f"the control path {path} is longer than the {MAX_PATH} bytes of a UNIX "
        "address; use a shorter one, or start in a directory nearer to it"
    )


def _listenPrivately(
    reactor: Any, address: ControlAddress, factory: IProtocolFactory
) -> IListeningPort:
    """
    Listen without an instant at which the path has more permissions than it
    should: C{listenUNIX} binds first and sets the mode afterwards.
    """
    old = os.umask(0o777 & ~address.mode)
    try:
        port: IListeningPort = reactor.listenUNIX(
            reachable(address.path), factory, address.backlog, address.mode
        )
    finally:
        os.umask(old)
    return port


@contextmanager
def _alone(directory: str) -> Iterator[None]:
    """
    Keep any other process from clearing away, in this directory, what this one
    is about to listen on: from the look at a dead socket to the listening.

    @raise ControlError: another process does not come to an end with that.
    """
    try:
        fileno = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        # What is wrong with it, if anything, will be said of the path in it.
        yield
        return
    try:
        _lock(fileno, directory)
        yield
    finally:
        os.close(fileno)


def _lock(fileno: int, directory: str) -> None:
    """
    @raise ControlError: see L{_alone}.
    """
    for _ in range(LOCK_ATTEMPTS):
        try:
            fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(LOCK_RETRY)
        except OSError:
            # Not every file system has locks.
            return
        else:
            return
    raise ControlError(
        f"another process keeps {directory} locked: try again, or use another --control"
    )


def _clear(path: str) -> None:
    """
    Remove the socket of a process that is no more.

    @raise ControlError: something else is in the way.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise ControlError(f"cannot use the control path {path}: {error}") from error
    if not stat.S_ISSOCK(mode):
        raise ControlError(
            f"{path} exists and is no socket: remove it or use another --control"
        )
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(reachable(path))
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except (BlockingIOError, FileNotFoundError):
            # Its backlog is full, so it lives; or it has just gone.
            pass
        except OSError as error:
            raise ControlError(f"cannot tell who listens on {path}: {error}") from error
    if os.path.exists(path):
        raise ControlError(
            f"a running process listens on {path}: take its services over with "
            "migrate-client, or use another --control"
        )
