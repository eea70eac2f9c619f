"""
A crowd of people in a L{tests.chat}, who talk all the time and check every
byte: what they say comes back to their whole room once and in order, and both
sides agree on all that was sent and received.

It must not know that the chat is moved.
"""

from __future__ import annotations

import random
import socket
from collections.abc import Iterable
from typing import Any
from zlib import crc32

from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.chat import HOST, INTERVAL, KERNEL_QUEUE, TICKERS, Ledger, pattern

#: How many hear each other.
ROOM = 5

#: Between two looks at who has something to say, in seconds; every member says
#: a piece of something once in ROUND of them.
BEAT = 0.02
ROUND = 50

#: Beats between two newcomers.
KNOCK = 3

#: Bytes at most that are said at a time, wherever a line ends.
PIECE = 120

#: Bytes that somebody asks for who will not read them for a while: far more
#: than the kernel was asked to keep.
BULK = 24 * KERNEL_QUEUE

#: Faults that are told; of a thousand most say the same.
TOLD = 10

#: Connections that are begun at once.
BATCH = 200

DELIMITER = b"\r\n"


def textOf(nick: bytes, number: int) -> bytes:
    """
    @return: what somebody says, known to all who hear it; a few bytes to a few
        hundred.
    """
    return b"%s says %d " % (nick, number) + nick * (number * 7 % 23)


