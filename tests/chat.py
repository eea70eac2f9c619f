"""
A chat for tests to move while people talk in it, named on command lines as
C{tests.chat.makeService}.  It keeps account of every byte that it has taken
and given.

It must not know who talks, nor that it is moved.
"""

from __future__ import annotations

import os
import socket
from collections import deque
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from zlib import crc32

import attrs
from twisted.application.internet import TCPServer
from twisted.internet import reactor as installed
from twisted.internet.protocol import Factory, ServerFactory, connectionDone
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.python.reflect import namedAny

HOST = "127.0.0.1"

#: Between two ticks of one person, in seconds.
INTERVAL = 1.0

#: Connections that may wait to be accepted.
BACKLOG = 1024

#: What the kernel is asked to keep for a person who does not read, in bytes:
#: little, so that the rest is kept here.
KERNEL_QUEUE = 16 * 1024

#: What can make a person tick.  Nothing keeps hold of a "loose" call.
TICKERS = (b"loop", b"timeout", b"call", b"loose")

reactor: Any = installed


def pattern(length: int) -> bytes:
    """
    @return: bytes of which none can go missing, come twice, or come elsewhere,
        and it not show.
    """
    return b"".join(b"%07d," % number for number in range(length // 8 + 1))[:length]


@attrs.define
class Ledger:
    """
    All bytes of one direction of one connection, in their order.
    """

    count: int = 0
    checksum: int = 0

    def add(self, data: bytes) -> None:
        """
        Some more.
        """
        self.count += len(data)
        self.checksum = crc32(data, self.checksum)

    def __bytes__(self) -> bytes:
        """
        As it is told to the other side.
        """
        return b"%d:%d" % (self.count, self.checksum)


class Mood(Enum):
    """
    How somebody is.
    """

    CALM = "calm"
    KEEN = "keen"


class Profile:
    """
    Ten attributes of a person, each of another type.
    """

    def __init__(self, nick: str) -> None:
        seed = crc32(nick.encode())
        self.nick = nick
        self.mood = Mood.KEEN if seed % 2 else Mood.CALM
        self.joined = datetime(2026, 1, 1, tzinfo=timezone.utc) + timedelta(
            seconds=seed
        )
        self.balance = Decimal(seed) / 100
        self.share = Fraction(seed % 97, 97)
        self.home = PurePosixPath("/home", nick)
        self.rights = {f"right {seed % number}" for number in (3, 5, 7)}
        self.settings: dict[Any, Any] = {"width": seed % 200, ("a", 1): [b"\0\xff"]}
        self.notes = bytearray(nick.encode())
        self.place = complex(seed % 90, -1.5)

    def __str__(self) -> str:
        """
        All of it, the same in every process.
        """
        shown = {**vars(self), "rights": sorted(self.rights)}
        return " ".join(f"{name}={value!r}" for name, value in shown.items())


class Room:
    """
    People who hear each other.
    """

    def __init__(self) -> None:
        self.people: list[Person] = []

    def tell(self, line: bytes) -> None:
        """
        Everybody hears this.
        """
        for person in self.people:
            person.sendLine(line)


class Person(LineReceiver, TimeoutMixin):
    """
    One connection.
    """

    factory: Chat
    room: Room | None = None
    profile: Profile | None = None

    def __init__(self) -> None:
        self.received, self.sent = Ledger(), Ledger()
        self.recent: deque[bytes] = deque(maxlen=3)
        self.said = 0
        self.ticks = 0
        self.due = 0.0
        self.timer: Any = None

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        self.factory.people.append(self)
        handle: socket.socket = self.transport.getHandle()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_QUEUE)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        self.factory.people.remove(self)
        self.setTimeout(None)
        if self.room is not None:
            self.room.people.remove(self)
            self.room = None
        timer, self.timer = self.timer, None
        if isinstance(timer, LoopingCall):
            timer.stop()
        elif timer is not None:
            timer.cancel()

    def dataReceived(self, data: bytes) -> None:
        """
        See L{LineReceiver.dataReceived}.
        """
        self.received.add(data)
        super().dataReceived(data)

    def sendLine(self, line: bytes) -> None:
        """
        See L{LineReceiver.sendLine}.
        """
        self.sent.add(line + self.delimiter)
        super().sendLine(line)

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        command, _, rest = line.partition(b" ")
        getattr(self, f"command_{command.decode('ascii')}")(rest)

    # What may be said.

    def command_who(self, _: bytes) -> None:
        """
        Who answers?
        """
        self.sendLine(b"%d" % os.getpid())

    def command_join(self, rest: bytes) -> None:
        """
        Enter a room under a name, and begin to tick.
        """
        nick, room, ticker = rest.split()
        self.profile = Profile(nick.decode())
        self.room = self.factory.rooms.setdefault(room, Room())
        self.room.people.append(self)
        getattr(self, f"ticker_{ticker.decode()}")()
        self.command_card(b"")

    def command_card(self, _: bytes) -> None:
        """
        Who am I?
        """
        self.sendLine(f"card {os.getpid()} {self.profile}".encode())

    def command_say(self, rest: bytes) -> None:
        """
        Tell the room.
        """
        number, _, text = rest.partition(b" ")
        if int(number) != self.said or self.room is None or self.profile is None:
            self.sendLine(b"wrong %d is due, not " % self.said + rest)
            return
        self.said += 1
        self.factory.said += 1
        self.recent.append(text)
        nick = self.profile.nick.encode()
        self.room.tell(b"from %d %s %s %s" % (os.getpid(), nick, number, text))

    def command_bulk(self, rest: bytes) -> None:
        """
        Give a lot.
        """
        self.sendLine(b"bulk " + pattern(int(rest)))

    def command_sum(self, _: bytes) -> None:
        """
        What has been said, until now?
        """
        self.sendLine(
            b"sum %d %d %d %d %s %s"
            % (
                os.getpid(),
                self.said,
                self.ticks,
                crc32(b"\n".join(self.recent)),
                bytes(self.received),
                bytes(self.sent),
            )
        )

    def command_state(self, _: bytes) -> None:
        """
        How is everybody?
        """
        self.sendLine(b" ".join(b"%d" % number for number in self.factory.state()))

    def command_keep(self, rest: bytes) -> None:
        """
        Keep an object: a class by name, and its argument.
        """
        name, _, argument = rest.decode().partition(" ")
        self.factory.kept = [namedAny(name)(argument)]
        self.sendLine(b"kept")

    def command_drop(self, _: bytes) -> None:
        """
        Keep it no longer.
        """
        self.factory.kept = []
        self.sendLine(b"dropped")

    # What ticks.

    def ticker_loop(self) -> None:
        """
        In step with the first tick; one that comes too late is left out.
        """
        self.timer = LoopingCall(self.tick)
        self.timer.start(INTERVAL, now=False)

    def ticker_timeout(self) -> None:
        """
        Always so long after the last tick.
        """
        self.setTimeout(INTERVAL)

    def timeoutConnection(self) -> None:
        """
        See L{TimeoutMixin.timeoutConnection}.
        """
        self.tick()
        self.setTimeout(INTERVAL)

    def ticker_call(self) -> None:
        """
        In step with the first tick; none is left out, however late.
        """
        self.due = reactor.seconds()
        self.timer = self._plan(self._tickAgain)

    def _tickAgain(self) -> None:
        self.tick()
        self.timer = self._plan(self._tickAgain)

    def ticker_loose(self) -> None:
        """
        As the last one, and nobody could call it off.
        """
        self.due = reactor.seconds()
        self._plan(self._tickOn)

    def _tickOn(self) -> None:
        if self.room is not None:
            self.tick()
            self._plan(self._tickOn)

    def _plan(self, what: Any) -> Any:
        self.due += INTERVAL
        return reactor.callLater(max(0.0, self.due - reactor.seconds()), what)

    def tick(self) -> None:
        """
        Let the person know that time goes by.
        """
        self.sendLine(b"tick %d %d" % (os.getpid(), self.ticks))
        self.ticks += 1

    # What has not come through yet.

    @property
    def queued(self) -> int:
        """
        Bytes that the kernel has not taken.
        """
        transport: Any = self.transport
        left = len(transport.dataBuffer) - transport.offset
        return int(left + transport._tempDataLen)

    @property
    def isHalfway(self) -> bool:
        """
        Whether a line has come in part.
        """
        return bool(self._buffer)


class Chat(ServerFactory):
    """
    All of it.
    """

    protocol = Person
    noisy = False

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.rooms: dict[bytes, Room] = {}
        self.kept: list[Any] = []
        self.said = 0

    def state(self) -> tuple[int, int, int, int, int]:
        """
        @return: how many are in a room, how many timers tick, how many lines
            have come in part, how many bytes are queued, how many lines have
            been said.
        """
        inside = [person for person in self.people if person.room is not None]
        ticking = (_ticks(call.func) for call in reactor.getDelayedCalls())
        return (
            len(inside),
            sum(ticking),
            sum(person.isHalfway for person in inside),
            sum(person.queued for person in inside),
            self.said,
        )


def _ticks(function: Any) -> bool:
    """
    @return: whether a delayed call makes somebody in a room tick.
    """
    if isinstance(function, LoopingCall):
        function = function.f
    owner = getattr(function, "__self__", None)
    return isinstance(owner, Person) and owner.room is not None


def makeService() -> TCPServer:
    """
    @return: a chat on the port that CHAT_PORT says.
    """
    factory: Factory = Chat()
    port = int(os.environ["CHAT_PORT"])
    return TCPServer(port, factory, backlog=BACKLOG, interface=HOST)
