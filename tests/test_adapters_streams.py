"""
Tests for L{migrate.adapters.streams}: live connections, from reactor to
reactor.
"""

from __future__ import annotations

import contextlib
import os
import socket
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import ClientFactory, Factory, connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate.adapters import streams
from migrate.adapters.streams import QueuedDescriptors, StreamAdapter
from migrate.errors import CannotMigrate, LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ILiveAdapter
from migrate.model import Descriptor
from tests.adapting import Capture, Loading, remake
from tests.inprocess import Move, descriptors
from tests.reactors import DEADLINE, freshReactor, spin, turn


class Lines(LineReceiver):
    """
    Keeps its lines, and answers each.
    """

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.lost: list[Failure] = []

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        self.lines.append(line)
        self.sendLine(b"%d %s" % (len(self.lines), line))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.lost.append(reason)


@implementer(IHalfCloseableProtocol)
class HalfLines(Lines):
    """
    The same, for peers that close one direction.
    """

    def __init__(self) -> None:
        super().__init__()
        self.closed: list[str] = []

    def readConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol}.
        """
        self.closed.append("read")

    def writeConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol}.
        """
        self.closed.append("write")


class Site(Factory):
    """
    Keeps its protocols.
    """

    def __init__(self, protocol: Any = Lines) -> None:
        self.kind = protocol
        self.protocols: list[Any] = []

    def buildProtocol(self, addr: object) -> Any:
        """
        See L{Factory.buildProtocol}.
        """
        made = self.kind()
        made.factory = self
        self.protocols.append(made)
        return made


class Caller(ClientFactory):
    """
    The client side of the same.
    """

    def __init__(self) -> None:
        self.protocols: list[Any] = []
        self.failed: list[Failure] = []

    def buildProtocol(self, addr: object) -> Any:
        """
        See L{Factory.buildProtocol}.
        """
        made = Lines()
        self.protocols.append(made)
        return made

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """
        See L{ClientFactory.clientConnectionFailed}.
        """
        self.failed.append(reason)


class OwnServer(tcp.Server):
    """
    A user's own transport.
    """

    __slots__ = ("note",)


class OwnPort(tcp.Port):
    """
    A user's own port.
    """

    transport = OwnServer


@implementer(IPushProducer)
class Producer:
    """
    A producer that notes what it is told.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def pauseProducing(self) -> None:
        """
        See L{IPushProducer.pauseProducing}.
        """
        self.told.append("pause")

    def resumeProducing(self) -> None:
        """
        See L{IPushProducer.resumeProducing}.
        """
        self.told.append("resume")

    def stopProducing(self) -> None:
        """
        See L{IPushProducer.stopProducing}.
        """
        self.told.append("stop")


def readLine(peer: socket.socket) -> bytes:
    """
    @return: the next line, byte by byte so that nothing is read ahead.
    """
    line = b""
    while not line.endswith(b"\r\n"):
        byte = peer.recv(1)
        if not byte:
            raise AssertionError(f"EOF after {line!r}")
        line += byte
    return line[:-2]


class Base(SynchronousTestCase):
    """
    A site on the origin's reactor, and peers.
    """

    def setUp(self) -> None:
        """
        Listen.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)

    def listen(self, protocol: Any = Lines) -> None:
        """
        Have a site listen on the loopback interface.
        """
        self.site = Site(protocol)
        self.port = self.origin.listenTCP(0, self.site, interface="127.0.0.1")

    def connect(self) -> tuple[socket.socket, Any]:
        """
        @return: a peer, and the protocol that serves it at the origin.
        """
        number = len(self.site.protocols)
        peer = socket.create_connection(
            ("127.0.0.1", self.port.getHost().port), timeout=DEADLINE
        )
        self.addCleanup(peer.close)
        spin(lambda: len(self.site.protocols) > number, self.origin)
        return peer, self.site.protocols[-1]

    def ask(self, peer: socket.socket, line: bytes, reactor: Any) -> bytes:
        """
        @return: the answer to a line.
        """
        peer.sendall(line)
        peer.setblocking(False)
        answer = bytearray()

        def complete() -> bool:
            try:
                answer.extend(peer.recv(65536))
            except BlockingIOError:
                return False
            return answer.endswith(b"\r\n")

        spin(complete, reactor)
        peer.settimeout(DEADLINE)
        return bytes(answer)

    def move(self, root: Any) -> Move:
        """
        @return: a move of C{root} that is prepared.
        """
        move = Move(root, self.origin, self.recipient)
        move.prepare()
        return move


