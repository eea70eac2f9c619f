"""
Descriptors from process to process: all of them, in order, or an error; and
none left over.
"""

from __future__ import annotations

import array
import errno
import fcntl
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReactorFDSet, IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate import descriptors, filenos, rights
from migrate.errors import (
    DescriptorLimit,
    DescriptorsLost,
    LocalProtocolError,
    MigrationError,
    PeerLost,
    PeerTimeout,
    RemoteProtocolError,
)
from migrate.interfaces import ISecondarySender

LONG = 20.0
"""
Seconds after which a test has failed that waits for another process.
"""


def soon(seconds: float = LONG) -> float:
    """
    @return: a deadline.
    """
    return time.monotonic() + seconds


def header(
    sequence: int, count: int, total: int, mark: bytes = rights.HEADER_MARK
) -> bytes:
    """
    @return: the header of a batch.
    """
    return rights.HEADER.pack(mark, sequence, count, total)


def answer(sequence: int, status: int = rights.TAKEN) -> bytes:
    """
    @return: an acknowledgement.
    """
    return rights.ANSWER.pack(rights.ANSWER_MARK, sequence, status)


def receive(sock: socket.socket, flags: int = 0) -> tuple[bytes, int]:
    """
    Receive one header's worth, as C{socket.recv_fds} would if it did not
    ignore its flags.

    @return: what has come, and with how many descriptors, now closed.
    """
    come = array.array("i")
    space = socket.CMSG_SPACE(rights.BATCH * come.itemsize)
    data, ancillary, _, _ = sock.recvmsg(rights.HEADER.size, space, flags)
    for _, _, numbers in ancillary:
        come.frombytes(numbers)
    filenos.closeAll(come)
    return data, len(come)


class DescriptorTestCase(SynchronousTestCase):
    """
    A test that leaves as many descriptors open as it found.
    """

    def setUp(self) -> None:
        """
        Count, and make a pair of sockets.
        """
        # What earlier tests left to the collector must not go in between.
        gc.collect()
        before = filenos.openFileLimit().used
        self.addCleanup(lambda: self.assertEqual(filenos.openFileLimit().used, before))
        self.ours, self.theirs = socket.socketpair()
        self.addCleanup(self.theirs.close)
        self.addCleanup(self.ours.close)

    def pipes(self, count: int) -> tuple[list[int], int]:
        """
        @return: the read ends of C{count} times one pipe, each its own
            number, and the write end.
        """
        readEnd, writeEnd = os.pipe()
        ends = [readEnd, *(os.dup(readEnd) for _ in range(count - 1))]
        self.addCleanup(filenos.closeAll, [*ends, writeEnd])
        return ends, writeEnd

    def marked(self, count: int) -> list[int]:
        """
        @return: descriptors of C{count} files, each with its place in it.
        """
        made = []
        for number in range(count):
            fileno = os.memfd_create("marked")
            os.write(fileno, b"%d" % number)
            made.append(fileno)
        self.addCleanup(filenos.closeAll, made)
        return made

    def marks(self, received: list[int]) -> list[int]:
        """
        @return: the places in what L{marked} made.
        """
        return [int(os.pread(fileno, 20, 0)) for fileno in received]

    def attach(self, data: bytes, filenos: list[int], sock: Any = None) -> None:
        """
        Send bytes and descriptors in one message, unlike any sender.
        """
        socket.send_fds(sock or self.ours, [data], filenos)

    def inThread(self, action: Callable[[], object]) -> Callable[[], object]:
        """
        Run C{action} beside the test.

        @return: waits for its result, or raises its error.
        """
        outcome: list[Any] = []

        def run() -> None:
            try:
                outcome.append((action(), None))
            except Exception as error:
                outcome.append((None, error))

        thread = threading.Thread(target=run, daemon=True)
        thread.start()

        def join() -> object:
            thread.join(LONG)
            self.assertFalse(thread.is_alive(), "the other side hangs")
            result, error = outcome[0]
            if error is not None:
                raise error
            return result

        return join


