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

#: What chargen says again and again.
NOISE = rb'@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_`abcdefghijklmnopqrstuvwxyz{|}~ !"#$%&?'

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

    def netcat(self, name: str, sink: str = "/dev/null") -> Any:
        """
        Have C{nc} send all of a file.
        """
        nc = self.installed("nc", "netcat-openbsd")
        command = f"exec {nc} 127.0.0.1 {self.ports[name]} <up >{sink}"
        return self.processes.start(["sh", "-c", command], self.directory)

    @inlineCallbacks
    def test_together(self) -> Any:
        """
        C{nc} gets all back from echo that it has sent, though it is not read
        from at first; discard takes all, and answers nobody; the noise that
        C{socat} gets from chargen has no gap; and each process tells the time.
        """
        yield self.internal()
        up = blob(MUCH, 8)
        (self.directory / "up").write_bytes(up)
        sink = Sink(self, self.directory / "down")
        echoed = self.netcat("echo", f"{sink.path}")
        noise = Sink(self, self.directory / "noise")
        self.program(
            *("socat", "-u", f"TCP:127.0.0.1:{self.ports['chargen']}"),
            f"OPEN:{noise.path},wronly",
        )
        discarded = self.netcat("discard")
        quiet = yield self.processes.connect(self.ports["discard"])
        for part in (1, 2):
            much = 300_000 * part
            for stream in (sink, noise):
                yield self.processes.until(
                    lambda stream=stream, much=much: stream.readUntil(much), "some"
                )
            quiet.sendLine(b"nobody listens")
            yield self.move()
            yield self._tellsTime()
        yield self.processes.until(lambda: sink.readUntil(MUCH), "all")
        self.assertTrue(sink.received == up)
        self.assertTrue(echoed.running)
        yield self.processes.until(lambda: noise.readUntil(900_000), "more noise")
        again = NOISE * (len(noise.received) // len(NOISE) + 1)
        self.assertTrue(again.startswith(noise.received))
        yield self.processes.until(
            lambda: position(discarded.pid) == MUCH, "the end of it"
        )
        self.assertTrue(discarded.running)
        ours = quiet.transport.getHost().port
        yield self.processes.until(
            lambda: (
                tcpSocket(self.ports["discard"], ours)
                == TCPSocket(TCPState.ESTABLISHED, 0, 0)
            ),
            "a reader",
        )
        self.assertTrue(quiet.alive)
        self.assertEqual(quiet.received, b"")

    @inlineCallbacks
    def _tellsTime(self) -> Any:
        """
        The clock is right.
        """
        client = yield self.processes.connect(self.ports["time"])
        yield client.closed()
        told = int.from_bytes(client.received, "big")
        self.assertLess(abs(told - time.time()), 3600)

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
        for number in range(2):
            clients.append((yield self.processes.connect(port)))
            for client in clients:
                said = b"number %d" % number
                self.assertEqual((yield client.ask(said)), said)
            yield self.move()
        for client in clients:
            self.assertEqual((yield client.ask(b"last")), b"last")
            yield client.disconnect()