class ServerTests(Base):
    """
    L{tcp.Server} and its port.
    """

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, StreamAdapter("x"))

    def test_partialLine(self) -> None:
        """
        Half a line that the origin has read, and half a line that it has not:
        the recipient answers, on the same connection, with the state kept.
        """
        self.listen()
        peer, protocol = self.connect()
        self.assertEqual(self.ask(peer, b"one\r\n", self.origin), b"1 one\r\n")
        peer.sendall(b"tw")
        spin(lambda: protocol._buffer == b"tw", self.origin)
        move = self.move(self.port)
        peer.sendall(b"o\r\nthree\r\n")
        made = move.commit()
        turn(self.origin)
        (moved,) = made.factory.protocols
        spin(lambda: len(moved.lines) == 3, self.recipient)
        turn(self.recipient)
        self.assertEqual(readLine(peer), b"2 two")
        self.assertEqual(readLine(peer), b"3 three")
        self.assertEqual(protocol.lines, [b"one"])
        self.assertIs(moved.transport.server, made)
        self.assertIs(moved.transport.protocol, moved)
        self.assertIs(moved.transport.reactor, self.recipient)
        self.assertEqual(moved.transport.getPeer().port, peer.getsockname()[1])
        self.assertEqual(moved.transport.fileno(), moved.transport.socket.fileno())
        self.assertFalse(os.get_inheritable(moved.transport.fileno()))
        self.assertEqual(moved.transport.socket.gettimeout(), 0)
        self.assertEqual(made.sessionno, 1)

    def test_newConnections(self) -> None:
        """
        Who connects while the port moves is served by the recipient, and the
        numbers of sessions go on.
        """
        self.listen()
        self.connect()
        move = self.move(self.port)
        waiting = socket.create_connection(
            ("127.0.0.1", self.port.getHost().port), timeout=DEADLINE
        )
        self.addCleanup(waiting.close)
        made = move.commit()
        self.assertEqual(self.ask(waiting, b"hi\r\n", self.recipient), b"1 hi\r\n")
        self.assertEqual(len(self.site.protocols), 1)
        self.assertEqual(made.factory.protocols[1].transport.sessionno, 1)
        self.assertEqual(made.factory.numPorts, 1)

    def test_queuedOutput(self) -> None:
        """
        Output that the kernel does not take at once arrives whole, in order,
        and only then does the connection end that was to be lost.
        """
        self.listen()
        peer, protocol = self.connect()
        data = b"".join(b"%07d\n" % number for number in range(600000))
        protocol.transport.write(data[:100])
        protocol.transport.write(data[100:])
        protocol.transport.loseConnection()
        for _ in range(3):
            turn(self.origin)
        self.assertGreater(protocol.transport.offset, 0)
        left = len(protocol.transport.dataBuffer) - protocol.transport.offset
        move = self.move(self.port)
        moved = move.made.factory.protocols[0].transport
        self.assertEqual((moved.offset, len(moved.dataBuffer)), (0, left))
        made = move.commit()
        received = self.drain(peer, self.recipient)
        self.assertEqual(len(received), len(data))
        self.assertTrue(received == data)
        spin(lambda: made.factory.protocols[0].lost, self.recipient)
        self.assertEqual(protocol.lost, [])

    def test_queuedPieces(self) -> None:
        """
        So does what was written in many small pieces.
        """
        self.listen()
        peer, protocol = self.connect()
        pieces = [b"%04d" % number for number in range(100)]
        for piece in pieces:
            protocol.transport.write(piece)
        protocol.transport.loseConnection()
        made = self.move(self.port).commit()
        self.assertEqual(self.drain(peer, self.recipient), b"".join(pieces))
        spin(lambda: made.factory.protocols[0].lost, self.recipient)

    def drain(self, peer: socket.socket, reactor: Any) -> bytes:
        """
        @return: all that comes until the end of the stream.
        """
        received = bytearray()
        peer.setblocking(False)

        def over() -> bool:
            try:
                data = peer.recv(1 << 20)
            except BlockingIOError:
                return False
            received.extend(data)
            return not data

        spin(over, reactor)
        return bytes(received)

    def test_producer(self) -> None:
        """
        A producer that was paused as the buffer was full is resumed at the
        recipient, once; its original hears nothing.
        """
        self.listen()
        peer, protocol = self.connect()
        producer = Producer()
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(b"x" * (8 << 20))
        self.assertEqual(producer.told, ["pause"])
        made = self.move(self.port).commit()
        moved = made.factory.protocols[0].transport
        self.assertIsNot(moved.producer, producer)
        self.assertTrue(moved.producerPaused)
        read: list[int] = []
        peer.setblocking(False)

        def resumed() -> bool:
            with contextlib.suppress(BlockingIOError):
                read.append(len(peer.recv(1 << 20)))
            return bool(moved.producer.told == ["pause", "resume"])

        spin(resumed, self.recipient)
        self.assertEqual(producer.told, ["pause"])

    def test_pausedReading(self) -> None:
        """
        A transport that nobody reads from is not read from afterwards either,
        until it is resumed.
        """
        self.listen()
        peer, protocol = self.connect()
        protocol.transport.pauseProducing()
        peer.sendall(b"hello\r\n")
        made = self.move(self.port).commit()
        (moved,) = made.factory.protocols
        for _ in range(3):
            turn(self.recipient)
        self.assertEqual(moved.lines, [])
        moved.transport.resumeProducing()
        spin(lambda: moved.lines == [b"hello"], self.recipient)

    def test_peerHalfClosed(self) -> None:
        """
        A peer that has sent all it had to say gets what is still to be sent.
        """
        self.listen(HalfLines)
        peer, protocol = self.connect()
        peer.sendall(b"bye\r\n")
        peer.shutdown(socket.SHUT_WR)
        spin(lambda: protocol.closed == ["read"], self.origin)
        made = self.move(self.port).commit()
        (moved,) = made.factory.protocols
        moved.sendLine(b"more")
        moved.transport.loseConnection()
        self.assertEqual(self.drain(peer, self.recipient), b"1 bye\r\nmore\r\n")
        self.assertEqual(moved.closed, ["read"])

    def test_halfClosing(self) -> None:
        """
        The writing direction closes once, at the recipient, after the last
        byte; reading goes on.
        """
        self.listen(HalfLines)
        peer, protocol = self.connect()
        protocol.sendLine(b"last")
        protocol.transport.loseWriteConnection()
        made = self.move(self.port).commit()
        (moved,) = made.factory.protocols
        self.assertEqual(self.drain(peer, self.recipient), b"last\r\n")
        self.assertEqual(moved.closed, ["write"])
        peer.settimeout(DEADLINE)
        peer.sendall(b"still here\r\n")
        spin(lambda: moved.lines == [b"still here"], self.recipient)
        self.assertEqual(protocol.closed, [])
        again = Move(made, self.recipient, self.origin)
        (third,) = again.go().factory.protocols
        self.assertTrue(third.transport._writeDisconnected)
        peer.sendall(b"there\r\n")
        spin(lambda: third.lines == [b"still here", b"there"], self.origin)

    def test_aborting(self) -> None:
        """
        A connection that is being aborted is aborted at the recipient.
        """
        self.listen()
        peer, protocol = self.connect()
        protocol.transport.abortConnection()
        made = self.move(self.port).commit()
        (moved,) = made.factory.protocols
        turn(self.origin)
        spin(lambda: moved.lost, self.recipient)
        self.assertEqual(protocol.lost, [])
        self.assertRaises(ConnectionResetError, peer.recv, 1)

    def test_noFIN(self) -> None:
        """
        The peer sees nothing of the move, and the end at once when the new
        owner closes: no stray copy is left at the origin.
        """
        self.listen()
        peer, _ = self.connect()
        made = self.move(self.port).commit()
        peer.setblocking(False)
        self.assertRaises(BlockingIOError, peer.recv, 1)
        made.factory.protocols[0].transport.loseConnection()
        turn(self.recipient)
        peer.settimeout(DEADLINE)
        self.assertEqual(peer.recv(1), b"")

    def test_ownClasses(self) -> None:
        """
        Subclasses stay what they are, and keep what is in their slots.
        """
        self.site = Site()
        self.port = OwnPort(0, self.site, interface="127.0.0.1", reactor=self.origin)
        self.port.startListening()
        _, protocol = self.connect()
        protocol.transport.note = "noted"
        made = self.move(self.port).commit()
        self.assertIsInstance(made, OwnPort)
        (moved,) = made.factory.protocols
        self.assertIsInstance(moved.transport, OwnServer)
        self.assertEqual(moved.transport.note, "noted")

    def test_options(self) -> None:
        """
        Options that the kernel keeps go along.
        """
        self.listen()
        _, protocol = self.connect()
        protocol.transport.setTcpKeepAlive(True)
        protocol.transport.setTcpNoDelay(True)
        (moved,) = self.move(self.port).commit().factory.protocols
        self.assertTrue(moved.transport.getTcpKeepAlive())
        self.assertTrue(moved.transport.getTcpNoDelay())

    def test_lost(self) -> None:
        """
        A transport that was lost moves without a descriptor.
        """
        self.listen()
        peer, protocol = self.connect()
        peer.close()
        spin(lambda: protocol.lost, self.origin)
        before = descriptors()
        (moved,) = self.move(self.port).commit().factory.protocols
        self.assertEqual(descriptors(), before)
        self.assertTrue(moved.transport.disconnected)
        moved.sendLine(b"into the void")


