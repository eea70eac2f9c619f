"""
What there is too little of, or what is in the way: one line says so, and the
services run on.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SkipTest

from tests.children import Child
from tests.processes import descriptors
from tests.test_migration import LINES, MORE, PATIENCE, MigrationTestCase

MEGABYTE = 1024 * 1024

#: What a limited process runs, with what limits it before.
RUN = "from twisted.scripts.twistd import run; {}; run()"

#: Lets a process have so many megabytes of addresses beside what it has when it
#: begins, all that it imports among them.
LIMITED = (
    "import resource, migrate.tapclient, migrate.tapserver, twisted.web.server;"
    "held = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize();"
    "limit = held + {} * 1024 * 1024;"
    "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))"
)

#: Makes a process one of a user that nobody else is; what is imported later may
#: be in a home directory.
OTHER_USER = (
    "import os, resource, migrate.tapclient, migrate.tapserver, tests.lineservice;"
    "from twisted.application.service import IServiceMaker;"
    "from twisted.plugin import getPlugins; list(getPlugins(IServiceMaker));"
    "resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0}));"
    "os.setgid({1}); os.setuid({1})"
)


class ResourceTestCase(MigrationTestCase):
    """
    Servers and clients that lack something.
    """

    def lacking(self, what: str, *arguments: str) -> Child:
        """
        Start a twistd that runs C{what} first.
        """
        return self.processes.python(
            ["-c", RUN.format(what), "-n", *arguments],
            self.directory,
            environment=self.environment,
        )

    @inlineCallbacks
    def oneLine(self, child: Child, program: str) -> Any:
        """
        @return: the one line on standard error of a process that has failed.
        """
        ended = yield child.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
        self.assertTrue(ended.err.startswith(f"{program}: "), ended.err)
        return ended.err

    @inlineCallbacks
    def goesOn(self, server: Child, *connections: Any) -> Any:
        """
        All are served where they were, and can still move.
        """
        for connection in connections:
            self.assertEqual((yield self.answer(connection))[0], server.pid)
        client = yield self.client("--service", "lines")
        yield self.gone(server)
        for connection in connections:
            self.assertEqual((yield self.answer(connection))[0], client.pid)


class Counter(Protocol):
    """
    A client that is told more than it keeps.

    @ivar count: how many bytes have come.
    """

    count = 0

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.count += len(data)


class MemoryTests(ResourceTestCase):
    """
    A graph that is too large for a process.
    """

    #: What the service keeps for a connection that does not read, in megabytes;
    #: the other process may have half of that.
    LARGE = 64

    @inlineCallbacks
    def large(self) -> Any:
        """
        @return: a server, its connection that does not read, and another one.
        """
        server = yield self.server("--service", LINES)
        asleep = Counter()
        reactor = self.processes.reactor
        endpoint = clientFromString(reactor, f"tcp:127.0.0.1:{self.port}")
        yield connectProtocol(endpoint, asleep)
        self.addCleanup(asleep.transport.abortConnection)
        asleep.transport.pauseProducing()
        asleep.transport.write(b"much %d\r\n" % (self.LARGE * MEGABYTE))
        other = yield self.processes.connect(self.port)
        yield self.answer(other)
        return server, asleep, other

    @inlineCallbacks
    def test_recipient(self) -> Any:
        """
        A recipient that has no memory for it refuses it; no byte is lost.
        """
        server, asleep, other = yield self.large()
        held = len(descriptors(server.pid))
        for megabytes in (8, self.LARGE // 2, self.LARGE):
            client = self.lacking(
                LIMITED.format(megabytes), "migrate-client", "--service", "lines"
            )
            line = yield self.oneLine(client, "migrate-client")
            self.assertIn("memory", line.lower())
            self.assertEqual((yield self.answer(other))[0], server.pid)
        yield self.processes.until(
            lambda: len(descriptors(server.pid)) == held, "the end of the attempts"
        )
        client = yield self.client("--service", "lines")
        yield self.gone(server)
        asleep.transport.resumeProducing()
        yield self.processes.until(
            lambda: asleep.count == self.LARGE * MEGABYTE + 2,
            "all of it",
            PATIENCE,
        )
        self.assertEqual((yield self.answer(other))[0], client.pid)


class OtherUserTestCase(ResourceTestCase):
    """
    Processes of a user who has no others, not even those of a test that runs at
    the same time.
    """

    def setUp(self) -> None:
        """
        A directory of that user's.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root can start processes of another user")
        super().setUp()
        self.user = random.SystemRandom().randrange(61_200, 65_000)
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        os.chown(self.directory, self.user, self.user)
        self.directory.chmod(0o755)
        self.control = self.directory / "migrate.sock"

    def asUser(self, *arguments: str, limit: int = 256) -> Child:
        """
        Start a twistd of that user.
        """
        return self.lacking(OTHER_USER.format(limit, self.user), *arguments)


