"""
Twisted's FTP server, moved while people are logged in and while files are on
their way.

What C{twistd ftp} builds is used as it is; only the interface is given, and
that of the ports it opens for data, since the plugin has no option for that
and would listen everywhere.
"""

from __future__ import annotations

import hashlib
import random
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import inlineCallbacks
from twisted.internet.protocol import Factory

from tests.children import Child
from tests.clients import Client
from tests.services import freePort
from tests.transfers import TransferTestCase

reactor: Any = installed

SERVICE = """
import socket

from twisted.protocols import ftp
from twisted.python.filepath import FilePath
from twisted.tap import ftp as tap

PORT, DTP_TIMEOUT, IDLE_TIMEOUT = {port}, {dtpTimeout}, {idleTimeout}


class LoopbackFTP(ftp.FTP):
    dtpTimeout = DTP_TIMEOUT

    def getDTPPort(self, factory, interface=""):
        port = super().getDTPPort(factory, "127.0.0.1")
        # The kernel is to hold less of a list than the server does.
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        return port


def makeService():
    options = tap.Options()
    options.parseOptions(
        ["--port", str(PORT), "--root", "public", "--auth", "memory:joe:secret"]
    )
    service = tap.makeService(options)
    service.kwargs["interface"] = "127.0.0.1"
    factory = service.args[1]
    factory.protocol = LoopbackFTP
    factory.timeOut = IDLE_TIMEOUT
    factory.portal.realm.userHome = FilePath("home")
    return service
"""

#: More than sockets hold between them, in bytes.
LARGE = 40_000_000
#: Files whose names are more than the socket for data holds.
LINES = 4_000


def digest(path: Path) -> str:
    """
    @return: what tells the content of a file.
    """
    return hashlib.sha256(path.read_bytes()).hexdigest()


class FTPTestCase(TransferTestCase):
    """
    Serves files of its directory.
    """

    @inlineCallbacks
    def serveFiles(self, dtpTimeout: float = 10, idleTimeout: float = 600) -> Any:
        """
        Start the server.

        @param dtpTimeout: how long it waits for a data connection, in seconds.
        @param idleTimeout: how long for a command, in seconds.
        """
        self.public = self.directory / "public"
        self.home = self.directory / "home" / "joe"
        (self.public / "sub").mkdir(parents=True)
        self.home.mkdir(parents=True)
        (self.public / "sub" / "note").write_bytes(b"a note\n")
        self.port = freePort()
        source = SERVICE.format(
            port=self.port, dtpTimeout=dtpTimeout, idleTimeout=idleTimeout
        )
        self.code("ftpservice", source)
        yield self.serve("--service", "ftp=ftpservice.makeService")

    @inlineCallbacks
    def login(self, user: str = "anonymous", password: str = "me@example.com") -> Any:
        """
        @return: a control connection of somebody who has logged in.
        """
        control = yield self.processes.connect(self.port)
        yield control.expect(b"220 .*\r\n")
        control.sendLine(f"USER {user}".encode())
        yield control.expect(b"331 .*\r\n")
        control.sendLine(f"PASS {password}".encode())
        yield control.expect(b"230 .*\r\n")
        return control

    @inlineCallbacks
    def passive(self, control: Client) -> Any:
        """
        @return: the port for data that the server has opened.
        """
        control.sendLine(b"PASV")
        found = yield control.expect(rb"227 .*\(127,0,0,1,(\d+),(\d+)\)\.?\r\n")
        return int(found[1]) << 8 | int(found[2])


