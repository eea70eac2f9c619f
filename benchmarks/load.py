"""
Clients that ask a service all that it can answer, or one question at a time, in a
process of their own: C{python -m benchmarks.load KIND PORT CONNECTIONS [CPU]}.  KIND is
C{chat} or C{web}.

Commands come on standard input, and each is answered by a line of JSON: C{flood
SECONDS} keeps several questions of every connection in the air, and tells how many
C{answers} came in how many C{seconds}, and C{all} that came until none was left in
the air; C{ask SECONDS} has one connection after the other ask, a single question in
the air, and tells the C{median} and the 99th percentile, C{p99}, of the waits, in
seconds.

It must not know what runs the service.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import select
import socket
import statistics
import sys
import time
from collections.abc import Callable

QUESTIONS = {
    "chat": b"how are you\n",
    "web": b"GET /small.txt HTTP/1.1\r\nHost: localhost\r\n\r\n",
}

#: Questions that go out together, at most and at least, on each connection; two such
#: bunches are in the air.
BUNCH = (32, 4)

_LENGTH = re.compile(rb"(?i)content-length: (\d+)\r\n")


class _Asked:
    """
    A connection with questions in the air.

    @ivar missing: the bytes of the answers that have not come.
    """

    __slots__ = ("missing", "sock")

    def __init__(self, sock: socket.socket, missing: int) -> None:
        self.sock = sock
        self.missing = missing

    def receive(self) -> int:
        """
        @return: how many bytes have come.
        """
        size = len(_received(self.sock))
        self.missing -= size
        return size


class Load:
    """
    All clients of one service.

    @ivar size: the bytes of one answer; all are alike.
    """

    def __init__(self, kind: str, port: int, connections: int) -> None:
        self._question = QUESTIONS[kind]
        self._sockets = [_connect(port) for _ in range(connections)]
        most, least = BUNCH
        self._bunch = max(least, most // connections)
        self.size = len(self._question) if kind == "chat" else self._sizeOfAnswer()

    def _sizeOfAnswer(self) -> int:
        """
        @return: how long a web server's answer is.
        """
        sock, answer = self._sockets[0], b""
        sock.sendall(self._question)
        while True:
            head, end, body = answer.partition(b"\r\n\r\n")
            found = _LENGTH.search(head + b"\r\n")
            if end and found is not None and len(body) >= int(found[1]):
                if not head.startswith(b"HTTP/1.1 200 "):
                    raise SystemExit(f"an answer is {head!r}")
                return len(answer)
            answer += _received(sock)

    def flood(self, seconds: float) -> dict[str, float]:
        """
        Ask as much as is answered, and wait for the rest in the end.
        """
        bunch, whole = self._question * self._bunch, self.size * self._bunch
        asked = {sock.fileno(): _Asked(sock, 2 * whole) for sock in self._sockets}
        epoll = select.epoll()
        for fileno, each in asked.items():
            epoll.register(fileno, select.EPOLLIN)
            each.sock.sendall(bunch * 2)
        came = counted = 0
        waiting, began, ended = len(asked), time.perf_counter(), 0.0
        while waiting:
            for fileno, _ in epoll.poll():
                each = asked[fileno]
                came += each.receive()
                while not ended and each.missing <= whole:
                    each.missing += whole
                    each.sock.sendall(bunch)
                waiting -= not each.missing
            if not ended and time.perf_counter() >= began + seconds:
                ended, counted = time.perf_counter(), came
        epoll.close()
        return {
            "answers": counted / self.size,
            "seconds": ended - began,
            "all": came / self.size,
        }

    def ask(self, seconds: float) -> dict[str, float]:
        """
        Ask one question at a time.
        """
        took: list[float] = []
        end = time.perf_counter() + seconds
        while not took or time.perf_counter() < end:
            sock = self._sockets[len(took) % len(self._sockets)]
            began, missing = time.perf_counter(), self.size
            sock.sendall(self._question)
            while missing:
                missing -= len(_received(sock))
            took.append(time.perf_counter() - began)
        took.sort()
        return {
            "answers": len(took),
            "median": statistics.median(took),
            "p99": took[int(0.99 * (len(took) - 1))],
        }


def _connect(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _received(sock: socket.socket) -> bytes:
    data = sock.recv(1 << 16)
    if not data:
        raise SystemExit("a connection was lost")
    return data


def main() -> None:
    """
    Connect, and do as told on standard input, to its end.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=list(QUESTIONS))
    parser.add_argument("port", type=int)
    parser.add_argument("connections", type=int)
    parser.add_argument("cpu", type=int, nargs="?")
    given = parser.parse_args()
    if given.cpu is not None:
        os.sched_setaffinity(0, [given.cpu])
    load = Load(given.kind, given.port, given.connections)
    commands: dict[str, Callable[[float], dict[str, float]]] = {
        "flood": load.flood,
        "ask": load.ask,
    }
    print("connected", flush=True)
    for line in sys.stdin:
        name, seconds = line.split()
        print(json.dumps(commands[name](float(seconds))), flush=True)


if __name__ == "__main__":
    main()
