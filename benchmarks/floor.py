"""
The least that a migration can cost in Python: two bare processes with the same
connections and the same state, and nothing of Twisted.  One hands the sockets over
by C{SCM_RIGHTS} and the state as a C pickle; the other makes socket objects and
registers them with epoll.  One step after the other, the collector off.

C{python -m benchmarks.floor PORT [BALLAST]}: listens, answers lines with the same
lines, and hands over at the first line on standard input.  It writes C{ready}, and
then what the steps took, as JSON, in seconds.

It must not know Twisted, nor the rest of this project.
"""

from __future__ import annotations

import array
import gc
import json
import os
import pickle
import resource
import select
import socket
import struct
import sys
import time
from typing import Any

from benchmarks.chat import BACKLOG

#: Descriptors that one message takes: the kernel's limit.
BATCH = 253

_LENGTH = struct.Struct("!Q")


class Server:
    """
    Answers whoever is connected.

    @ivar people: the socket and the state of every connection, by descriptor.
    """

    def __init__(self) -> None:
        self.epoll = select.epoll()
        self.people: dict[int, tuple[socket.socket, list[Any]]] = {}
        self.listener: socket.socket | None = None

    def listen(self, port: int) -> None:
        """
        Let people in.
        """
        self.listener = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self.listener.setblocking(False)
        self.epoll.register(self.listener.fileno(), select.EPOLLIN)

    def meet(self, sock: socket.socket, state: list[Any]) -> None:
        """
        Somebody is there.
        """
        sock.setblocking(False)
        self.people[sock.fileno()] = (sock, state)
        self.epoll.register(sock.fileno(), select.EPOLLIN)

    def serve(self, until: int) -> None:
        """
        Answer, until there is something to be read on a descriptor.
        """
        self.epoll.register(until, select.EPOLLIN)
        while True:
            for fileno, _ in self.epoll.poll():
                if fileno == until:
                    self.epoll.unregister(until)
                    return
                if self.listener is not None and fileno == self.listener.fileno():
                    self._accept()
                else:
                    self._answer(fileno)

    def _accept(self) -> None:
        assert self.listener is not None
        while True:
            try:
                made, _ = self.listener.accept()
            except BlockingIOError:
                return
            number = len(self.people)
            recent = [b"hello", b"how are you", b"bye"]
            attributes = ["blue", "calm", 80 + number % 40, 24, number * 7]
            attributes += [number % 100, False, number % 3 == 0, "en"]
            timer = time.time() + 3600
            state = [f"person{number}", *attributes, f"/home/{number}", recent, timer]
            self.meet(made, state)

    def _answer(self, fileno: int) -> None:
        sock, state = self.people[fileno]
        data = sock.recv(4096)
        if data:
            state[-2] = [*state[-2][1:], data]
            sock.send(data)
        else:
            self.epoll.unregister(fileno)
            del self.people[fileno]
            sock.close()


def _give(server: Server, ballast: list[bytes], way: socket.socket) -> dict[str, float]:
    """
    @return: what the steps took here.
    """
    began = time.perf_counter()
    sockets = [sock for sock, _ in server.people.values()]
    for sock in sockets:
        server.epoll.unregister(sock.fileno())
    states = [state for _, state in server.people.values()]
    written = pickle.dumps((states, ballast), pickle.HIGHEST_PROTOCOL)
    captured = time.perf_counter()
    way.sendall(_LENGTH.pack(len(sockets)) + _LENGTH.pack(len(written)))
    filenos = [sock.fileno() for sock in sockets]
    for at in range(0, len(filenos), BATCH):
        batch = array.array("i", filenos[at : at + BATCH])
        way.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, batch)])
        _exactly(way, 1)
    way.sendall(written)
    sent = time.perf_counter()
    loaded = json.loads(_exactly(way, _LENGTH.unpack(_exactly(way, 8))[0]))
    ended = time.perf_counter()
    steps = {"capture": captured - began, "send": sent - captured}
    return {**steps, **loaded, "pause": ended - began, "bytes": len(written)}


def _take(server: Server, way: socket.socket) -> list[bytes]:
    """
    Take over.

    @return: the ballast.
    """
    count, size = (_LENGTH.unpack(_exactly(way, 8))[0] for _ in range(2))
    filenos: list[int] = []
    while len(filenos) < count:
        room = socket.CMSG_LEN(BATCH * 4)
        _, ancillary, _, _ = way.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
        for _, _, data in ancillary:
            filenos += array.array("i", data)
        way.sendall(b".")
    written = _exactly(way, size)
    began = time.perf_counter()
    states, ballast = pickle.loads(written)
    for fileno, state in zip(filenos, states, strict=True):
        server.meet(socket.socket(fileno=fileno), state)
    told = json.dumps({"load": time.perf_counter() - began}).encode()
    way.sendall(_LENGTH.pack(len(told)) + told)
    kept: list[bytes] = ballast
    return kept


def _exactly(way: socket.socket, size: int) -> bytes:
    """
    @return: so many bytes.
    """
    data = bytearray(size)
    view, have = memoryview(data), 0
    while have < size:
        got = way.recv_into(view[have:])
        if not got:
            raise SystemExit("the other process is gone")
        have += got
    return bytes(data)


def main() -> None:
    """
    Be both processes.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    gc.disable()
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    ours, theirs = socket.socketpair()
    server = Server()
    if os.fork() == 0:
        ours.close()
        theirs.recv(1, socket.MSG_PEEK)
        ballast = _take(server, theirs)
        server.serve(theirs.fileno())
        del ballast
        return
    theirs.close()
    block = 64 * 1024
    kept = [b"%016d" % at * (block // 16) for at in range(0, size, block)]
    server.listen(int(sys.argv[1]))
    print("ready", flush=True)
    server.serve(0)
    print(json.dumps(_give(server, kept, ours)), flush=True)
    sys.stdin.readline()
    sys.stdin.readline()


if __name__ == "__main__":
    main()
