"""
Listening sockets that are taken over, while the clients stay where they are, from
outside: real processes, and clients that come and go.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from migrate import tapclient, tapserver
from tests.children import Child
from tests.services import CHECKOUT, ServiceTestCase, freePort

CODE = """
import os
from twisted.application.internet import TCPServer, UDPServer, UNIXServer
from twisted.application.service import MultiService
from twisted.internet.protocol import DatagramProtocol, ServerFactory
from twisted.protocols.basic import LineReceiver

VERSION = "v1"

class Line(LineReceiver):
    def lineReceived(self, line):
        if line == b"stay":
            self.kept = (each for each in "ab")
        self.sendLine(f"{os.getpid()} {VERSION} ".encode() + line)

class Datagrams(DatagramProtocol):
    def datagramReceived(self, data, address):
        self.transport.write(f"{os.getpid()} {VERSION} ".encode() + data, address)

class Lines(ServerFactory):
    protocol = Line

def makeService():
    parent, factory = MultiService(), Lines()
    for each in (
        TCPServer(PORT, factory, backlog=2, interface="127.0.0.1"),
        UNIXServer("lines.sock", factory),
        UDPServer(PORT, Datagrams(), interface="127.0.0.1"),
    ):
        each.setServiceParent(parent)
    return parent

def silent():
    return MultiService()
"""

BROKEN = CODE.replace("    parent, factory", "    1 / 0\n    parent, factory")

NEWCOMERS = """
import socket, sys
pid = None
for number in range(int(sys.argv[2])):
    client = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    client.sendall(b"%d\\r\\n" % number)
    said = client.makefile("rb").readline().split()
    assert said[2] == b"%d" % number, said
    if said[0] != pid:
        pid = said[0]
        print("served by", pid.decode(), flush=True)
    client.close()