class InFlightTests(OtherUserTestCase):
    """
    The kernel lets a user have no more descriptors under way than one process of
    his may have open.
    """

    #: Takes so many descriptors of the user for under way until it is told to
    #: let go.
    HOG = (
        "import array, os, socket, sys; os.setgid({0}); os.setuid({0});"
        "ours, theirs = socket.socketpair();"
        "[ours.sendmsg([b'x'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS,"
        " array.array('i', [0] * 100))]) for _ in range(4)];"
        "print('full', flush=True); sys.stdin.readline()"
    )

    @inlineCallbacks
    def begin(self) -> Any:
        """
        @return: a server of that user with many connections, and those.
        """
        server = self.asUser("migrate-server", "--service", LINES)
        yield server.line("recipients are let in", PATIENCE)
        connections = yield gatherResults(
            [self.processes.connect(self.port) for _ in range(120)]
        )
        return server, connections

    @inlineCallbacks
    def fill(self) -> Any:
        """
        @return: a process that has as many under way as there may be.
        """
        hog = self.processes.python(["-c", self.HOG.format(self.user)], self.directory)
        yield hog.line("full")
        return hog

    @inlineCallbacks
    def test_under_limit(self) -> Any:
        """
        A plain user's service moves, with about as many connections as he may
        have files.
        """
        server, connections = yield self.begin()
        client = self.asUser("migrate-client", "--service", "lines")
        yield client.line("recipients are let in", PATIENCE)
        yield self.gone(server)
        for connection in connections:
            self.assertEqual((yield self.answer(connection))[0], client.pid)

    @inlineCallbacks
    def test_full(self) -> Any:
        """
        While others of the user leave no room, a claim fails with a line that
        says so, and once there is room it succeeds.
        """
        server, connections = yield self.begin()
        hog = yield self.fill()
        client = self.asUser("migrate-client", "--service", "lines")
        line = yield self.oneLine(client, "migrate-client")
        self.assertIn("descriptors", line)
        for connection in connections:
            self.assertEqual((yield self.answer(connection))[0], server.pid)
        hog.write(b"\n")
        yield hog.ended(PATIENCE)
        client = self.asUser("migrate-client", "--service", "lines")
        yield client.line("recipients are let in", PATIENCE)
        yield self.gone(server)
        self.assertEqual((yield self.answer(connections[0]))[0], client.pid)


class FullDiskTests(ResourceTestCase):
    """
    Nothing can be written.
    """

    @inlineCallbacks
    def test_log(self) -> Any:
        """
        A log that cannot be written to keeps nothing from moving, twice.
        """
        process = self.twistd(
            "--logfile", "/dev/full", "migrate-server", "--service", LINES
        )
        yield self.processes.until(self.control.exists, "a control socket", PATIENCE)
        connection = yield self.processes.connect(self.port)
        for _ in range(2):
            follower = self.twistd(
                "--logfile", "/dev/full", "migrate-client", "--service", "lines"
            )
            yield self.gone(process)
            self.assertEqual((yield self.answer(connection))[0], follower.pid)
            process = follower

    @inlineCallbacks
    def test_pidFile(self) -> Any:
        """
        A pid file that cannot be written keeps nothing from moving, and leaves
        nothing behind that tells of another process.
        """
        disk = self.fullDisk()
        pidFile = disk / "pid"
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        client = self.twistd(
            "--pidfile", str(pidFile), "migrate-client", "--service", "lines"
        )
        yield client.line("cannot write", PATIENCE)
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection))[0], client.pid)
        self.assertEqual([path.name for path in disk.iterdir()], ["filler"])
        client.signal(signal.SIGTERM)
        yield connection.closed()

    @inlineCallbacks
    def test_pidFileHalfWritten(self) -> Any:
        """
        One that can be made, and not written, is not left behind either.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        client = self.lacking(
            "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))",
            "migrate-client",
            "--service",
            "lines",
        )
        yield client.line("cannot write", PATIENCE)
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection))[0], client.pid)
        self.assertEqual(sorted(os.listdir(self.directory)), ["migrate.sock"])

    def fullDisk(self) -> Path:
        """
        @return: a directory on a disk without room for another byte.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root can mount")
        disk = self.directory / "disk"
        disk.mkdir(parents=True)
        mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
        if subprocess.run(mount, capture_output=True).returncode:
            raise SkipTest("nothing may be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", str(disk)], check=True)
        with (
            open(disk / "filler", "wb", buffering=0) as filler,
            contextlib.suppress(OSError),
        ):
            while True:
                filler.write(b"x" * 4096)
        return disk