class SecondaryTests(DescriptorTestCase):
    """
    Both ends in one process.
    """

    def setUp(self) -> None:
        """
        Make both ends.
        """
        super().setUp()
        self.origin = descriptors.RightsSecondary(self.ours)
        self.recipient = descriptors.RightsSecondary(self.theirs)
        self.addCleanup(self.recipient.close)
        self.addCleanup(self.origin.close)

    def test_interface(self) -> None:
        """
        It is a secondary transport.
        """
        verifyObject(descriptors.ISecondary, self.origin)

    def test_order(self) -> None:
        """
        A thousand descriptors arrive, each in its place, and none of them is
        inheritable.
        """
        sent = self.marked(300)
        for count in (1, 253, 254, 300):
            join = self.inThread(
                lambda count=count: self.recipient.receive(count, soon())
            )
            self.origin.send(sent[:count], soon())
            received = join()
            self.addCleanup(filenos.closeAll, received)
            self.assertEqual(self.marks(received), list(range(count)))
            for fileno in received:
                self.assertFalse(os.get_inheritable(fileno))
            filenos.closeAll(received)

    def test_none(self) -> None:
        """
        Nothing is sent for no descriptors.
        """
        self.origin.send([], soon(0))
        self.assertEqual(self.recipient.receive(0, soon(0)), [])

    def test_originals(self) -> None:
        """
        What was sent stays open at the sender.
        """
        (fileno,) = self.marked(1)
        join = self.inThread(lambda: self.recipient.receive(1, soon()))
        self.origin.send([fileno], soon())
        filenos.closeAll(join())
        os.fstat(fileno)

    def test_inParts(self) -> None:
        """
        What came beyond the count waits for the next call, or is closed.
        """
        join = self.inThread(lambda: self.recipient.receive(1, soon()))
        self.origin.send(self.marked(3), soon())
        first = join()
        second = self.recipient.receive(1, soon(0))
        self.assertEqual(self.marks(first + second), [0, 1])
        filenos.closeAll(first + second)

    def test_timeouts(self) -> None:
        """
        Neither side waits longer than its deadline.
        """
        self.assertRaises(PeerTimeout, self.recipient.receive, 1, soon(0.02))
        self.assertRaises(PeerTimeout, self.origin.send, self.marked(1), soon(0.02))

    def test_closed(self) -> None:
        """
        A peer that closed is lost, not waited for.
        """
        self.origin.close()
        self.assertRaises(PeerLost, self.recipient.receive, 1, soon())

    def test_bothWays(self) -> None:
        """
        First one side sends and then the other, as often as they like.
        """
        for _ in range(2):
            for sender, receiver in (
                (self.origin, self.recipient),
                (self.recipient, self.origin),
            ):
                join = self.inThread(lambda end=receiver: end.receive(2, soon()))
                sender.send(self.marked(2), soon())
                filenos.closeAll(join())


