"""
What must not happen when a service moves: nobody but the new owner's
application hears of anything.

Observed from outside, and by a service that writes down what is done to it.
"""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import inlineCallbacks
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import ServerFactory

from tests.clients import Client
from tests.kernel import TCPState, cpuWhileIdle, tcpSocket
from tests.processes import Child, descriptors, freePort
from tests.test_migration import LINES, MigrationTestCase
from tests.witness import HOST, SHOT

PATIENCE = 60.0

#: For what has to happen at once, in seconds; what waits for another process's
#: copy of a descriptor never happens.
AT_ONCE = 5.0

#: What the application hears when it begins, and may hear again at no time.
BEGINNINGS = ("Witness.startService", "Speakers.startFactory")

#: Timers that go off while the service moves, and how late one may be, in
#: seconds: a move takes a moment, and this machine has other work, too.
SHOTS = 60
LATE = 5.0

#: The part of its time that a process with nothing to do may run for.
IDLE = 0.15


@attrs.frozen
class Note:
    """
    Something that was done to the service.

    @ivar pid: by whom.
    @ivar when: in seconds since the epoch.
    @ivar event: what.
    """

    pid: int
    when: float
    event: str


class WitnessTestCase(MigrationTestCase):
    """
    A service that writes everything down, and clients of all kinds.
    """

    @inlineCallbacks
    def begin(self, *others: str) -> Any:
        """
        @param others: further services, which keep the origin alive.
        """
        self.witnessPort = freePort()
        self.path = self.directory / "witness"
        self.notesPath = self.directory / "notes"
        self.environment.update(
            WITNESS_PORT=str(self.witnessPort), WITNESS_PATH="witness", NOTES="notes"
        )
        witness = "witness=tests.witness.makeService"
        beside = [word for other in others for word in ("--service", other)]
        self.origin = yield self.server("--service", witness, *beside)
        self.byTCP = yield self.processes.connect(self.witnessPort)
        self.byUNIX = yield self.processes.connect(f"unix:{self.path}")
        yield self.dialled()
        yield self.saidBy(self.origin)

    @inlineCallbacks
    def dialled(self) -> Any:
        """
        Have the service connect to this process.
        """
        self.called = Client(self.processes.reactor)
        factory = ServerFactory.forProtocol(lambda: self.called)
        listener = self.processes.reactor.listenTCP(0, factory, interface=HOST)
        self.addCleanup(listener.stopListening)
        self.addCleanup(self._hangUp)
        yield self.byTCP.ask(b"dial %d" % listener.getHost().port)
        yield self.processes.until(lambda: self.called.transport, "the call")

    def _hangUp(self) -> None:
        if self.called.transport is not None and self.called.alive:
            self.called.transport.abortConnection()

    @inlineCallbacks
    def saidBy(self, process: Child) -> Any:
        """
        All connections, old ones and new ones, are served by C{process}.
        """
        another = yield self.processes.connect(self.witnessPort)
        byPath = yield self.processes.connect(f"unix:{self.path}")
        for client in (self.byTCP, self.byUNIX, self.called, another, byPath):
            answer = yield client.ask(b"say hello")
            self.assertEqual(answer, b"%d hello" % process.pid)
        self.assertEqual(self.datagram(), b"%d hello" % process.pid)

    def datagram(self) -> bytes:
        """
        @return: the answer to a datagram.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as skt:
            skt.settimeout(PATIENCE)
            skt.sendto(b"hello", (HOST, self.witnessPort))
            return skt.recv(100)

    @inlineCallbacks
    def move(self) -> Any:
        """
        @return: the process that the witness has moved to.
        """
        recipient = yield self.client("--service", "witness")
        return recipient

    @inlineCallbacks
    def end(self, process: Child) -> Any:
        """
        End a process as an operator does.
        """
        process.signal(signal.SIGTERM)
        ended = yield process.ended(PATIENCE)
        self.assertIn("Server Shut Down", ended.out)

    def notes(self) -> list[Note]:
        """
        @return: what was written down.
        """
        found = []
        for line in self.notesPath.read_text().splitlines():
            pid, when, event = line.split(" ", 2)
            found.append(Note(int(pid), float(when), event))
        return found

    def eventsOf(self, process: Child) -> list[str]:
        """
        @return: what that process has done, timers left out.
        """
        return [
            note.event
            for note in self.notes()
            if note.pid == process.pid and not note.event.startswith(("shot", "turn"))
        ]


class SilenceTests(WitnessTestCase):
    """
    The application at the origin hears nothing, nor does a peer.
    """

    @inlineCallbacks
    def test_originStays(self) -> Any:
        """
        Nothing of what has moved hears of the move, nor of the shutdown of an
        origin that had other things to do; the new owner's end is heard there,
        once.
        """
        yield self.begin(LINES)
        before = self.eventsOf(self.origin)
        inode = os.stat(self.path).st_ino
        recipient = yield self.move()
        yield self.saidBy(recipient)
        self.assertEqual(self.eventsOf(self.origin), before)
        yield self.end(self.origin)
        self.assertEqual(self.eventsOf(self.origin), before)
        self.assertIs(
            tcpSocket(self.witnessPort, self.byTCP.transport.getHost().port).state,
            TCPState.ESTABLISHED,
        )
        self.assertIs(tcpSocket(self.witnessPort).state, TCPState.LISTEN)
        yield self.saidBy(recipient)
        self.assertEqual(os.stat(self.path).st_ino, inode)
        self.assertEqual(os.readlink(f"{self.path}.lock"), str(recipient.pid))
        yield self.checkEnd(recipient)

    @inlineCallbacks
    def checkEnd(self, recipient: Child) -> Any:
        """
        The recipient hears of its own end what there is to hear.
        """
        for beginning in BEGINNINGS:
            self.assertNotIn(beginning, self.eventsOf(recipient))
        yield self.end(recipient)
        events = self.eventsOf(recipient)
        for expected in (
            "Witness.stopService",
            "TCPListener.stopListening",
            "UNIXListener.stopListening",
            "TCPListener.connectionLost",
            "Datagrams.stopProtocol",
            "Callers.clientConnectionLost",
            "Callers.stopFactory",
            "Speakers.stopFactory",
        ):
            self.assertEqual(events.count(expected), 1, (expected, events))
        # Three clients of the whole test, and two more at each of three looks.
        self.assertEqual(events.count("Speaker.connectionLost"), 9, events)
        self.assertFalse(self.path.exists())
        self.assertFalse(os.path.lexists(f"{self.path}.lock"))

    @inlineCallbacks
    def test_originEnds(self) -> Any:
        """
        The same for an origin that has nothing left, over two moves.
        """
        yield self.begin()
        inode = os.stat(self.path).st_ino
        process = self.origin
        for _ in range(2):
            before = self.eventsOf(process)
            recipient = yield self.move()
            yield self.gone(process)
            self.assertEqual(self.eventsOf(process), before)
            self.assertEqual(os.stat(self.path).st_ino, inode)
            self.assertEqual(os.readlink(f"{self.path}.lock"), str(recipient.pid))
            yield self.saidBy(recipient)
            process = recipient

    @inlineCallbacks
    def test_timers(self) -> Any:
        """
        Every timer goes off once, in order and not before its time, in either
        process; at the origin none after the first one at the recipient.
        """
        yield self.begin(LINES)
        yield self.byTCP.ask(b"shots %d" % SHOTS)
        recipient = yield self.move()
        last = (f"shot {SHOTS - 1} ", f"turn {SHOTS - 1}")
        yield self.processes.until(
            lambda: all(f" {event}" in self.notesPath.read_text() for event in last),
            "the last timers",
            PATIENCE,
        )
        # One that goes off twice may do so later.
        yield cpuWhileIdle(self.processes.reactor, 5 * SHOT, recipient.pid)
        for kind in ("shot", "turn"):
            fired = [note for note in self.notes() if note.event.startswith(kind)]
            numbers = [int(note.event.split()[1]) for note in fired]
            self.assertEqual(numbers, list(range(SHOTS)), kind)
            pids = [note.pid for note in fired]
            split = pids.index(recipient.pid)
            self.assertGreater(split, 0)
            self.assertEqual(set(pids[:split]), {self.origin.pid})
            self.assertEqual(set(pids[split:]), {recipient.pid})
        for note in self.notes():
            if note.event.startswith("shot"):
                lateness = float(note.event.split()[2])
                self.assertTrue(0 <= lateness < LATE, note)

    @inlineCallbacks
    def test_idle(self) -> Any:
        """
        With nothing to do, neither process does anything; the origin not even
        when its clients have something to say, and go.
        """
        yield self.begin(LINES)
        recipient = yield self.move()
        yield self.saidBy(recipient)
        gone = yield self.processes.connect(self.witnessPort)
        yield gone.disconnect()
        pids = (self.origin.pid, recipient.pid)
        busy = yield cpuWhileIdle(self.processes.reactor, 1.0, *pids)
        self.assertLess(max(busy), IDLE)
        yield self.byTCP.disconnect()
        yield self.byUNIX.disconnect()
        busy = yield cpuWhileIdle(self.processes.reactor, 1.0, *pids)
        self.assertLess(max(busy), IDLE)


class NoStrayCopyTests(WitnessTestCase):
    """
    The new owner is the only one that holds a socket, also while the origin
    lives on.
    """

    def sockets(self, process: Child) -> set[str]:
        """
        @return: the sockets that a process holds, by their inodes.
        """
        found = descriptors(process.pid).values()
        return {name for name in found if name.startswith("socket:")}

    @inlineCallbacks
    def test_descriptors(self) -> Any:
        """
        No socket is open in both processes, and the origin has as many
        descriptors as before it had clients.
        """
        yield self.begin(LINES)
        moving = self.sockets(self.origin)
        recipient = yield self.move()
        yield self.processes.until(
            lambda: not self.sockets(self.origin) & self.sockets(recipient),
            "the end of all copies",
        )
        # Two ports and the datagram port, four connections at least.
        kept = moving & self.sockets(recipient)
        self.assertGreaterEqual(len(kept), 6)
        # Those of the two lives and of the conversation go, too.
        yield self.processes.until(
            lambda: (
                not any(
                    name.startswith("pipe:") and fileno > 2
                    for fileno, name in descriptors(self.origin.pid).items()
                    if name in descriptors(recipient.pid).values()
                )
            ),
            "the end of the conversation",
        )

    @inlineCallbacks
    def test_eof(self) -> Any:
        """
        When the new owner closes a connection, its peer sees the end at once.
        """
        yield self.begin(LINES)
        yield self.move()
        for client in (self.byTCP, self.byUNIX, self.called):
            client.sendLine(b"close")
            reason = yield client.closed(AT_ONCE)
            self.assertIsInstance(reason, ConnectionDone)
        self.assertTrue(self.origin.running)

    @inlineCallbacks
    def test_reset(self) -> Any:
        """
        When the new owner aborts one, its peer sees that at once.
        """
        yield self.begin(LINES)
        yield self.move()
        self.byTCP.sendLine(b"abort")
        reason = yield self.byTCP.closed(AT_ONCE)
        self.assertIsInstance(reason, ConnectionLost)
        self.assertTrue(self.origin.running)

    @inlineCallbacks
    def test_killed(self) -> Any:
        """
        When the new owner is killed, all its peers see that at once.
        """
        yield self.begin(LINES)
        recipient = yield self.move()
        recipient.signal(signal.SIGKILL)
        for client in (self.byTCP, self.byUNIX, self.called):
            yield client.closed(AT_ONCE)
        self.assertTrue(self.origin.running)

    @inlineCallbacks
    def test_listeners(self) -> Any:
        """
        When the new owner listens no more, nobody does, and the address is
        free.
        """
        yield self.begin(LINES)
        yield self.move()
        yield self.byTCP.ask(b"deaf now")
        self.assertIsNone(tcpSocket(self.witnessPort))
        self.assertFalse(Path(self.path).exists())
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as skt:
            skt.bind((HOST, self.witnessPort))
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as client:
            error = client.connect_ex((HOST, self.witnessPort))
        self.assertNotEqual(error, 0)
        self.assertTrue(self.origin.running)


class RefusedTests(WitnessTestCase):
    """
    A move that comes to nothing is not heard of either.
    """

    @inlineCallbacks
    def test_rolledBack(self) -> Any:
        """
        A recipient that is killed while it loads leaves timers, ports and
        connections as they were.
        """
        yield self.begin("lines=tests.lineservice.lines")
        before = self.eventsOf(self.origin)
        inode = os.stat(self.path).st_ino
        yield self.byTCP.ask(b"shots %d" % SHOTS)
        recipient = self.processes.python(
            [
                "-m",
                "tests.faults",
                "recipient:before:LOAD:SIGKILL",
                "-n",
                "migrate-client",
                "--service",
                "witness",
            ],
            self.directory,
            environment=self.environment,
        )
        ended = yield recipient.ended(PATIENCE)
        self.assertEqual(ended.signal, signal.SIGKILL)
        yield self.processes.until(
            lambda: f" shot {SHOTS - 1} " in self.notesPath.read_text(),
            "the last timer",
            PATIENCE,
        )
        self.assertEqual(self.eventsOf(self.origin), before)
        self.assertEqual(
            [
                note.event.split()[1]
                for note in self.notes()
                if note.event.startswith("shot")
            ],
            [str(number) for number in range(SHOTS)],
        )
        self.assertEqual({note.pid for note in self.notes()}, {self.origin.pid})
        self.assertEqual(os.stat(self.path).st_ino, inode)
        yield self.saidBy(self.origin)
