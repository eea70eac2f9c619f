"""
Services that listen on, and connect to, endpoints of every kind.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.clients import Client
from tests.listening import Listener
from tests.processes import freePorts
from tests.services import ServiceTestCase

#: One service for each description, which answers with where its client is.
SERVING = r"""
import socket
from twisted.application.internet import (
    ClientService, StreamServerEndpointService, TCPServer)
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint, clientFromString, serverFromString)
from twisted.internet.interfaces import IStreamServerEndpoint
from twisted.internet.protocol import Factory, ServerFactory
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

class Telling(LineReceiver):
    def lineReceived(self, line):
        peer = self.transport.getPeer()
        where = getattr(peer, "host", "") or "somewhere"
        self.sendLine(line + b" from " + str(where).encode())

class Speaking(LineReceiver):
    def connectionMade(self):
        self.sendLine(b"hello")
    def lineReceived(self, line):
        self.sendLine(b"you said " + line)

@implementer(IStreamServerEndpoint)
class Later:
    # Takes its time to listen.
    def __init__(self, endpoint):
        self.endpoint, self.waiting = endpoint, []
    def listen(self, factory):
        waiting = Deferred()
        self.waiting.append((factory, waiting))
        return waiting
    def listenNow(self):
        asked, self.waiting = self.waiting, []
        for factory, waiting in asked:
            self.endpoint.listen(factory).chainDeferred(waiting)

class Control(LineReceiver):
    def lineReceived(self, line):
        for later in self.factory.later:
            later.listenNow()
        self.sendLine(b"listening")

def adopted(port):
    listening = socket.create_server(("127.0.0.1", port))
    listening.setblocking(False)
    return AdoptedStreamServerEndpoint(reactor, listening.detach(), socket.AF_INET)

def makeService():
    parent, control = MultiService(), Factory.forProtocol(Control)
    control.later = [
        Later(serverFromString(reactor, "tcp:%d:interface=127.0.0.1" % LATER)),
        Later(adopted(LATEST)),
    ]
    endpoints = [serverFromString(reactor, each) for each in SERVERS]
    for endpoint in [*endpoints, adopted(ADOPTED), *control.later]:
        StreamServerEndpointService(
            endpoint, Factory.forProtocol(Telling)).setServiceParent(parent)
    for description in CLIENTS:
        ClientService(
            clientFromString(reactor, description), Factory.forProtocol(Speaking)
        ).setServiceParent(parent)
    TCPServer(CONTROL, control, interface="127.0.0.1").setServiceParent(parent)
    return parent
"""

#: A Python that is started by systemd, as far as it can tell.
ACTIVATED = """\
#!{python}
import os, socket, sys
listening = socket.create_server(("127.0.0.1", {port}))
listening.setblocking(False)
if listening.fileno() != 3:
    os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="x")
