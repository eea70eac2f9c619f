"""
The least that a migration of the chat can cost with Twisted's own objects at the other
end: code that was written by hand for this one service, and knows each of its
attributes.  It collects the values of live connections, pickles them, and makes of them
transports, protocols and timers that the reactor has; beside it, all that the floor
does for the same, and the descriptors' way from one process to another, which both need
alike.  What is measured is the processor's time, in one process that is either end.

C{python -m benchmarks.byhand [PEOPLE]} writes microseconds a connection, medians of
five, and two ratios: both ends one after the other, as the floor has them, and the new
end alone, as if the old one took no time at all.

It must not know the rest of this project.
"""

from __future__ import annotations

import array
import gc
import os
import pickle
import resource
import select
import socket
import statistics
import sys
import time
from collections import deque
from operator import attrgetter
from typing import Any, NamedTuple

from twisted.internet import reactor as installed
from twisted.internet import tcp
from twisted.internet.base import DelayedCall

from benchmarks.chat import PORT, Chat, Person, makeService

#: How often everything is measured.
ROUNDS = 5

#: Connections that are begun at a time.
AT_ONCE = 100

#: Descriptors that one message carries.
BATCH = 250

_reactor: Any = installed

_VALUES = attrgetter(
    *("nick", "colour", "mood", "width", "height", "score", "level", "away"),
    *("muted", "language", "home", "_buffer", "idle.time"),
)
_TRANSPORT = attrgetter(
    *("client", "sessionno", "repstr", "logstr", "hostname", "dataBuffer"),
)


class Took(NamedTuple):
    """
    What something takes of the processor, at either end.
    """

    old: float
    new: float


def collected(people: set[Person]) -> tuple[bytes, list[int]]:
    """
    @return: the state of all, and their descriptors.
    """
    rows, filenos = [], []
    for person in people:
        transport: Any = person.transport
        rows.append((_VALUES(person), list(person.recent), _TRANSPORT(transport)))
        filenos.append(transport.socket.fileno())
    return pickle.dumps(rows, pickle.HIGHEST_PROTOCOL), filenos


def made(written: bytes, filenos: list[int], factory: Chat) -> list[Person]:
    """
    @return: what L{collected} has written down, as live connections.
    """
    people = []
    calls, now = _reactor._pendingTimedCalls, _reactor.seconds
    cancel, sooner = _reactor._cancelCallLater, _reactor._moveCallLaterSooner
    kind = socket.SOCK_STREAM | socket.SOCK_NONBLOCK
    rows = pickle.loads(written)
    for fileno, (values, recent, others) in zip(filenos, rows, strict=True):
        transport: Any = tcp.Server.__new__(tcp.Server)
        transport.socket = socket.socket(socket.AF_INET, kind, 0, fileno)
        transport.fileno = transport.socket.fileno
        transport.reactor, transport.server = _reactor, None
        transport.connected, transport.disconnected = 1, 0
        transport._tempDataBuffer, transport._tempDataLen = [], 0
        transport.client, transport.sessionno, transport.repstr = others[:3]
        transport.logstr, transport.hostname, transport.dataBuffer = others[3:]
        person: Any = Person.__new__(Person)
        person.nick, person.colour, person.mood, person.width = values[:4]
        person.height, person.score, person.level, person.away = values[4:8]
        person.muted, person.language, person.home, person._buffer = values[8:12]
        person.recent = deque(recent, 3)
        person.factory, person.transport, person.connected = factory, transport, 1
        transport.protocol = person
        person.idle = DelayedCall(
            values[12], transport.loseConnection, (), {}, cancel, sooner, now
        )
        calls.append(person.idle)
        people.append(person)
    for person in people:
        _reactor.addReader(person.transport)
    return people


def undo(people: list[Person]) -> None:
    """
    Let go of what was made.
    """
    for person in people:
        transport: Any = person.transport
        _reactor.removeReader(transport)
        transport.socket.close()
    gone = {id(person.idle) for person in people}
    calls = _reactor._pendingTimedCalls
    calls[:] = [call for call in calls if id(call) not in gone]


