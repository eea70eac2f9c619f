"""
The clients of the benchmarks, in a process of their own: C{python -m
benchmarks.crowd PORT PEOPLE}.  They connect, then ask one after the other, one
question of each at a time, and note how long every answer took.

Commands come on standard input and answers go to standard output, a line each:
C{begin} begins to ask; C{end} ends it and tells, as JSON, in seconds: the median of
all round trips, the longest, how often somebody had to connect again.  With
C{--again} whoever is cut off connects again, which counts for the question that it
had asked.

It must not know what is done to the service.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import resource
import selectors
import socket
import statistics
import sys
import time
from collections import OrderedDict

#: Questions in the air at a time, all clients together.
WINDOW = 4

#: How often somebody knocks again who was turned away, in seconds.
RETRY = 0.01


class Crowd:
    """
    All clients of one benchmark.
    """

    def __init__(self, port: int, people: int, again: bool) -> None:
        self._address = ("127.0.0.1", port)
        self._again = again
        self._selector = selectors.DefaultSelector()
        # In order; whoever is cut off is found at once, however many there are.
        self._idle: OrderedDict[socket.socket, None] = OrderedDict()
        self._asked: dict[socket.socket, float] = {}
        self._took: list[float] = []
        self._returned = 0
        self._asking = False
        for _ in range(people):
            self._idle[self._connect()] = None

    def _connect(self) -> socket.socket:
        made = socket.create_connection(self._address)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setblocking(False)
        self._selector.register(made, selectors.EVENT_READ)
        return made

    def run(self) -> None:
        """
        Do as told on standard input, to its end.
        """
        print("connected", flush=True)
        os.set_blocking(0, False)
        self._selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in self._selector.select(0.1):
                if key.fileobj != 0:
                    self._answered(key.fileobj)  # type: ignore[arg-type]
                elif not self._obey():
                    return
            if self._asking:
                self._ask()

    def _obey(self) -> bool:
        for command in os.read(0, 4096).split() or [b""]:
            if not command:
                return False
            self._asking = command == b"begin"
            if command == b"begin":
                self._took.clear()
                print("asking", flush=True)
            elif command == b"end":
                self._tell()
        return True

    def _ask(self) -> None:
        """
        Let those ask who have waited longest.
        """
        while self._idle and len(self._asked) < WINDOW:
            who, _ = self._idle.popitem(last=False)
            self._asked[who] = time.perf_counter()
            self._say(who)

    def _say(self, who: socket.socket) -> None:
        try:
            who.send(b"how are you\n")
        except OSError:
            self._cutOff(who)

    def _answered(self, who: socket.socket) -> None:
        try:
            data = who.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno not in (errno.ECONNRESET, errno.EPIPE):
                raise
            data = b""
        if not data:
            self._cutOff(who)
        elif who in self._asked:
            self._took.append(time.perf_counter() - self._asked.pop(who))
            self._idle[who] = None

    def _cutOff(self, who: socket.socket) -> None:
        """
        Come again, as people do who are cut off.
        """
        if not self._again:
            raise SystemExit("a connection was lost")
        self._selector.unregister(who)
        who.close()
        since = self._asked.pop(who, None)
        self._idle.pop(who, None)
        while True:
            try:
                back = self._connect()
            except ConnectionError:
                time.sleep(RETRY)
            else:
                break
        self._returned += 1
        if since is None:
            self._idle[back] = None
        else:
            self._asked[back] = since
            self._say(back)

    def _tell(self) -> None:
        # Who is still waiting has waited so long already.
        now = time.perf_counter()
        took = self._took + [now - since for since in self._asked.values()]
        told = {
            "median": statistics.median(took),
            "longest": max(took),
            "answers": len(self._took),
            "returned": self._returned,
        }
        print(json.dumps(told), flush=True)


def main() -> None:
    """
    Connect, and do as told.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("people", type=int)
    parser.add_argument("--again", action="store_true")
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    Crowd(given.port, given.people, given.again).run()


if __name__ == "__main__":
    sys.exit(main())
