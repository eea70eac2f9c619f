"""
Connections in every state move as they are: what the kernel has of a connection
is the same before and after, and whatever was due happens at the new owner,
once.

Nothing here looks into a process: the kernel, the peers, and what the service
itself says of its events.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.interfaces import IHalfCloseableProtocol
from zope.interface import implementer

from tests.clients import Client
from tests.kernel import TCPSocket, TCPState, stateOf, tcpSocket
from tests.processes import freePort
from tests.states import BACKLOG, HOST, OPTIONS, pattern
from tests.test_migration import MigrationTestCase

#: For any one step, in seconds.
PATIENCE = 30.0

#: More than the kernel takes of a connection whose peer does not read.
MUCH = 12_000_000

#: Lines of a producer: more than the kernel takes, too.
LINES = 3000

STATES = "states=tests.states.makeService"


@implementer(IHalfCloseableProtocol)
class HalfClient(Client):
    """
    A client that goes on when the other side has said everything.

    @ivar readAll: whether that is so.
    @ivar port: its own port.
    """

    readAll = False
    port = 0

    def connectionMade(self) -> None:
        """
        See L{Client.connectionMade}.
        """
        self.port = self.transport.getHost().port

    def readConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.readConnectionLost}.
        """
        self.readAll = True

    def writeConnectionLost(self) -> None:
        """
        See L{IHalfCloseableProtocol.writeConnectionLost}.
        """


class StatesTestCase(MigrationTestCase):
    """
    A service, a connection to give orders by, and others that get into a state.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Start the origin.
        """
        self.statesPort = freePort()
        self.path = self.directory / "states"
        self.environment.update(STATES_PORT=str(self.statesPort), STATES_PATH="states")
        self.serving = yield self.server("--service", STATES)
        self.origin = self.serving.pid
        self.control = yield self.processes.connect(f"unix:{self.path}")

    @inlineCallbacks
    def move(self) -> Any:
        """
        Have the service moved.
        """
        before = self.serving
        self.serving = yield self.client("--service", "states")
        yield self.gone(before)
        self.assertNotEqual(self.serving.pid, self.origin)

    @inlineCallbacks
    def order(self, command: bytes) -> Any:
        """
        @return: the answer of the process that serves.
        """
        answer = yield self.control.ask(command, PATIENCE)
        pid, _, text = answer.partition(b" ")
        self.assertEqual(int(pid), self.serving.pid)
        return text

    @inlineCallbacks
    def talker(self) -> Any:
        """
        @return: a client that can be closed in halves.
        """
        client = HalfClient(self.processes.reactor)
        endpoint = clientFromString(
            self.processes.reactor, f"tcp:{HOST}:{self.statesPort}"
        )
        yield connectProtocol(endpoint, client)
        self.addCleanup(client.transport.abortConnection)
        answer = yield client.ask(b"say hello")
        self.assertEqual(answer, b"%d hello" % self.serving.pid)
        return client

    def served(self, client: HalfClient) -> TCPSocket | None:
        """
        @return: what the kernel has of the service's end of a connection.
        """
        return tcpSocket(self.statesPort, client.port)

    @inlineCallbacks
    def becomes(self, client: HalfClient, state: TCPState, unread: int = 0) -> Any:
        """
        Wait until the service's end is in a state, with bytes that nobody has
        read.
        """

        def probe() -> bool:
            found = self.served(client)
            return found is not None and (found.state, found.unread) == (state, unread)

        yield self.processes.until(probe, f"{state}, {unread} bytes unread", PATIENCE)

    @inlineCallbacks
    def events(
        self, client: HalfClient | None, count: int, before: tuple[str, ...] = ()
    ) -> Any:
        """
        Wait for what happens to a connection.

        @param client: the peer of one, or L{None} for those that the service
            has begun itself.
        @param count: how many events there are to be at the new owner.
        @param before: what has happened at the origin.
        @return: the events at the new owner.
        """
        end = time.monotonic() + PATIENCE
        found: list[str] = []
        while len(found) < count:
            self.assertLess(time.monotonic(), end, f"{found}")
            told = yield self.order(b"events")
            events = [event.split(":") for event in told.decode().split()]
            peer = [str(client.port)] if client else []
            own = [event for event in events if event[2:] == peer]
            found = [event[1] for event in own if int(event[0]) == self.serving.pid]
        others = [event[1] for event in own if int(event[0]) == self.origin]
        self.assertEqual(others, list(before))
        self.assertEqual(len(own), len(found) + len(others))
        return found


