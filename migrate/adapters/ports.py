"""
Adapters of listening stream ports, and of the lock files beside UNIX ones.

The new owner never binds: the listening socket itself moves, with whoever
waits in its queue.  Nothing here may know what connects.
"""

from __future__ import annotations

import os
from functools import partial
from typing import Any

from twisted.internet import tcp, unix
from twisted.logger import Logger
from twisted.python.lockfile import FilesystemLock
from zope.interface import implementer

from migrate.adapters.detached import ignore
from migrate.adapters.plain import copyAttributes, giveAttributes
from migrate.adapters.transports import SocketAdapter
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description

DIRECTORY = "@directory"
OWNER = "@owner"

_log = Logger()


class PortAdapter(SocketAdapter):
    """
    Knows L{tcp.Port} and L{unix.Port}.
    """

    extras = (*SocketAdapter.extras, DIRECTORY)

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        directory = os.getcwd() if isinstance(obj, unix.Port) else None
        return (*super().extract(obj, capture), directory)

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        super().restore(obj, values, loading)
        descriptor, directory = values[0], values[-1]
        if descriptor is not None:
            # The spare descriptor that accept() falls back upon.
            loading.onAdopt(tcp._reservedFD.reserve)
        if isinstance(obj, unix.Port):
            obj._bindPath = samePath(obj._bindPath, directory)
            if descriptor is not None:
                loading.onAdopt(partial(listenAgain, obj))


def listenAgain(port: Any) -> None:
    """
    Make this process the one that clients see at the other end: the kernel
    shows them (C{SO_PEERCRED}) who called C{listen} last.  The queue of those
    who wait stays.
    """
    port.socket.listen(*(() if port.backlog is None else (port.backlog,)))


def samePath(path: Any, directory: str) -> Any:
    """
    @param path: text or bytes, perhaps relative to C{directory}.
    @return: a path that means the same here; C{path} itself if that does.
    """
    first = path[:1]
    if first in ("", b"", "/", b"/", "\0", b"\0") or directory == os.getcwd():
        return path
    if isinstance(path, bytes):
        return os.path.join(os.fsencode(directory), path)
    return os.path.join(directory, path)


@implementer(ILiveAdapter)
class LockAdapter:
    """
    Knows L{FilesystemLock}: a symbolic link that names the process which holds
    the lock.
    """

    name = "twisted.python.lockfile.FilesystemLock"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        state[DIRECTORY] = os.getcwd()
        state[OWNER] = os.getpid()
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        return cls.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = {name: state[name] for name in state if name[0] != "@"}
        giveAttributes(obj, attributes)
        obj.name = samePath(obj.name, state[DIRECTORY])
        if obj.locked:
            loading.onDiscard(partial(abandonLock, obj))
            loading.onAdopt(partial(takeLock, obj, state[OWNER]))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if not obj.locked:
            return Actions()
        return Actions(release=partial(abandonLock, obj))


def takeLock(lock: Any, owner: int) -> None:
    """
    Have the link name this process instead of C{owner}, without an instant at
    which there is none.
    """
    mine = str(os.getpid())
    suffix = f".{mine}.new"
    temporary = lock.name + (
        suffix.encode() if isinstance(lock.name, bytes) else suffix
    )
    try:
        named = int(os.readlink(lock.name))
        if named != owner:
            _log.warn(
                "The lock {name!r} names process {named}, not {owner}: left alone",
                name=lock.name,
                named=named,
                owner=owner,
            )
            return
        os.symlink(mine, temporary)
        os.rename(temporary, lock.name)
    except (OSError, ValueError):
        _log.failure("The lock {name!r} could not be taken over", name=lock.name)


def abandonLock(lock: Any) -> None:
    """
    Let this process's lock object never touch the link again.
    """
    lock.locked = False
    lock.unlock = ignore


def register(registry: Registry) -> None:
    """
    Add the adapters of listening ports and of lock files.
    """
    registry.register(tcp.Port, PortAdapter("twisted.internet.tcp.Port"))
    registry.register(FilesystemLock, LockAdapter())
