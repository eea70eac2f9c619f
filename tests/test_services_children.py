"""
Services that have child processes are moved while these run.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import inlineCallbacks

from migrate.adapters.exits import answers
from tests.processes import Daemon
from tests.services import ServiceTestCase, freePort

RUNNER = """
import os

from twisted.application.internet import TCPServer
from twisted.internet import reactor, utils
from twisted.internet.protocol import Factory, ProcessProtocol
from twisted.protocols.basic import LineReceiver


class Child(ProcessProtocol):
    def __init__(self, client):
        self.client = client

    def connectionMade(self):
        self.client.tell("started", self.transport.pid)

    def childDataReceived(self, number, data):
        if self.client.counting is None:
            for line in data.decode().splitlines():
                self.client.tell(f"said {number}", line)
        else:
            self.client.counting += len(data)
            self.client.transport.write(data)

    def processExited(self, reason):
        self.client.tell("exited", reason.value.exitCode, reason.value.signal)

    def processEnded(self, reason):
        self.client.tell("ended", type(reason.value).__name__)


class Client(LineReceiver):
    counting = None

    def connectionMade(self):
        self.children = []

    def tell(self, *words):
        self.sendLine(" ".join(map(str, (os.getpid(), *words))).encode())

    def lineReceived(self, line):
        command, _, rest = line.decode().partition(" ")
        getattr(self, "do_" + command)(rest)

    def do_run(self, script, **options):
        self.child = reactor.spawnProcess(
            Child(self), "/bin/sh", ["sh", "-c", script], env=os.environ, **options
        )
        self.children.append(self.child)

    def do_forget(self, script):
        protocol = Child(self)
        reactor.spawnProcess(
            protocol, "/bin/sh", ["sh", "-c", script], childFDs={}
        )

    def do_terminal(self, script):
        self.do_run(script, usePTY=True)

    def do_output(self, script):
        waiting = utils.getProcessOutputAndValue("/bin/sh", ["-c", script])
        waiting.addCallback(self.got)

    def got(self, found):
        self.tell("got", *found)

    def do_write(self, text):
        self.child.write(text.encode() + b"\\n")

    def do_much(self, count):
        self.counting = 0
        self.child.write(bytes(range(256)) * int(count))

    def do_close(self, rest):
        for child in self.children:
            child.closeStdin()

    def do_signal(self, name):
        self.child.signalProcess(name)


def makeService():
    return TCPServer(%d, Factory.forProtocol(Client), interface="127.0.0.1")
