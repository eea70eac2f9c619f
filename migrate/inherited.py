"""
Sockets that listen already, for code that knows nothing of them: while a service is
being started, whatever it listens on is one of these sockets, if the address is that of
one, and is bound as usual otherwise.

How it is done: for that time the reactor has its own C{listenTCP}, C{listenUNIX},
C{listenUDP}, C{listenMulticast}, C{listenUNIXDatagram}, C{adoptStreamPort} and
C{adoptDatagramPort}, as attributes of the instance; no class is changed.  Everything
comes by there: endpoints, C{twisted.application.internet}, C{listenSSL}, whether the
reactor was given to that code or imported by it, since there is one.  What does not: a
method of the reactor that was kept from before, and ports that somebody makes of their
classes by hand.

It must not know where the sockets come from.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from twisted.internet import tcp, udp, unix

from migrate.adoption import begin, lock
from migrate.listeners import (
    DATAGRAM,
    STREAM,
    InheritedSocket,
    addressOf,
    identityOf,
    numeric,
    pathOf,
)


@attrs.define(eq=False)
class InheritedSockets:
    """
    Some of them, and what listens by them.

    @ivar sockets: all of them.
    @ivar reactor: whose they are to be.
    @ivar held: whether ports take nothing from them before L{release}.
    @ivar owned: whether these ports are this process's own from the beginning, if they
        are not held: when they are stopped they end the listening for good, and remove
        the path, as if they had been bound here.  Otherwise only this process's
        descriptor is closed, and nothing is changed that clients see; until L{release},
        if that is ever called.
    """

    sockets: list[InheritedSocket]
    reactor: Any
    held: bool = False
    owned: bool = True
    _later: list[tuple[Any, Callable[[], None]]] = attrs.field(factory=list, init=False)
    _usual: dict[str, Any] = attrs.field(factory=dict, init=False)

    @classmethod
    def of(
        cls, sockets: Iterable[socket.socket], reactor: Any, **options: Any
    ) -> InheritedSockets:
        """
        @param sockets: belong to what is returned from now on.
        @param options: see the attributes.
        @raise MalformedTable: nobody can come by one of them.
        """
        return cls([InheritedSocket.of(each) for each in sockets], reactor, **options)

    # Standing in for the reactor's methods.

    def __enter__(self) -> InheritedSockets:
        """
        From now on who listens gets what is here.
        """
        for name in _METHODS:
            usual = getattr(self.reactor, name, None)
            if usual is not None:
                self._usual[name] = usual
                setattr(self.reactor, name, getattr(self, f"_{name}"))
        return self

    def __exit__(self, *_: object) -> None:
        """
        From now on who listens binds anew.
        """
        for name in self._usual:
            delattr(self.reactor, name)
        self._usual.clear()

    def _find(self, *what: Any) -> InheritedSocket | None:
        """
        @return: the first that serves; one of another family only if none else does.
        """
        found = [each for each in self.sockets if each.serves(*what)]
        found.sort(key=lambda each: each.family != what[0])
        return found[0] if found else None

    def _begin(self, found: InheritedSocket, port: Any) -> Any:
        found.port = port
        self._wait(port, begin(port, found.take()))
        return port

    def _wait(self, port: Any, later: list[Callable[[], None]]) -> None:
        """
        @param later: what is to be done once a port is this process's own.
        """
        if self.held:
            port.stopReading()
            later = [*later, port.startReading]
        elif self.owned:
            for each in later:
                each()
            return
        self._later += [(port, each) for each in later]

    def _listenTCP(
        self, port: Any, factory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        host, number = addressOf(port, interface)
        family, host = numeric(host, number, STREAM)
        found = self._find(family, STREAM, host, number)
        if found is None:
            return self._usual["listenTCP"](port, factory, backlog, interface)
        made = tcp.Port(number, factory, backlog, found.host, self.reactor)
        return self._begin(found, made)

    def _listenUNIX(
        self,
        address: Any,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: int = 0,
    ) -> Any:
        found = self._find(socket.AF_UNIX, STREAM, pathOf(address), 0)
        if found is None:
            return self._usual["listenUNIX"](address, factory, backlog, mode, wantPID)
        made = unix.Port(address, factory, backlog, mode, self.reactor, wantPID)
        self._begin(found, made)
        if wantPID:
            self._wait(made, [lock(made)])
        return made

    def _listenUDP(
        self, port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192
    ) -> Any:
        family, host = numeric(interface, port, DATAGRAM)
        found = self._find(family, DATAGRAM, host, port)
        if found is None:
            return self._usual["listenUDP"](port, protocol, interface, maxPacketSize)
        made = udp.Port(port, protocol, found.host, maxPacketSize, self.reactor)
        return self._begin(found, made)

    def _listenMulticast(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> Any:
        family, host = numeric(interface, port, DATAGRAM)
        found = self._find(family, DATAGRAM, host, port)
        if found is None:
            usual = self._usual["listenMulticast"]
            return usual(port, protocol, interface, maxPacketSize, listenMultiple)
        made = udp.MulticastPort(
            port, protocol, found.host, maxPacketSize, self.reactor, listenMultiple
        )
        return self._begin(found, made)

    def _listenUNIXDatagram(
        self, address: Any, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666
    ) -> Any:
        found = self._find(socket.AF_UNIX, DATAGRAM, pathOf(address), 0)
        if found is None:
            usual = self._usual["listenUNIXDatagram"]
            return usual(address, protocol, maxPacketSize, mode)
        made = unix.DatagramPort(address, protocol, maxPacketSize, mode, self.reactor)
        return self._begin(found, made)

    def _adoptStreamPort(self, fileno: int, family: int, factory: Any) -> Any:
        return self._adopt("adoptStreamPort", fileno, family, factory)

    def _adoptDatagramPort(
        self, fileno: int, family: int, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        return self._adopt("adoptDatagramPort", fileno, family, protocol, maxPacketSize)

    def _adopt(self, method: str, fileno: int, *arguments: Any) -> Any:
        """
        Somebody has a descriptor of his own: perhaps of one of the sockets here.
        """
        port = self._usual[method](fileno, *arguments)
        identity = identityOf(fileno)
        for each in self.sockets:
            if each.skt is not None and each.identity == identity:
                each.close()
                each.port = port
                if self.held:
                    self._wait(port, [])
        return port

    # What became of them.

    def used(self) -> list[InheritedSocket]:
        """
        @return: those by which something listens.
        """
        return [each for each in self.sockets if each.port is not None]

    def unused(self) -> list[InheritedSocket]:
        """
        @return: those that nothing has asked for.
        """
        return [each for each in self.sockets if each.port is None]

    def release(self) -> None:
        """
        From now on the ports are this process's own, and take what comes; those that
        have not been stopped.
        """
        later, self._later = self._later, []
        for port, action in later:
            if port.connected:
                action()

    def closeUnused(self) -> list[InheritedSocket]:
        """
        Close those that nothing has asked for.

        @return: them.
        """
        unused = self.unused()
        for each in unused:
            each.close()
        return unused


_METHODS = (
    "listenTCP",
    "listenUNIX",
    "listenUDP",
    "listenMulticast",
    "listenUNIXDatagram",
    "adoptStreamPort",
    "adoptDatagramPort",
)