os.execv({python!r}, [{python!r}, *sys.argv[1:]])
"""


class Serving(ServiceTestCase):
    """
    A service on endpoints.
    """

    @inlineCallbacks
    def begin(self, servers: list[str], clients: list[str], **options: Any) -> Any:
        """
        Serve.
        """
        self.control, self.adopted, self.later, self.latest = freePorts(4)
        self.code(
            "serving",
            f"CONTROL, ADOPTED = {self.control}, {self.adopted}\n"
            f"LATER, LATEST = {self.later}, {self.latest}\n"
            f"SERVERS, CLIENTS = {servers}, {clients}\n" + SERVING,
        )
        yield self.serve("--service=serving=serving.makeService", **options)


class EndpointsTests(Serving):
    """
    L{twisted.internet.endpoints}
    """

    def python(self, port: int) -> str:
        """
        @return: an interpreter that gets a listening socket from its parent.
        """
        path = self.directory / "activated"
        path.write_text(ACTIVATED.format(python=sys.executable, port=port))
        path.chmod(0o700)
        return str(path)

    def near(self, name: str) -> str:
        """
        @return: a path that is short enough for a UNIX socket.
        """
        return os.path.relpath(self.directory / name)

    @inlineCallbacks
    def half(self, where: dict[str, str]) -> Any:
        """
        Have half a line said to each.

        @return: the clients, by name.
        """
        clients: dict[str, Client] = {}
        for name, place in where.items():
            clients[name] = yield self.processes.connect(place)
            yield clients[name].ask(b"x")
            clients[name].send(b"ha")
        return clients

    @inlineCallbacks
    def test_servers(self) -> Any:
        """
        Every kind of listening endpoint goes on with its clients, and lets new
        ones in; one that is not yet listening listens later.
        """
        tcp, tcp6, activated = freePorts(3)
        servers = [
            f"tcp:{tcp}:interface=127.0.0.1",
            f"tcp6:{tcp6}:interface=\\:\\:1",
            "unix:tell.sock",
            "systemd:domain=INET:index=0",
        ]
        yield self.begin(servers, [], interpreter=self.python(activated))
        where = {
            "tcp": f"tcp:127.0.0.1:{tcp}",
            "tcp6": f"tcp:\\:\\:1:{tcp6}",
            "unix": f"unix:{self.near('tell.sock')}",
            "systemd": f"tcp:127.0.0.1:{activated}",
            "adopted": f"tcp:127.0.0.1:{self.adopted}",
        }
        hosts = dict.fromkeys(where, b"127.0.0.1")
        hosts.update(tcp6=b"::1", unix=b"somewhere")
        clients = yield self.half(where)
        yield self.move()
        for client in clients.values():
            client.send(b"l")
        yield self.move()
        control = yield self.processes.connect(self.control)
        self.assertEqual((yield control.ask(b"now")), b"listening")
        for name, port in (("later", self.later), ("latest", self.latest)):
            where[name], hosts[name] = f"tcp:127.0.0.1:{port}", b"127.0.0.1"
        for name, client in clients.items():
            answer = yield client.ask(b"f")
            self.assertEqual(answer, b"half from " + hosts[name], name)
        for name, client in (yield self.half(where)).items():
            answer = yield client.ask(b"lf")
            self.assertEqual(answer, b"half from " + hosts[name], name)
        yield self.move()
        yield self.half({name: where[name] for name in ("later", "latest")})

    @inlineCallbacks
    def test_clients(self) -> Any:
        """
        Connections that go out over TCP, by name, and over UNIX sockets.
        """
        (port,) = freePorts(1)
        listener = Listener(self, port)
        listener.start()
        other = Listener(self, self.near("server.sock"))
        other.start()
        yield self.begin([], [f"tcp:localhost:{port}", "unix:server.sock"])
        servers = [(yield listener.next()), (yield other.next())]
        for server in servers:
            server.send(b"ha")
        yield self.move()
        yield self.move()
        for server in servers:
            self.assertEqual((yield server.line()), b"hello")
            self.assertEqual((yield server.ask(b"lf")), b"you said half")

    @inlineCallbacks
    def test_wrapped(self) -> Any:
        """
        A client that wraps its connection in TLS is refused by name, and goes
        on.
        """
        (port,) = freePorts(1)
        listener = Listener(self, port)
        listener.start()
        yield self.begin([], [f"tls:localhost:{port}"])
        server = yield listener.next()
        yield server.expect(b"^\x16\x03")
        line = yield self.refused()
        self.assertIn("TLS sessions cannot migrate yet", line)
        self.assertTrue(server.alive)


PROXY = """\
defaults
    mode tcp
    timeout connect 30s
    timeout client 30s
    timeout server 30s
listen front
    bind 127.0.0.1:{front}
    server one 127.0.0.1:{back} {how}
"""


class ProxiedTests(Serving):
    """
    Behind a proxy that says whom it speaks for.
    """

    @inlineCallbacks
    def test_header(self) -> Any:
        """
        The line of the proxy may come in three pieces to three processes.
        """
        (port,) = freePorts(1)
        yield self.begin([f"haproxy:tcp:{port}:interface=127.0.0.1"], [])
        client = yield self.processes.connect(port)
        other = yield self.processes.connect(port)
        client.send(b"PROXY TCP4 1.2.3.4 5.")
        other.send(b"PROXY TCP4 9.8.7.6 5.4.3.2 1 2\r\na\r\n")
        self.assertEqual((yield other.line()), b"a from 9.8.7.6")
        yield self.move()
        client.send(b"6.7.8 111 22")
        other.send(b"half")
        yield self.move()
        client.send(b"2\r\nhel")
        self.assertEqual((yield client.ask(b"lo")), b"hello from 1.2.3.4")
        self.assertEqual((yield other.ask(b" done")), b"half done from 9.8.7.6")

    @inlineCallbacks
    def test_haproxy(self) -> Any:
        """
        Behind a real one, with each version of its protocol; C{curl} says so
        itself.
        """
        program = self.installed("haproxy")
        curl = self.installed("curl")
        port, *fronts = freePorts(3)
        yield self.begin([f"haproxy:tcp:{port}:interface=127.0.0.1"], [])
        clients = []
        for front, how in zip(fronts, ("send-proxy", "send-proxy-v2"), strict=True):
            config = self.directory / f"{how}.cfg"
            config.write_text(PROXY.format(front=front, back=port, how=how))
            self.processes.start([program, "-db", "-f", config], self.directory)
            yield self.processes.until(
                lambda front=front: (
                    not socket.socket().connect_ex(("127.0.0.1", front))
                ),
                "the proxy",
            )
            clients.append((yield self.processes.connect(front)))
        asking = self.processes.start(
            [
                curl,
                "-sN",
                "--http0.9",
                "--haproxy-protocol",
                f"http://127.0.0.1:{port}/",
            ],
            self.directory,
        )
        yield asking.line("^GET / HTTP/1.1 from 127.0.0.1")
        for client in clients:
            self.assertEqual((yield client.ask(b"a")), b"a from 127.0.0.1")
            client.send(b"ha")
        yield self.move()
        yield self.move()
        for client in clients:
            self.assertEqual((yield client.ask(b"lf")), b"half from 127.0.0.1")
        self.assertTrue(asking.running)