class SenderTests(DescriptorTestCase):
    """
    The sender, and a peer that is played by hand.
    """

    def setUp(self) -> None:
        """
        Make a sender.
        """
        super().setUp()
        self.sender = descriptors.DescriptorSender(self.ours)

    def test_interface(self) -> None:
        """
        It is what a transfer needs.
        """
        verifyObject(ISecondarySender, self.sender)

    def drain(self) -> tuple[bytes, int]:
        """
        @return: what has come, and with how many descriptors, now closed.
        """
        return receive(self.theirs, socket.MSG_DONTWAIT)

    def test_window(self) -> None:
        """
        No more batches are under way than the window allows, and each answer
        lets another one go.
        """
        ends, _ = self.pipes(rights.BATCH * 4 + 1)
        self.assertRaises(PeerTimeout, self.sender.send, ends, soon(0.05))
        total = len(ends)
        for sequence in range(rights.WINDOW):
            self.assertEqual(
                self.drain(), (header(sequence, rights.BATCH, total), rights.BATCH)
            )
        self.assertRaises(BlockingIOError, self.drain)

    def test_windowMoves(self) -> None:
        """
        With answers there, all of them go.
        """
        ends, _ = self.pipes(rights.BATCH * 4 + 1)
        join = self.inThread(lambda: self.sender.send(ends, soon()))
        counts = []
        for sequence in range(5):
            self.theirs.settimeout(LONG)
            data, count = receive(self.theirs)
            self.assertEqual(data, header(sequence, count, len(ends)))
            counts.append(count)
            self.theirs.send(answer(sequence))
        join()
        self.assertEqual(counts, [rights.BATCH] * 4 + [1])

    def test_answersInPieces(self) -> None:
        """
        Acknowledgements may be cut anywhere.
        """
        ends, _ = self.pipes(rights.BATCH + 1)
        join = self.inThread(lambda: self.sender.send(ends, soon()))
        for byte in answer(0) + answer(1):
            self.assertTrue(rights.waitFor(self.theirs, select.POLLIN, LONG))
            self.theirs.send(bytes([byte]))
        join()

    def test_falseAnswers(self) -> None:
        """
        Only what was sent can be acknowledged, in its order.
        """
        for data, error in (
            (answer(1), RemoteProtocolError),
            (rights.ANSWER.pack(b"MGno", 0, 0), RemoteProtocolError),
            (answer(0, rights.REFUSED), RemoteProtocolError),
            (answer(0, 99), RemoteProtocolError),
            (answer(0, rights.LOST), DescriptorsLost),
            (answer(0) + answer(1), RemoteProtocolError),
        ):
            sender = descriptors.DescriptorSender(self.ours)
            self.theirs.send(data)
            raised = self.assertRaises(error, sender.send, self.marked(1), soon())
            self.assertIs(type(raised), error)
            self.drain()

    def test_unusable(self) -> None:
        """
        After an error nothing more is sent, as the stream may end amid a
        header.
        """
        self.assertRaises(PeerTimeout, self.sender.send, self.marked(1), soon(0))
        self.theirs.send(answer(0))
        self.assertRaises(LocalProtocolError, self.sender.send, self.marked(1), soon())
        self.assertRaises(LocalProtocolError, self.sender.post, self.marked(1))

    def test_peerClosed(self) -> None:
        """
        A peer that closed before, or amid it, is lost.
        """
        self.theirs.close()
        error = self.assertRaises(PeerLost, self.sender.send, self.marked(1), soon())
        self.assertIn("closed", str(error))

    def test_peerClosesAmid(self) -> None:
        """
        So is one that closes instead of acknowledging.
        """
        ends, _ = self.pipes(rights.BATCH * 3)
        join = self.inThread(lambda: self.sender.send(ends, soon()))
        rights.waitFor(self.theirs, select.POLLIN, LONG)
        self.theirs.close()
        self.assertRaises(PeerLost, join)

    def test_peerReadsNoMore(self) -> None:
        """
        So is one that keeps the connection and does not read.
        """
        self.theirs.shutdown(socket.SHUT_RD)
        self.assertRaises(PeerLost, self.sender.send, self.marked(1), soon())

    def test_reasonBeforeClosing(self) -> None:
        """
        What a peer said before it closed is not lost with it.
        """
        self.sender.post(self.marked(1))
        self.theirs.send(answer(0, rights.LOST))
        self.theirs.close()
        self.assertRaises(DescriptorsLost, self.sender.post, self.marked(1))

    def test_takenBeforeClosing(self) -> None:
        """
        That it took what came before does not make it less gone.
        """
        self.sender.post(self.marked(1))
        receive(self.theirs)
        self.theirs.send(answer(0))
        self.theirs.close()
        self.assertRaises(PeerLost, self.sender.post, self.marked(1))

    def test_notOpen(self) -> None:
        """
        A number that is no descriptor is this side's own error.
        """
        (fileno,) = self.marked(1)
        os.close(fileno)
        error = self.assertRaises(
            LocalProtocolError, self.sender.send, [fileno], soon()
        )
        self.assertIn(os.strerror(errno.EBADF), str(error))

    def fill(self) -> int:
        """
        Fill the way to the peer.

        @return: how many bytes it took.
        """
        self.ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        done = 0
        while True:
            try:
                done += self.ours.send(b"x" * 100, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return done

    def test_full(self) -> None:
        """
        A full buffer is waited for, and given up at the deadline.
        """
        self.fill()
        self.assertRaises(PeerTimeout, self.sender.send, self.marked(1), soon(0.02))

    def test_fullForAWhile(self) -> None:
        """
        Once the peer reads on, it goes on.
        """
        filler = self.fill()
        join = self.inThread(lambda: self.sender.send(self.marked(1), soon()))
        self.theirs.settimeout(LONG)
        while filler:
            filler -= len(self.theirs.recv(filler))
        self.assertEqual(receive(self.theirs), (header(0, 1, 1), 1))
        self.theirs.send(answer(0))
        join()

    def test_post(self) -> None:
        """
        A batch can be sent without waiting; the next send sees its answer.
        """
        self.sender.post([])
        self.assertRaises(BlockingIOError, self.drain)
        self.sender.post(self.marked(2))
        self.assertEqual(self.drain(), (header(0, 2, 2), 2))
        self.theirs.send(answer(0) + answer(1))
        self.sender.send(self.marked(1), soon())
        self.assertEqual(self.drain(), (header(1, 1, 1), 1))

    def test_postTooMany(self) -> None:
        """
        What would have to wait is refused, and harms nothing.
        """
        ends, _ = self.pipes(rights.BATCH + 1)
        self.assertRaises(LocalProtocolError, self.sender.post, ends)
        for _ in range(rights.WINDOW):
            self.sender.post(ends[:1])
        self.assertRaises(LocalProtocolError, self.sender.post, ends[:1])
        for sequence in range(rights.WINDOW):
            self.theirs.send(answer(sequence))
        self.sender.send([], soon())
        self.sender.post(ends[:1])

    def test_postWhenFull(self) -> None:
        """
        Without room it is not sent.
        """
        self.fill()
        self.assertRaises(PeerTimeout, self.sender.post, self.marked(1))

    def test_partialHeader(self) -> None:
        """
        Descriptors go with the first byte of a header, once, however the
        kernel cuts it.
        """

        @attrs.define
        class OneByte:
            """
            A socket that takes a byte at a time.
            """

            socket: socket.socket
            calls: list[bool] = attrs.field(factory=list)

            def sendmsg(self, buffers: Any, ancillary: Any, flags: int) -> int:
                self.calls.append(bool(ancillary))
                return self.socket.sendmsg([buffers[0][:1]], ancillary, flags)

            def __getattr__(self, name: str) -> Any:
                return getattr(self.socket, name)

        slow = OneByte(self.ours)
        sender = descriptors.DescriptorSender(slow)  # type: ignore[arg-type]
        box = descriptors.DescriptorInbox(self.theirs)
        sender.post(self.marked(3))
        self.assertEqual(slow.calls, [True] + [False] * 15)
        batches = []
        while not batches:
            batches = box.read()
        self.assertEqual(self.marks(batches[0]), [0, 1, 2])
        self.assertEqual(box.unasked, 0)
        box.discard()

    def test_tooManyInFlight(self) -> None:
        """
        When the kernel counts too many in flight, for reasons beside this
        connection, it is tried again until the deadline.
        """

        @attrs.define
        class Counted:
            """
            A socket of a user who has too many in flight, for a while.
            """

            socket: socket.socket
            refusals: float

            def sendmsg(self, buffers: Any, ancillary: Any, flags: int) -> int:
                if self.refusals:
                    self.refusals -= 1
                    raise OSError(errno.ETOOMANYREFS, "too many references")
                return self.socket.sendmsg(buffers, ancillary, flags)

            def __getattr__(self, name: str) -> Any:
                return getattr(self.socket, name)

        ends, _ = self.pipes(1)
        for refusals in (3, float("inf")):
            sock = Counted(self.ours, refusals)
            sender = descriptors.DescriptorSender(sock)  # type: ignore[arg-type]
            if refusals == 3:
                join = self.inThread(lambda s=sender: s.send(ends, soon()))
                self.theirs.settimeout(LONG)
                self.assertEqual(receive(self.theirs), (header(0, 1, 1), 1))
                self.theirs.send(answer(0))
                join()
            else:
                self.assertRaises(PeerTimeout, sender.send, self.marked(1), soon(0.05))


class InboxTests(DescriptorTestCase):
    """
    The receiver's reading, and a peer that is played by hand.
    """

    def setUp(self) -> None:
        """
        Make an inbox.
        """
        super().setUp()
        self.inbox = descriptors.DescriptorInbox(self.theirs)
        self.addCleanup(self.inbox.discard)

    def answers(self) -> bytes:
        """
        @return: what was answered.
        """
        return self.ours.recv(1000, socket.MSG_DONTWAIT)

    def refuses(self, error: type[MigrationError], status: int) -> None:
        """
        Check that the next read fails, and says so to the sender, and that
        nothing is held.
        """
        raised = self.assertRaises(error, self.inbox.read)
        self.assertIs(type(raised), error)
        self.assertEqual(self.answers()[-4:], struct.pack("!I", status))
        self.assertEqual(len(self.inbox), 0)

    def test_nothing(self) -> None:
        """
        Where nothing came, nothing is read, whatever the socket's mode.
        """
        self.theirs.setblocking(True)
        self.assertEqual(self.inbox.read(), [])

    def test_batches(self) -> None:
        """
        Batches are held until taken, and acknowledged.
        """
        files = self.marked(3)
        self.attach(header(0, 2, 3), files[:2])
        self.attach(header(1, 1, 3), files[2:])
        self.assertEqual([len(b) for b in self.inbox.read()], [2])
        self.assertEqual([len(b) for b in self.inbox.read()], [1])
        self.assertEqual(self.answers(), answer(0) + answer(1))
        self.assertEqual(len(self.inbox), 3)
        taken = self.inbox.take()
        self.assertEqual(self.marks(taken), [0, 1, 2])
        self.assertEqual((len(self.inbox), self.inbox.received), (0, 3))
        flags = [fcntl.fcntl(fileno, fcntl.F_GETFD) for fileno in taken]
        self.assertEqual(flags, [fcntl.FD_CLOEXEC] * 3)
        filenos.closeAll(taken)

    def test_severalInOneRead(self) -> None:
        """
        A kernel that gives the bytes of several batches, and the descriptors
        of all of them, in one message is understood.
        """
        self.attach(header(0, 1, 3) + header(1, 2, 3), self.marked(3))
        first, second = self.inbox.read()
        self.assertEqual(self.marks(first + second), [0, 1, 2])
        self.assertEqual(self.answers(), answer(0) + answer(1))

    def test_headerInPieces(self) -> None:
        """
        A header may be cut anywhere.
        """
        data = header(0, 1, 1)
        self.attach(data[:1], self.marked(1))
        self.assertEqual(self.inbox.read(), [])
        for byte in data[1:-1]:
            self.ours.send(bytes([byte]))
            self.assertEqual(self.inbox.read(), [])
        self.ours.send(data[-1:])
        self.assertEqual(len(self.inbox.read()), 1)

    def test_series(self) -> None:
        """
        One connection can carry one series after the other.
        """
        (fileno,) = self.marked(1)
        for sequence in range(3):
            self.attach(header(sequence, 1, 1), [fileno])
            self.assertEqual(len(self.inbox.read()), 1)

    def test_unasked(self) -> None:
        """
        Descriptors beside those of a batch are closed at once, and counted.
        """
        files = self.marked(5)
        self.attach(header(0, 2, 2), files)
        self.assertEqual(self.marks(self.inbox.read()[0]), [0, 1])
        self.assertEqual((self.inbox.unasked, len(self.inbox)), (3, 2))

    def test_unaskedAmidHeader(self) -> None:
        """
        Nor can they be piled up while a header does not get complete.
        """
        ends, _ = self.pipes(200)
        used = filenos.openFileLimit().used
        for byte in header(0, 1, 1)[:10]:
            self.attach(bytes([byte]), ends)
            self.inbox.read()
        self.assertEqual(self.inbox.unasked, 200 * 10 - rights.BATCH)
        self.assertEqual(filenos.openFileLimit().used, used + rights.BATCH)
        self.inbox.discard()
        self.assertEqual(filenos.openFileLimit().used, used)

    def test_short(self) -> None:
        """
        Fewer descriptors than the header says are an error.
        """
        self.attach(header(0, 3, 3), self.marked(2))
        self.refuses(DescriptorsLost, rights.LOST)

    def test_heldAreClosed(self) -> None:
        """
        After an error nothing of what came before is left.
        """
        used = filenos.openFileLimit().used
        ends, _ = self.pipes(2)
        self.attach(header(0, 2, 4), ends)
        self.inbox.read()
        self.attach(header(7, 2, 4), ends)
        self.refuses(DescriptorsLost, rights.LOST)
        self.assertEqual(filenos.openFileLimit().used, used + 3)

    def test_falseHeaders(self) -> None:
        """
        Headers that no sender sends are refused.
        """
        lost, refused = rights.LOST, rights.REFUSED
        for data, error, status in (
            (header(0, 1, 1, b"GET "), RemoteProtocolError, refused),
            (header(1, 1, 1), DescriptorsLost, lost),
            (header(0, 0, 0), DescriptorsLost, lost),
            (header(0, 0, 1), DescriptorsLost, lost),
            (header(0, 2, 1), DescriptorsLost, lost),
            (header(0, 254, 300), DescriptorsLost, lost),
            (header(0, 1, 0xFFFFFFFF), RemoteProtocolError, refused),
        ):
            self.inbox = descriptors.DescriptorInbox(self.theirs)
            self.attach(data, self.marked(1))
            self.refuses(error, status)

    def test_changedTotal(self) -> None:
        """
        The total of a series cannot change under way, nor be exceeded.
        """
        for second in (header(1, 1, 4), header(1, 2, 2)):
            self.inbox = descriptors.DescriptorInbox(self.theirs)
            self.attach(header(0, 1, 2), self.marked(1))
            self.inbox.read()
            self.attach(second, self.marked(2))
            self.refuses(DescriptorsLost, rights.LOST)

    def test_limit(self) -> None:
        """
        A series longer than allowed is refused at its first batch.
        """
        self.inbox.limit = 2
        self.attach(header(0, 1, 3), self.marked(1))
        self.refuses(RemoteProtocolError, rights.REFUSED)

    def test_answersUnread(self) -> None:
        """
        A peer that leaves its answers unread does not make this side wait.
        """
        self.theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        with self.assertRaises(BlockingIOError):
            while True:
                self.theirs.send(b"x" * 100, socket.MSG_DONTWAIT)
        self.attach(header(0, 1, 1), self.marked(1))
        self.assertRaises(RemoteProtocolError, self.inbox.read)
        self.assertEqual(len(self.inbox), 0)

    def test_senderGone(self) -> None:
        """
        A batch counts though its sender has died right after sending it.
        """
        self.attach(header(0, 1, 1), self.marked(1))
        self.ours.close()
        self.assertEqual(len(self.inbox.read()), 1)
        self.assertRaises(PeerLost, self.inbox.read)
        self.assertEqual(len(self.inbox), 1)


@implementer(IReactorFDSet)
@attrs.define
class Watching:
    """
    A reactor that only knows what it would watch.
    """

    readers: list[Any] = attrs.field(factory=list)

    def addReader(self, reader: Any) -> None:
        """
        See L{IReactorFDSet}.
        """
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """
        See L{IReactorFDSet}; with the number still good for it.
        """
        assert reader.fileno() >= 0
        if reader in self.readers:
            self.readers.remove(reader)


class ReceiverTests(DescriptorTestCase):
    """
    The receiver, as the reactor drives it.
    """

    def setUp(self) -> None:
        """
        Make one that writes down what it tells.
        """
        super().setUp()
        self.told: list[Any] = []
        self.reactor = Watching()
        self.receiver = descriptors.DescriptorReceiver(
            self.reactor,
            self.theirs,
            onBatch=lambda batch: self.told.append(len(batch)),
            onError=lambda error: self.told.append(type(error)),
            onClosed=lambda: self.told.append("closed"),
        )
        self.addCleanup(self.receiver.close)
        self.receiver.start()

    def test_interface(self) -> None:
        """
        It is something that a reactor can read.
        """
        verifyObject(IReadDescriptor, self.receiver)
        self.assertEqual(self.receiver.fileno(), self.theirs.fileno())
        self.assertEqual(self.receiver.logPrefix(), "descriptors")

    def test_batches(self) -> None:
        """
        Each batch is told of, and all can be taken.
        """
        self.attach(header(0, 2, 3), self.marked(2))
        self.attach(header(1, 1, 3), self.marked(1))
        self.receiver.doRead()
        self.receiver.doRead()
        self.receiver.doRead()
        self.assertEqual(self.told, [2, 1])
        taken = self.receiver.take()
        self.assertEqual(len(taken), 3)
        self.assertEqual(self.receiver.take(), [])
        filenos.closeAll(taken)

    def test_closed(self) -> None:
        """
        The end of the stream is told of once; what came can still be taken.
        """
        self.attach(header(0, 1, 1), self.marked(1))
        self.ours.close()
        self.receiver.doRead()
        self.receiver.doRead()
        self.receiver.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.told, [1, "closed"])
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.receiver.fileno(), -1)
        filenos.closeAll(self.receiver.take())

    def test_connectionLost(self) -> None:
        """
        A reactor that finds the connection gone, or ends, is an end too.
        """
        self.receiver.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.told, ["closed"])

    def test_error(self) -> None:
        """
        An error is told of once, and ends it.
        """
        self.attach(header(0, 1, 2), self.marked(1))
        self.attach(header(5, 1, 2), self.marked(1))
        self.receiver.doRead()
        self.receiver.doRead()
        self.receiver.connectionLost(Failure(ConnectionLost()))
        self.assertEqual(self.told, [1, DescriptorsLost])
        self.assertEqual(self.reactor.readers, [])
        self.assertEqual(self.receiver.take(), [])
        self.assertEqual(self.receiver.fileno(), -1)

    def test_close(self) -> None:
        """
        Closing tells nobody, and leaves nothing open.
        """
        self.attach(header(0, 1, 1), self.marked(1))
        self.receiver.doRead()
        self.receiver.close()
        self.receiver.close()
        self.assertEqual(self.told, [1])
        self.assertEqual(self.receiver.take(), [])
        self.assertEqual(self.reactor.readers, [])

    def test_closeFromWithin(self) -> None:
        """
        It can be closed by what it calls, and then calls no more.
        """

        def stop(batch: list[int]) -> None:
            self.told.append(len(batch))
            self.receiver.close()

        self.receiver.onBatch = stop
        self.attach(header(0, 1, 1) + header(1, 1, 1), self.marked(2))
        self.receiver.doRead()
        self.assertEqual(self.receiver.fileno(), -1)
        self.assertEqual(self.told, [1])

    def test_defaults(self) -> None:
        """
        Nobody has to listen.
        """
        for batches, gone in ((1, False), (7, True)):
            ours, theirs = socket.socketpair()
            self.addCleanup(ours.close)
            quiet = descriptors.DescriptorReceiver(Watching(), theirs)
            self.attach(header(0, 1, batches), self.marked(1), ours)
            quiet.doRead()
            if gone:
                self.attach(header(9, 1, batches), self.marked(1), ours)
            else:
                ours.close()
            quiet.doRead()
            self.assertEqual(quiet.fileno(), -1)
            quiet.close()


