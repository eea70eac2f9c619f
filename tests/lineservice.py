"""
Services for tests to move, named on command lines as C{tests.lineservice.NAME}.
"""

from __future__ import annotations

import os
import signal
import time
from typing import Any

from twisted.application.internet import TCPServer, UDPServer, UNIXServer
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol, ServerFactory
from twisted.protocols.basic import LineReceiver

HOST = "127.0.0.1"


class Line(LineReceiver):
    """
    Answers each line with who answers, how many lines this connection and all
    connections have sent, and the line.
    """

    factory: Lines
    count = 0

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.count += 1
        self.factory.total += 1
        command, _, rest = line.partition(b" ")
        if command == b"later":
            clock: Any = IReactorTime(reactor)
            clock.callLater(float(rest), self.answer, b"later")
        elif command == b"much":
            self.transport.write(b"x" * int(rest) + b"\r\n")
        elif command == b"keep":
            self.factory.kept.append(Troublesome(rest.decode()))
            self.answer(line)
        elif command == b"bad":
            self.factory.kept.append(value for value in (1, 2))
            self.answer(line)
        elif command == b"good":
            self.factory.kept.clear()
            self.answer(line)
        else:
            self.answer(line)

    def answer(self, line: bytes) -> None:
        """
        Say something.
        """
        self.sendLine(
            b"%d %d %d " % (os.getpid(), self.count, self.factory.total) + line
        )


class Lines(ServerFactory):
    """
    All connections together.
    """

    protocol = Line

    def __init__(self) -> None:
        self.total = 0
        self.kept: list[Any] = []


class Troublesome:
    """
    Does something when it is made again in a process whose environment asks
    for it, and nothing anywhere else.
    """

    def __init__(self, how: str) -> None:
        self.how = how

    def __reduce__(self) -> Any:
        """
        Be made again by L{trouble}.
        """
        return trouble, (self.how,)


def trouble(how: str) -> Troublesome:
    """
    Make trouble if the environment says so.
    """
    if "TROUBLE" in os.environ:
        if how == "raise":
            raise RuntimeError("this cannot be made here")
        if how == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "hang":
            time.sleep(3600)
        if how == "exit":
            raise SystemExit(3)
    return Troublesome(how)


def lines() -> TCPServer:
    """
    @return: a service of L{Lines} on the port that LINES_PORT says.
    """
    return TCPServer(int(os.environ["LINES_PORT"]), Lines(), interface=HOST)


def more() -> TCPServer:
    """
    @return: another one, on the port that MORE_PORT says.
    """
    return TCPServer(int(os.environ["MORE_PORT"]), Lines(), interface=HOST)


def both() -> MultiService:
    """
    @return: one service of a TCP and a UNIX port that share a factory.
    """
    parent, factory = MultiService(), Lines()
    TCPServer(int(os.environ["LINES_PORT"]), factory, interface=HOST).setServiceParent(
        parent
    )
    UNIXServer(os.environ["LINES_PATH"], factory).setServiceParent(parent)
    return parent


class Datagrams(DatagramProtocol):
    """
    Answers each datagram with who answers, how many there were, and the datagram.
    """

    total = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        See L{DatagramProtocol.datagramReceived}.
        """
        self.total += 1
        assert self.transport is not None
        self.transport.write(b"%d %d %b" % (os.getpid(), self.total, datagram), addr)


def everything() -> MultiService:
    """
    @return: one service of a TCP port, a UNIX port at LINES_PATH, and a UDP port
        of the same number as the TCP port.
    """
    parent = MultiService()
    port = int(os.environ["LINES_PORT"])
    for child in (
        TCPServer(port, Lines(), interface=HOST),
        UNIXServer(os.environ["LINES_PATH"], Lines()),
        UDPServer(port, Datagrams(), interface=HOST),
    ):
        child.setServiceParent(parent)
    return parent