class EstablishedTests(StatesTestCase):
    """
    Connections that nobody has begun to close.
    """

    @inlineCallbacks
    def test_established(self) -> Any:
        """
        A connection stays one, with its addresses, and is not made anew.
        """
        yield self.begin()
        client = yield self.talker()
        before = self.served(client)
        self.assertEqual(before, TCPSocket(TCPState.ESTABLISHED, 0, 0))
        client.send(b"say half")
        yield self.move()
        self.assertEqual(self.served(client).state, TCPState.ESTABLISHED)
        answer = yield client.ask(b" a line")
        self.assertEqual(answer, b"%d half a line" % self.serving.pid)
        self.assertEqual((yield self.order(b"events")), b"")

    @inlineCallbacks
    def test_unread(self) -> Any:
        """
        What the kernel has and the service has not read stays in the kernel,
        to the byte, and is read at the new owner, once.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"hold")
        client.sendLine(b"say one")
        client.sendLine(b"say two")
        yield self.becomes(client, TCPState.ESTABLISHED, 18)
        yield self.move()
        self.assertEqual(self.served(client).unread, 18)
        yield self.order(b"wake")
        pid = self.serving.pid
        for word in (b"one", b"two"):
            self.assertEqual((yield client.line()), b"%d %s" % (pid, word))
        self.assertEqual(self.served(client).unread, 0)

    @inlineCallbacks
    def test_queued(self) -> Any:
        """
        Output that the kernel has not taken follows what it has, over two moves.
        """
        yield self.begin()
        client = yield self.talker()
        client.transport.pauseProducing()
        client.sendLine(b"much %d" % MUCH)
        yield self.processes.until(lambda: self.served(client).unsent, "a full buffer")
        yield self.move()
        self.assertGreater(self.served(client).unsent, 0)
        yield self.move()
        self.assertGreater(self.served(client).unsent, 0)
        said = len(client.received)
        client.transport.resumeProducing()
        yield self.processes.until(
            lambda: len(client.received) == said + MUCH, "all of it", PATIENCE
        )
        self.assertTrue(client.received[said:] == pattern(MUCH))
        client.sendLine(b"say more")
        yield client.expect(b"%d more\r\n" % self.serving.pid)

    @inlineCallbacks
    def test_options(self) -> Any:
        """
        Keep-alive and all other options of a socket are what they were.
        """
        yield self.begin()
        client = yield self.talker()
        before = yield client.ask(b"options")
        yield self.move()
        after = yield client.ask(b"optionsNow")
        self.assertEqual(after.split()[1:], before.split()[1:])
        told = dict(word.split(b"=") for word in after.split()[1:])
        for (_, name), value in OPTIONS.items():
            self.assertEqual(int(told[name.encode()]), value, name)
        # Nobody has had the connection reset when it is closed.
        self.assertEqual(told[b"LINGER"], struct.pack("ii", 0, 0).hex().encode())

    @inlineCallbacks
    def test_urgent(self) -> Any:
        """
        An urgent byte that nobody has taken is there at the new owner, beside
        the others.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"hold")
        handle = client.transport.getHandle()
        handle.send(b"say a")
        handle.send(b"!", socket.MSG_OOB)
        handle.send(b"b\r\n")
        # The kernel counts it, although it is not read with the others.
        yield self.becomes(client, TCPState.ESTABLISHED, 9)
        yield self.move()
        self.assertEqual(self.served(client).unread, 9)
        yield self.order(b"wake")
        self.assertEqual((yield client.line()), b"%d ab" % self.serving.pid)

    @inlineCallbacks
    def test_urgentTaken(self) -> Any:
        """
        The new owner can take it, once.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"hold")
        client.transport.getHandle().send(b"!", socket.MSG_OOB)
        yield self.becomes(client, TCPState.ESTABLISHED, 1)
        yield self.move()
        self.assertEqual((yield self.order(b"urgent")), b"!")
        self.assertNotEqual((yield self.order(b"urgent")), b"!")
        yield self.order(b"wake")
        self.assertEqual((yield client.ask(b"say on")), b"%d on" % self.serving.pid)


class ProducerTests(StatesTestCase):
    """
    Producers that wait for room.
    """

    @inlineCallbacks
    def produce(self, command: bytes) -> Any:
        """
        Move while a producer waits for a peer that does not read.
        """
        yield self.begin()
        client = yield self.talker()
        said = len(client.received)
        client.transport.pauseProducing()
        client.sendLine(b"%s %d" % (command, LINES))
        yield self.processes.until(lambda: self.served(client).unsent, "a full buffer")
        yield self.move()
        client.transport.resumeProducing()
        yield client.expect(b"%d made\r\n" % self.serving.pid, PATIENCE)
        *lines, _, _ = client.received[said:].split(b"\r\n")
        numbers = [int(line.split()[2]) for line in lines]
        self.assertEqual(numbers, list(range(LINES)))
        self.assertTrue(all(line.endswith(b"." * 4000) for line in lines))
        pids = [int(line.split()[0]) for line in lines]
        moved = pids.index(self.serving.pid)
        self.assertGreater(moved, 0)
        self.assertEqual(set(pids[:moved]), {self.origin})
        self.assertEqual(set(pids[moved:]), {self.serving.pid})

    def test_push(self) -> Any:
        """
        One that was told to pause is told to go on at the new owner.
        """
        return self.produce(b"push")

    def test_pull(self) -> Any:
        """
        One that is asked for every piece is asked there for the next one.
        """
        return self.produce(b"pull")


class ClosingTests(StatesTestCase):
    """
    Connections of which an end has begun.
    """

    @inlineCallbacks
    def test_peerHalfClosed(self) -> Any:
        """
        The peer has said everything, and that was read: it is not told again,
        and the service goes on to answer.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"hold")
        client.sendLine(b"push %d" % LINES)
        client.transport.loseWriteConnection()
        yield self.becomes(client, TCPState.CLOSE_WAIT, 12)
        client.transport.pauseProducing()
        yield self.order(b"wake")
        yield self.becomes(client, TCPState.CLOSE_WAIT)
        yield self.processes.until(lambda: self.served(client).unsent, "a full buffer")
        told = yield self.order(b"events")
        self.assertIn(b"%d:readLost" % self.origin, told)
        yield self.move()
        self.assertIs(self.served(client).state, TCPState.CLOSE_WAIT)
        client.transport.resumeProducing()
        yield client.expect(b"%d made\r\n" % self.serving.pid, PATIENCE)
        told = yield self.order(b"events")
        self.assertEqual(told.count(b"readLost"), 1)

    @inlineCallbacks
    def test_halfClosed(self) -> Any:
        """
        The service has said everything: the peer does not hear of a second end,
        and the service goes on to listen to it.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"half")
        yield self.processes.until(lambda: client.readAll, "the end")
        client.sendLine(b"say nothing")
        yield self.becomes(client, TCPState.FIN_WAIT2, 13)
        yield self.move()
        self.assertEqual(self.served(client), TCPSocket(TCPState.FIN_WAIT2, 0, 13))
        self.assertTrue(client.alive)
        yield self.order(b"wake")
        client.transport.loseConnection()
        events = yield self.events(client, 1, ("writeLost",))
        self.assertEqual(events, ["readLost"])

    @inlineCallbacks
    def test_finUnread(self) -> Any:
        """
        The peer has said everything, and nobody has read that: the new owner
        does, after all that came before.
        """
        yield self.begin()
        client = yield self.talker()
        yield client.ask(b"hold")
        client.sendLine(b"say last")
        client.transport.loseWriteConnection()
        # The kernel counts the end, too.
        yield self.becomes(client, TCPState.CLOSE_WAIT, 11)
        yield self.move()
        self.assertEqual(self.served(client), TCPSocket(TCPState.CLOSE_WAIT, 0, 11))
        self.assertEqual((yield self.order(b"events")), b"")
        yield self.order(b"wake")
        self.assertEqual((yield client.line()), b"%d last" % self.serving.pid)
        self.assertEqual((yield client.line()), b"%d read it all" % self.serving.pid)
        self.assertEqual((yield self.events(client, 1)), ["readLost"])

    @inlineCallbacks
    def test_resetPending(self) -> Any:
        """
        The peer has reset the connection, and nobody has been told: the new
        owner is.
        """
        yield self.begin()
        client = yield self.talker()
        other = yield self.talker()
        yield client.ask(b"hold")
        client.sendLine(b"say last")
        yield self.becomes(client, TCPState.ESTABLISHED, 10)
        client.transport.abortConnection()
        yield self.processes.until(lambda: self.served(client) is None, "the reset")
        yield self.move()
        self.assertEqual((yield self.order(b"events")), b"")
        yield self.order(b"wake")
        self.assertEqual((yield self.events(client, 1)), ["ConnectionLost"])
        self.assertEqual((yield other.ask(b"say here")), b"%d here" % self.serving.pid)

    @inlineCallbacks
    def test_losePending(self) -> Any:
        """
        A connection that is to end once all is sent ends then, at the new
        owner, and is not reset.
        """
        yield self.begin()
        client = yield self.talker()
        said = len(client.received)
        client.transport.pauseProducing()
        client.sendLine(b"last %d" % MUCH)
        yield self.processes.until(lambda: self.served(client).unsent, "a full buffer")
        yield self.move()
        self.assertIs(self.served(client).state, TCPState.ESTABLISHED)
        self.assertEqual((yield self.order(b"events")), b"")
        client.transport.resumeProducing()
        yield self.processes.until(lambda: client.readAll, "the end", PATIENCE)
        self.assertTrue(client.received[said:] == pattern(MUCH))
        client.transport.loseConnection()
        events = yield self.events(client, 1)
        self.assertIn(events[-1], ("ConnectionDone", "readLost"))


class ListeningTests(StatesTestCase):
    """
    Ports, and who waits at them.
    """

    @inlineCallbacks
    def test_notAccepted(self) -> Any:
        """
        Those who have connected, and said something, and were not accepted
        wait on, and are all accepted by the new owner.
        """
        yield self.begin()
        yield self.order(b"deaf")
        waiting = []
        for where in (self.statesPort, f"unix:{self.path}"):
            for number in range(3):
                client = yield self.processes.connect(where)
                client.sendLine(b"say %d" % number)
                waiting.append((number, client))
        self.assertEqual(tcpSocket(self.statesPort).unread, 3)
        yield self.move()
        self.assertEqual(tcpSocket(self.statesPort).unread, 3)
        yield self.order(b"hear")
        for number, client in waiting:
            answer = yield client.line(PATIENCE)
            self.assertEqual(answer, b"%d %d" % (self.serving.pid, number))
        self.assertEqual(tcpSocket(self.statesPort).unread, 0)

    @inlineCallbacks
    def test_givenUp(self) -> Any:
        """
        One who has gone again before being accepted harms nobody.
        """
        yield self.begin()
        yield self.order(b"deaf")
        gone = yield self.processes.connect(self.statesPort)
        gone.transport.abortConnection()
        yield gone.closed()
        stays = yield self.processes.connect(self.statesPort)
        stays.sendLine(b"say here")
        yield self.move()
        yield self.order(b"hear")
        self.assertEqual((yield stays.line(PATIENCE)), b"%d here" % self.serving.pid)

    @inlineCallbacks
    def test_backlog(self) -> Any:
        """
        As many may wait as the service has said, and no more; TCP and UNIX.
        """
        yield self.begin()
        self.assertEqual((yield self.order(b"backlog")), b"%d" % BACKLOG)
        yield self.move()
        self.assertEqual((yield self.order(b"backlog")), b"%d" % BACKLOG)
        yield self.order(b"deaf")
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.directory)
        for _ in range(BACKLOG + 1):
            self.assertEqual(self.knock(), 0)
        self.assertNotEqual(self.knock(), 0)
        os.chdir(here)
        yield self.order(b"hear")

    def knock(self) -> int:
        """
        @return: the error number of an attempt to connect by the UNIX path.
        """
        skt = socket.socket(socket.AF_UNIX)
        self.addCleanup(skt.close)
        skt.setblocking(False)
        return skt.connect_ex("states")


class ConnectingTests(StatesTestCase):
    """
    Connections that the service begins, to a port that lets nobody in for the
    time being.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Have the service dial, in vain.
        """
        yield super().begin()
        self.full = socket.create_server((HOST, 0), backlog=0)
        self.addCleanup(self.full.close)
        self.fullPort = self.full.getsockname()[1]
        filler = socket.create_connection((HOST, self.fullPort), timeout=PATIENCE)
        self.addCleanup(filler.close)
        yield self.order(b"dial %d" % self.fullPort)
        yield self.processes.until(self.dialling, "an attempt to connect")

    def dialling(self) -> bool:
        """
        @return: whether somebody tries to connect to the full port.
        """
        with open("/proc/net/tcp") as lines:
            tail = f":{self.fullPort:04X} 02 "
            return any(tail in line for line in lines)

    @inlineCallbacks
    def test_connects(self) -> Any:
        """
        The attempt goes on by itself, and succeeds at the new owner.
        """
        yield self.begin()
        yield self.move()
        self.assertTrue(self.dialling())
        self.assertEqual((yield self.order(b"events")), b"")
        self.full.accept()[0].close()
        events = yield self.events(None, 1)
        self.assertEqual(events, ["connected"])
        self.full.settimeout(PATIENCE)
        with self.full.accept()[0] as accepted:
            self.assertIs(stateOf(accepted), TCPState.ESTABLISHED)
            accepted.settimeout(PATIENCE)
            self.assertEqual(accepted.recv(100), b"%d calling\r\n" % self.serving.pid)

    @inlineCallbacks
    def test_fails(self) -> Any:
        """
        The attempt fails at the new owner, once.
        """
        yield self.begin()
        yield self.move()
        self.assertTrue(self.dialling())
        self.full.close()
        events = yield self.events(None, 1)
        self.assertEqual(events, ["ConnectionRefusedError"])