class LivenessTests(DescriptorTestCase):
    """
    The pipe that tells whether somebody lives.
    """

    def pair(self) -> tuple[int, int]:
        """
        @return: what L{makeLiveness} made; closed at the end.
        """
        ends = filenos.makeLiveness()
        self.addCleanup(filenos.closeAll, ends)
        return ends

    def test_alive(self) -> None:
        """
        While both ends are held, each says so, as often as it is asked.
        """
        keep, give = self.pair()
        for fileno in (keep, give, keep, give):
            self.assertTrue(filenos.isAlive(fileno))
            self.assertFalse(os.get_inheritable(fileno))

    def test_dead(self) -> None:
        """
        Once one end is closed, the other says so.
        """
        for which in (0, 1):
            ends = filenos.makeLiveness()
            os.close(ends[which])
            other = ends[1 - which]
            self.assertFalse(filenos.isAlive(other))
            self.assertFalse(filenos.isAlive(other))
            os.close(other)

    def test_notOpen(self) -> None:
        """
        A number that is no descriptor is neither.
        """
        keep, give = filenos.makeLiveness()
        filenos.closeAll([keep, give])
        self.assertRaises(LocalProtocolError, filenos.isAlive, keep)

    def test_passed(self) -> None:
        """
        An end that is under way in a socket is held; one that nobody received
        is not held any more.
        """
        keep, give = filenos.makeLiveness()
        self.addCleanup(os.close, keep)
        descriptors.DescriptorSender(self.ours).post([give])
        os.close(give)
        self.assertTrue(filenos.isAlive(keep))
        self.theirs.close()
        self.assertFalse(filenos.isAlive(keep))


