"""
Tests for descriptors that are sent while the service is still served: each connection
has its own in the end, whatever has become of the others meanwhile.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from twisted.internet import tcp
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate import advance, rights
from migrate.adapters import defaultRegistry
from migrate.advance import Advance
from migrate.descriptors import DescriptorReceiver, DescriptorSender
from migrate.errors import LocalProtocolError, MigrationError, PeerLost
from migrate.graph import Environment, TableSerializer
from migrate.graph.ahead import Ahead
from migrate.graph.records import LARGE
from migrate.interfaces import ILoader
from migrate.transfer import Offer, Transfer
from migrate.wire import Records
from tests.inprocess import descriptors
from tests.reactors import freshReactor, spin

#: Descriptors in one message, here.
BATCH = 3

#: Bytes that a connection does not take at once, and that stand in the records.
SOME = LARGE - 1


class Keeping(Protocol):
    """
    Keeps what comes.
    """

    def __init__(self) -> None:
        self.received = b""

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.received += data


class Full(DescriptorSender):
    """
    Has no room.
    """

    def offer(self, filenos: Sequence[int], deadline: float) -> int:
        """
        See L{ISecondarySender.offer}.
        """
        return 0


class AheadTestCase(SynchronousTestCase):
    """
    Two ends of a secondary connection, and small batches.
    """

    def setUp(self) -> None:
        for module in (advance, rights):
            self.patch(module, "BATCH", BATCH)
        self.reactor = freshReactor(self)
        self.recipient = freshReactor(self)
        ours, theirs = self.pair()
        self.ours = ours
        self.sender = DescriptorSender(ours)
        self.receiver = DescriptorReceiver(self.recipient, theirs, self.cameBatch)
        self.batches: list[list[int]] = []
        self.receiver.start()
        self.addCleanup(self.receiver.close)

    def cameBatch(self, batch: list[int]) -> None:
        """
        @param batch: of what the recipient got.
        """
        self.batches.append(batch)

    def pair(self) -> tuple[socket.socket, socket.socket]:
        """
        @return: two ends of a stream.
        """
        both = socket.socketpair()
        for each in both:
            self.addCleanup(each.close)
            each.setblocking(False)
        return both


class AdvanceTests(AheadTestCase):
    """
    L{Advance}
    """

    def setUp(self) -> None:
        super().setUp()
        self.ahead = Ahead()
        self.said: list[MigrationError | None] = []
        self.asked: list[int] = []

    def advance(self, count: int) -> Advance:
        """
        @return: one that may send so many.
        """
        sockets = [self.pair()[0] for _ in range(count)]

        def each() -> Iterator[socket.socket]:
            for owner in sockets:
                self.asked.append(owner.fileno())
                yield owner

        return Advance(
            *(self.reactor, self.ours, self.sender),
            *(each(), self.ahead, self.said.append),
        )

    def test_interface(self) -> None:
        """
        A reactor can watch it.
        """
        verifyObject(IReadDescriptor, self.advance(0))

    def test_allArrive(self) -> None:
        """
        Whole batches go, each once there is room for it; that is all when all have
        arrived.
        """
        one = self.advance(5 * BATCH + 1)
        one.start()
        self.assertEqual(len(self.ahead.filenos), rights.WINDOW * BATCH)
        self.assertEqual(self.asked, self.ahead.filenos)
        self.assertEqual(self.said, [])
        spin(lambda: self.said, self.reactor, self.recipient)
        self.assertEqual(self.said, [None])
        self.assertEqual(len(self.batches), 5)
        self.assertEqual(self.ahead.filenos, self.asked[: 5 * BATCH])
        self.assertEqual(self.sender.pending, 0)
        for ours, theirs in zip(self.ahead.filenos, chain(*self.batches), strict=True):
            self.assertTrue(os.path.sameopenfile(ours, theirs))
        self.assertNotIn(one, self.reactor.getReaders())

    def test_few(self) -> None:
        """
        What is no batch is not sent, and nobody is waited for.
        """
        self.advance(BATCH - 1).start()
        self.assertEqual(self.said, [None])
        self.assertEqual(self.ahead.filenos, [])

    def test_peerGone(self) -> None:
        """
        A recipient that is gone is told of, once.
        """
        one = self.advance(9 * BATCH)
        one.start()
        self.receiver.close()
        spin(lambda: self.said, self.reactor)
        self.assertIsInstance(self.said[0], PeerLost)
        one.connectionLost(Failure(PeerLost("again")))
        self.assertEqual(len(self.said), 1)

    def test_lost(self) -> None:
        """
        So it is if the reactor finds it first.
        """
        one = self.advance(9 * BATCH)
        one.start()
        one.connectionLost(Failure(PeerLost("the reactor says so")))
        self.assertIsInstance(self.said[0], PeerLost)
        self.assertNotIn(one, self.reactor.getReaders())

    def test_broken(self) -> None:
        """
        What goes wrong here is said, too.
        """

        def none() -> Iterator[socket.socket]:
            raise ZeroDivisionError("no sockets")
            yield

        Advance(
            *(self.reactor, self.ours, self.sender),
            *(none(), self.ahead, self.said.append),
        ).start()
        self.assertIn("ZeroDivisionError('no sockets')", str(self.said[0]))
        self.assertEqual(len(self.said), 1)

    def test_noRoom(self) -> None:
        """
        What was not sent must not be taken for sent.
        """
        self.sender = Full(self.ours)
        self.advance(BATCH).start()
        self.assertIsInstance(self.said[0], LocalProtocolError)

    def test_stop(self) -> None:
        """
        Who is stopped says nothing more, and sends nothing.
        """
        one = self.advance(9 * BATCH)
        one.start()
        one.stop()
        one.stop()
        spin(lambda: len(self.batches) == rights.WINDOW, self.recipient)
        for _ in range(5):
            self.reactor.iterate(0)
        self.assertEqual(self.said, [])
        self.assertEqual(len(self.asked), rights.WINDOW * BATCH)


class PlacesTests(SynchronousTestCase):
    """
    L{Ahead.places}
    """

    def setUp(self) -> None:
        self.ahead = Ahead()
        self.sockets = [self.made() for _ in range(3)]
        self.numbers = self.ahead.add(self.sockets[:2]) + self.ahead.add(
            self.sockets[2:]
        )

    def made(self) -> socket.socket:
        """
        @return: a socket.
        """
        made = socket.socket()
        self.addCleanup(made.close)
        return made

    def test_all(self) -> None:
        """
        All are found where they are, as often as it is asked.
        """
        self.assertEqual(self.ahead.filenos, self.numbers)
        expected = {number: place for place, number in enumerate(self.numbers)}
        self.ahead.places().clear()
        self.assertEqual(self.ahead.places(), expected)

    def test_closed(self) -> None:
        """
        Who is closed is not, even if somebody else has the number.
        """
        self.sockets[1].close()
        expected = {self.numbers[0]: 0, self.numbers[2]: 2}
        self.assertEqual(self.ahead.places(), expected)
        self.assertEqual(self.made().fileno(), self.numbers[1])
        self.assertEqual(self.ahead.places(), expected)

    def test_again(self) -> None:
        """
        Who has the number now may have been sent too.
        """
        self.sockets[1].close()
        self.assertEqual(self.ahead.add([self.made()]), self.numbers[1:2])
        expected = {self.numbers[0]: 0, self.numbers[2]: 2, self.numbers[1]: 3}
        self.assertEqual(self.ahead.places(), expected)
        self.assertEqual(self.ahead.filenos, [*self.numbers, self.numbers[1]])


class TransferTests(AheadTestCase):
    """
    The whole way of connections of which some are sent ahead.
    """

    def setUp(self) -> None:
        # Closed once no reactor watches any more.
        self.left: list[socket.socket] = []
        self.addCleanup(lambda: [each.close() for each in self.left])
        super().setUp()
        self.origin = Environment(defaultRegistry(), self.reactor)
        self.there = Environment(defaultRegistry(), self.recipient)
        self.loader: ILoader = TableSerializer().loader(self.there)
        self.addCleanup(self.loader.discard)
        self.peers: dict[str, socket.socket] = {}
        self.root: dict[str, Any] = {}
        self.ended: list[MigrationError | None] = []
        offer = Offer("chat", self.root, self.origin, list, list)
        self.transfer = Transfer(offer, TableSerializer(), self.sender)

    def cameBatch(self, batch: list[int]) -> None:
        """
        See L{AheadTestCase.cameBatch}.
        """
        self.loader.receive(self.receiver.take(), ahead=True)

    def connect(self, name: str) -> Any:
        """
        @return: a transport that is served.
        """
        with socket.create_server(("127.0.0.1", 0)) as server:
            # Little is on its way.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            peer = socket.socket()
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            peer.connect(server.getsockname())
            ours, address = server.accept()
        self.addCleanup(peer.close)
        peer.setblocking(False)
        protocol = Keeping()
        made = tcp.Server(ours, protocol, address, None, 1, self.reactor)
        protocol.makeConnection(made)
        self.peers[name], self.root[name] = peer, made
        return made

    def advance(self) -> None:
        """
        Send what can be sent ahead.
        """
        self.transfer.audit()
        self.transfer.ahead = Ahead()
        Advance(
            *(self.reactor, self.ours, self.sender),
            *(self.transfer.connections(), self.transfer.ahead, self.ended.append),
        ).start()
        spin(lambda: self.ended, self.reactor, self.recipient)
        self.assertEqual(self.ended, [None])

    def capture(self) -> None:
        """
        Write the graph down, and have the recipient make it.
        """
        records: list[bytes] = []

        def send(message: object, deadline: float) -> None:
            if isinstance(message, Records):
                records.append(message.data)

        self.transfer.capture(10.0, first=False)
        self.transfer.pause()
        self.transfer.send(send)
        for _ in range(5):
            self.recipient.iterate(0)
        for data in records:
            self.loader.feed(data)
        self.made = self.loader.finish(())

    def commit(self) -> dict[str, Any]:
        """
        @return: the transports at the recipient, which owns them.
        """
        self.left += [each.socket for each in self.made.values()]
        self.loader.adopt()
        self.transfer.end()
        self.transfer.release()
        return self.made

    def talk(self, made: dict[str, Any]) -> None:
        """
        Everybody is heard by the right one, and can be answered and lost.
        """
        for name, each in made.items():
            self.peers[name].send(name.encode())
            each.write(b"to " + name.encode())
        spin(
            lambda: all(each.protocol.received for each in made.values()),
            self.recipient,
        )
        for name, each in made.items():
            self.assertEqual(each.protocol.received, name.encode())
            self.assertEqual(self.peers[name].recv(100), b"to " + name.encode())
            each.loseConnection()
        spin(lambda: not any(each.connected for each in made.values()), self.recipient)
        for name in made:
            self.assertEqual(self.peers[name].recv(100), b"")

    def test_all(self) -> None:
        """
        Nothing but what was no batch is sent while they are not served.
        """
        for number in range(2 * BATCH + 1):
            self.connect(str(number))
        self.advance()
        self.assertEqual(len(self.transfer.ahead.filenos), 2 * BATCH)
        sent = self.sender.pending
        self.capture()
        self.assertEqual(self.sender.pending, sent + 1)
        report = self.report()
        made = self.commit()
        self.assertEqual(report.descriptors, 2 * BATCH + 1)
        self.talk(made)

    def report(self) -> Any:
        """
        @return: what is said of the move.
        """
        return self.transfer.report(1, None)

    def test_changes(self) -> None:
        """
        Some end between, and others come and get their numbers.
        """
        before = descriptors()
        for number in range(3 * BATCH):
            self.connect(str(number))
        self.advance()
        gone = [self.root.pop(str(number)) for number in (1, 4, 8)]
        numbers = {each.fileno() for each in gone}
        for each in gone:
            each.loseConnection()
        spin(lambda: not any(each.connected for each in gone), self.reactor)
        for name in ("1", "4", "8"):
            # They learn of it now, and not when the recipient has closed its copy.
            self.assertEqual(self.peers[name].recv(100), b"")
        come = {self.connect(f"new {number}").fileno() for number in range(6)}
        self.assertTrue(numbers & come)
        self.capture()
        self.assertEqual(self.report().descriptors, 3 * BATCH - 3 + 6)
        made = self.commit()
        self.assertEqual(len(made), 3 * BATCH - 3 + 6)
        self.talk(made)
        del made
        self.made = {}
        for peer in self.peers.values():
            peer.close()
        self.assertEqual(descriptors(), before)

    def test_paused(self) -> None:
        """
        Who is not read from when they move is not read from afterwards, until it is
        asked for.
        """
        for number in range(2 * BATCH):
            self.connect(str(number))
        self.root["2"].pauseProducing()
        self.advance()
        self.root["4"].pauseProducing()
        self.root["2"].resumeProducing()
        self.capture()
        made = self.commit()
        reading = self.recipient.getReaders()
        silent = [name for name, each in made.items() if each not in reading]
        self.assertEqual(silent, ["4"])
        for name in made:
            self.peers[name].send(b"x")
        rest = [each for name, each in made.items() if name != "4"]
        spin(lambda: all(each.protocol.received for each in rest), self.recipient)
        for _ in range(5):
            self.recipient.iterate(0)
        self.assertEqual(made["4"].protocol.received, b"")
        made["4"].resumeProducing()
        spin(lambda: made["4"].protocol.received, self.recipient)

    def test_writing(self) -> None:
        """
        What nobody has read yet is sent once they read.
        """
        for number in range(BATCH):
            self.connect(str(number))
        self.advance()
        data = b"*" * SOME
        for each in self.root.values():
            each.pauseProducing()
            each.write(data)
        for _ in range(10):
            self.reactor.iterate(0)
        self.assertTrue(all(each.dataBuffer for each in self.root.values()))
        self.capture()
        made = self.commit()
        received = dict.fromkeys(made, 0)

        def done() -> bool:
            for name in made:
                with contextlib.suppress(BlockingIOError):
                    received[name] += len(self.peers[name].recv(1 << 20))
            return all(count == len(data) for count in received.values())

        spin(done, self.recipient)

    def test_rolledBack(self) -> None:
        """
        Where it is thrown away, nothing has happened to anybody, and nothing is left.
        """
        for number in range(2 * BATCH):
            self.connect(str(number))
        before = descriptors()
        self.advance()
        self.capture()
        self.assertNotEqual(descriptors(), before)
        self.loader.discard()
        self.transfer.resume()
        self.made = {}
        self.assertEqual(descriptors(), before)
        readers = self.recipient.getReaders()
        self.assertFalse(any(isinstance(each, tcp.Server) for each in readers))
        for name, peer in self.peers.items():
            peer.send(name.encode())
        spin(
            lambda: all(each.protocol.received for each in self.root.values()),
            self.reactor,
        )

    def test_otherReaders(self) -> None:
        """
        What the recipient's reactor watches already, it watches on.
        """
        for number in range(2 * BATCH):
            self.connect(str(number))
        there, peer = self.pair()
        protocol = Keeping()
        own = tcp.Connection(there, protocol, self.recipient)
        own.connected = True
        own.startReading()
        protocol.makeConnection(own)
        self.advance()
        self.capture()
        made = self.commit()
        peer.send(b"still there")
        spin(lambda: protocol.received, self.recipient)
        self.talk(made)
        self.assertIn(own, self.recipient.getReaders())
        self.recipient.removeReader(own)
        own.connectionLost(Failure(ConnectionDone()))

    def test_notBefore(self) -> None:
        """
        What comes while both have them is read once, and by who owns them.
        """
        for number in range(BATCH):
            self.connect(str(number))
        self.advance()
        for name, peer in self.peers.items():
            peer.send(b"one " + name.encode())
        for _ in range(10):
            self.recipient.iterate(0)
        spin(
            lambda: all(each.protocol.received for each in self.root.values()),
            self.reactor,
        )
        self.capture()
        for peer in self.peers.values():
            peer.send(b", two")
        for _ in range(10):
            self.recipient.iterate(0)
        made = self.commit()
        spin(
            lambda: all(
                each.protocol.received.endswith(b"two") for each in made.values()
            ),
            self.recipient,
        )
        for name, each in made.items():
            self.assertEqual(each.protocol.received, b"one " + name.encode() + b", two")
