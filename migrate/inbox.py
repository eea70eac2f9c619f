"""
Descriptors over a connected UNIX stream socket: the side that receives, and
owns what it received until somebody takes it.

It must not know any reactor, nor what the descriptors are for.
"""

from __future__ import annotations

import array
import os
import socket

import attrs

from migrate.errors import DescriptorsLost, RemoteProtocolError
from migrate.filenos import closeAll, openFileLimit
from migrate.rights import (
    ANSWER,
    ANSWER_MARK,
    BATCH,
    HEADER,
    HEADER_MARK,
    LOST,
    MAX_DESCRIPTORS,
    READ,
    REFUSED,
    SEND_FLAGS,
    TAKEN,
    lost,
)

_RIGHTS_SPACE = socket.CMSG_SPACE(BATCH * array.array("i").itemsize)
_NO_CLOEXEC = 0
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", _NO_CLOEXEC)


@attrs.define(eq=False)
class DescriptorInbox:
    """
    Reads batches of descriptors off a socket and acknowledges them.  It owns
    what came until that is taken.

    @ivar socket: a connected UNIX stream socket; used without blocking,
        whatever its mode is, and never closed here.
    @ivar limit: descriptors that one series may announce.
    @ivar received: how many descriptors have come in whole batches.
    @ivar unasked: how many came outside of any; they were closed at once.
    """

    socket: socket.socket
    limit: int = MAX_DESCRIPTORS
    received: int = attrs.field(default=0, init=False)
    unasked: int = attrs.field(default=0, init=False)
    _held: list[int] = attrs.field(factory=list, init=False)
    _loose: list[int] = attrs.field(factory=list, init=False)
    _bytes: bytearray = attrs.field(factory=bytearray, init=False)
    _sequence: int = attrs.field(default=0, init=False)
    _announced: int = attrs.field(default=0, init=False)
    _missing: int = attrs.field(default=0, init=False)

    def __len__(self) -> int:
        """
        @return: how many descriptors have come that were not taken yet.
        """
        return len(self._held)

    def take(self) -> list[int]:
        """
        @return: all descriptors that have come in whole batches, in their
            order; from now on the caller's to close.
        """
        taken, self._held = self._held, []
        return taken

    def discard(self) -> None:
        """
        Close whatever was not taken.
        """
        closeAll(self.take())
        loose, self._loose = self._loose, []
        closeAll(loose)

    def read(self) -> list[list[int]]:
        """
        Read once, without waiting.

        @return: the batches that are complete now; still the inbox's own.
        @raise PeerLost: the stream has ended.
        @raise DescriptorsLost: descriptors are missing.  All that were not
            taken are closed.
        @raise RemoteProtocolError: what came is no batch.  The same.
        """
        try:
            self._receive()
            return self._batches()
        except RemoteProtocolError as error:
            self.discard()
            dropped = isinstance(error, DescriptorsLost)
            self._answer(self._sequence, LOST if dropped else REFUSED)
            raise

    def _receive(self) -> None:
        """
        Get what there is off the socket.
        """
        flags = socket.MSG_DONTWAIT | _CLOEXEC
        try:
            data, ancillary, got, _ = self.socket.recvmsg(READ, _RIGHTS_SPACE, flags)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise lost() from error
        self._loose += _rights(ancillary)
        if got & socket.MSG_CTRUNC:
            _, soft, _ = openFileLimit()
            raise DescriptorsLost(
                f"descriptors were dropped on arrival; this process may have "
                f"{soft} open: raise its limit (ulimit -n, LimitNOFILE=)"
            )
        if not data:
            raise lost()
        self._bytes += data

    def _batches(self) -> list[list[int]]:
        """
        Match headers with descriptors.
        """
        batches = []
        while len(self._bytes) >= HEADER.size:
            header = self._bytes[: HEADER.size]
            del self._bytes[: HEADER.size]
            batches.append(self._batch(*HEADER.unpack(header)))
        # The descriptors of a header come with its first byte.  Those of one
        # that has begun can be a batch's worth; with none begun, none.
        allowed = BATCH if self._bytes else 0
        stray, self._loose = self._loose[allowed:], self._loose[:allowed]
        self.unasked += len(stray)
        closeAll(stray)
        return batches

    def _batch(self, mark: bytes, sequence: int, count: int, total: int) -> list[int]:
        """
        Check one batch, hold it, and acknowledge it.
        """
        self._checkHeader(mark, sequence, count, total)
        if len(self._loose) < count:
            raise DescriptorsLost(
                f"batch {sequence} has {count} descriptors; "
                f"{len(self._loose)} came with it"
            )
        batch, self._loose = self._loose[:count], self._loose[count:]
        self._held += batch
        self._missing = (self._missing or total) - count
        self._announced = total
        self._sequence += 1
        self.received += count
        if not self._answer(sequence, TAKEN):
            raise RemoteProtocolError("the peer does not read acknowledgements")
        return batch

    def _checkHeader(self, mark: bytes, sequence: int, count: int, total: int) -> None:
        """
        @raise RemoteProtocolError: no sender sends this header now.
        """
        if mark != HEADER_MARK:
            raise RemoteProtocolError("what came is no batch of descriptors")
        if sequence != self._sequence:
            raise DescriptorsLost(
                f"batch {sequence} came where {self._sequence} was due"
            )
        if total > self.limit:
            raise RemoteProtocolError(
                f"the peer announced {total} descriptors; it may send {self.limit}"
            )
        if self._missing and total != self._announced:
            raise DescriptorsLost(
                f"{total} descriptors were announced, and {self._announced} before"
            )
        if not 0 < count <= min(BATCH, self._missing or total):
            raise DescriptorsLost(f"batch {sequence} of {total} announces {count}")

    def _answer(self, sequence: int, status: int) -> bool:
        """
        Tell the sender what became of a batch.

        @return: false if the peer has left too many answers unread.
        """
        answer = ANSWER.pack(ANSWER_MARK, sequence, status)
        try:
            return self.socket.send(answer, SEND_FLAGS) == len(answer)
        except BlockingIOError:
            return False
        except OSError:
            # It is gone.  What it has sent still counts; the end of the
            # stream will be read in its turn.
            return True


def _rights(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    """
    @return: the descriptors that came with a message, non-inheritable.
    """
    filenos = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            filenos.frombytes(data[: len(data) - len(data) % filenos.itemsize])
    if _CLOEXEC == _NO_CLOEXEC:
        for fileno in filenos:
            os.set_inheritable(fileno, False)
    return filenos.tolist()