class CloseAllTests(DescriptorTestCase):
    """
    Closing.
    """

    def test_all(self) -> None:
        """
        One that is closed already does not keep the others open.
        """
        first, second = os.pipe()
        filenos.closeAll([first, first, -1, second])
        for fileno in (first, second):
            self.assertRaises(OSError, os.fstat, fileno)


class Child:
    """
    Another process, that runs some code beside a socket to this one.
    """

    prelude = """
        import array, json, os, resource, socket, sys, time
        from migrate import descriptors, filenos, rights
        from migrate.errors import MigrationError
        sock = socket.socket(fileno=int(sys.argv[1]))
        def limit(soft, hard=None):
            resource.setrlimit(
                resource.RLIMIT_NOFILE,
                (soft, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
                 if hard is None else hard),
            )
        def say(*values):
            print(json.dumps(values), flush=True)
        def soon():
            return time.monotonic() + 20
    """

    def __init__(self, test: DescriptorTestCase, code: str) -> None:
        """
        Start it; it is ended and reaped with the test.
        """
        source = textwrap.dedent(self.prelude) + textwrap.dedent(code)
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, str(test.theirs.fileno())],
            pass_fds=[test.theirs.fileno()],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        test.theirs.close()
        test.addCleanup(self.end)
        self.test = test

    def end(self) -> None:
        """
        Kill and reap it.
        """
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def hear(self) -> Any:
        """
        @return: the next thing that it says.
        """
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], LONG)
        self.test.assertTrue(ready, "the child says nothing")
        return json.loads(self.process.stdout.readline())