class RollBackTests(Base):
    """
    The origin goes on as if nothing had been.
    """

    def test_rollBack(self) -> None:
        """
        The same interest, the same attributes, the same peers.
        """
        self.listen()
        peer, protocol = self.connect()
        _, paused = self.connect()
        paused.transport.pauseProducing()
        _, busy = self.connect()
        busy.transport.write(b"x" * (8 << 20))
        turn(self.origin)
        things = [self.port, *(p.transport for p in self.site.protocols)]

        def snapshot() -> list[object]:
            readers, writers = self.origin.getReaders(), self.origin.getWriters()
            return [
                (dict(vars(thing)), thing in readers, thing in writers)
                for thing in things
            ]

        before, count = snapshot(), descriptors()
        move = self.move(self.port)
        self.assertFalse({*things} & {*self.origin.getReaders()})
        self.assertFalse({*things} & {*self.origin.getWriters()})
        protocol.sendLine(b"meanwhile")
        turn(self.origin)
        move.rollBack()
        self.assertIn(protocol.transport, self.origin.getWriters())
        protocol.transport.stopWriting()
        protocol.transport._tempDataBuffer.clear()
        protocol.transport._tempDataLen = 0
        self.assertEqual(snapshot(), before)
        self.assertEqual(descriptors(), count)
        self.assertEqual(self.ask(peer, b"one\r\n", self.origin), b"1 one\r\n")
        moved = move.made.factory.protocols[0]
        moved.sendLine(b"from the grave")
        moved.transport.loseConnection()
        turn(self.recipient)
        self.assertEqual(moved.lost, [])
        self.assertEqual(self.ask(peer, b"two\r\n", self.origin), b"2 two\r\n")

    def test_afterwardsAgain(self) -> None:
        """
        What was rolled back can move.
        """
        self.listen()
        peer, _ = self.connect()
        self.move(self.port).rollBack()
        self.move(self.port).commit()
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")


