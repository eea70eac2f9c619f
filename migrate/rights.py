"""
Descriptors over a connected UNIX stream socket (SCM_RIGHTS): how they are
written there, and the side that sends.

They go in numbered batches, each with a header; the receiver acknowledges each
batch, and few are under way at a time, because the kernel counts descriptors
in flight against the sender's limit.  One side sends at a time::

    sender    "MGfd" sequence count total, and count descriptors   16 bytes
    receiver  "MGok" sequence status                               12 bytes

Sequence numbers go on over the whole connection; C{total} is that of one
C{send}.  All numbers are 4 bytes, big-endian.

It must not know any reactor, nor what the descriptors are for.
"""

from __future__ import annotations

import array
import errno
import math
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeAlias

import attrs
from zope.interface import implementer

from migrate.errors import (
    DescriptorsLost,
    LocalProtocolError,
    PeerLost,
    PeerTimeout,
    RemoteProtocolError,
)
from migrate.interfaces import ISecondarySender

BATCH = 253
"""
Descriptors in one message: SCM_MAX_FD of Linux; one more is EINVAL.
"""

WINDOW = 2
"""
Batches that may be sent and not acknowledged.
"""

MAX_DESCRIPTORS = 1 << 20
"""
Descriptors that one C{send} may announce: more than any process can hold by
default.
"""

PAUSE = 0.01
"""
Seconds between two attempts when the kernel has no room for reasons that no
event tells the end of.
"""

HEADER = struct.Struct("!4sIII")
ANSWER = struct.Struct("!4sII")
HEADER_MARK = b"MGfd"
ANSWER_MARK = b"MGok"
TAKEN, LOST, REFUSED = range(3)

READ = 4096
"""
Bytes that are asked for at a time.
"""

SEND_FLAGS = socket.MSG_DONTWAIT | getattr(socket, "MSG_NOSIGNAL", 0)
"""
A peer that is gone is an error, whatever the process does with SIGPIPE.
"""

_Rights: TypeAlias = "list[tuple[int, int, array.array[int]]]"
_GONE = frozenset({errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.ESHUTDOWN})
_FULL = frozenset({errno.ETOOMANYREFS, errno.ENOBUFS, errno.ENOMEM})


def lost() -> PeerLost:
    """
    @return: what is said of a connection that ended.
    """
    return PeerLost("the connection for descriptors was closed by the other side")


def waitFor(sock: socket.socket, events: int, seconds: float) -> int:
    """
    @param seconds: how long to wait at most.
    @return: those of C{events} that happened, and errors; 0 if none did.
    """
    # Not select(): it cannot watch numbers from 1024 on.
    poller = select.poll()
    poller.register(sock, events)
    ready = poller.poll(max(0, math.ceil(seconds * 1000)))
    return ready[0][1] if ready else 0