class ProcessTests(DescriptorTestCase):
    """
    Two processes, and the kernel's limits.
    """

    def test_thousand(self) -> None:
        """
        A thousand descriptors arrive in another process, in order, without
        being inheritable; the counts of both return to where they were.
        """
        child = Child(
            self,
            """
            end = descriptors.RightsSecondary(sock)
            before = filenos.openFileLimit().used
            got = end.receive(1000, soon())
            fine = all(not os.get_inheritable(f) for f in got)
            order = [os.lseek(f, 0, os.SEEK_CUR) for f in got]
            held = filenos.openFileLimit().used
            filenos.closeAll(got)
            say(fine, order == list(range(1000)), held - before,
                filenos.openFileLimit().used - before)
            """,
        )
        sent = [os.memfd_create("place") for _ in range(1000)]
        self.addCleanup(filenos.closeAll, sent)
        for place, fileno in enumerate(sent):
            os.lseek(fileno, place, os.SEEK_SET)
        descriptors.DescriptorSender(self.ours).send(sent, soon())
        self.assertEqual(child.hear(), [True, True, 1000, 0])

    def test_smallLimitOfASender(self) -> None:
        """
        A sender whose limit is far below what it sends in all gets it through,
        as few are in flight at a time; also as a user without privileges,
        where the kernel counts.
        """
        child = Child(
            self,
            """
            held = [os.memfd_create("x") for _ in range(60)]
            limit(80, 80)
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            sender = descriptors.DescriptorSender(sock)
            sender.send(held * 20, soon())
            say("sent")
            """,
        )
        box = descriptors.DescriptorInbox(self.ours)
        deadline = soon()
        while box.received < 1200:
            self.assertTrue(
                rights.waitFor(self.ours, select.POLLIN, deadline - time.monotonic()),
                "the sender hangs",
            )
            box.read()
            filenos.closeAll(box.take())
        self.assertEqual(child.hear(), ["sent"])

    def test_tooManyReferences(self) -> None:
        """
        The kernel does count: without acknowledgements a sender without
        privileges would fail, and this one waits for them instead.
        """
        child = Child(
            self,
            """
            held = [os.memfd_create("x") for _ in range(60)]
            limit(80, 80)
            if os.geteuid() == 0:
                os.setgid(65534)
                os.setuid(65534)
            left, right = socket.socketpair()
            sent = 0
            try:
                while sent < 20:
                    socket.send_fds(left, [b"x"], held)
                    sent += 1
                say("unlimited")
            except OSError as error:
                say(error.errno)
            sender = descriptors.DescriptorSender(sock)
            try:
                sender.send(held, time.monotonic() + 0.1)
            except MigrationError as error:
                say(type(error).__name__)
            right.close()
            left.close()
            descriptors.DescriptorSender(sock).send(held, soon())
            say("sent")
            """,
        )
        self.assertEqual(child.hear(), [errno.ETOOMANYREFS])
        self.assertEqual(child.hear(), ["PeerTimeout"])
        box = descriptors.DescriptorInbox(self.ours)
        self.assertTrue(rights.waitFor(self.ours, select.POLLIN, LONG))
        box.read()
        self.assertEqual(len(box), 60)
        box.discard()
        self.assertEqual(child.hear(), ["sent"])

    def test_receiverAtItsLimit(self) -> None:
        """
        A receiver that may not open what comes says so on both sides, in
        place of losing some, and keeps none.
        """
        child = Child(
            self,
            """
            before = filenos.openFileLimit().used
            limit(before + 30, before + 30)
            box = descriptors.DescriptorInbox(sock)
            try:
                while True:
                    rights.waitFor(sock, 1, 20)
                    box.read()
            except MigrationError as error:
                say(type(error).__name__, str(error), before + 30)
            say(filenos.openFileLimit().used - before, len(box))
            """,
        )
        ends, _ = self.pipes(100)
        sender = descriptors.DescriptorSender(self.ours)
        error = self.assertRaises(DescriptorsLost, sender.send, ends, soon())
        self.assertIn("limit", str(error))
        name, text, limit = child.hear()
        self.assertEqual(name, "DescriptorsLost")
        self.assertIn(f" {limit} ", text)
        self.assertEqual(child.hear(), [0, 0])

    def test_killed(self) -> None:
        """
        A receiver that is killed amid it is lost at once, and its end of a
        liveness pipe with it.
        """
        child = Child(
            self,
            """
            end = descriptors.RightsSecondary(sock)
            (life,) = end.receive(1, soon())
            say(filenos.isAlive(life))
            sock.recv(1)
            os.read(life, 1)
            """,
        )
        keep, give = filenos.makeLiveness()
        self.addCleanup(os.close, keep)
        sender = descriptors.DescriptorSender(self.ours)
        sender.send([give], soon())
        os.close(give)
        self.assertEqual(child.hear(), [True])
        self.assertTrue(filenos.isAlive(keep))
        ends, _ = self.pipes(600)
        join = self.inThread(lambda: sender.send(ends, soon()))
        child.process.send_signal(signal.SIGKILL)
        child.process.wait()
        self.assertRaises(PeerLost, join)
        self.assertFalse(filenos.isAlive(keep))

    def test_reactor(self) -> None:
        """
        A real reactor drives the receiver, and the limit is no matter for
        C{select}: numbers above 1024 do as well.
        """
        child = Child(
            self,
            """
            from twisted.internet.pollreactor import PollReactor
            room = filenos.ensureRoom(2200)
            fillers = [os.dup(0) for _ in range(1100)]
            high = socket.socket(fileno=os.dup(sock.fileno()))
            sock.close()
            reactor = PollReactor()
            got = []
            receiver = descriptors.DescriptorReceiver(
                reactor, high,
                onBatch=lambda batch: got.append(len(batch)),
                onClosed=reactor.stop,
            )
            receiver.start()
            reactor.callLater(20, reactor.stop)
            reactor.run()
            say(high.fileno(), got, len(receiver.take()))
            """,
        )
        ends, _ = self.pipes(300)
        sender = descriptors.DescriptorSender(self.ours)
        sender.send(ends, soon())
        sender.send(ends, soon())
        self.ours.close()
        self.assertEqual(child.hear(), [-1, [253, 47, 253, 47], 600])