"""

NOT_TOLD = (
    "" if answers() else "this kernel tells nobody but the parent how a process ended"
)


class ProcmonTests(ServiceTestCase):
    """
    C{twistd procmon}
    """

    if NOT_TOLD:
        skip = NOT_TOLD

    def starts(self) -> list[int]:
        """
        @return: the ids of the processes that have been started.
        """
        path = self.directory / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line) for line in lines]

    @inlineCallbacks
    def started(self, number: int) -> Any:
        """
        Wait for the start of the child.
        """
        yield self.processes.until(
            lambda: len(self.starts()) >= number, f"start number {number}"
        )
        self.assertEqual(len(self.starts()), number)
        return self.processes.watch(self.starts()[-1])

    @inlineCallbacks
    def test_restarts(self) -> Any:
        """
        The child runs on; what it says is logged by whoever serves; and if it
        ends, that one starts another.
        """
        (self.directory / "child.sh").write_text(
            "echo $$ >>starts\nwhile :; do read line <orders; echo heard $line; done\n"
        )
        os.mkfifo(self.directory / "orders")
        yield self.plugin(
            "mon=procmon --threshold 0.1 --minrestartdelay 0.1 /bin/sh child.sh"
        )
        child = yield self.started(1)
        yield self.move()
        self.order("once")
        yield self.server.line("heard once")
        yield self.move()
        self.order("twice")
        yield self.server.line("heard twice")
        self.assertTrue(child.running)
        child.signal(9)
        second = yield self.started(2)
        yield self.move()
        self.order("thrice")
        yield self.server.line("heard thrice")
        self.assertTrue(second.running)

    def order(self, word: str) -> None:
        """
        Say something to the child.
        """
        with (self.directory / "orders").open("w") as orders:
            orders.write(f"{word}\n")


class RunnerTests(ServiceTestCase):
    """
    A service that runs programs for its clients.
    """

    if NOT_TOLD:
        skip = NOT_TOLD

    @inlineCallbacks
    def runner(self) -> Any:
        """
        Serve it.

        @return: a client.
        """
        self.port = freePort()
        self.code("runner", RUNNER % self.port)
        yield self.serve("--service", "runner=runner.makeService")
        return (yield self.processes.connect(self.port))

    @inlineCallbacks
    def hears(self, client: Any, *lines: str) -> Any:
        """
        These lines come next, of the process that serves by now.
        """
        for line in lines:
            heard = yield client.line()
            self.assertEqual(heard.decode(), f"{self.server.pid} {line}")

    @inlineCallbacks
    def begin(self, client: Any, command: str) -> Any:
        """
        Give an order that starts a program.

        @return: the program.
        """
        client.sendLine(command.encode())
        heard = yield client.line()
        _, said, pid = heard.split()
        self.assertEqual(said, b"started")
        program: Daemon = self.processes.watch(int(pid))
        return program

    @inlineCallbacks
    def test_ends(self) -> Any:
        """
        How children end is told, exactly, by whoever serves: a good end, a
        status, a signal.
        """
        client = yield self.runner()
        second = yield self.processes.connect(self.port)
        third = yield self.processes.connect(self.port)
        others = (client, second, third)
        for other, script in zip(
            others, ("cat", "cat; exit 7", "exec cat"), strict=True
        ):
            yield self.begin(other, f"run {script}")
        for word in ("one", "two"):
            yield self.move()
            for other in others:
                other.sendLine(f"write {word}".encode())
                yield self.hears(other, f"said 1 {word}")
        for other, order, exited, ended in (
            (others[0], b"close", "exited 0 None", "ended ProcessDone"),
            (others[1], b"close", "exited 7 None", "ended ProcessTerminated"),
            (others[2], b"signal TERM", "exited None 15", "ended ProcessTerminated"),
        ):
            other.sendLine(order)
            yield self.hears(other, exited, ended)

    @inlineCallbacks
    def test_endsMeanwhile(self) -> Any:
        """
        Children that end at any time during moves: each is told of once.
        """
        client = yield self.runner()
        children = 12
        for number in range(children):
            script = f"run read line; sleep {0.1 * number:.1f}; exit 9"
            yield self.begin(client, script)
        client.sendLine(b"close")
        for _ in range(2):
            yield self.move()
        yield client.expect(rb"(?:[^\n]*\n){%d}" % (2 * children))
        lines = client.received.splitlines()[children:]
        heard = [line.partition(b" ")[2] for line in lines]
        for said in (b"exited 9 None", b"ended ProcessTerminated"):
            self.assertEqual(heard.count(said), children)
        client.sendLine(b"output echo nothing more")
        yield self.hears(client, "got b'nothing more\\n' b'' 0")

    @inlineCallbacks
    def test_much(self) -> Any:
        """
        More goes through a child than all pipes hold.
        """
        client = yield self.runner()
        yield self.begin(client, "run exec cat")
        count = 20_000
        client.transport.pauseProducing()
        client.received = b""
        client._taken = 0
        client.sendLine(b"much %d" % count)
        yield self.move()
        client.transport.resumeProducing()
        yield self.processes.until(lambda: len(client.received) > 100_000, "some")
        yield self.move()
        yield self.processes.until(
            lambda: len(client.received) == 256 * count, "all of it"
        )
        self.assertTrue(client.received == bytes(range(256)) * count)

    @inlineCallbacks
    def test_terminal(self) -> Any:
        """
        A child at a terminal of its own.
        """
        client = yield self.runner()
        yield self.begin(
            client, "terminal stty -echo; while read line; do echo re: $line; done"
        )
        for word in ("one", "two"):
            yield self.move()
            client.sendLine(b"write " + word.encode())
            yield self.hears(client, f"said 1 re: {word}")
        client.sendLine(b"signal KILL")
        yield self.hears(client, "exited None 9", "ended ProcessTerminated")

    @inlineCallbacks
    def test_waitedFor(self) -> Any:
        """
        The output of a program that has been asked for, and is not there yet;
        and a child that nobody has pipes to, nor a reference.
        """
        client = yield self.runner()
        other = yield self.processes.connect(self.port)
        for name in ("go", "leave"):
            os.mkfifo(self.directory / name)
        client.sendLine(
            b"output echo begun; : >begun; read line <go; echo $line; exit 3"
        )
        yield self.processes.until((self.directory / "begun").exists, "the program")
        yield self.begin(other, "forget read line <leave; exit 5")
        yield self.move()
        yield self.move()
        (self.directory / "go").write_text("gone\n")
        yield self.hears(client, "got b'begun\\ngone\\n' b'' 3")
        (self.directory / "leave").write_text("gone\n")
        yield self.hears(other, "exited 5 None", "ended ProcessTerminated")
