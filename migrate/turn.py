"""
Waiting for a socket within one turn of the reactor, while nothing else runs.

It must not know what is sent.
"""

from __future__ import annotations

import math
import select
import time
from typing import Any

from migrate.errors import PeerLost, PeerTimeout

RECEIVE = 256 * 1024
"""
Bytes that one read of a blocking turn takes at most.
"""


def await_(sock: Any, events: int, deadline: float) -> None:
    """
    Wait for a socket.

    @param events: as C{select.poll} has them.
    @param deadline: C{time.monotonic()} seconds.
    @raise PeerTimeout: it did not become ready in time.
    """
    poll = select.poll()
    poll.register(sock.fileno(), events)
    # Even past the deadline: this process may have been stopped, and the word
    # that it waits for may have come long ago.
    remaining = max(0.0, deadline - time.monotonic())
    if not poll.poll(math.ceil(remaining * 1000)):
        raise PeerTimeout("the peer did not answer in time")


def isReady(file: Any) -> bool:
    """
    @param file: a socket or the number of a descriptor.
    @return: whether there is something to be read, or nothing ever again.
    """
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(0))


def flush(transport: Any, deadline: float) -> None:
    """
    Write out all that a transport has buffered, in this turn of the reactor.

    @param deadline: C{time.monotonic()} seconds.
    @raise PeerLost: nobody reads it any more.
    @raise PeerTimeout: it could not be sent in time.
    """
    while transport.dataBuffer or transport._tempDataBuffer:
        await_(transport.getHandle(), select.POLLOUT, deadline)
        if isinstance(transport.doWrite(), Exception):
            raise PeerLost("the peer ended the conversation")


def unread(transport: Any) -> int:
    """
    @return: how many bytes a transport has buffered that the kernel has not
        taken, since the peer does not read.
    """
    waiting = len(transport.dataBuffer) - transport.offset
    return int(waiting + transport._tempDataLen)


def receiveSome(sock: Any, deadline: float) -> bytes:
    """
    Wait for bytes, in this turn of the reactor.

    @param deadline: C{time.monotonic()} seconds.
    @raise PeerLost: the stream has ended.
    @raise PeerTimeout: nothing came in time.
    """
    while True:
        await_(sock, select.POLLIN, deadline)
        try:
            data: bytes = sock.recv(RECEIVE)
        except BlockingIOError:
            continue
        except OSError as error:
            raise PeerLost(f"the peer ended the conversation: {error}") from error
        if not data:
            raise PeerLost("the peer ended the conversation")
        return data