class RoomTests(DescriptorTestCase):
    """
    The limit of open files; in other processes, as it is the process's own.
    """

    def test_count(self) -> None:
        """
        What is open is counted.
        """
        before, soft, hard = filenos.openFileLimit()
        self.pipes(10)
        self.assertEqual(filenos.openFileLimit(), (before + 11, soft, hard))
        self.assertEqual((soft, hard), resource.getrlimit(resource.RLIMIT_NOFILE))

    def test_countAtTheLimit(self) -> None:
        """
        A process that can open nothing more can still count.
        """
        child = Child(
            self,
            """
            limit(50, 50)
            held = []
            try:
                while True:
                    held.append(os.dup(1))
            except OSError:
                say(*filenos.openFileLimit())
            """,
        )
        self.assertEqual(child.hear(), [50, 50, 50])

    def test_enough(self) -> None:
        """
        Where there is room, nothing is changed.
        """
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        filenos.ensureRoom(1)
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)

    def test_raised(self) -> None:
        """
        The soft limit is raised as far as needed and no further.
        """
        child = Child(
            self,
            """
            limit(64, 4000)
            used = filenos.openFileLimit().used
            room = filenos.ensureRoom(1000)
            say(room.soft - used, room.hard)
            say(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - used)
            held = [os.dup(1) for _ in range(1000)]
            """,
        )
        self.assertEqual(child.hear(), [1000 + filenos.RESERVE, 4000])
        self.assertEqual(child.hear(), [1000 + filenos.RESERVE])
        self.assertEqual(child.process.wait(LONG), 0)

    def test_hardLimit(self) -> None:
        """
        Where the hard limit is in the way, the error has the numbers, and
        nothing is changed.
        """
        child = Child(
            self,
            """
            limit(64, 100)
            try:
                filenos.ensureRoom(200)
            except MigrationError as error:
                say(type(error).__name__, str(error), filenos.openFileLimit())
            """,
        )
        name, text, (used, soft, hard) = child.hear()
        self.assertEqual((name, soft, hard), (DescriptorLimit.__name__, 64, 100))
        for number in (200, used, 100, used + 200 + filenos.RESERVE):
            self.assertRegex(text, rf"\b{number}\b")
