"""
The chat that the benchmarks move: every connection has a nick, ten attributes, its
three last lines and a timer of its own.  Named on command lines as
C{benchmarks.chat.makeService}.

It must not know that it is moved, nor measured.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from twisted.application.internet import TCPServer
from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

#: What makes the service what it is: the port, and bytes that the factory holds.
PORT = "BENCHMARK_PORT"
BALLAST = "BENCHMARK_BALLAST"

#: Connections that may wait to be accepted.
BACKLOG = 4096

#: Seconds after which somebody who says nothing is gone.
IDLE = 3600.0

_BLOCK = 64 * 1024

_reactor: Any = installed


class Person(LineReceiver):
    """
    One connection.
    """

    delimiter = b"\n"

    def connectionMade(self) -> None:
        """
        Somebody comes.
        """
        number = self.factory.number = self.factory.number + 1
        self.nick = f"person{number}"
        self.colour, self.mood = "blue", "calm"
        self.width, self.height = 80 + number % 40, 24
        self.score, self.level = number * 7, number % 100
        self.away, self.muted = False, number % 3 == 0
        self.language, self.home = "en", f"/home/{number}"
        self.recent: deque[bytes] = deque([b"hello", b"how are you", b"bye"], 3)
        self.idle = _reactor.callLater(IDLE, self.transport.loseConnection)
        self.factory.people.add(self)

    def connectionLost(self, reason: Any = None) -> None:
        """
        Somebody goes.
        """
        self.factory.people.discard(self)
        if self.idle.active():
            self.idle.cancel()

    def lineReceived(self, line: bytes) -> None:
        """
        A question, which is answered at once.
        """
        self.recent.append(line)
        self.idle.reset(IDLE)
        self.transport.write(line + b"\n")


class Chat(Factory):
    """
    All of it.

    @ivar ballast: blocks of bytes, all different.
    """

    protocol = Person
    noisy = False

    def __init__(self, ballast: int) -> None:
        self.number = 0
        self.people: set[Person] = set()
        blocks = range(0, ballast, _BLOCK)
        self.ballast = [b"%016d" % at * (_BLOCK // 16) for at in blocks]


def makeService() -> TCPServer:
    """
    @return: the chat.
    """
    factory = Chat(int(os.environ.get(BALLAST, "0")))
    port = int(os.environ[PORT])
    return TCPServer(port, factory, backlog=BACKLOG, interface="127.0.0.1")
