"""
The main job from outside: real twistd processes, real clients.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import gatherResults, inlineCallbacks
from twisted.trial.unittest import SkipTest, TestCase

from tests.children import Child
from tests.processes import Processes, freePort

PATIENCE = 60.0


class MigrationTestCase(TestCase):
    """
    A directory in which servers and clients start with no further options.
    """

    timeout = 300

    def setUp(self) -> None:
        """
        A directory and ports of its own.
        """
        self.processes = Processes(self)
        self.directory = Path(self.mktemp())
        self.port, self.otherPort = freePort(), freePort()
        # Short: a UNIX address has 107 bytes.
        self.control = self.directory / "migrate.sock"
        self.environment = {
            "LINES_PORT": str(self.port),
            "MORE_PORT": str(self.otherPort),
        }

    def twistd(self, *arguments: str, **environment: str) -> Child:
        """
        Start a twistd that stays in the foreground.
        """
        return self.processes.twistd(
            ["-n", *arguments],
            self.directory,
            environment={**self.environment, **environment},
        )

    @inlineCallbacks
    def server(self, *arguments: str) -> Any:
        """
        @return: a server that listens.
        """
        server = self.twistd("migrate-server", *arguments)
        yield server.line("recipients are let in", PATIENCE)
        return server

    @inlineCallbacks
    def client(self, *arguments: str, **environment: str) -> Any:
        """
        @return: a client that has taken everything over.
        """
        client = self.twistd("migrate-client", *arguments, **environment)
        yield client.line("recipients are let in", PATIENCE)
        return client

    @inlineCallbacks
    def gone(self, process: Child) -> Any:
        """
        The process ends by itself, and well.
        """
        ended = yield process.ended(PATIENCE)
        self.assertEqual((ended.status, ended.signal), (0, None), ended.out + ended.err)
        return ended

    @inlineCallbacks
    def answer(self, connection: Any, line: bytes = b"x") -> Any:
        """
        @return: who answered, and both counters.
        """
        reply = yield connection.ask(line)
        pid, own, total, *_ = reply.split()
        return int(pid), int(own), int(total)


LINES = "lines=tests.lineservice.lines"
MORE = "more=tests.lineservice.more"


class MovingTests(MigrationTestCase):
    """
    A service moves, with its connections.
    """

    @inlineCallbacks
    def test_oneService(self) -> Any:
        """
        A connection goes on in the new process, new ones come there, and the
        old process ends with status 0.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(connection)), (server.pid, 1, 1))
        connection.send(b"half a ")
        client = yield self.client("--service", "lines")
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection, b"line")), (client.pid, 2, 2))
        self.assertTrue(connection.received.endswith(b"half a line\r\n"))
        other = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(other)), (client.pid, 1, 3))

    @inlineCallbacks
    def test_longPath(self) -> Any:
        """
        The defaults work in a directory whose path is longer than a UNIX
        address, more than once.
        """
        self.directory = self.directory / ("x" * 120)
        process = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        for _ in range(2):
            follower = yield self.client("--service", "lines")
            yield self.gone(process)
            self.assertEqual((yield self.answer(connection))[0], follower.pid)
            process = follower

    @inlineCallbacks
    def test_timer(self) -> Any:
        """
        A timer that nothing refers to goes off once, in the new process, and
        not earlier.
        """
        yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        connection.sendLine(b"later 3")
        yield self.answer(connection)
        client = yield self.client("--service", "lines")
        reply = yield connection.line(PATIENCE)
        self.assertEqual(reply, b"%d 2 2 later" % client.pid)
        yield self.answer(connection)
        self.assertEqual(connection.received.count(b"later"), 1)

    @inlineCallbacks
    def test_queuedOutput(self) -> Any:
        """
        Output that the kernel has not taken yet comes whole.
        """
        yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection)
        connection.transport.pauseProducing()
        connection.sendLine(b"much 20000000")
        connection.sendLine(b"end")
        other = yield self.processes.connect(self.port)
        # This one is served after the other's twenty megabytes were written.
        yield self.answer(other)
        client = yield self.client("--service", "lines")
        connection.transport.resumeProducing()
        yield self.processes.until(
            lambda: connection.received.endswith(b"end\r\n"), "all of it", PATIENCE
        )
        _, much, end, _ = connection.received.split(b"\r\n")
        self.assertEqual(len(much), 20_000_000)
        self.assertEqual(set(much), {ord("x")})
        self.assertTrue(end.endswith(b"end"), end)
        connection.sendLine(b"more")
        yield self.processes.until(
            lambda: connection.received.endswith(b"more\r\n"), "an answer", PATIENCE
        )
        last = connection.received.split(b"\r\n")[-2]
        self.assertEqual(int(last.split()[0]), client.pid)

    @inlineCallbacks
    def test_chain(self) -> Any:
        """
        Who has taken a service over gives it up in turn, on the same control
        socket, with the same command, in the same directory.
        """
        process = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        seen = []
        for hop in range(1, 5):
            follower = yield self.client("--service", "lines")
            yield self.gone(process)
            answer = yield self.answer(connection)
            self.assertEqual(answer, (follower.pid, hop, hop))
            seen.append(answer[0])
            process = follower
        self.assertEqual(len(set(seen)), 4)

    @inlineCallbacks
    def test_all(self) -> Any:
        """
        C{--all} takes every service, each by itself.
        """
        server = yield self.server("--service", LINES, "--service", MORE)
        first = yield self.processes.connect(self.port)
        second = yield self.processes.connect(self.otherPort)
        client = yield self.client("--all")
        yield self.gone(server)
        self.assertEqual((yield self.answer(first)), (client.pid, 1, 1))
        self.assertEqual((yield self.answer(second)), (client.pid, 1, 1))

    @inlineCallbacks
    def test_oneOfTwo(self) -> Any:
        """
        What was not claimed stays, and so does the control endpoint, until
        the last service is claimed.
        """
        server = yield self.server("--service", LINES, "--service", MORE)
        first = yield self.processes.connect(self.port)
        second = yield self.processes.connect(self.otherPort)
        one = self.twistd("migrate-client", "--service", "lines")
        beside = yield one.line(r"recipients are let in at (\S+)", PATIENCE)
        self.assertEqual(beside.group(1), f"unix:{self.control.absolute()}.{one.pid}")
        self.assertTrue(server.running)
        self.assertEqual((yield self.answer(first))[0], one.pid)
        self.assertEqual((yield self.answer(second))[0], server.pid)
        two = yield self.client("--service", "more")
        yield self.gone(server)
        self.assertEqual((yield self.answer(first))[0], one.pid)
        self.assertEqual((yield self.answer(second))[0], two.pid)
        three = yield self.client("--all", "--control", beside.group(1))
        yield self.gone(one)
        self.assertEqual((yield self.answer(first))[0], three.pid)

    @inlineCallbacks
    def test_sharedFactory(self) -> Any:
        """
        Objects that two ports share are shared in the new process too; a UNIX
        port keeps its path.
        """
        path = self.directory / "lines"
        self.environment["LINES_PATH"] = "lines"
        server = yield self.server("--service", "both=tests.lineservice.both")
        byTCP = yield self.processes.connect(self.port)
        byUNIX = yield self.processes.connect(f"unix:{path}")
        self.assertEqual((yield self.answer(byTCP)), (server.pid, 1, 1))
        client = yield self.client("--service", "both")
        yield self.gone(server)
        self.assertEqual((yield self.answer(byUNIX)), (client.pid, 1, 2))
        self.assertEqual((yield self.answer(byTCP)), (client.pid, 2, 3))
        another = yield self.processes.connect(f"unix:{path}")
        self.assertEqual((yield self.answer(another)), (client.pid, 1, 4))

    @inlineCallbacks
    def test_plugin(self) -> Any:
        """
        Any installed twistd plugin can be published, unchanged.
        """
        root = self.directory / "root"
        root.mkdir(parents=True)
        (root / "file").write_text("content")
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        server = yield self.server(
            "--plugin", f"site=web --listen {listen} --path root"
        )
        connection = yield self.processes.connect(self.port)
        request = b"GET /file HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.send(request)
        yield connection.expect(rb"200 OK(?s:.)*content")
        yield self.client("--service", "site")
        yield self.gone(server)
        connection.send(request)
        yield connection.expect(rb"200 OK(?s:.)*content")

    @inlineCallbacks
    def test_pickle(self) -> Any:
        """
        The other serializer does the same.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection)
        client = yield self.client("--service", "lines", "--serializer", "pickle")
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection)), (client.pid, 2, 2))


class RefusalTests(MigrationTestCase):
    """
    Whatever goes wrong: one line says what, and the service runs on.
    """

    @inlineCallbacks
    def refused(self, *arguments: str, **environment: str) -> Any:
        """
        @return: the one line on standard error.
        """
        client = self.twistd("migrate-client", *arguments, **environment)
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
        self.assertTrue(ended.err.startswith("migrate-client: "), ended.err)
        return ended.err

    @inlineCallbacks
    def goesOn(self, server: Child, connection: Any) -> Any:
        """
        Old and new connections are served where they were, and the service
        can still move.
        """
        pid, *_ = yield self.answer(connection)
        self.assertEqual(pid, server.pid)
        other = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(other))[0], server.pid)
        yield self.answer(connection, b"good")
        client = yield self.client("--service", "lines")
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection))[0], client.pid)

    @inlineCallbacks
    def test_nobodyThere(self) -> Any:
        """
        Without an origin, the line says where one was looked for.
        """
        line = yield self.refused("--service", "lines")
        self.assertIn(str(self.control.absolute()), line)

    @inlineCallbacks
    def test_unknownService(self) -> Any:
        """
        A service that is not published is refused with what is.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        line = yield self.refused("--service", "mail")
        self.assertIn("'mail'", line)
        self.assertIn("lines (available)", line)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_cannotMigrate(self) -> Any:
        """
        A graph with something in it that cannot move is refused with the path
        to it.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"bad")
        line = yield self.refused("--service", "lines")
        self.assertIn("generator", line)
        self.assertIn(".kept[0]", line)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_cannotLoad(self) -> Any:
        """
        A recipient that cannot make the graph again refuses it; timers and
        half a line are where they were.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"keep raise")
        connection.sendLine(b"later 4")
        yield self.answer(connection)
        connection.send(b"half a ")
        line = yield self.refused("--service", "lines", TROUBLE="1")
        self.assertIn("this cannot be made here", line)
        yield self.answer(connection, b"line")
        self.assertTrue(connection.received.endswith(b"half a line\r\n"))
        later = yield connection.line()
        self.assertTrue(later.endswith(b" later"), later)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_killedWhileLoading(self) -> Any:
        """
        A recipient that dies while it loads leaves everything at the origin.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"keep die")
        client = self.twistd("migrate-client", "--service", "lines", TROUBLE="1")
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.signal, signal.SIGKILL)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_exitWhileLoading(self) -> Any:
        """
        Not even an exit of the recipient's own does harm.
        """
        server = yield self.server("--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"keep exit")
        client = self.twistd("migrate-client", "--service", "lines", TROUBLE="1")
        ended = yield client.ended(PATIENCE)
        self.assertNotEqual(ended.status, 0)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_hangsWhileLoading(self) -> Any:
        """
        A recipient that hangs is given up at the deadline.
        """
        server = yield self.server("--deadline", "2", "--service", LINES)
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"keep hang")
        client = self.twistd("migrate-client", "--service", "lines", TROUBLE="1")
        yield server.line("a recipient got nothing", PATIENCE)
        yield self.answer(connection)
        client.signal(signal.SIGKILL)
        yield self.goesOn(server, connection)

    @inlineCallbacks
    def test_descriptorLimit(self) -> Any:
        """
        A recipient that may not open enough files says so with the numbers,
        before anything is paused.
        """
        server = yield self.server("--service", LINES)
        connections = yield gatherResults(
            [self.processes.connect(self.port) for _ in range(60)]
        )
        run = (
            "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64));"
            "from twisted.scripts.twistd import run; run()"
        )
        client = self.processes.python(
            ["-c", run, "-n", "migrate-client", "--service", "lines"],
            self.directory,
            environment=self.environment,
        )
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("64", ended.err)
        self.assertIn("61 descriptors", ended.err)
        yield self.goesOn(server, connections[0])

    @inlineCallbacks
    def test_usage(self) -> Any:
        """
        Options that make no sense are refused with what would.
        """
        for arguments, says in (
            (["migrate-client"], "--all"),
            (["migrate-client", "--all", "--service", "x"], "--all"),
            (["migrate-server"], "--service NAME=CALLABLE"),
            (["migrate-server", "--service", "x"], "NAME=..."),
            (["migrate-server", "--service", "x=no.such.thing"], "no.such.thing"),
            (["migrate-server", "--service", "x=os.getcwd"], "neither"),
            (["migrate-server", "--plugin", "x=nosuch"], "no twistd plugin"),
            (["migrate-server", "--service", LINES, "--control", "ssl:1"], "unix:PATH"),
            (["migrate-client", "--all", "--peer", "nobody-here"], "nobody-here"),
        ):
            child = self.twistd(*arguments)
            ended = yield child.ended(PATIENCE)
            self.assertEqual(ended.status, 1, arguments)
            self.assertIn(says, ended.out + ended.err, arguments)
            self.assertNotIn("Traceback", ended.out + ended.err, arguments)


class ControlTests(MigrationTestCase):
    """
    The control endpoint and the pid file.
    """

    @inlineCallbacks
    def test_neverRefused(self) -> Any:
        """
        All through three moves, connecting to the control socket succeeds.
        """
        process = yield self.server("--service", LINES)
        import socket as sockets

        path = str(self.control)
        attempts, failures = [0], []

        def attempt() -> None:
            attempts[0] += 1
            with sockets.socket(sockets.AF_UNIX) as probe:
                try:
                    probe.connect(path)
                except OSError as error:
                    failures.append(error)

        from twisted.internet.task import LoopingCall

        looping = LoopingCall(attempt)
        looping.start(0.001)
        for _ in range(3):
            follower = yield self.client("--service", "lines")
            yield self.gone(process)
            process = follower
        looping.stop()
        self.assertEqual(failures, [])
        self.assertGreater(attempts[0], 50)

    @inlineCallbacks
    def test_pidFile(self) -> Any:
        """
        twistd's pid file names whoever serves, and is removed by the last.
        """
        pidFile = self.directory / "twistd.pid"
        server = yield self.server("--service", LINES)
        self.assertEqual(int(pidFile.read_text()), server.pid)
        client = yield self.client("--service", "lines")
        yield self.gone(server)
        self.assertEqual(int(pidFile.read_text()), client.pid)
        client.signal(signal.SIGTERM)
        yield client.ended(PATIENCE)
        self.assertFalse(pidFile.exists())
        self.assertFalse(self.control.exists())

    @inlineCallbacks
    def test_pidFileAfterFailure(self) -> Any:
        """
        A client that fails does not touch it.
        """
        server = yield self.server("--service", LINES)
        client = self.twistd("migrate-client", "--service", "mail")
        yield client.ended(PATIENCE)
        pidFile = self.directory / "twistd.pid"
        self.assertEqual(int(pidFile.read_text()), server.pid)

    @inlineCallbacks
    def test_liveControlSocket(self) -> Any:
        """
        A second server in the same place says what is in its way.
        """
        server = yield self.server("--service", LINES)
        second = self.twistd("--pidfile=", "migrate-server", "--service", MORE)
        ended = yield second.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("a running process listens", ended.err)
        self.assertEqual(len(ended.err.splitlines()), 1)
        connection = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(connection))[0], server.pid)

    @inlineCallbacks
    def test_staleControlSocket(self) -> Any:
        """
        After a crash, a server starts over what it left.
        """
        server = yield self.server("--service", LINES)
        server.signal(signal.SIGKILL)
        yield server.ended(PATIENCE)
        self.assertTrue(self.control.exists())
        yield self.server("--service", LINES)
        yield self.client("--service", "lines")


class LoginTests(MigrationTestCase):
    """
    A control endpoint on TCP.
    """

    def setUp(self) -> None:
        """
        A password on disk.
        """
        super().setUp()
        self.directory.mkdir(parents=True)
        (self.directory / "password").write_text("sesame\n")
        (self.directory / "wrong").write_text("open\n")
        self.controlPort = freePort()
        self.tcp = ("--control", f"tcp:{self.controlPort}")
        self.auth = ("--auth", "memory:ali:sesame")
        self.login = ("--login", "ali", "--password-file", "password")

    @inlineCallbacks
    def test_login(self) -> Any:
        """
        With the password a service moves, and again from there.
        """
        process = yield self.server(*self.tcp, *self.auth, "--service", LINES)
        connection = yield self.processes.connect(self.port)
        for _ in range(2):
            follower = yield self.client(
                *(*self.tcp, *self.auth, *self.login, "--service", "lines"),
                *("--allow", "tests.lineservice"),
            )
            yield self.gone(process)
            self.assertEqual((yield self.answer(connection))[0], follower.pid)
            process = follower

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        Without it, or without any login, it does not.
        """
        server = yield self.server(*self.tcp, *self.auth, "--service", LINES)
        connection = yield self.processes.connect(self.port)
        for login, says in (
            (("--login", "ali", "--password-file", "wrong"), "refused"),
            (("--login", "baba", "--password-file", "password"), "refused"),
            ((), "--login"),
        ):
            client = self.twistd(
                "migrate-client", *self.tcp, *login, "--service", "lines"
            )
            ended = yield client.ended(PATIENCE)
            self.assertEqual(ended.status, 1)
            self.assertIn(says, ended.err)
            self.assertEqual((yield self.answer(connection))[0], server.pid)

    @inlineCallbacks
    def test_notAllowed(self) -> Any:
        """
        A login is no reason to run whatever the origin names: that has to be
        allowed, and the line says how.
        """
        server = yield self.server(*self.tcp, *self.auth, "--service", LINES)
        connection = yield self.processes.connect(self.port)
        client = self.twistd(
            "migrate-client", *self.tcp, *self.login, "--service", "lines"
        )
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("--allow tests.lineservice:Line", ended.err)
        self.assertEqual((yield self.answer(connection))[0], server.pid)

    @inlineCallbacks
    def test_noAuth(self) -> Any:
        """
        A server on TCP without C{--auth} lets nobody in, and says why.
        """
        yield self.server(*self.tcp, "--service", LINES)
        client = self.twistd(
            "migrate-client", *self.tcp, *self.login, "--service", "lines"
        )
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("--auth", ended.err)

    @inlineCallbacks
    def test_pickleRefused(self) -> Any:
        """
        A pickle is not sent over TCP.
        """
        server = yield self.server(*self.tcp, *self.auth, "--service", LINES)
        connection = yield self.processes.connect(self.port)
        pickled = ("--serializer", "pickle", "--service", "lines")
        client = self.twistd("migrate-client", *self.tcp, *self.login, *pickled)
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("same user", ended.err)
        self.assertEqual((yield self.answer(connection))[0], server.pid)


