"""
A line service whose connections are independent of each other, with whatever may be
in their way.

It must not know who moves it.
"""

from __future__ import annotations

import os
import sqlite3
from typing import Any

from twisted.application.internet import TCPServer, UNIXServer
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import ServerFactory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutFactory
from twisted.python.failure import Failure
from twisted.web.resource import Resource
from twisted.web.server import Site

from migrate.independent import IndependentConnections

_reactor: Any = reactor


class Guest(LineReceiver):
    """
    One connection.
    """

    factory: Parlour
    asked = ticks = arrivals = 0
    nick = ""
    obstacle: Any = None
    work: Deferred[str] | None = None

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        self.factory.guests.append(self)
        self.loop = LoopingCall(self.tick)
        self.loop.start(1, now=False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        self.factory.guests.remove(self)
        self.factory.nicks.pop(self.nick, None)
        self.loop.stop()

    def tick(self) -> None:
        """
        Time goes by.
        """
        self.ticks += 1

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.asked += 1
        word, _, rest = line.decode().partition(" ")
        answer = getattr(self, f"do_{word}")(rest)
        if answer is not None:
            self.sendLine(f"{os.getpid()} {self.asked} {answer}".encode())

    def do_say(self, rest: str) -> str:
        """
        The same.
        """
        return rest

    def do_nick(self, rest: str) -> str:
        """
        Be known.
        """
        self.nick = rest
        self.factory.nicks[rest] = self
        return rest

    def do_present(self, rest: str) -> str:
        """
        How many are here, and who is known.
        """
        nicks = ",".join(sorted(self.factory.nicks))
        return f"{len(self.factory.guests)} {nicks}"

    def do_arrivals(self, rest: str) -> str:
        """
        How often this connection has moved by itself, and whether it ticks.
        """
        before, self.ticks = self.ticks, 0
        return f"{self.arrivals} {'ticking' if before else 'still'}"

    def do_obstruct(self, rest: str) -> str:
        """
        Hold what can never be moved, or hold it no more.
        """
        self.obstacle = None if rest == "no" else sqlite3.connect(":memory:")
        return "obstructed"

    def do_meet(self, rest: str) -> str:
        """
        Know somebody else.
        """
        self.obstacle = self.factory.nicks[rest]
        return "met"

    def do_lead(self, rest: str) -> str:
        """
        Be known to everybody, where nobody can be left out.
        """
        self.factory.leader = None if rest == "no" else self
        return "led"

    def do_work(self, rest: str) -> None:
        """
        Begin what ends with the next C{go}.
        """
        self.work = Deferred()
        Deferred.fromCoroutine(self._work(self.work))
        self.sendLine(b"working")

    async def _work(self, go: Deferred[str]) -> None:
        said = await go
        self.sendLine(f"{os.getpid()} {self.asked} done {said}".encode())

    def do_go(self, rest: str) -> None:
        """
        End what was begun.
        """
        work, self.work = self.work, None
        assert work is not None
        work.callback(rest)


class Parlour(IndependentConnections, ServerFactory):
    """
    All connections together.
    """

    protocol = Guest
    noisy = False

    def __init__(self) -> None:
        self.guests: list[Guest] = []
        self.nicks: dict[str, Guest] = {}
        self.leader: Guest | None = None

    def connectionArrived(self, protocol: Any) -> None:
        """
        See L{IndependentConnections}.
        """
        assert protocol in self.guests
        protocol.arrivals += 1


def makeService() -> TCPServer:
    """
    @return: a parlour on the port that PARLOUR says.
    """
    port = int(os.environ["PARLOUR"])
    return TCPServer(port, Parlour(), interface="127.0.0.1", backlog=1000)


def wrapped() -> MultiService:
    """
    @return: a parlour with a doorman, on that port and at the path that DOOR says.
    """
    service, factory = MultiService(), Parlour()
    door: Any = TimeoutFactory(factory, 3600)
    port = int(os.environ["PARLOUR"])
    TCPServer(port, door, interface="127.0.0.1").setServiceParent(service)
    UNIXServer("door", door).setServiceParent(service)
    return service


class Page(Resource):
    """
    Says who answers, and how many questions there were on the connection.
    """

    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        """
        See L{Resource}.
        """
        channel = request.channel
        channel.asked = getattr(channel, "asked", 0) + 1
        return b"%d %d" % (os.getpid(), channel.asked)


class Pages(IndependentConnections, Site):
    """
    A web site whose connections are independent.
    """


def web() -> TCPServer:
    """
    @return: a web site that writes down who asks, on that port.
    """
    port = int(os.environ["PARLOUR"])
    return TCPServer(port, Pages(Page(), logPath="access.log"), interface="127.0.0.1")