"""


class GradualTestCase(ServiceTestCase):
    """
    Serves something that has a version, by TCP, UNIX and UDP.
    """

    def setUp(self) -> None:
        """
        Its first version.
        """
        super().setUp()
        self.port = freePort()
        self.release("v1")

    def release(self, version: str, code: str = CODE) -> None:
        """
        Write another version of the code.
        """
        code = code.replace("v1", version).replace("PORT", str(self.port))
        self.code("lined", code)

    def takeover(self, *options: str) -> Child:
        """
        Start the one command line for the first process and for every successor.
        """
        command = ["-n", "migrate-server", "--takeover", *options]
        return self.processes.twistd(
            [*command, "--service", "lines=lined.makeService"],
            self.directory,
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
        )

    @inlineCallbacks
    def begin(self, *options: str) -> Any:
        """
        Start the first process.
        """
        self.server = self.takeover(*options)
        yield self.server.line("recipients are let in")

    @inlineCallbacks
    def succeed(self, new: Child) -> Any:
        """
        A successor accepts, and can be succeeded.
        """
        yield new.line("lines accepts here")
        yield new.line("recipients are let in")
        self.server, old = new, self.server
        return old

    def datagram(self, data: bytes) -> bytes:
        """
        @return: the answer to a datagram.
        """
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(20)
            asking.sendto(data, ("127.0.0.1", self.port))
            return asking.recv(1 << 16)

    @inlineCallbacks
    def whoAnswers(self, client: Any) -> Any:
        """
        @return: the process and the version.
        """
        answer = yield client.ask(b"who")
        pid, version, _ = answer.split()
        return int(pid), version.decode()

    @inlineCallbacks
    def newcomers(self, version: str) -> Any:
        """
        Whoever comes now is served by the present process, whichever way he comes.
        """
        wanted = (self.server.pid, version)
        for where in (
            self.port,
            f"unix:{os.path.relpath(self.directory / 'lines.sock')}",
        ):
            client = yield self.processes.connect(where)
            self.assertEqual((yield self.whoAnswers(client)), wanted)
            yield client.disconnect()
        pid, told, _ = self.datagram(b"who").split()
        self.assertEqual((int(pid), told.decode()), wanted)

    @inlineCallbacks
    def endsWell(self, child: Child) -> Any:
        """
        A process ends with status 0, and has nothing to complain of.
        """
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.signal), (0, None), child.lines)
        self.assertNotIn("Traceback", "\n".join(child.lines))


class TakeoverTests(GradualTestCase):
    """
    C{migrate-server --takeover}
    """

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        The first process binds for itself, though a dead one has left its control
        socket; each successor runs the code that there is by then, and accepts all new
        clients, by TCP, UNIX and UDP; those before are served where they are, and their
        process ends, with status 0, once the last of them has signed off.
        """
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(os.path.relpath(self.directory / "migrate.sock"))
        yield self.begin()
        yield self.newcomers("v1")
        clients = []
        for number in range(1, 4):
            client = yield self.processes.connect(self.port)
            clients.append((client, self.server, f"v{number}"))
            self.release(f"v{number + 1}")
            yield self.succeed(self.takeover())
            yield self.newcomers(f"v{number + 1}")
            for each, server, version in clients:
                who = yield self.whoAnswers(each)
                self.assertEqual(who, (server.pid, version))
        for client, server, _ in clients:
            yield client.disconnect()
            yield self.endsWell(server)
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()
        self.assertFalse((self.directory / "lines.sock").exists())

    @inlineCallbacks
    def test_queueFull(self) -> Any:
        """
        Nobody is refused, reset or forgotten who comes while it happens, though more
        come at a time than wait in the queue; and nothing is left over, however often.
        """
        yield self.begin()
        crowd = [self.script(NEWCOMERS, self.port, 150) for _ in range(4)]
        for each in crowd:
            yield each.line("served by")
        opened = []
        for _ in range(2):
            old = yield self.succeed(self.takeover())
            yield self.endsWell(old)
        for each in crowd:
            ended = yield each.ended()
            self.assertEqual(ended.status, 0, ended.err)
        for _ in range(3):
            old = yield self.succeed(self.takeover())
            yield self.endsWell(old)
            opened.append(len(os.listdir(f"/proc/{self.server.pid}/fd")))
        self.assertEqual(len(set(opened)), 1, opened)

    @inlineCallbacks
    def test_drain(self) -> Any:
        """
        Whoever is left after the time given is served by the new process, still by the
        service that he has had, until he signs off; one who comes with what cannot
        move is told goodbye.
        """
        yield self.begin()
        client = yield self.processes.connect(self.port)
        first = self.server
        self.assertEqual((yield self.whoAnswers(client)), (first.pid, "v1"))
        yield self.succeed(self.takeover("--drain", "0.2"))
        yield self.endsWell(first)
        second = self.server
        self.assertEqual((yield self.whoAnswers(client)), (second.pid, "v1"))
        yield self.succeed(self.takeover("--drain", "0.2"))
        yield self.newcomers("v1")
        self.assertEqual((yield self.whoAnswers(client)), (second.pid, "v1"))
        yield client.disconnect()
        yield self.endsWell(second)
        third = self.server
        client = yield self.processes.connect(self.port)
        yield client.ask(b"stay")
        yield self.succeed(self.takeover("--drain", "0.2"))
        yield client.closed()
        yield self.server.line("the last clients of lines do not come: .*generator")
        yield self.endsWell(third)

    @inlineCallbacks
    def test_move(self) -> Any:
        """
        With C{--move} the clients come, too.
        """
        yield self.begin()
        client = yield self.processes.connect(self.port)
        old, self.server = self.server, self.takeover("--move")
        yield self.server.line("took over lines")
        yield self.endsWell(old)
        self.assertEqual((yield self.whoAnswers(client)), (self.server.pid, "v1"))

    @inlineCallbacks
    def test_upgrade(self) -> Any:
        """
        C{txmigrate upgrade} of what was started so takes over as the command line says,
        and waits until the new process accepts, not until the old one has ended.
        """
        yield self.begin()
        client = yield self.processes.connect(self.port)
        first = self.server
        self.release("v2")
        command = ["-m", "migrate.cli", "upgrade", "--json"]
        ended = yield self.processes.python(command, self.directory).ended()
        self.assertEqual(ended.status, 0, ended.out + ended.err)
        told = json.loads(ended.out)
        self.server = self.processes.watch(told["pid"])
        yield self.newcomers("v2")
        self.assertEqual((yield self.whoAnswers(client)), (first.pid, "v1"))
        yield client.disconnect()
        ended = yield first.exited()
        self.assertEqual((ended.status, ended.signal), (0, None))
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()

    @inlineCallbacks
    def test_broken(self) -> Any:
        """
        New code that does not start changes nothing, and is told in one line; and so
        is that the old process has more than was named.
        """
        yield self.begin()
        for code, why in (
            (BROKEN, "ZeroDivisionError"),
            (CODE.replace("def makeService", "def another"), "cannot find lined"),
            (CODE.replace("PORT, ", "0, ").replace("lines.sock", "x"), "on nothing"),
        ):
            self.release("v2", code)
            ended = yield self.takeover().ended()
            self.assertEqual(ended.status, 1, ended.out)
            self.assertIn(why, ended.err)
            self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
            yield self.newcomers("v1")
        other = self.processes.twistd(
            ["-n", "migrate-server", "--takeover", "--service", "x=lined.silent"],
            self.directory,
        )
        ended = yield other.ended()
        self.assertEqual(ended.status, 1, ended.out)
        self.assertIn("also serves lines: name that too", ended.err)
        yield self.newcomers("v1")

    @inlineCallbacks
    def test_successorDies(self) -> Any:
        """
        If the successor dies while the old process serves its last clients, that
        accepts again, and the next one takes over from it.
        """
        yield self.begin()
        client = yield self.processes.connect(self.port)
        first = self.server
        yield self.succeed(self.takeover())
        self.server.signal(signal.SIGKILL)
        yield self.server.ended()
        yield first.line("lines accepts here again")
        self.server = first
        yield self.newcomers("v1")
        self.release("v2")
        yield self.succeed(self.takeover())
        yield self.newcomers("v2")
        self.assertEqual((yield self.whoAnswers(client)), (first.pid, "v1"))
        yield client.disconnect()
        yield self.endsWell(first)


