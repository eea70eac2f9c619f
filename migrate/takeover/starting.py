"""
One service of this process that is started on the sockets of another process's, while
that still serves.

Its ports take nothing before they are this process's own; until then they can be given
up without a trace.

It must not know how the sockets came, nor when it is time.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from migrate.errors import CannotStart, MalformedTable, MigrationError
from migrate.gradual.offer import LIVES, LIVES_OF, PORTS
from migrate.inherited import InheritedSockets
from migrate.listeners import InheritedSocket


def isOffer(root: Any) -> None:
    """
    @param root: what came for the sockets of a service.
    @raise MalformedTable: it is something else.
    """
    sockets: list[Any] = []
    if isinstance(root, dict) and set(root) == {PORTS, LIVES}:
        ports, lives = root[PORTS], root[LIVES]
        if isinstance(ports, list) and isinstance(lives, list):
            sockets += [isinstance(each, dict) and each.get("socket") for each in ports]
            sockets += lives
    if not sockets or not all(isinstance(each, socket.socket) for each in sockets):
        raise MalformedTable(f"a {type(root).__name__} came for listening sockets")


def inheritedFrom(root: Any) -> list[InheritedSocket]:
    """
    @param root: see L{isOffer}; its sockets are closed, and copies of them are in what
        is returned.
    @raise MalformedTable: nobody can come by one of them.
    """
    found: list[InheritedSocket] = []
    try:
        for each in root[PORTS]:
            path = each.get("path")
            found.append(
                InheritedSocket.of(
                    each["socket"].dup(),
                    path=None if path is None else str(path),
                    anyNumber=bool(each.get("anyNumber")),
                )
            )
    except BaseException:
        for made in found:
            made.close()
        raise
    finally:
        closeOffer(root)
    return found


def closeOffer(root: Any) -> None:
    """
    Close the copies that came.
    """
    for each in root[PORTS]:
        each["socket"].close()
    for life in root[LIVES]:
        life.close()


@attrs.define(eq=False)
class Start:
    """
    The start of one service.

    @ivar parent: what it becomes a child of.
    @ivar name: what it is published as.
    @ivar make: makes it.
    @ivar sockets: what it is to listen on.
    @ivar service: it, once it is started.
    """

    _log = Logger()

    parent: Any
    name: str
    make: Callable[[], Any]
    sockets: InheritedSockets
    service: Any = attrs.field(default=None, init=False)

    def begin(self) -> None:
        """
        Make the service, and start it.

        @raise MigrationError: it cannot be; nothing is left of it here.
        """
        try:
            with self.sockets:
                self.service = IService(self.make())
                self.service.setServiceParent(self.parent)
            if not self.sockets.used():
                listening = ", ".join(map(str, self.sockets.sockets))
                raise CannotStart(
                    f"service {self.name!r} listens here on nothing that it listens on "
                    f"there: {listening}"
                )
        except MigrationError:
            self.undo()
            raise
        except Exception as error:
            self._log.failure("{service} does not start", service=self.name)
            self.undo()
            raise CannotStart(
                f"service {self.name!r} does not start: {type(error).__name__}: {error}"
            ) from error

    def identities(self) -> list[list[int]]:
        """
        @return: what tells the sockets apart that the service listens on.
        """
        return [list(each.identity) for each in self.sockets.used()]

    def settle(self, root: Any) -> None:
        """
        The sockets are this process's own from now on.

        @param root: what came with them.
        """
        lives = [life.dup() for life in root[LIVES]]
        closeOffer(root)
        for each in self.sockets.used():
            setattr(each.port, LIVES_OF, lives)
        self.sockets.release()
        for unused in self.sockets.closeUnused():
            self._log.warn(
                "{service} listens on {socket} no more",
                service=self.name,
                socket=unused,
            )

    def undo(self) -> None:
        """
        Stop the service: the other process keeps its own.
        """
        service, self.service = self.service, None
        if service is not None:
            stopped = maybeDeferred(self._stop, service)
            stopped.addErrback(
                lambda failure: self._log.failure(
                    "{service} failed to stop", failure, service=self.name
                )
            )
        self.sockets.closeUnused()

    def _stop(self, service: Any) -> Any:
        if service.parent is None:
            return None
        return service.disownServiceParent()