class Member(Protocol):
    """
    Somebody in the chat.

    @ivar said: how many lines were said, the last perhaps in part.
    @ivar heard: how many lines have come from each who is in the room.
    @ivar ticks: how many ticks have come.
    @ivar ticksBefore: how many had come when the crowd was last roused.
    @ivar pids: the processes that have answered, in the order of their coming.
    @ivar sums: how many sums have come, and agree.
    """

    transport: Any

    def __init__(self, crowd: Crowd, number: int) -> None:
        self.crowd = crowd
        self.nick = b"n%d" % number
        self.room = b"r%d" % (number // ROOM)
        self.ticker = TICKERS[number % len(TICKERS)]
        self.said = self.ticks = self.ticksBefore = self.sums = self.asked = 0
        self.heard: dict[bytes, int] = {}
        self.pids: list[int] = []
        self.card = b""
        self.held = self.asleep = self.welcome = False
        self.began = self.welcomed = 0.0
        self._sent, self._received = Ledger(), Ledger()
        self._bulks = 0
        self._outgoing = b""
        self._rest = b""

    # Saying.

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        self.began = self.crowd.reactor.seconds()
        self.transport.setTcpNoDelay(True)
        self.transport.getHandle().setsockopt(
            socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_QUEUE
        )
        self._write(b"join %s %s %s" % (self.nick, self.room, self.ticker) + DELIMITER)

    def pump(self) -> None:
        """
        Say a piece: part of a line, some lines, or the end of one and the
        beginning of the next.
        """
        if self.held:
            return
        while len(self._outgoing) < PIECE:
            self._outgoing += self._next()
        self._utter(self.crowd.random.randint(1, PIECE))

    def hold(self) -> None:
        """
        Say half a line, and nothing more until L{release}.
        """
        self.flush()
        self._outgoing = self._next()
        self._utter(len(self._outgoing) // 2)
        self.held = True

    def release(self) -> None:
        """
        Go on.
        """
        self.held = False

    def sleep(self) -> None:
        """
        Ask for a lot, and do not read until L{wake}.
        """
        self.flush()
        self._bulks += 1
        self._write(b"bulk %d" % BULK + DELIMITER)
        self.transport.pauseProducing()
        self.asleep = True

    def wake(self) -> None:
        """
        Read again.
        """
        if self.asleep:
            self.asleep = False
            self.transport.resumeProducing()

    def ask(self) -> None:
        """
        Ask for the sum of everything.
        """
        self.flush()
        self.asked += 1
        self.askedAt = self.crowd.reactor.seconds()
        self._write(b"card" + DELIMITER + b"sum" + DELIMITER)

    def flush(self) -> None:
        """
        Come to the end of a line.
        """
        self._utter(len(self._outgoing))

    def _next(self) -> bytes:
        number, self.said = self.said, self.said + 1
        return b"say %d %s" % (number, textOf(self.nick, number)) + DELIMITER

    def _utter(self, length: int) -> None:
        piece, self._outgoing = self._outgoing[:length], self._outgoing[length:]
        self._write(piece)

    def _write(self, data: bytes) -> None:
        self._sent.add(data)
        self.transport.write(data)

    # Hearing.

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        *lines, self._rest = (self._rest + data).split(DELIMITER)
        for line in lines:
            kind, _, rest = line.partition(b" ")
            try:
                getattr(self, f"heard_{kind.decode('ascii')}")(rest)
            except (AttributeError, UnicodeError, ValueError) as error:
                self.fault(f"{line[:200]!r}: {error}")
            self._received.add(line + DELIMITER)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.crowd.lost(self, reason)

    def fault(self, what: str) -> None:
        """
        Something is not as it has to be.
        """
        self.crowd.faults.append(f"{self.nick.decode()}: {what}")

    def heard_card(self, rest: bytes) -> None:
        """
        Who one is: always the same.
        """
        pid, _, card = rest.partition(b" ")
        self._servedBy(pid)
        if not self.welcome:
            self.welcome, self.card = True, card
            self.welcomed = self.crowd.reactor.seconds()
        self._compare("card", card, self.card)

    def heard_from(self, rest: bytes) -> None:
        """
        Somebody of the room has said something: the next thing.
        """
        pid, nick, number, text = rest.split(b" ", 3)
        self._servedBy(pid)
        due = self.heard.get(nick, 0)
        self._compare(f"number of {nick!r}", int(number), due)
        self._compare(f"text of {nick!r}", text, textOf(nick, due))
        self.heard[nick] = due + 1

    def heard_tick(self, rest: bytes) -> None:
        """
        Time goes by, and not faster than it does.
        """
        pid, number = map(int, rest.split())
        self._servedBy(pid)
        self._compare("tick", number, self.ticks)
        self.ticks += 1
        self._checkPace()

    def _checkPace(self) -> None:
        elapsed = self.crowd.reactor.seconds() - self.began
        if self.ticks > elapsed / INTERVAL:
            self.fault(f"{self.ticks} ticks in {elapsed} s")

    def heard_bulk(self, rest: bytes) -> None:
        """
        What was asked for before going to sleep.
        """
        self._bulks -= 1
        if rest != pattern(BULK):
            self.fault(f"a bulk of {len(rest)} bytes is not as it has to be")

    def heard_sum(self, rest: bytes) -> None:
        """
        All that was said and heard until now, as the chat has it.
        """
        pid, said, ticks, recent, received, sent = rest.split()
        self._servedBy(pid)
        latest = [textOf(self.nick, n) for n in range(self.said)[-3:]]
        self._compare("lines", int(said), self.said)
        self._compare("ticks", int(ticks), self.ticks)
        self._compare("recent lines", int(recent), crc32(b"\n".join(latest)))
        self._compare("bytes taken", received, bytes(self._sent))
        self._compare("bytes given", sent, bytes(self._received))
        self._compare("bulks", self._bulks, 0)
        self._checkTicks()
        self.sums += 1

    def _checkTicks(self) -> None:
        """
        None that is due is missing; only these tickers make up for those that
        come late.
        """
        if self.ticker in (b"call", b"loose"):
            due = int((self.askedAt - self.welcomed) / INTERVAL)
            if self.ticks < due - 1:
                self.fault(f"{self.ticks} ticks where {due} were due")

    def _servedBy(self, pid: bytes | int) -> None:
        """
        Who has given the service up is not heard of again.
        """
        if not self.pids or self.pids[-1] != int(pid):
            if int(pid) in self.pids:
                self.fault(f"process {int(pid)} speaks after {self.pids[-1]}")
            self.pids.append(int(pid))

    def _compare(self, what: str, found: object, due: object) -> None:
        if found != due:
            self.fault(f"{what}: {found!r} and not {due!r}")


class Newcomer(Protocol):
    """
    Somebody who looks in for a moment.
    """

    transport: Any

    def __init__(self, crowd: Crowd) -> None:
        self._crowd = crowd
        self._said = b""

    def connectionMade(self) -> None:
        """
        See L{Protocol.connectionMade}.
        """
        self.transport.write(b"who" + DELIMITER)

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self._said += data
        if self._said.endswith(DELIMITER):
            self._crowd.answered += 1
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self._crowd.newcomers.discard(self)
        if not self._said.endswith(DELIMITER):
            self._crowd.faults.append(f"a newcomer: {reason.getErrorMessage()}")


class _Introduction(ClientFactory):
    """
    Connects one of the crowd.
    """

    noisy = False

    def __init__(self, crowd: Crowd, protocol: Protocol) -> None:
        self._crowd = crowd
        self._protocol = protocol

    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        """
        See L{ClientFactory.buildProtocol}.
        """
        return self._protocol

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """
        See L{ClientFactory.clientConnectionFailed}.
        """
        self._crowd.faults.append(f"not connected: {reason.getErrorMessage()}")
        self._crowd.newcomers.discard(self._protocol)


class Crowd:
    """
    All members of it, and newcomers while they talk.

    @ivar faults: all that was not as it has to be, for a person.
    @ivar knocked: how many newcomers have tried to look in.
    @ivar answered: how many of them were answered.
    @ivar newcomers: those who have not gone yet.
    """

    def __init__(self, reactor: Any, port: int, size: int, seed: int = 1) -> None:
        """
        @param port: the chat's, on the loopback interface.
        @param size: how many they are.
        @param seed: what the pieces that they speak in depend on.
        """
        self.reactor = reactor
        self.random = random.Random(seed)
        self.members = [Member(self, number) for number in range(size)]
        self.faults: list[str] = []
        self.knocked = self.answered = 0
        self.newcomers: set[Protocol] = set()
        self._gone: set[Member] = set()
        self._leaving = False
        self._beats = 0
        self._port = port
        self._waiting = list(self.members)
        self._talking = LoopingCall(self._beat)
        self._talking.clock = reactor

    # Coming and going.

    def connect(self) -> bool:
        """
        Bring some more of them in, as soon as those before are welcome.

        @return: whether all are in.
        """
        coming = len(self.members) - len(self._waiting)
        if all(member.welcome for member in self.members[:coming]):
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            for member in batch:
                self._introduce(member)
        return self.failed or all(member.welcome for member in self.members)

    def leave(self) -> None:
        """
        All hang up.
        """
        self._leaving = True
        for member in self.members:
            member.transport.loseConnection()

    def abort(self) -> None:
        """
        End whatever is left of it.
        """
        self.quiet()
        self._leaving = True
        for protocol in [*self.members, *self.newcomers]:
            if protocol.transport is not None:
                protocol.transport.abortConnection()

    @property
    def left(self) -> bool:
        """
        Whether all have hung up.
        """
        return len(self._gone) == len(self.members) and not self.newcomers

    def lost(self, member: Member, reason: Failure) -> None:
        """
        Somebody's connection has ended.
        """
        self._gone.add(member)
        if not self._leaving:
            member.fault(f"connection lost: {reason.getErrorMessage()}")

    def _introduce(self, protocol: Protocol) -> None:
        self.reactor.connectTCP(HOST, self._port, _Introduction(self, protocol))

    # Talking.

    def talk(self) -> None:
        """
        Begin to talk.
        """
        self._talking.start(BEAT)

    def quiet(self) -> None:
        """
        Stop talking, be it in the middle of a line.
        """
        if self._talking.running:
            self._talking.stop()

    def _beat(self) -> None:
        self._beats += 1
        for member in self.members[self._beats % ROUND :: ROUND]:
            if member not in self._gone:
                member.pump()
        if self._beats % KNOCK == 0:
            self.knocked += 1
            newcomer = Newcomer(self)
            self.newcomers.add(newcomer)
            self._introduce(newcomer)

    def hold(self, members: Iterable[Member]) -> None:
        """
        Have some stop halfway.
        """
        for member in members:
            member.hold()

    def sleep(self, members: Iterable[Member]) -> None:
        """
        Have some not read.
        """
        for member in members:
            member.sleep()

    def rouse(self, members: Iterable[Member]) -> None:
        """
        Have some read and talk again.
        """
        for member in self.members:
            member.ticksBefore = member.ticks
        for member in members:
            member.release()
            member.wake()

    def ask(self) -> None:
        """
        Have all ask for their sums.
        """
        for member in self.members:
            if member not in self._gone:
                member.ask()

    # Finding out.

    @property
    def failed(self) -> bool:
        """
        Whether there is no use in waiting any longer.
        """
        return bool(self.faults)

    def unserved(self, pid: int) -> list[bytes]:
        """
        @return: who reads, and was not served by C{pid} last, or has not ticked
            since L{rouse}.
        """
        return [
            member.nick
            for member in self.members
            if not member.asleep
            and (member.pids[-1] != pid or member.ticks == member.ticksBefore)
        ]

    def served(self, pid: int) -> bool:
        """
        @return: whether nobody is L{unserved}.
        """
        return self.failed or not self.unserved(pid)

    def summed(self) -> bool:
        """
        @return: whether all sums have come that were asked for, and no newcomer
            still waits.
        """
        complete = all(member.sums == member.asked for member in self.members)
        return self.failed or (complete and not self.newcomers)

    def heardAll(self) -> None:
        """
        Check that all have heard all that was said in their room.  True once
        all sums have come twice after the last word.
        """
        for first in range(0, len(self.members), ROOM):
            room = self.members[first : first + ROOM]
            due = {member.nick: member.said for member in room if member.said}
            for member in room:
                if member.heard != due:
                    member.fault(f"heard {member.heard} and not {due}")

    @property
    def said(self) -> int:
        """
        How many lines were said, by all.
        """
        return sum(member.said for member in self.members)

    def report(self) -> str:
        """
        @return: the faults, for a person.
        """
        more = len(self.faults) - TOLD
        told = self.faults[:TOLD]
        return "\n".join([*told, f"and {more} more"] if more > 0 else told)
