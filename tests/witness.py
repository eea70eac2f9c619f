"""
A service that writes down whatever is done to it, by whichever process, named
on command lines as C{tests.witness.makeService}.

It must not know that it is moved.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.application.service import Service
from twisted.internet import reactor as installed
from twisted.internet import tcp, udp, unix
from twisted.internet.defer import gatherResults, maybeDeferred
from twisted.internet.protocol import (
    ClientFactory,
    DatagramProtocol,
    ServerFactory,
    connectionDone,
)
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

HOST = "127.0.0.1"

#: Between two shots, in seconds.
SHOT = 0.05

reactor: Any = installed


def note(event: str) -> None:
    """
    Write an event down at the end of the file that NOTES says: who, when, what.
    """
    line = f"{os.getpid()} {reactor.seconds():.6f} {event}\n"
    fileno = os.open(os.environ["NOTES"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fileno, line.encode())
    finally:
        os.close(fileno)


class _NotedEnd:
    """
    What may end a transport.
    """

    def connectionLost(self, reason: Any) -> Any:
        """
        See L{tcp.Connection.connectionLost}.
        """
        note(f"{type(self).__name__}.connectionLost")
        return super().connectionLost(reason)  # type: ignore[misc]

    def loseConnection(self, *args: Any) -> Any:
        """
        See L{tcp.Connection.loseConnection}.
        """
        note(f"{type(self).__name__}.loseConnection")
        return super().loseConnection(*args)  # type: ignore[misc]

    def _closeSocket(self, *args: Any) -> Any:
        note(f"{type(self).__name__}._closeSocket")
        return super()._closeSocket(*args)  # type: ignore[misc]


class Connection(_NotedEnd, tcp.Server):  # type: ignore[misc]
    """
    A TCP connection.
    """


class UNIXConnection(_NotedEnd, unix.Server):  # type: ignore[misc]
    """
    A UNIX connection.
    """


class TCPListener(_NotedEnd, tcp.Port):  # type: ignore[misc]
    """
    A TCP port.
    """

    transport = Connection

    def stopListening(self) -> Any:
        """
        See L{tcp.Port.stopListening}.
        """
        note("TCPListener.stopListening")
        return super().stopListening()


class UNIXListener(_NotedEnd, unix.Port):  # type: ignore[misc]
    """
    A UNIX port.
    """

    transport = UNIXConnection

    def stopListening(self) -> Any:
        """
        See L{unix.Port.stopListening}.
        """
        note("UNIXListener.stopListening")
        return super().stopListening()


class Datagrams(DatagramProtocol):
    """
    Sends every datagram back, with who has got it.
    """

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        See L{DatagramProtocol.datagramReceived}.
        """
        self.transport.write(b"%d " % os.getpid() + datagram, addr)

    def stopProtocol(self) -> None:
        """
        See L{DatagramProtocol.stopProtocol}.
        """
        note("Datagrams.stopProtocol")


class _NotedFactory:
    """
    The beginning and the end of a factory.
    """

    noisy = False

    def startFactory(self) -> None:
        """
        See L{ServerFactory.startFactory}.
        """
        note(f"{type(self).__name__}.startFactory")

    def stopFactory(self) -> None:
        """
        See L{ServerFactory.stopFactory}.
        """
        note(f"{type(self).__name__}.stopFactory")


class Speaker(LineReceiver):
    """
    Does what it is told, and answers with who did it.
    """

    factory: Any

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        note("Speaker.connectionMade")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        note("Speaker.connectionLost")

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        command, _, rest = line.partition(b" ")
        getattr(self, f"command_{command.decode()}")(rest)

    def command_say(self, rest: bytes) -> None:
        """
        Say something.
        """
        self.sendLine(b"%d " % os.getpid() + rest)

    def command_close(self, rest: bytes) -> None:
        """
        End this connection.
        """
        self.transport.loseConnection()

    def command_abort(self, rest: bytes) -> None:
        """
        End this connection at once.
        """
        self.transport.abortConnection()

    def command_deaf(self, rest: bytes) -> None:
        """
        Listen no more.
        """
        stopped = self.factory.service.stopPorts()
        stopped.addCallback(lambda _: self.command_say(rest))

    def command_dial(self, rest: bytes) -> None:
        """
        Connect to a port.
        """
        reactor.connectTCP(HOST, int(rest), Callers(self.factory.service))
        self.command_say(rest)

    def command_shots(self, rest: bytes) -> None:
        """
        Have so many timers go off one after the other, and a loop turn as often.
        """
        self.factory.service.shoot(int(rest))
        self.command_say(rest)


class Callers(_NotedFactory, ClientFactory):
    """
    Connections that this service has made.  That they refer to it is all that
    makes them its own.
    """

    protocol = Speaker

    def __init__(self, service: Witness) -> None:
        self.service = service

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """
        See L{ClientFactory.clientConnectionLost}.
        """
        note("Callers.clientConnectionLost")

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        See L{ClientFactory.clientConnectionFailed}.
        """
        note("Callers.clientConnectionFailed")


class Speakers(_NotedFactory, ServerFactory):
    """
    Connections that were made to this service.
    """

    protocol = Speaker

    def __init__(self, service: Witness) -> None:
        self.service = service


class Witness(Service):
    """
    All of it: a TCP, a UNIX and a UDP port, and timers.
    """

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.loop: Any = None
        self.turns = self.count = 0
        self.ports: list[Any] = []

    def startService(self) -> None:
        """
        See L{Service.startService}.
        """
        note("Witness.startService")
        super().startService()
        factory = Speakers(self)
        self.ports = [
            TCPListener(self.port, factory, interface=HOST, reactor=reactor),
            UNIXListener(self.path, factory, wantPID=True, reactor=reactor),
            udp.Port(self.port, Datagrams(), HOST, reactor=reactor),
        ]
        for port in self.ports:
            port.startListening()

    def stopService(self) -> Any:
        """
        See L{Service.stopService}.
        """
        note("Witness.stopService")
        super().stopService()
        return self.stopPorts()

    def stopPorts(self) -> Any:
        """
        Listen no more.

        @return: fires once that is so.
        """
        ports, self.ports = self.ports, []
        return gatherResults([maybeDeferred(port.stopListening) for port in ports])

    def shoot(self, count: int) -> None:
        """
        See L{Speaker.command_shots}.
        """
        now = reactor.seconds()
        for number in range(count):
            later = (number + 1) * SHOT
            # Nothing refers to the call; its function ties it to this service.
            reactor.callLater(later, self._shot, number, now + later)
        self.count = count
        self.loop = LoopingCall.withCount(self._turn)
        self.loop.start(SHOT, now=False)

    def _shot(self, number: int, due: float) -> None:
        note(f"shot {number} {reactor.seconds() - due:.6f}")

    def _turn(self, times: int) -> None:
        for _ in range(times):
            if self.turns < self.count:
                note(f"turn {self.turns}")
                self.turns += 1
        if self.turns >= self.count:
            self.loop.stop()


def makeService() -> Witness:
    """
    @return: a witness at the port and the path that WITNESS_PORT and
        WITNESS_PATH say.
    """
    return Witness(int(os.environ["WITNESS_PORT"]), os.environ["WITNESS_PATH"])
