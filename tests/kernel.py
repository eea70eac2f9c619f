"""
What the kernel knows of TCP connections, and of the time that a process took.

It must not know whose they are.
"""

from __future__ import annotations

import os
import socket
import struct
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater


class TCPState(Enum):
    """
    The states of a TCP socket, as C{/proc/net/tcp} numbers them.
    """

    ESTABLISHED = 1
    SYN_SENT = 2
    SYN_RECV = 3
    FIN_WAIT1 = 4
    FIN_WAIT2 = 5
    TIME_WAIT = 6
    CLOSE = 7
    CLOSE_WAIT = 8
    LAST_ACK = 9
    LISTEN = 10
    CLOSING = 11


@attrs.frozen
class TCPSocket:
    """
    One line of C{/proc/net/tcp}.

    @ivar state: its state.
    @ivar unsent: bytes that the peer has not acknowledged.
    @ivar unread: bytes that nobody has read; of a listener, connections that
        nobody has accepted.
    """

    state: TCPState
    unsent: int
    unread: int


def _portOf(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def tcpSocket(local: int, remote: int = 0) -> TCPSocket | None:
    """
    @param local: the port of the end that is asked for.
    @param remote: the port at the other end; 0 for a listener.
    @return: what the kernel has of it; L{None} if it has none.
    """
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, ours, theirs, state, queues, *_ = line.split()
        if (_portOf(ours), _portOf(theirs)) == (local, remote):
            unsent, unread = (int(part, 16) for part in queues.split(":"))
            return TCPSocket(TCPState(int(state, 16)), unsent, unread)
    return None


def stateOf(skt: socket.socket) -> TCPState:
    """
    @return: the state of this process's own socket (C{tcpi_state}).
    """
    return TCPState(skt.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0])


def backlogOf(skt: socket.socket) -> int:
    """
    @return: how many may wait at a listening socket (C{tcpi_sacked}, which has
        that meaning for one).
    """
    info = skt.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
    return int(struct.unpack("=8x6I", info)[5])


def cpuSeconds(pid: int) -> float:
    """
    @return: the time that a process has run for, in seconds.
    """
    stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


def cpuWhileIdle(reactor: Any, seconds: float, *pids: int) -> Deferred[list[float]]:
    """
    Let time go by.

    @return: fires with the part of that time, from 0 to 1, that each of the
        processes ran for.
    """
    before = [cpuSeconds(pid) for pid in pids]

    def compare() -> list[float]:
        return [
            (cpuSeconds(pid) - old) / seconds
            for pid, old in zip(pids, before, strict=True)
        ]

    return deferLater(reactor, seconds, compare)