class ExampleTests(GradualTestCase):
    """
    C{examples/takeover_echo}
    """

    @inlineCallbacks
    def test_readme(self) -> Any:
        """
        The command of its README, given twice: whoever is there stays with the first
        process, whoever comes is the second one's.
        """
        readme = CHECKOUT / "examples" / "takeover_echo" / "README.rst"
        (line,) = re.findall(r"^    twistd (.*)$", readme.read_text(), re.M)
        # Anywhere but at the port that others may have.
        source = (readme.parent / "echo.py").read_text()
        self.code("echoing", source.replace("9999", str(self.port)))
        line = line.replace("examples.takeover_echo.echo", "echoing")
        servers, clients = [], []
        for number in range(2):
            servers.append(self.processes.twistd(line.split(), self.directory))
            yield servers[-1].line("recipients are let in")
            clients.append((yield self.processes.connect(self.port)))
            for client in clients:
                answer = yield client.ask(b"%d" % number)
                self.assertEqual(answer, b"%d" % number)
        yield clients[0].disconnect()
        yield self.endsWell(servers[0])
        self.assertEqual((yield clients[1].ask(b"on")), b"on")


class ClientTests(GradualTestCase):
    """
    C{migrate-client --gradual}
    """

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        It makes the service as the origin did, of the code that there is by then,
        unless it is told otherwise.
        """
        yield self.serve("--service", "lines=lined.makeService")
        client = yield self.processes.connect(self.port)
        for number, service in enumerate(("lines", "lines=again.makeService"), 2):
            self.release(f"v{number}")
            self.code("again", (self.directory / "lined.py").read_text())
            old = yield self.succeed(self.client("--gradual", "--service", service))
            yield self.newcomers(f"v{number}")
            if number == 3:
                yield self.endsWell(old)
        self.assertEqual((yield self.whoAnswers(client))[1], "v1")

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        A service that listens on nothing has nothing to hand over, and stays.
        """
        yield self.serve(
            *("--service", "silent=lined.silent"),
            *("--service", "lines=lined.makeService"),
        )
        line = yield self.refused("--gradual", "--service", "silent")
        self.assertIn("listens on nothing", line)


