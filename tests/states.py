"""
A service whose connections can be brought into any state that there is, named
on command lines as C{tests.states.makeService}.

It must not know that it is moved.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet import reactor as installed
from twisted.internet.interfaces import (
    IHalfCloseableProtocol,
    IPullProducer,
    IPushProducer,
)
from twisted.internet.protocol import (
    ClientFactory,
    Protocol,
    ServerFactory,
    connectionDone,
)
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from zope.interface import implementer

from tests.kernel import backlogOf

HOST = "127.0.0.1"

#: Options of a TCP socket and what they are set to: nothing that the kernel
#: sets by itself, and one of every kind.
OPTIONS = {
    # Sets the priority, too.
    ("IPPROTO_IP", "IP_TOS"): 16,
    ("SOL_SOCKET", "SO_KEEPALIVE"): 1,
    ("SOL_SOCKET", "SO_OOBINLINE"): 0,
    ("SOL_SOCKET", "SO_PRIORITY"): 3,
    ("SOL_SOCKET", "SO_RCVLOWAT"): 2,
    ("IPPROTO_TCP", "TCP_NODELAY"): 1,
    ("IPPROTO_TCP", "TCP_KEEPIDLE"): 71,
    ("IPPROTO_TCP", "TCP_KEEPINTVL"): 13,
    ("IPPROTO_TCP", "TCP_KEEPCNT"): 7,
    ("IPPROTO_TCP", "TCP_LINGER2"): 17,
    ("IPPROTO_TCP", "TCP_USER_TIMEOUT"): 54321,
    ("IPPROTO_IP", "IP_TTL"): 33,
}

#: Connections that may wait at the port.
BACKLOG = 5

reactor: Any = installed


def pattern(length: int) -> bytes:
    """
    @return: bytes of which none can go missing, come twice, or come elsewhere,
        and it not show.
    """
    return b"".join(b"%07d," % number for number in range(length // 8 + 1))[:length]


@implementer(IPushProducer, IPullProducer)
class Numbers:
    """
    Produces lines, each with a number and who has produced it.
    """

    def __init__(self, speaker: Speaker, count: int, streaming: bool) -> None:
        self.speaker, self.count, self.streaming = speaker, count, streaming
        self.made, self.paused = 0, False

    def pauseProducing(self) -> None:
        """
        See L{IPushProducer.pauseProducing}.
        """
        self.paused = True

    def resumeProducing(self) -> None:
        """
        See L{IPushProducer.resumeProducing}.
        """
        self.paused = False
        while not self.paused and self.made < self.count:
            self.speaker.sendLine(
                b"%d number %d %s" % (os.getpid(), self.made, b"." * 4000)
            )
            self.made += 1
            if not self.streaming:
                break
        if self.made == self.count and not self.paused:
            self.paused = True
            self.speaker.transport.unregisterProducer()
            self.speaker.sendLine(b"%d made" % os.getpid())

    def stopProducing(self) -> None:
        """
        See L{IPushProducer.stopProducing}.
        """
        self.made = self.count


@implementer(IHalfCloseableProtocol)
class Speaker(LineReceiver):
    """
    Does what it is told, and answers with who did it.
    """

    factory: Speakers
    peer = 0

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        self.peer = self.transport.getPeer().port

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        command, _, rest = line.partition(b" ")
        getattr(self, f"command_{command.decode()}")(rest)

    def answer(self, text: bytes) -> None:
        """
        Say something.
        """
        self.sendLine(b"%d " % os.getpid() + text)

    def tell(self, event: str) -> None:
        """
        Have something known to whoever asks.
        """
        self.factory.events.append(f"{os.getpid()}:{event}:{self.peer}")

    def readConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.readConnectionLost}.
        """
        self.tell("readLost")
        self.answer(b"read it all")

    def writeConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.writeConnectionLost}.
        """
        self.tell("writeLost")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        self.tell(type(reason.value).__name__)

    def command_say(self, rest: bytes) -> None:
        """
        Say something.
        """
        self.answer(rest)

    def command_events(self, rest: bytes) -> None:
        """
        What has happened?
        """
        self.answer(" ".join(self.factory.events).encode())

    def command_hold(self, rest: bytes) -> None:
        """
        Read no more, until somebody wakes.
        """
        self.answer(b"held")
        self.factory.held.append(self)
        self.pauseProducing()

    def command_wake(self, rest: bytes) -> None:
        """
        Have all read again.
        """
        held, self.factory.held = self.factory.held, []
        for speaker in held:
            speaker.resumeProducing()
        self.answer(b"awake")

    def command_much(self, rest: bytes) -> None:
        """
        Send more than the kernel takes.
        """
        self.transport.write(pattern(int(rest)))

    def command_last(self, rest: bytes) -> None:
        """
        Send more than the kernel takes, and then the end.
        """
        self.transport.write(pattern(int(rest)))
        self.transport.loseConnection()

    def command_half(self, rest: bytes) -> None:
        """
        Send no more from here on, and read no more until somebody wakes.
        """
        self.answer(b"no more")
        self.transport.loseWriteConnection()
        self.factory.held.append(self)
        self.pauseProducing()

    def command_push(self, rest: bytes) -> None:
        """
        Produce numbers as fast as they are taken.
        """
        self._produce(int(rest), True)

    def command_pull(self, rest: bytes) -> None:
        """
        Produce a number whenever there is room for one.
        """
        self._produce(int(rest), False)

    def _produce(self, count: int, streaming: bool) -> None:
        numbers = Numbers(self, count, streaming)
        self.transport.registerProducer(numbers, streaming)
        if streaming:
            numbers.resumeProducing()

    def command_urgent(self, rest: bytes) -> None:
        """
        Take an urgent byte, if there is one, of who does not read.
        """
        try:
            handle = self.factory.held[0].transport.getHandle()
            data = handle.recv(1, socket.MSG_OOB)
        except OSError as error:
            data = error.strerror.encode()
        self.answer(data)

    def command_options(self, rest: bytes) -> None:
        """
        Set the options of this connection's socket.
        """
        for (level, name), value in OPTIONS.items():
            self.transport.getHandle().setsockopt(
                getattr(socket, level), getattr(socket, name), value
            )
        self.command_optionsNow(rest)

    def command_optionsNow(self, rest: bytes) -> None:
        """
        What are the options of this connection's socket?
        """
        handle = self.transport.getHandle()
        told = [
            f"{name}={handle.getsockopt(getattr(socket, level), getattr(socket, name))}"
            for level, name in OPTIONS
        ]
        told.append(f"LINGER={handle.getsockopt(socket.SOL_SOCKET, 13, 8).hex()}")
        self.answer(" ".join(told).encode())

    def command_deaf(self, rest: bytes) -> None:
        """
        Accept nobody.
        """
        for port in self.factory.ports:
            port.stopReading()
        self.answer(b"deaf")

    def command_hear(self, rest: bytes) -> None:
        """
        Accept everybody again.
        """
        for port in self.factory.ports:
            port.startReading()
        self.answer(b"hearing")

    def command_backlog(self, rest: bytes) -> None:
        """
        How many may wait?
        """
        self.answer(b"%d" % backlogOf(self.factory.ports[0].socket))

    def command_dial(self, rest: bytes) -> None:
        """
        Connect to a port.
        """
        reactor.connectTCP(HOST, int(rest), Callers(self.factory))
        self.answer(b"dialling")


class Caller(Protocol):
    """
    A connection that this service has made.
    """

    factory: Callers

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        self.factory.tell("connected")
        self.transport.write(b"%d calling\r\n" % os.getpid())


class Callers(ClientFactory):
    """
    An attempt to connect.
    """

    protocol = Caller
    noisy = False

    def __init__(self, speakers: Speakers) -> None:
        self.speakers = speakers

    def tell(self, event: str) -> None:
        """
        Have something known to whoever asks.
        """
        self.speakers.events.append(f"{os.getpid()}:{event}")

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        See L{ClientFactory.clientConnectionFailed}.
        """
        self.tell(type(reason.value).__name__)


class Speakers(ServerFactory):
    """
    All connections.
    """

    protocol = Speaker
    noisy = False

    def __init__(self) -> None:
        self.ports: list[Any] = []
        self.held: list[Speaker] = []
        self.events: list[str] = []


class States(Service):
    """
    A TCP and a UNIX port.
    """

    def __init__(self, port: int, path: str) -> None:
        self.port, self.path = port, path
        self.factory = Speakers()

    def startService(self) -> None:
        """
        See L{Service.startService}.
        """
        super().startService()
        self.factory.ports = [
            reactor.listenTCP(self.port, self.factory, BACKLOG, HOST),
            reactor.listenUNIX(self.path, self.factory, BACKLOG),
        ]

    def stopService(self) -> Any:
        """
        See L{Service.stopService}.
        """
        for port in self.factory.ports:
            port.stopListening()
        return super().stopService()


def makeService() -> States:
    """
    @return: a service at the port and the path that STATES_PORT and STATES_PATH
        say.
    """
    return States(int(os.environ["STATES_PORT"]), os.environ["STATES_PATH"])
