"""
Services that are told of files, that talk on serial lines, or in datagrams, are
moved meanwhile.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

WATCHER = """
import os

from twisted.application.service import Service
from twisted.internet.inotify import INotify, humanReadableMask
from twisted.python.filepath import FilePath


class Watcher(Service):
    def startService(self):
        super().startService()
        self.events = 0
        notify = INotify()
        notify.startReading()
        notify.watch(FilePath("watched"), autoAdd=True, callbacks=[self.notified])

    def notified(self, ignored, path, mask):
        self.events += 1
        with open("events", "a") as file:
            print(
                os.getpid(),
                self.events,
                path.basename().decode(),
                *humanReadableMask(mask),
                file=file,
            )


makeService = Watcher
"""


class INotifyTests(ServiceTestCase):
    """
    L{twisted.internet.inotify.INotify}
    """

    def events(self) -> list[str]:
        """
        @return: what the service has been told, line by line.
        """
        path = self.directory / "events"
        return path.read_text().splitlines() if path.exists() else []

    @inlineCallbacks
    def told(self, *expected: str) -> Any:
        """
        Wait for so many events, of the process that serves by now.
        """
        self.seen += [f"{number} {text}" for number, text in self._numbered(expected)]
        yield self.processes.until(
            lambda: len(self.events()) >= len(self.seen), f"{expected}"
        )
        last = self.events()[-len(expected) :]
        self.assertEqual({line.split()[0] for line in last}, {str(self.server.pid)})
        self.assertEqual([line.split(" ", 1)[1] for line in self.events()], self.seen)

    def _numbered(self, texts: tuple[str, ...]) -> list[tuple[int, str]]:
        return list(enumerate(texts, len(self.seen) + 1))

    @inlineCallbacks
    def test_files(self) -> Any:
        """
        Each thing that happens to a file is told once, in order, whether it
        happens before, during or after a move, and of a directory, too, that
        another process has begun to watch.
        """
        self.seen: list[str] = []
        watched = self.directory / "watched"
        watched.mkdir()
        self.code("watcher", WATCHER)
        yield self.serve("--service", "watcher=watcher.makeService")
        (watched / "one").write_text("1")
        yield self.told("one create", "one modify")
        yield self.move()
        (watched / "one").rename(watched / "two")
        (watched / "deeper").mkdir()
        yield self.told("one moved_from", "two moved_to", "deeper create is_dir")
        yield self.move()
        (watched / "deeper" / "three").touch()
        (watched / "two").unlink()
        yield self.told("three create", "two delete")

    @inlineCallbacks
    def test_during(self) -> Any:
        """
        Files come all the time; each is told of once.
        """
        watched = self.directory / "watched"
        watched.mkdir()
        self.code("watcher", WATCHER)
        yield self.serve("--service", "watcher=watcher.makeService")
        maker = self.script(MAKER, str(watched))
        yield maker.line("^100$")
        for _ in range(2):
            said = len(maker.lines)
            yield self.move()
            yield maker.line(".", after=said)
        maker.write(b"enough\n")
        ended = yield maker.ended()
        made = int(ended.out.split()[-1])
        self.assertGreater(made, 100)
        yield self.processes.until(lambda: len(self.events()) >= made, "all")
        names = [line.split()[2] for line in self.events()]
        self.assertEqual(names, [f"d{number}" for number in range(made)])
        pids = [line.split()[0] for line in self.events()]
        self.assertEqual(len(set(pids)), 3)


#: Makes directories until it is told to end.
MAKER = """
import os, select, sys
made = 0
while not select.select([sys.stdin], [], [], 0.002)[0]:
    os.symlink("/nowhere", f"{sys.argv[1]}/d{made}")
    made += 1
    if made % 100 == 0:
        print(made, flush=True)
print(made)
"""

MODEM = """
from twisted.application.service import Service
from twisted.internet import reactor
from twisted.internet.serialport import SerialPort
from twisted.protocols.basic import LineReceiver

import os


class Modem(LineReceiver):
    delimiter = b"\\n"

    def __init__(self):
        self.lines = 0

    def lineReceived(self, line):
        self.lines += 1
        if line == b"bye":
            self.transport.loseConnection()
        else:
            self.sendLine(b"%d %d %s" % (os.getpid(), self.lines, line))

    def connectionLost(self, reason):
        with open("ended", "w") as file:
            print(os.getpid(), reason.type.__name__, file=file)


class Line(Service):
    def startService(self):
        super().startService()
        modem = Modem()
        modem.service = self
        SerialPort(modem, "line", reactor, baudrate=19200)


makeService = Line
"""


class SerialTests(ServiceTestCase):
    """
    L{twisted.internet.serialport.SerialPort}
    """

    @inlineCallbacks
    def test_line(self) -> Any:
        """
        Lines and half lines, over C{socat}'s pair of terminals.
        """
        port = freePort()
        line = self.directory / "line"
        socat = self.program(
            *("socat", "-d", "-d", f"PTY,link={line},raw,echo=0"),
            f"TCP-LISTEN:{port},bind=127.0.0.1",
        )
        yield socat.line("listening on")
        client = yield self.processes.connect(port)
        self.code("modem", MODEM)
        yield self.serve("--service", "modem=modem.makeService")
        said = yield client.ask(b"one")
        self.assertEqual(said, b"%d 1 one" % self.server.pid)
        client.send(b"tw")
        yield self.move()
        client.send(b"o\n")
        said = yield client.line()
        self.assertEqual(said, b"%d 2 two" % self.server.pid)
        yield self.move()
        said = yield client.ask(b"three")
        self.assertEqual(said, b"%d 3 three" % self.server.pid)
        client.send(b"bye\n")
        yield self.processes.until((self.directory / "ended").exists, "an end")
        said = (self.directory / "ended").read_text()
        self.assertEqual(said, f"{self.server.pid} ConnectionDone\n")


COUNTED = """
from twisted.application.service import Service
from twisted.internet import reactor, task
from twisted.internet.protocol import ConnectedDatagramProtocol, DatagramProtocol