class UserTests(MigrationTestCase):
    """
    Processes of another user.
    """

    USER = "nobody"

    def setUp(self) -> None:
        """
        Only root can start processes of another user.
        """
        if os.geteuid() != 0:
            raise SkipTest("only root can start processes of another user")
        super().setUp()
        # One that others can look into, unlike those of the tests.
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.directory.chmod(0o755)
        self.control = self.directory / "migrate.sock"

    def asNobody(self, *arguments: str) -> Child:
        """
        Start a client of another user.
        """
        run = (
            # This Python may be in a home directory: import first.
            "import os, pwd; entry = pwd.getpwnam('nobody');"
            "from twisted.scripts.twistd import run; import migrate.tapclient;"
            "from twisted.application.service import IServiceMaker;"
            "from twisted.plugin import getPlugins; list(getPlugins(IServiceMaker));"
            "import tests.lineservice;"
            "os.setgid(entry.pw_gid); os.setuid(entry.pw_uid); run()"
        )
        command = ["-c", run, "-n", "migrate-client", *arguments]
        return self.processes.python(
            command, self.directory, environment=self.environment
        )

    @inlineCallbacks
    def test_strangers(self) -> Any:
        """
        A user who was not named is refused by the origin, even where the
        socket's mode lets everyone in.
        """
        server = yield self.server(
            "--control", "unix:migrate.sock:mode=666", "--service", LINES
        )
        connection = yield self.processes.connect(self.port)
        client = self.asNobody("--service", "lines")
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertIn("--peer nobody", ended.err)
        self.assertEqual((yield self.answer(connection))[0], server.pid)

    @inlineCallbacks
    def test_private(self) -> Any:
        """
        The default mode does not even let them connect.
        """
        yield self.server("--service", LINES)
        client = self.asNobody("--service", "lines")
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertIn("ermission", ended.err)

    @inlineCallbacks
    def test_named(self) -> Any:
        """
        A user who was named takes the service over; root's word is good at
        any recipient.
        """
        server = yield self.server(
            "--control",
            "unix:migrate.sock:mode=666",
            "--peer",
            self.USER,
            "--service",
            LINES,
        )
        connection = yield self.processes.connect(self.port)
        client = self.asNobody("--service", "lines")
        yield client.line("recipients are let in", PATIENCE)
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection))[0], client.pid)


