"""
Somebody who sees what becomes of the state of the service of L{benchmarks.counted}, and
of the process that serves it.

It must not know what is done to the service.
"""

from __future__ import annotations

import socket
from contextlib import closing, suppress

from benchmarks.counted import COUNT
from benchmarks.programs import DEADLINE

#: How often a witness counts before.
COUNTS = 3

#: What a service says when it counts: which process it is, and how often it has.
Said = tuple[int, int]


class Witness:
    """
    Somebody who has the service count, by a connection that was there before and by
    another one.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._old = self._connect()
        counts = [_count(self._old) for _ in range(COUNTS)]
        self._before = counts[-1]

    def _connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), DEADLINE)

    def told(self) -> dict[str, str]:
        """
        @return: see L{compared}.
        """
        with closing(self._old), closing(self._connect()) as new:
            said = _count(new)
            assert self._before is not None and said is not None
            return compared(self._before, _count(self._old), said)


def _count(connection: socket.socket) -> Said | None:
    """
    @return: what the service says; L{None} if the connection is none any more.
    """
    with suppress(ConnectionError):
        connection.sendall(COUNT + b"\n")
        words = connection.recv(100).split()
        if words:
            return int(words[0]), int(words[1])
    return None


def compared(before: Said, old: Said | None, new: Said) -> dict[str, str]:
    """
    @param before: what was said before.
    @param old: what is said since by the same connection, if that is one still.
    @param new: what was said before that, by a new one.
    @return: what has become of the C{state}, and of the C{pid} of who serves; of both
        for the old connection and for the new one, if not one process serves them.
    """
    state = "kept" if new[1] == before[1] + 1 else "new"
    pid = "same" if new[0] == before[0] else "new"
    if old is not None and old[0] != new[0]:
        kept = "kept" if old[1] == before[1] + 1 else "new"
        state = f"{kept} / {state}"
        pid = f"{'same' if old[0] == before[0] else 'new'} / {pid}"
    return {"state": state, "pid": pid}