class ReleasedTests(Base):
    """
    What is left at the origin does nothing.
    """

    def test_descriptors(self) -> None:
        """
        The count of descriptors is what it was.
        """
        self.listen()
        for _ in range(5):
            self.connect()
        self.recipient.listenTCP(0, Site(), interface="127.0.0.1")
        before = descriptors()
        self.move(self.port).commit()
        self.assertEqual(descriptors(), before)

    def test_strayCalls(self) -> None:
        """
        Code at the origin that still uses a moved transport or port reaches
        neither the peer nor the reactor.
        """
        self.listen()
        peer, protocol = self.connect()
        made = self.move(self.port).commit()
        before = self.origin.getReaders(), self.origin.getWriters()
        transport = protocol.transport
        transport.write(b"stray")
        transport.writeSequence([b"stray"])
        transport.registerProducer(producer := Producer(), True)
        self.assertEqual(producer.told, ["stop"])
        transport.loseWriteConnection()
        transport.loseConnection()
        transport.abortConnection()
        transport.resumeProducing()
        transport.startReading()
        transport.startWriting()
        transport.connectionLost(Failure(connectionDone.value))
        self.assertIsNone(self.port.stopListening())
        self.port.connectionLost(Failure(connectionDone.value))
        turn(self.origin)
        self.assertEqual((self.origin.getReaders(), self.origin.getWriters()), before)
        self.assertEqual(self.origin.getDelayedCalls(), [])
        self.assertEqual((protocol.lost, self.site.numPorts), ([], 1))
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")
        self.assertEqual(made.getHost().port, peer.getpeername()[1])

    def test_shutdown(self) -> None:
        """
        The origin's reactor may shut down, paused or released.
        """
        self.listen()
        peer, _ = self.connect()
        move = self.move(self.port)
        self.origin.disconnectAll()
        move.commit()
        self.origin.disconnectAll()
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")

    def test_lostWhilePaused(self) -> None:
        """
        Even a paused transport that is lost by somebody's mistake does not
        shut the connection down for the one that takes it over.
        """
        self.listen()
        peer, protocol = self.connect()
        move = self.move(self.port)
        protocol.transport.connectionLost(Failure(connectionDone.value))
        move.commit()
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")

    def test_movedAway(self) -> None:
        """
        What has been moved away cannot be moved again from here.
        """
        self.listen()
        self.connect()
        self.move(self.port).commit()
        error = self.assertRaises(CannotMigrate, self.move, self.port)
        self.assertIn("has been moved away already", str(error))