class OptionsTests(SynchronousTestCase):
    """
    What is asked of one way of taking over only.
    """

    def refused(self, options: Any, *words: str) -> str:
        """
        @return: why these are no options.
        """
        options.parent = None
        return str(self.assertRaises(UsageError, options.parseOptions, words))

    def test_client(self) -> None:
        """
        C{migrate-client}
        """
        for words, why in (
            (("--drain", "1"), "--drain goes with --gradual"),
            (("--gradual", "--drain", "-1"), "give a positive number"),
            (("--gradual", "--check"), "--gradual moves none"),
            (("--service", "x=y.z"), "NAME=CALLABLE goes with --gradual"),
        ):
            found = self.refused(tapclient.Options(), "--service", "lines", *words)
            self.assertIn(why, found)

    def test_server(self) -> None:
        """
        C{migrate-server}
        """
        for words, why in (
            (("--drain", "1"), "--drain goes with --takeover"),
            (("--move",), "--move goes with --takeover"),
            (("--takeover", "--move", "--drain", "1"), "leave out --drain"),
            (("--takeover", "--drain", "soon"), "give a positive number"),
        ):
            found = self.refused(tapserver.Options(), "--service", "x=y.z", *words)
            self.assertIn(why, found)


class SpawnTests(GradualTestCase):
    """
    C{txmigrate spawn}
    """

    @inlineCallbacks
    def spawn(self, *options: str, status: int = 0) -> Any:
        """
        @return: what the command says in JSON, or as the reason.
        """
        command = ["-m", "migrate.cli", "spawn", "--json", *options]
        ended = yield self.processes.python(command, self.directory).ended()
        self.assertEqual(ended.status, status, ended.out + ended.err)
        return json.loads(ended.out) if not status else ended.err

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        A process starts its own successor, from the files as they are then, which
        inherits what listens and can do the same; one that does not start changes
        nothing.
        """
        yield self.serve(
            "--service",
            "lines=lined.makeService",
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
        )
        pid = self.server.pid
        client = yield self.processes.connect(self.port)
        for number in range(2, 4):
            self.release("broken", BROKEN)
            why = yield self.spawn(status=1)
            self.assertIn("ZeroDivisionError", why)
            self.release(f"v{number}")
            told = yield self.spawn()
            self.assertEqual(told["services"], ["lines"])
            self.assertNotEqual(told["pid"], pid)
            pid = told["pid"]
            newcomer = yield self.processes.connect(self.port)
            self.assertEqual((yield self.whoAnswers(newcomer)), (pid, f"v{number}"))
            yield newcomer.disconnect()
            self.assertEqual(self.datagram(b"who").split()[0], b"%d" % pid)
        who = yield self.whoAnswers(client)
        self.assertEqual(who, (self.server.pid, "v1"))
        last = self.processes.watch(pid)
        yield client.disconnect()
        # Its successors have its standard output, too.
        ended = yield self.server.exited()
        self.assertEqual((ended.status, ended.signal), (0, None))
        last.signal(signal.SIGTERM)
        yield last.ended()

    @inlineCallbacks
    def test_daemons(self) -> Any:
        """
        Of a daemon the successor is one, and it is that which is told.
        """
        command = ["migrate-server", "--service", "lines=lined.makeService"]
        ended = yield self.processes.twistd(command, self.directory).ended()
        self.assertEqual(ended.status, 0, ended.err)
        pidFile = self.directory / "twistd.pid"
        first = yield self.processes.daemon(pidFile)
        yield self.processes.until(
            (self.directory / "migrate.sock").exists, "the control endpoint"
        )
        told = yield self.spawn()
        second = yield self.processes.daemon(pidFile)
        self.assertEqual(second.pid, told["pid"])
        yield first.ended()
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.whoAnswers(client)), (second.pid, "v1"))
        second.signal(signal.SIGTERM)
        yield second.ended()
