"""
Services that talk on their standard input and output are moved while somebody
talks to them.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort
from tests.targets import blob

COUNTER = """
from twisted.application.service import Service
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver

import os


class Counter(LineReceiver):
    delimiter = b"\\n"

    def __init__(self):
        self.lines = 0

    def lineReceived(self, line):
        self.lines += 1
        if line == b"bye":
            self.transport.loseConnection()
        elif line.startswith(b"much "):
            self.setRawMode()
            self.wanted, self.got = int(line[5:]), 0
        else:
            self.sendLine(b"%d %d %s" % (os.getpid(), self.lines, line))

    def rawDataReceived(self, data):
        data, rest = data[:self.wanted - self.got], data[self.wanted - self.got:]
        self.got += len(data)
        self.transport.write(data)
        if self.got == self.wanted:
            self.setLineMode(rest)

    def connectionLost(self, reason):
        with open("ended", "w") as file:
            print(os.getpid(), reason.type.__name__, file=file)


class Console(Service):
    def startService(self):
        super().startService()
        # Nobody but the reactor knows of it.
        protocol = Counter()
        protocol.service = self
        StandardIO(protocol)


makeService = Console
"""


class StandardIOTests(ServiceTestCase):
    """
    L{twisted.internet.stdio.StandardIO} in a process that C{socat} has started.
    """

    @inlineCallbacks
    def console(self, options: str = "", leads: bool = False) -> Any:
        """
        Have C{socat} start the service for one connection.  What it has started
        is a shell, which stays: else it would take the first process's end for
        the end of the conversation.

        @param options: those of socat's address.
        @param leads: whether the service takes the shell's place.
        @return: a client.
        """
        self.code("console", COUNTER)
        server = (
            "from twisted.scripts.twistd import run; run()",
            *("-n", "--logfile=log", "migrate-server"),
            *("--service", "console=console.makeService"),
        )
        command = shlex.join([sys.executable, "-c", *server])
        script = self.directory / "run"
        os.mkfifo(self.directory / "never")
        whole = f"exec {command}" if leads else f"{command}\nread line <never"
        script.write_text(f"#!/bin/sh\n{whole}\n")
        script.chmod(0o700)
        port = freePort()
        self.socat = self.program(
            *("socat", "-d", "-d", f"TCP-LISTEN:{port},bind=127.0.0.1"),
            f"EXEC:./run{options}",
        )
        yield self.socat.line("listening on")
        client = yield self.processes.connect(port)
        self.served = yield self.processes.daemon(self.directory / "twistd.pid")
        return client

    @inlineCallbacks
    def moveOn(self) -> Any:
        """
        Have it moved, and wait for the end of the old process.
        """
        new = self.client("--all")
        yield new.line("took over console")
        yield self.served.ended()
        self.served = self.processes.watch(new.pid)
        self.last = new

    @inlineCallbacks
    def asks(self, client: Any, line: bytes, number: int) -> Any:
        """
        The process that serves by now answers, and has counted.
        """
        answer = yield client.ask(line)
        self.assertEqual(answer, b"%d %d %s" % (self.served.pid, number, line))

    @inlineCallbacks
    def talk(self, client: Any) -> Any:
        """
        Lines and half lines, over two moves.
        """
        yield self.asks(client, b"one", 1)
        client.send(b"tw")
        yield self.moveOn()
        client.send(b"o\n")
        answer = yield client.line()
        self.assertEqual(answer, b"%d 2 two" % self.served.pid)
        yield self.moveOn()
        yield self.asks(client, b"three", 3)

    @inlineCallbacks
    def bye(self, client: Any) -> Any:
        """
        The service ends the conversation, from where it is now.
        """
        client.send(b"bye\n")
        yield self.processes.until((self.directory / "ended").exists, "an end")
        said = (self.directory / "ended").read_text()
        self.assertEqual(said, f"{self.served.pid} ConnectionDone\n")

    @inlineCallbacks
    def test_socket(self) -> Any:
        """
        Both descriptors are one socket.
        """
        client = yield self.console()
        yield self.talk(client)
        yield self.bye(client)

    @inlineCallbacks
    def test_pipes(self) -> Any:
        """
        Two pipes, and a client that ends what it says.
        """
        client = yield self.console(",pipes")
        yield self.talk(client)
        client.transport.loseWriteConnection()
        yield self.processes.until((self.directory / "ended").exists, "an end")
        said = (self.directory / "ended").read_text()
        self.assertEqual(said, f"{self.served.pid} ConnectionDone\n")

    @inlineCallbacks
    def test_much(self) -> Any:
        """
        A large stream in both directions, that nobody reads at first.
        """
        client = yield self.console(",pipes")
        much = blob(6_000_000, 10)
        client.transport.pauseProducing()
        client.send(b"much %d\n" % len(much) + much)
        yield self.moveOn()
        client.transport.resumeProducing()
        yield self.processes.until(lambda: len(client.received) > 1_000_000, "some")
        yield self.moveOn()
        yield self.processes.until(
            lambda: len(client.received) == len(much), "all of it"
        )
        self.assertTrue(client.received == much)
        client.received = b""
        yield self.asks(client, b"again", 2)
        yield self.bye(client)

    @inlineCallbacks
    def test_terminal(self) -> Any:
        """
        A terminal, of a session that the shell leads.
        """
        client = yield self.console(",pty,setsid,ctty,raw,echo=0")
        yield self.talk(client)
        yield self.bye(client)

    @inlineCallbacks
    def test_leader(self) -> Any:
        """
        A terminal of a session that the service itself leads would be gone with
        the first process: that is refused, and the conversation goes on.
        """
        client = yield self.console(",pty,setsid,ctty,raw,echo=0", leads=True)
        yield self.asks(client, b"one", 1)
        new = self.client("--all")
        ended = yield new.ended()
        self.assertEqual(ended.status, 1)
        self.assertEqual(
            ended.err,
            "migrate-client: console<process reader>: the terminal of the session that "
            "this process leads, which the kernel hangs up for everybody once this "
            "process ends; start it from a shell, or without setsid\n",
        )
        yield self.asks(client, b"two", 2)