class RefusedTests(Base):
    """
    What cannot move says so.
    """

    def test_tls(self) -> None:
        """
        A connection that speaks TLS is refused by name.
        """
        self.listen()
        _, protocol = self.connect()
        protocol.transport.TLS = True
        error = self.assertRaises(CannotMigrate, self.move, self.port)
        self.assertIn("TLS sessions cannot migrate yet", str(error))
        protocol.transport.TLS = False

    def test_closedSocket(self) -> None:
        """
        A socket that was closed behind the transport's back is refused.
        """
        adapter = StreamAdapter("x")
        self.listen()
        _, protocol = self.connect()
        transport = protocol.transport
        transport.stopReading()
        transport.socket.close()
        error = self.assertRaises(
            NotMovable, adapter.describe, transport, Capture(self.origin)
        )
        self.assertIn("socket is closed", str(error))

    def test_otherReactor(self) -> None:
        """
        A transport of a reactor that is not the service's is refused.
        """
        self.listen()
        _, protocol = self.connect()
        error = self.assertRaises(
            NotMovable,
            StreamAdapter("x").describe,
            protocol.transport,
            Capture(self.recipient),
        )
        self.assertIn("another reactor", str(error))

    def test_noSocket(self) -> None:
        """
        A descriptor that is no socket fails the loading and is closed.
        """
        self.listen()
        _, protocol = self.connect()
        adapter = StreamAdapter("x")
        description = adapter.describe(protocol.transport, Capture(self.origin))
        loading = Loading(self.recipient)
        before = descriptors()
        with socket.socket(type=socket.SOCK_DGRAM) as other, open(os.devnull) as file:
            for wrong in (file.fileno(), other.fileno()):
                state = {**(description.state or {}), "@socket": Descriptor(wrong)}
                blank = adapter.make(description.cls, (), loading)
                self.assertRaises(LoadError, adapter.fill, blank, state, loading)
        self.assertEqual(descriptors(), before)