@implementer(ISecondarySender)
@attrs.define(eq=False)
class DescriptorSender:
    """
    Sends descriptors and waits until they have arrived, within one call.

    @ivar socket: a connected UNIX stream socket; used without blocking,
        whatever its mode is, and never closed.
    """

    socket: socket.socket
    _now: Callable[[], float] = time.monotonic
    _sent: int = attrs.field(default=0, init=False)
    _taken: int = attrs.field(default=0, init=False)
    _answers: bytearray = attrs.field(factory=bytearray, init=False)
    _usable: bool = attrs.field(default=True, init=False)

    def send(
        self, filenos: Sequence[int], deadline: float, arrived: bool = True
    ) -> None:
        """
        See L{ISecondarySender.send}.  After it has raised an error the stream may
        end amid a header, so nothing more can be sent.
        """
        try:
            with self._exclusively():
                self._sendAll(filenos, deadline, arrived)
        except PeerTimeout:
            raise PeerTimeout(
                f"the peer has not taken {len(filenos)} descriptors in time"
            ) from None

    def _sendAll(self, filenos: Sequence[int], deadline: float, arrived: bool) -> None:
        """
        Send batch after batch, and wait until the last has arrived, if that is
        asked for.
        """
        for start in range(0, len(filenos), BATCH):
            while self.pending >= WINDOW:
                self._await(select.POLLIN, deadline)
            self._sendBatch(filenos[start : start + BATCH], len(filenos), deadline)
        while arrived and self.pending:
            self._await(select.POLLIN, deadline)

    @property
    def pending(self) -> int:
        """
        See L{ISecondarySender.pending}.
        """
        return self._sent - self._taken

    def post(self, filenos: Sequence[int]) -> None:
        """
        Send one batch, at once or not at all, and do not wait until it has
        arrived; the next L{send} does.  For a moment at which this process
        must not wait for the other.

        @param filenos: at most L{BATCH}.
        @raise LocalProtocolError: see L{ISecondarySender.send}; or there are more;
            or L{WINDOW} batches are under way.
        @raise PeerLost: see L{ISecondarySender.send}.
        @raise PeerTimeout: the kernel has no room for them.
        """
        if len(filenos) > BATCH or self.pending >= WINDOW:
            raise LocalProtocolError("these descriptors need a send that waits")
        try:
            with self._exclusively():
                if filenos:
                    self._sendBatch(filenos, len(filenos), self._now())
        except PeerTimeout:
            raise PeerTimeout("the kernel takes no descriptors now") from None

    def offer(self, filenos: Sequence[int], deadline: float) -> int:
        """
        Send whole batches of the first of these, as many as the peer has room for now.
        They are a series of their own each; the next L{send} waits for them too.

        @return: how many descriptors were sent.
        @raise Exception: see L{ISecondarySender.send}.
        """
        done = 0
        with self._exclusively():
            while waitFor(self.socket, select.POLLIN, 0):
                self._takeAnswers()
            while len(filenos) - done >= BATCH and self.pending < WINDOW:
                self._sendBatch(filenos[done : done + BATCH], BATCH, deadline)
                done += BATCH
        return done

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """
        Leave this unusable if anything goes wrong.
        """
        if not self._usable:
            raise LocalProtocolError("an earlier send over this connection failed")
        self._usable = False
        yield
        self._usable = True

    def _sendBatch(self, batch: Sequence[int], total: int, deadline: float) -> None:
        """
        Send one header.  The descriptors go with its first byte, and it may
        well be taken in part.
        """
        header = HEADER.pack(HEADER_MARK, self._sent, len(batch), total)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", batch))]
        done = self._push(header, rights, deadline)
        while done < len(header):
            done += self._push(header[done:], [], deadline)
        self._sent += 1

    def _push(self, data: bytes, rights: _Rights, deadline: float) -> int:
        """
        @return: how many bytes were taken: one at least.
        """
        done = 0
        while not done:
            done = self._attempt(data, rights, deadline)
        return done

    def _attempt(self, data: bytes, rights: _Rights, deadline: float) -> int:
        """
        @return: how many bytes were taken; none if it is worth another
            attempt now.
        """
        try:
            return self.socket.sendmsg([data], rights, SEND_FLAGS)
        except BlockingIOError:
            self._await(select.POLLIN | select.POLLOUT, deadline)
        except OSError as error:
            self._recover(error, deadline)
        return 0

    def _recover(self, error: OSError, deadline: float) -> None:
        """
        Decide what an error of the kernel means, and return if it is worth
        another attempt.
        """
        if error.errno in _FULL:
            # Other processes of this user fill the same count.
            self._await(select.POLLIN, deadline, PAUSE)
        elif error.errno in _GONE:
            # The peer may have said why before it closed.
            while self._takeAnswers():
                continue
            raise lost() from error
        else:
            raise LocalProtocolError(
                f"the descriptors cannot be sent: {error.strerror}"
            ) from error

    def _await(self, events: int, deadline: float, atMost: float = math.inf) -> None:
        """
        Wait for an event, and take what answers there are.
        """
        left = deadline - self._now()
        happened = waitFor(self.socket, events, min(left, atMost, 3600))
        if happened & ~select.POLLOUT:
            self._takeAnswers()
        elif not happened and left <= 0:
            raise PeerTimeout("the deadline has passed")

    def _takeAnswers(self) -> bool:
        """
        Read acknowledgements.

        @return: whether there were any.
        """
        try:
            data = self.socket.recv(READ, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            raise lost() from error
        if not data:
            raise lost()
        self._answers += data
        whole = len(self._answers) // ANSWER.size * ANSWER.size
        answers, self._answers = self._answers[:whole], self._answers[whole:]
        for mark, sequence, status in ANSWER.iter_unpack(answers):
            self._judge(mark, sequence, status)
        return True

    def _judge(self, mark: bytes, sequence: int, status: int) -> None:
        """
        Check one acknowledgement.
        """
        if mark != ANSWER_MARK or sequence != self._taken or sequence >= self._sent:
            raise RemoteProtocolError("the peer acknowledged what was not sent")
        if status == LOST:
            raise DescriptorsLost(
                f"descriptors of batch {sequence} did not reach the peer; "
                f"it is probably at its limit of open files"
            )
        if status != TAKEN:
            raise RemoteProtocolError(f"the peer refused batch {sequence}")
        self._taken += 1
