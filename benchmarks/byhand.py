"""
The least that a migration of the chat can cost with Twisted's own objects at the other
end: code that was written by hand for this one service, and knows each of its
attributes.  It collects the values of live connections, pickles them, and makes of them
transports, protocols and timers that the reactor has; beside it, the floor's share of
the same.  The processor's time of one process: passing the descriptors, which both need
alike, is left out.

C{python -m benchmarks.byhand [PEOPLE]} writes microseconds a connection, medians of
five, and the ratio.

It must not know the rest of this project.
"""

from __future__ import annotations

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
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet import tcp
from twisted.internet.base import DelayedCall

from benchmarks.chat import PORT, Chat, Person, makeService

#: How often everything is measured.
ROUNDS = 5

#: Connections that are begun at a time.
AT_ONCE = 100

_reactor: Any = installed

_VALUES = attrgetter(
    *("nick", "colour", "mood", "width", "height", "score", "level", "away"),
    *("muted", "language", "home", "_buffer", "idle.time"),
)
_TRANSPORT = attrgetter(
    *("client", "sessionno", "repstr", "logstr", "hostname", "dataBuffer"),
)


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


def byHand(factory: Chat) -> float:
    """
    @return: seconds of the processor.
    """
    began = time.process_time()
    written, filenos = collected(factory.people)
    took = time.process_time() - began
    copies = [os.dup(fileno) for fileno in filenos]
    began = time.process_time()
    people = made(written, copies, factory)
    took += time.process_time() - began
    undo(people)
    return took


def bare(factory: Chat) -> float:
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
    for fileno, state in zip(copies, pickle.loads(written), strict=True):
        made = socket.socket(fileno=fileno)
        made.setblocking(False)
        kept[fileno] = (made, state)
        epoll.register(fileno, select.EPOLLIN)
    took = time.process_time() - began
    epoll.close()
    for made, _ in kept.values():
        made.close()
    return took


def measured(factory: Chat) -> dict[str, float]:
    """
    @return: microseconds a connection, by name.
    """
    found = {}
    gc.collect()
    gc.disable()
    for name, measure in (("by hand", byHand), ("floor", bare)):
        took = statistics.median(measure(factory) for _ in range(ROUNDS))
        found[name] = took / len(factory.people) * 1e6
    gc.enable()
    return found


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
        found = measured(factory)
        ratio = found["by hand"] / found["floor"]
        print(", ".join(f"{name} {took:.2f} us" for name, took in found.items()))
        print(f"by hand it is {ratio:.2f} times the floor, beside the descriptors")
        _reactor.stop()

    _reactor.callWhenRunning(connect)
    _reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4000)