def passed(filenos: list[int]) -> tuple[list[int], Took]:
    """
    @return: the descriptors as another process would get them, and what that took.
    """
    copies: list[int] = []
    old = new = 0.0
    here, there = socket.socketpair()
    with here, there:
        for at in range(0, len(filenos), BATCH):
            began = time.process_time()
            batch = array.array("i", filenos[at : at + BATCH])
            here.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, batch)])
            sent = time.process_time()
            room, flags = socket.CMSG_LEN(BATCH * 4), socket.MSG_CMSG_CLOEXEC
            for _, _, data in there.recvmsg(1, room, flags)[1]:
                copies += array.array("i", data)
            old, new = old + sent - began, new + time.process_time() - sent
    return copies, Took(old, new)


def byHand(factory: Chat) -> dict[str, Took]:
    """
    @return: what Twisted's objects take, and their descriptors.
    """
    began = time.process_time()
    written, filenos = collected(factory.people)
    old = time.process_time() - began
    copies, way = passed(filenos)
    began = time.process_time()
    people = made(written, copies, factory)
    new = time.process_time() - began
    undo(people)
    return {"by hand": Took(old, new), "descriptors": way}


def bare(factory: Chat) -> dict[str, Took]:
    """
    @return: the same of the floor: lists of values, sockets, and epoll.
    """
    people: list[Any] = list(factory.people)
    states = [[*_VALUES(each), list(each.recent)] for each in people]
    copies = [os.dup(each.transport.socket.fileno()) for each in people]
    kept: dict[int, tuple[socket.socket, Any]] = {}
    epoll = select.epoll()
    began = time.process_time()
    written = pickle.dumps(states, pickle.HIGHEST_PROTOCOL)
    pickled = time.process_time()
    for fileno, state in zip(copies, pickle.loads(written), strict=True):
        made = socket.socket(fileno=fileno)
        made.setblocking(False)
        kept[fileno] = (made, state)
        epoll.register(fileno, select.EPOLLIN)
    new = time.process_time() - pickled
    epoll.close()
    for made, _ in kept.values():
        made.close()
    return {"floor": Took(pickled - began, new)}


def measured(factory: Chat) -> dict[str, Took]:
    """
    @return: microseconds a connection, by name.
    """
    gc.collect()
    gc.disable()
    rounds = [{**byHand(factory), **bare(factory)} for _ in range(ROUNDS)]
    gc.enable()
    each = 1e6 / len(factory.people)
    return {
        name: Took(
            *(statistics.median(took) * each for took in zip(*every, strict=True))
        )
        for name in rounds[0]
        for every in [[one[name] for one in rounds]]
    }


def shown(found: dict[str, Took]) -> list[str]:
    """
    @return: lines that tell of it.
    """
    way = found["descriptors"]
    hand, floor = found["by hand"], found["floor"]
    least = sum(floor) + sum(way)
    both, new = (sum(hand) + sum(way)) / least, (hand.new + way.new) / least
    return [
        *(
            f"{name}: {sum(took):.2f} us, {took.new:.2f} of it at the new end"
            for name, took in found.items()
        ),
        f"by hand it is {both:.2f} times the floor, one end after the other",
        f"and {new:.2f} times if the old end took no time at all",
    ]


def main(count: int) -> None:
    """
    Measure, and tell.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if 3 * count + 100 > most:
        raise SystemExit(f"at most {(most - 100) // 3} people: ulimit -n is {most}")
    os.environ[PORT] = "0"
    service: Any = makeService()
    service.startService()
    factory, port = service._port.factory, service._port.getHost().port
    clients: list[socket.socket] = []

    def connect() -> None:
        while len(clients) < count and len(clients) - len(factory.people) < AT_ONCE:
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
            clients.append(client)
        if len(factory.people) < count:
            _reactor.callLater(0, connect)
            return
        print(*shown(measured(factory)), sep="\n")
        _reactor.stop()

    _reactor.callWhenRunning(connect)
    _reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