class ControlPathTests(ResourceTestCase):
    """
    The control path is one that cannot be had.
    """

    @inlineCallbacks
    def cannotListen(self, control: str) -> Any:
        """
        @return: what a server says of a control endpoint.
        """
        server = self.twistd("migrate-server", "--control", control, "--service", LINES)
        line = yield self.oneLine(server, "migrate-server")
        return line

    @inlineCallbacks
    def test_inTheWay(self) -> Any:
        """
        A file, a missing directory, and a directory that is none are named.
        """
        self.directory.mkdir(parents=True)
        precious = self.directory / "precious"
        precious.write_text("precious")
        for path, says in (
            ("precious", "no socket"),
            ("missing/migrate.sock", "missing"),
            ("precious/migrate.sock", "precious"),
        ):
            line = yield self.cannotListen(f"unix:{path}")
            self.assertIn(says, line)
            self.assertIn(str(self.directory.absolute()), line)
            # The next one is not told of this one's.
            self.assertFalse((self.directory / "twistd.pid").exists())
        self.assertEqual(precious.read_text(), "precious")

    @inlineCallbacks
    def test_usage(self) -> Any:
        """
        A mode that is none, and a path that no UNIX address can hold, are
        refused by both sides.
        """
        for program in ("migrate-server", "migrate-client"):
            for control, says in (
                ("unix:x:mode=9", "mode"),
                ("unix:x:mode=rw", "mode"),
                (f"unix:{'x' * 120}", "107 bytes"),
                (f"unix:/{'x' * 120}", "107 bytes"),
                ("unix:", "unix:PATH"),
            ):
                service = LINES if program == "migrate-server" else "lines"
                child = self.twistd(program, "--control", control, "--service", service)
                line = yield self.oneLine(child, program)
                self.assertIn(says, line)

    @inlineCallbacks
    def test_live(self) -> Any:
        """
        The socket of a living process stays where it is, whoever else wants
        it, and works.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        inode = os.stat(self.control).st_ino
        for _ in range(2):
            second = self.twistd("--pidfile=", "migrate-server", "--service", MORE)
            line = yield self.oneLine(second, "migrate-server")
            self.assertIn("a running process listens", line)
            self.assertEqual(os.stat(self.control).st_ino, inode)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_raceForStale(self) -> Any:
        """
        Of several that find a dead one's socket at the same time one gets it,
        and keeps it.
        """
        self.directory.mkdir(parents=True)
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(self.control))
        racers = [
            self.twistd("--pidfile=", "migrate-server", "--service", f"lines={each}")
            for each in ("tests.lineservice.lines", "tests.lineservice.more")
        ]
        listening = [
            racer.line("recipients are let in|a running process", PATIENCE)
            for racer in racers
        ]
        yield gatherResults(listening)
        yield self.processes.until(
            lambda: sum(racer.running for racer in racers) == 1, "one winner", PATIENCE
        )
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(self.control))


class NoPermissionTests(OtherUserTestCase):
    """
    The control path is one that this user may not use.
    """

    @inlineCallbacks
    def test_directory(self) -> Any:
        """
        A directory that may not be written to, or not even be looked into, is
        named.
        """
        for mode in (0o555, 0o000):
            place = self.directory / f"place{mode}"
            place.mkdir()
            place.chmod(mode)
            server = self.asUser(
                "migrate-server",
                "--control",
                f"unix:{place}/control",
                "--service",
                LINES,
            )
            line = yield self.oneLine(server, "migrate-server")
            self.assertIn("ermission denied", line)
            self.assertIn(str(place), line)

    @inlineCallbacks
    def test_socket(self) -> Any:
        """
        The socket of another user's process is left alone, and told of.
        """
        self.directory.chmod(0o777)
        server = yield self.server("--service", LINES)
        inode = os.stat(self.control).st_ino
        for program, service in (("migrate-server", MORE), ("migrate-client", "lines")):
            child = self.asUser("--pidfile=", program, "--service", service)
            line = yield self.oneLine(child, program)
            self.assertIn("ermission denied", line)
            self.assertIn(str(self.control), line)
        self.assertEqual(os.stat(self.control).st_ino, inode)
        connection = yield self.processes.connect(self.port)
        yield self.goesOn(server, connection)