class ControlTests(FTPTestCase):
    """
    The control connection in all its states.
    """

    @inlineCallbacks
    def test_session(self) -> Any:
        """
        The directory, half a command, a renaming that is half done and the
        user's name wait for the rest.
        """
        yield self.serveFiles()
        joe = yield self.login("joe", "secret")
        (self.home / "inner").mkdir()
        (self.home / "inner" / "old").write_bytes(b"content")
        joe.sendLine(b"CWD inner")
        yield joe.expect(b"250 .*\r\n")
        early = yield self.processes.connect(self.port)
        yield early.expect(b"220 .*\r\n")
        early.sendLine(b"USER joe")
        yield early.expect(b"331 .*\r\n")
        joe.send(b"PW")
        yield self.move()
        joe.send(b"D\r\nRNFR o")
        yield joe.expect(rb'257 "/inner".*\r\n')
        yield self.move()
        joe.send(b"ld\r\n")
        yield joe.expect(b"350 .*\r\n")
        early.sendLine(b"PASS secret")
        yield early.expect(b"230 .*\r\n")
        yield self.move()
        joe.sendLine(b"RNTO new")
        yield joe.expect(b"250 .*\r\n")
        self.assertEqual((self.home / "inner" / "new").read_bytes(), b"content")
        joe.sendLine(b"SIZE new")
        yield joe.expect(b"213 7\r\n")
        early.sendLine(b"PWD")
        yield early.expect(rb'257 "/".*\r\n')
        for control in (joe, early):
            control.sendLine(b"QUIT")
            yield control.expect(b"221 .*\r\n")
            yield control.closed()

    @inlineCallbacks
    def test_passive(self) -> Any:
        """
        The port for data is there after the moves, whether one connects to it
        before or after one, or asks for something only then.
        """
        yield self.serveFiles()
        control = yield self.login()
        port = yield self.passive(control)
        yield self.move()
        data = yield self.processes.connect(port)
        yield self.move()
        control.sendLine(b"RETR sub/note")
        yield data.expect(b"a note\n")
        yield data.closed()
        yield control.expect(rb"125 .*\r\n226 .*\r\n")
        yield self.move()
        port = yield self.passive(control)
        data = yield self.processes.connect(port)
        control.sendLine(b"NLST sub")
        yield data.expect(b"note\r\n")
        yield control.expect(rb"125 .*\r\n226 .*\r\n")

    @inlineCallbacks
    def test_active(self) -> Any:
        """
        The connection that the server has made for the data is there after
        the moves.
        """
        yield self.serveFiles()
        control = yield self.login()
        data = Client(reactor)
        listening = reactor.listenTCP(
            0, Factory.forProtocol(lambda: data), interface="127.0.0.1"
        )
        self.addCleanup(listening.stopListening)
        port = listening.getHost().port
        control.sendLine(b"PORT 127,0,0,1,%d,%d" % divmod(port, 256))
        yield control.expect(b"200 .*\r\n")
        yield self.move()
        yield self.move()
        control.sendLine(b"RETR sub/note")
        yield data.expect(b"a note\n")
        yield data.closed()
        yield control.expect(rb"125 .*\r\n226 .*\r\n")

    @inlineCallbacks
    def test_listing(self) -> Any:
        """
        A long list goes on where the client stopped to read it.
        """
        yield self.serveFiles()
        crowded = self.public / "crowded"
        crowded.mkdir()
        names = [f"{number:05}-{'x' * 240}" for number in range(LINES)]
        for name in names:
            (crowded / name).touch()
        control = yield self.login()
        data = yield self.processes.connect((yield self.passive(control)))
        data.transport.pauseProducing()
        control.sendLine(b"NLST crowded")
        yield control.expect(rb"125 .*\r\n226 .*\r\n")
        yield self.move()
        control.sendLine(b"NOOP")
        yield control.expect(b"200 .*\r\n")
        yield self.move()
        data.transport.resumeProducing()
        yield data.closed()
        self.assertEqual(sorted(data.received.decode().split()), names)

    @inlineCallbacks
    def test_timeouts(self) -> Any:
        """
        Who never connects for the data, and who says nothing, is told so and
        sent away by the process that serves then.
        """
        yield self.serveFiles(dtpTimeout=5, idleTimeout=6)
        control = yield self.login()
        idle = yield self.login("joe", "secret")
        yield self.passive(control)
        yield self.move()
        yield control.expect(b"425 .*\r\n|550 .*\r\n")
        yield idle.closed()
        yield control.closed()


class TransferTests(FTPTestCase):
    """
    Files on their way.
    """

    @inlineCallbacks
    def serveLarge(self) -> Any:
        """
        Serve a large file, and have another one to store.
        """
        yield self.serveFiles()
        (self.home / "large").write_bytes(random.Random(1).randbytes(LARGE))
        self.url = f"ftp://joe:secret@127.0.0.1:{self.port}/large"

    @inlineCallbacks
    def moved(self, client: Child, receiving: Path, sent: Path) -> Any:
        """
        Have the service moved meanwhile.

        @param receiving: the file at the receiving end.
        @param sent: what it must be like in the end.
        """

        def size() -> int:
            return receiving.stat().st_size if receiving.exists() else 0

        yield self.meanwhile(client, size, LARGE)
        self.assertEqual(digest(receiving), digest(sent))

    @inlineCallbacks
    def test_retrievePassive(self) -> Any:
        """
        curl takes a file over a connection that it makes.
        """
        yield self.serveLarge()
        curl = self.program("curl", "-sS", "--limit-rate", "16M", "-o", "got", self.url)
        yield self.moved(curl, self.directory / "got", self.home / "large")

    @inlineCallbacks
    def test_retrieveActive(self) -> Any:
        """
        curl takes a file over a connection that the server makes.
        """
        yield self.serveLarge()
        options = ["-sS", "--limit-rate", "16M", "--ftp-port", "127.0.0.1"]
        curl = self.program("curl", *options, "-o", "got", self.url)
        yield self.moved(curl, self.directory / "got", self.home / "large")

    @inlineCallbacks
    def test_store(self) -> Any:
        """
        curl brings a file.
        """
        yield self.serveLarge()
        large = self.home / "large"
        brought = large.rename(self.directory / "brought")
        options = ["-sS", "--limit-rate", "16M", "-T", brought]
        curl = self.program("curl", *options, self.url)
        yield self.moved(curl, large, brought)

    @inlineCallbacks
    def test_lftp(self) -> Any:
        """
        lftp brings a file and takes it again, on one control connection.
        """
        yield self.serveLarge()
        large = self.home / "large"
        brought = large.rename(self.directory / "brought")
        commands = [
            "set cmd:fail-exit yes",
            "set ftp:ssl-allow no",
            "set net:limit-rate 8000000:8000000",
            f"open -u joe,secret ftp://127.0.0.1:{self.port}",
            "put brought -o large",
            "set net:limit-rate 0:0",
            "get large -o got",
            "cls -1",
        ]
        lftp = self.program("lftp", "-c", "; ".join(commands))
        yield self.moved(lftp, large, brought)
        self.assertEqual(digest(self.directory / "got"), digest(brought))
        self.assertIn("large", lftp.lines)