class DaemonTests(MigrationTestCase):
    """
    Without C{-n}.
    """

    def daemonize(self, *arguments: str, **environment: str) -> Child:
        """
        Run a launching command.
        """
        return self.processes.twistd(
            arguments, self.directory, environment={**self.environment, **environment}
        )

    @inlineCallbacks
    def test_success(self) -> Any:
        """
        The launching command ends with status 0 once the daemon serves.
        """
        pidFile = self.directory / "twistd.pid"
        yield self.gone(self.daemonize("migrate-server", "--service", LINES))
        server = yield self.processes.daemon(pidFile)
        connection = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(connection))[0], server.pid)
        ended = yield self.gone(self.daemonize("migrate-client", "--service", "lines"))
        self.assertEqual(ended.err, "")
        pid = int(pidFile.read_text())
        self.processes.watch(pid)
        self.assertNotEqual(pid, server.pid)
        self.assertEqual((yield self.answer(connection))[0], pid)
        yield server.ended(PATIENCE)

    @inlineCallbacks
    def test_failure(self) -> Any:
        """
        It ends with status 1 and the reason if it could not take over, and
        leaves no daemon behind.
        """
        yield self.gone(self.daemonize("migrate-server", "--service", LINES))
        server = yield self.processes.daemon(self.directory / "twistd.pid")
        connection = yield self.processes.connect(self.port)
        yield self.answer(connection, b"keep raise")
        launcher = self.daemonize("migrate-client", "--service", "lines", TROUBLE="1")
        ended = yield launcher.ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("this cannot be made here", ended.err.splitlines()[0])
        yield self.processes.until(
            lambda: self.processes.running() == [server.pid], "the daemon's end"
        )
        self.assertEqual((yield self.answer(connection))[0], server.pid)