class ClientTests(Base):
    """
    L{tcp.Client} and its connector.
    """

    def setUp(self) -> None:
        """
        Let somebody listen.
        """
        super().setUp()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1)
        self.listener.settimeout(DEADLINE)
        self.addCleanup(self.listener.close)

    def call(self, timeout: float = 30) -> Any:
        """
        @return: the connector of a client of the listener.
        """
        return self.origin.connectTCP(
            "127.0.0.1", self.listener.getsockname()[1], Caller(), timeout
        )

    def accept(self) -> socket.socket:
        """
        @return: the other end of a client's connection.
        """
        peer, _ = self.listener.accept()
        peer.settimeout(DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def test_connected(self) -> None:
        """
        A connected client goes on, and its connector with it.
        """
        connector = self.call()
        spin(lambda: connector.factory.protocols, self.origin)
        peer = self.accept()
        made = self.move(connector).commit()
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")
        (protocol,) = made.factory.protocols
        self.assertIs(protocol.transport, made.transport)
        self.assertEqual(made.getDestination(), connector.getDestination())
        made.disconnect()
        spin(lambda: protocol.lost, self.recipient)
        self.assertEqual(made.state, "disconnected")
        self.assertEqual(connector.state, "connected")

    def test_beforeConnecting(self) -> None:
        """
        A client whose attempt begins in the next turn begins it there.
        """
        connector = self.call()
        made = self.move(connector).commit()
        for _ in range(3):
            turn(self.origin)
        spin(lambda: made.factory.protocols, self.recipient)
        peer = self.accept()
        self.assertEqual(self.ask(peer, b"one\r\n", self.recipient), b"1 one\r\n")
        self.assertEqual(connector.factory.protocols, [])
        self.assertEqual(self.recipient.getDelayedCalls(), [])

    def test_midConnect(self) -> None:
        """
        An attempt that is under way is completed by the recipient.
        """
        connector = self.stall()
        made = self.move(connector).commit()
        turn(self.origin)
        self.assertEqual(made.state, "connecting")
        self.assertEqual(made.transport.doWrite, made.transport.doConnect)
        for _ in self.fillers:
            self.accept()
        spin(lambda: made.factory.protocols, self.recipient)
        self.assertEqual(connector.factory.protocols, [])
        self.assertNotIn("doWrite", vars(made.transport))

    def test_midConnectTimeout(self) -> None:
        """
        An attempt that takes too long fails at the recipient, on time.
        """
        connector = self.stall(0.2)
        when = connector.timeoutID.getTime()
        made = self.move(connector).commit()
        self.assertEqual(made.timeoutID.getTime(), when)
        spin(lambda: made.factory.failed, self.recipient, self.origin)
        self.assertEqual(connector.factory.failed, [])

    def stall(self, timeout: float = 30) -> Any:
        """
        @return: a connector whose attempt the kernel does not complete, as the
            listener's queue is full.
        """
        self.fillers = [
            socket.create_connection(self.listener.getsockname(), timeout=DEADLINE)
            for _ in range(2)
        ]
        for filler in self.fillers:
            self.addCleanup(filler.close)
        connector = self.call(timeout)
        spin(lambda: "doWrite" in vars(connector.transport), self.origin)
        turn(self.origin)
        self.assertEqual(connector.state, "connecting")
        return connector

    def test_resolving(self) -> None:
        """
        A client that waits for a name to be looked up looks it up again.
        """
        client = tcp.Client.__new__(tcp.Client)
        client.__dict__.update(
            reactor=self.origin, _requiresResolution=True, connector=None
        )
        loading = Loading(self.recipient)
        made = remake(StreamAdapter("x"), client, Capture(self.origin), loading)
        loading.adopt()
        (call,) = self.recipient.getDelayedCalls()
        self.assertEqual(call.func, made.resolveAddress)
        made = remake(StreamAdapter("x"), client, Capture(self.origin), loading)
        self.recipient.callLater(0, made.resolveAddress)
        loading.adopt()
        calls = [call.func for call in self.recipient.getDelayedCalls()]
        self.assertEqual(calls.count(made.resolveAddress), 1)


class UNIXTests(Base):
    """
    L{unix.Server} and L{unix.Client}.
    """

    def pair(self) -> tuple[Any, Any]:
        """
        @return: a server's protocol and a client's connector.
        """
        self.site = Site()
        path = os.path.join(os.getcwd(), self.mktemp())
        os.makedirs(os.path.dirname(path), exist_ok=True)
        path = os.path.relpath(path)
        self.port = self.origin.listenUNIX(path, self.site)
        connector = self.origin.connectUNIX(path, Caller())
        spin(lambda: self.site.protocols, self.origin)
        spin(lambda: connector.factory.protocols, self.origin)
        return self.site.protocols[0], connector

    def test_bothEnds(self) -> None:
        """
        Both ends move, at once, and talk on.
        """
        _, connector = self.pair()
        port, made = self.move([self.port, connector]).commit()
        turn(self.origin)
        (client,) = made.factory.protocols
        (server,) = port.factory.protocols
        self.assertIsInstance(server.transport, unix.Server)
        self.assertIsInstance(client.transport, unix.Client)
        server.transport.write(b"hello\r\n")
        spin(lambda: client.lines[:1] == [b"hello"], self.recipient)
        self.assertEqual(client.transport.getPeer(), connector.getDestination())

    def test_queuedDescriptors(self) -> None:
        """
        Descriptors that wait to be sent arrive at the peer, and none is left.
        """
        protocol, connector = self.pair()
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        peer = connector.transport
        peer.stopReading()
        protocol.transport.sendFileDescriptor(theirs.fileno())
        protocol.transport.write(b"x")
        before = descriptors()
        move = Move(self.port, self.origin, self.recipient)
        (moved,) = move.prepare().factory.protocols
        self.assertIsInstance(moved.transport._sendmsgQueue, QueuedDescriptors)
        move.commit()
        spin(lambda: not moved.transport._sendmsgQueue, self.recipient)
        self.assertEqual(descriptors(), before)
        data, received, _, _ = socket.recv_fds(peer.socket, 10, 10)
        self.assertEqual((data, len(received)), (b"x", 1))
        with socket.socket(fileno=received[0]) as arrived:
            arrived.sendall(b"!")
        self.assertEqual(ours.recv(1), b"!")
        self.assertGreaterEqual(theirs.fileno(), 0)

    def test_queuedTwice(self) -> None:
        """
        Descriptors that are still queued when the recipient is an origin in
        turn go on, and leave none behind; nor does a loading that is
        discarded.
        """
        protocol, connector = self.pair()
        connector.transport.stopReading()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        protocol.transport.sendFileDescriptor(writer)
        before = descriptors()
        move = self.move(self.port)
        move.rollBack()
        self.assertEqual(descriptors(), before)
        self.assertEqual(protocol.transport._sendmsgQueue, [writer])
        second = self.move(self.port).commit()
        self.assertEqual(descriptors(), before + 1)
        Move(second, self.recipient, self.origin).go()
        self.assertEqual(descriptors(), before + 1)


class QueuedDescriptorsTests(SynchronousTestCase):
    """
    L{QueuedDescriptors}
    """

    def test_closes(self) -> None:
        """
        What is deleted is closed, by index or by slice, and all in the end.
        """
        before = descriptors()
        queue = QueuedDescriptors(os.dup(0) for _ in range(4))
        del queue[0]
        self.assertEqual(descriptors(), before + 3)
        del queue[:2]
        self.assertEqual(descriptors(), before + 1)
        del queue
        self.assertEqual(descriptors(), before)


class RegisterTests(SynchronousTestCase):
    """
    L{streams.register}
    """

    def test_register(self) -> None:
        """
        One adapter speaks for them all.
        """
        registry = Registry()
        streams.register(registry)
        found = {
            registry.lookup(cls)
            for cls in (tcp.Server, tcp.Client, unix.Server, unix.Client, OwnServer)
        }
        self.assertEqual([type(adapter) for adapter in found], [StreamAdapter])
