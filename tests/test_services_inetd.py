"""
The small servers of old, by C{twistd inetd} and otherwise, are moved while
somebody talks to them.
"""

from __future__ import annotations

import os
import pwd
import time
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.kernel import TCPSocket, TCPState, tcpSocket
from tests.processes import freePorts
from tests.services import ServiceTestCase, freePort
from tests.targets import Sink, blob, position

#: More than the kernel holds of a stream whose reader rests.
MUCH = 12_000_000

#: What the plugin does with its file, except that names have ports of the
#: test's own: those of the system can only be had by root.
INTERNAL = """
from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.internet.protocol import ServerFactory
from twisted.runner import inetd, inetdconf


def makeService():
    services = inetdconf.ServicesConf()
    with open("services") as file:
        services.parseFile(file)
    conf = inetdconf.InetdConf(services)
    with open("inetd.conf") as file:
        conf.parseFile(file)
    made = MultiService()
    for each in conf.services:
        factory = ServerFactory()
        factory.protocol = inetd.internalProtocols[each.name]
        server = TCPServer(each.port, factory, interface="127.0.0.1")
        server.setServiceParent(made)
    return made
"""

NAMES = ("echo", "discard", "chargen", "time")

FINGER = """
from twisted.application.internet import TCPServer
from twisted.internet.protocol import ServerFactory
from twisted.protocols.finger import Finger


def makeService():
    return TCPServer(%d, ServerFactory.forProtocol(Finger), interface="127.0.0.1")
"""


class InternalTests(ServiceTestCase):
    """
    What C{twistd inetd} does itself.
    """

    @inlineCallbacks
    def internal(self) -> Any:
        """
        Serve it.
        """
        self.ports = dict(zip(NAMES, freePorts(len(NAMES)), strict=True))
        (self.directory / "services").write_text(
            "".join(f"{name} {port}/tcp\n" for name, port in self.ports.items())
        )
        (self.directory / "inetd.conf").write_text(
            "".join(f"{name} stream tcp nowait root internal\n" for name in NAMES)
        )
        self.code("internal", INTERNAL)
        yield self.serve("--service", "inetd=internal.makeService")

    @inlineCallbacks
    def test_echo(self) -> Any:
        """
        C{nc} gets all back that it has sent, from four processes; it sends
        more than they can give back, for it is not read from.
        """
        yield self.internal()
        up = blob(MUCH, 8)
        (self.directory / "up").write_bytes(up)
        sink = Sink(self, self.directory / "down")
        nc = self.installed("nc", "netcat-openbsd")
        command = f"exec {nc} 127.0.0.1 {self.ports['echo']} <up >{sink.path}"
        child = self.processes.start(["sh", "-c", command], self.directory)
        for part in (1, MUCH // 3, MUCH // 2):
            yield self.processes.until(lambda much=part: sink.readUntil(much), "some")
            yield self.move()
        yield self.processes.until(lambda: sink.readUntil(MUCH), "all")
        self.assertTrue(sink.received == up)
        self.assertTrue(child.running)

    @inlineCallbacks
    def test_discard(self) -> Any:
        """
        Everything is taken from C{nc}; one who says little is not answered.
        """
        yield self.internal()
        (self.directory / "up").write_bytes(blob(MUCH, 9))
        port = self.ports["discard"]
        quiet = yield self.processes.connect(port)
        nc = self.installed("nc", "netcat-openbsd")
        child = self.processes.start(
            ["sh", "-c", f"exec {nc} 127.0.0.1 {port} <up"], self.directory
        )
        for _ in range(2):
            quiet.sendLine(b"nobody listens")
            yield self.move()
        yield self.processes.until(lambda: position(child.pid) == MUCH, "the end of it")
        ours = quiet.transport.getHost().port
        yield self.processes.until(
            lambda: tcpSocket(port, ours) == TCPSocket(TCPState.ESTABLISHED, 0, 0),
            "a reader",
        )
        self.assertTrue(child.running)
        self.assertTrue(quiet.alive)
        self.assertEqual(quiet.received, b"")
        yield quiet.disconnect()

    @inlineCallbacks
    def test_chargen(self) -> Any:
        """
        The noise has no gap: it is made by a producer that is asked for more
        each time that what it made before has been sent.
        """
        yield self.internal()
        sink = Sink(self, self.directory / "noise")
        self.program(
            "socat",
            *("-u", f"TCP:127.0.0.1:{self.ports['chargen']}"),
            f"OPEN:{sink.path},wronly",
        )
        wanted = 0
        for _ in range(3):
            wanted += 300_000
            yield self.processes.until(
                lambda much=wanted: sink.readUntil(much), "some noise"
            )
            yield self.move()
        wanted += 300_000
        yield self.processes.until(lambda: sink.readUntil(wanted), "the last noise")
        noise = (
            rb'@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ !"#$%&?'
        )
        again = noise * (len(sink.received) // len(noise) + 1)
        self.assertTrue(again.startswith(sink.received))

    @inlineCallbacks
    def test_time(self) -> Any:
        """
        Each process tells the time.
        """
        yield self.internal()
        for _ in range(3):
            client = yield self.processes.connect(self.ports["time"])
            yield client.closed()
            told = int.from_bytes(client.received, "big")
            self.assertLess(abs(told - time.time()), 3600)
            yield self.move()

    @inlineCallbacks
    def test_finger(self) -> Any:
        """
        Half a question to a finger server.
        """
        port = freePort()
        self.code("fingered", FINGER % port)
        yield self.serve("--service", "finger=fingered.makeService")
        child = self.program("nc", "127.0.0.1", str(port), package="netcat-openbsd")
        child.write(b"adm")
        yield self.move()
        child.write(b"in")
        yield self.move()
        child.write(b"\r\n")
        yield child.line("No such user")
        child.closeInput()
        ended = yield child.ended()
        self.assertEqual(ended.out, "Login: admin\nNo such user\n")


class SpawningTests(ServiceTestCase):
    """
    C{twistd inetd}, unchanged, with programs that it runs.
    """

    @inlineCallbacks
    def test_programs(self) -> Any:
        """
        The program that serves a connection is left alone with it: it talks on
        while those who started it come and go, and others are started.
        """
        port = freePort()
        user = pwd.getpwuid(os.getuid()).pw_name
        # The plugin has no option for the interface.
        (self.directory / "inetd.conf").write_text(
            f"{port} stream tcp nowait {user} /bin/cat cat -u\n"
        )
        yield self.plugin("inetd=inetd --file inetd.conf")
        clients = []
        for number in range(3):
            clients.append((yield self.processes.connect(port)))
            for client in clients:
                said = b"number %d" % number
                self.assertEqual((yield client.ask(said)), said)
            yield self.move()
        for client in clients:
            self.assertEqual((yield client.ask(b"last")), b"last")
            yield client.disconnect()