APPLICATION = """
from twisted.application.service import Application
from migrate.server import MigrationServer
from tests.lineservice import lines

application = Application("own")
service = lines()
service.setServiceParent(application)
server = MigrationServer("unix:migrate.sock")
server.publish("lines", service)
server.setServiceParent(application)
"""

RECIPIENT = """
from twisted.application.service import Application
from migrate.client import MigrationClient

application = Application("own")
client = MigrationClient("unix:migrate.sock", ["lines"])
client.setServiceParent(application)
"""


class LibraryTests(MigrationTestCase):
    """
    Applications of one's own on both sides.
    """

    @inlineCallbacks
    def test_applications(self) -> Any:
        """
        Three lines make an application's service movable, and three lines
        take it over.
        """
        self.directory.mkdir(parents=True)
        (self.directory / "origin.tac").write_text(APPLICATION)
        (self.directory / "recipient.tac").write_text(RECIPIENT)
        server = self.twistd("--no_save", "-y", "origin.tac")
        yield server.line("recipients are let in", PATIENCE)
        connection = yield self.processes.connect(self.port)
        self.assertEqual((yield self.answer(connection))[0], server.pid)
        client = self.twistd("--pidfile=", "--no_save", "-y", "recipient.tac")
        yield client.line("recipients are let in", PATIENCE)
        yield self.gone(server)
        self.assertEqual((yield self.answer(connection))[0], client.pid)
        client.signal(signal.SIGTERM)
        yield connection.closed()