import os


class Counting(DatagramProtocol):
    def __init__(self, service):
        self.service = service
        self.number = 0

    def datagramReceived(self, data, address=None):
        self.number += 1
        data = b"%d %d %s" % (os.getpid(), self.number, data)
        self.answer(data, address)

    def answer(self, data, address):
        self.transport.write(data, address)

    def stopProtocol(self):
        open("stopped", "w").close()


class Member(Counting):
    def startProtocol(self):
        self.transport.joinGroup("224.0.0.251", "127.0.0.1")
        self.transport.setLoopbackMode(True)


class Connected(Counting, ConnectedDatagramProtocol):
    def startProtocol(self):
        self.beats = 0
        self.beating = task.LoopingCall(self.beat)
        self.beating.start(0.05)

    def beat(self):
        self.beats += 1
        self.transport.write(b"%d beat %d" % (os.getpid(), self.beats))

    def answer(self, data, address):
        self.transport.write(data)

    def connectionFailed(self, failure):
        failure.printTraceback()


class Counters(Service):
    def startService(self):
        super().startService()
        START
"""

#: What the service begins with, by what the test is about.
MULTICAST = "reactor.listenMulticast(%d, Member(self), interface='224.0.0.251')"
UNIX = "reactor.listenUNIXDatagram('datagrams', Counting(self))"
CONNECTED = "reactor.connectUNIXDatagram('peer', Connected(self), bindAddress='own')"


class DatagramTests(ServiceTestCase):
    """
    Ports for datagrams, which nothing but the reactor knows of.
    """

    @inlineCallbacks
    def _counted(self, client: Any) -> Any:
        """
        A program that sends a datagram for each line gets one answer to each,
        in order, over three processes; of those, too, that it sends when
        nobody reads.
        """
        number = 0
        for _ in range(3):
            moving = self.move() if number else None
            for _ in range(20):
                number += 1
                client.write(b"n%d\n" % number)
                yield client.line(f"^\\d+ {number} n{number}$")
            yield moving
            number += 1
            client.write(b"n%d\n" % number)
            yield client.line(f"^{self.server.pid} {number} n{number}$")
        answers = [line for line in client.lines if line.split()[1:2] != []]
        self.assertEqual(len(answers), number)

    @inlineCallbacks
    def test_multicast(self) -> Any:
        """
        A member of a group is one in every process.
        """
        port = freePort(socket.SOCK_DGRAM)
        self.code("members", COUNTED.replace("START", MULTICAST % port))
        yield self.serve("--service", "members=members.Counters")
        client = self.program(
            "socat",
            "-",
            f"UDP4-DATAGRAM:224.0.0.251:{port},bind=127.0.0.1,"
            "ip-multicast-if=127.0.0.1",
        )
        yield self._counted(client)

    @inlineCallbacks
    def test_unix(self) -> Any:
        """
        A path that datagrams are sent to, and answers to another one.
        """
        self.code("datagrams", COUNTED.replace("START", UNIX))
        yield self.serve("--service", "datagrams=datagrams.Counters")
        client = self.program("socat", "-", "UNIX-SENDTO:datagrams,bind=client")
        yield self._counted(client)
        self.assertTrue((self.directory / "datagrams").exists())

    @inlineCallbacks
    def test_unixClient(self) -> Any:
        """
        The service is the client: it tells its peer again and again that it is
        there, with no beat left out nor one too many.
        """
        self.code("connected", COUNTED.replace("START", CONNECTED))
        # socat would do, but for its answering the first one only.
        peer = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(peer.close)
        peer.bind(self.short("peer"))
        peer.setblocking(False)
        yield self.serve("--service", "connected=connected.Counters")
        beats: list[bytes] = []
        pids = []
        for _ in range(3):
            pids.append(self.server.pid)
            last = b"%d beat" % self.server.pid
            yield self.processes.until(
                lambda last=last: (
                    self._heard(peer, beats) and beats[-1].startswith(last)
                ),
                "a beat",
            )
            moving = self.move()
            # The kernel keeps a few only.
            yield self.processes.until(
                lambda moving=moving: self._heard(peer, beats) and moving.called,
                "the end of the move",
            )
            yield moving
        yield self.processes.until(
            lambda: (
                self._heard(peer, beats)
                and beats[-1].startswith(b"%d beat" % self.server.pid)
            ),
            "the last beat",
        )
        pids.append(self.server.pid)
        numbers = [int(beat.split()[2]) for beat in beats]
        self.assertEqual(numbers, list(range(1, len(beats) + 1)))
        self.assertEqual({int(beat.split()[0]) for beat in beats}, set(pids))
        peer.sendto(b"hello", self.short("own"))
        yield self.processes.until(
            lambda: self._heard(peer, beats) and any(b"hello" in b for b in beats),
            "an answer",
        )
        answer = next(beat for beat in beats if b"hello" in beat)
        self.assertEqual(answer, b"%d 1 hello" % self.server.pid)

    def short(self, name: str) -> str:
        """
        @return: a path in the test's directory that is short enough for a
            socket.
        """
        return os.path.relpath(self.directory / name)

    def _heard(self, peer: socket.socket, beats: list[bytes]) -> bool:
        """
        Read what has come.
        """
        while True:
            try:
                beats.append(peer.recv(1024))
            except BlockingIOError:
                return bool(beats)
