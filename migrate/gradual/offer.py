"""
The claim of a service's listening sockets.

What travels is a dictionary of plain values and of copies of the sockets, so that the
recipient needs no class of the service.  The service's own ports stay here: paused from
the capture on, and let go of, or going on to accept, afterwards.

It must not know what becomes of the service.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.internet import tcp

from migrate.adoption import letGo
from migrate.errors import (
    CannotMigrateYet,
    Refusal,
    ServiceInTransit,
    ServiceUnavailable,
)
from migrate.gradual.finding import absolute
from migrate.interfaces import ICapture, IDump
from migrate.janitor import Janitor
from migrate.transfer import Offer
from migrate.turn import isReady

PORTS = "ports"
LIVES = "lives"

LIVES_OF = "migrateLives"
"""
The attribute of a port by which it keeps open what tells the processes before that it
is held by somebody: it goes wherever the port goes.
"""


def described(port: Any) -> dict[str, Any]:
    """
    @return: what a recipient has to know of a port, with a copy of its socket.
    """
    return {
        "socket": port.socket.dup(),
        "path": absolute(port),
        "anyNumber": port.port == 0 and absolute(port) is None,
    }


def livesOf(ports: Sequence[Any]) -> list[socket.socket]:
    """
    @return: what these ports keep open, each once; nothing whose other end is closed:
        a process that accepts no more at all asks for nobody's life.
    """
    found = {id(life): life for port in ports for life in getattr(port, LIVES_OF, ())}
    return [life for life in found.values() if not isReady(life)]


@attrs.define
class PortsJanitor(Janitor):
    """
    Pauses ports beside what is sent.

    @ivar ports: those to be paused.
    """

    ports: Sequence[Any] = attrs.field(kw_only=True)
    _stopped: list[Any] = attrs.field(factory=list, init=False)

    def pause(self) -> None:
        """
        See L{Janitor.pause}.
        """
        super().pause()
        watched = {id(each) for each in _readers(self.ports)}
        for port in self.ports:
            if id(port) in watched:
                self._stopped.append(port)
                port.stopReading()

    def resume(self) -> None:
        """
        See L{Janitor.resume}.
        """
        super().resume()
        while self._stopped:
            port = self._stopped.pop()
            if port.connected:
                self._attempt("resume", port.startReading)

    def release(self) -> None:
        """
        See L{Janitor.release}.
        """
        super().release()
        for port in self.ports:
            self._attempt("release", partial(letGo, port))


def _readers(ports: Sequence[Any]) -> list[Any]:
    return list(ports[0].reactor.getReaders()) if ports else []


@attrs.define(eq=False)
class SocketsOffer(Offer):
    """
    The listening sockets of a service that have been claimed.

    @ivar ports: the service's ports.
    @ivar close: closes the copies that were made to be sent.
    """

    ports: Sequence[Any] = attrs.field(kw_only=True)
    close: Callable[[], None] = attrs.field(kw_only=True)

    def dump(self, write: Any) -> IDump:
        """
        See L{Offer.dump}.

        @raise ServiceUnavailable: a port has been stopped meanwhile.
        """
        if not all(port.connected for port in self.ports):
            raise ServiceUnavailable(
                f"{self.name} has stopped a port since it was asked for; try again"
            )
        dump: IDump = super().dump(write)
        return dump

    def janitor(self, dump: IDump) -> Janitor:
        """
        See L{Offer.janitor}.
        """
        capture: ICapture = dump.capture
        return PortsJanitor(dump.live, capture, ports=self.ports)


def isStream(port: Any) -> bool:
    """
    @return: whether clients connect to a port.
    """
    return isinstance(port, tcp.Port)


@attrs.define(eq=False)
class RestOffer(Offer):
    """
    A claim of what is left of a service, by somebody who comes too early.

    @ivar over: tells whether it is time.
    """

    over: Callable[[], bool] = attrs.field(kw_only=True)

    def dump(self, write: Any) -> IDump:
        """
        See L{Offer.dump}.

        @raise CannotMigrateYet: its clients may still stay.
        @raise ServiceInTransit: they may not; it has to be claimed again.
        """
        if self.over():
            raise ServiceInTransit("claim it now")
        reason = "its clients may stay here for now"
        raise CannotMigrateYet([Refusal(self.name, reason, over=self.over)])
