"""
Services that are clients themselves, moved in whatever state they are in; the
servers are of the test, and stop and start around the moves.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.listening import Listener
from tests.processes import freePorts
from tests.services import ServiceTestCase

NAMES = (
    *("connected", "waiting", "preparing", "disconnecting", "restarting"),
    *("fresh", "stopped", "hopeless", "connecting", "retrying", "redialled"),
)

#: Of these somebody waits for a connection all the time.
WAITED = (*("waiting", "preparing", "restarting", "fresh", "hopeless", "connecting"),)

CLIENTS = r"""
from twisted.application.internet import ClientService, TCPClient, TCPServer
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, clientFromString
from twisted.internet.protocol import (
    Factory, ReconnectingClientFactory, ServerFactory)
from twisted.protocols.basic import LineReceiver

class Asking(LineReceiver):
    # Asks questions, which are answered in order.
    def connectionMade(self):
        self.asked = []
        if self.factory.reconnecting:
            self.factory.resetDelay()
            self.factory.current = self
    def ask(self, line):
        self.sendLine(line)
        self.asked.append(Deferred())
        return self.asked[-1]
    def lineReceived(self, line):
        self.asked.pop(0).callback(line)

class Greeting:
    # What a server has to agree to before it is asked anything else.
    def __init__(self, name):
        self.name = name
    def __call__(self, protocol):
        return protocol.ask(b"may I, " + self.name)

class Redialling(ReconnectingClientFactory):
    protocol, reconnecting = Asking, True
    jitter, current = 0, None
    def __init__(self, delay):
        self.initialDelay = self.delay = self.maxDelay = delay

class Control(LineReceiver):
    def lineReceived(self, line):
        command, name, *arguments = line.split()
        try:
            getattr(self, "do_" + command.decode())(line, name, *arguments)
        except Exception as error:
            self.say(error, b"failed: " + line)
    def say(self, result, about):
        if not isinstance(result, bytes):
            result = getattr(result, "value", result)
            result = type(result).__name__.encode()
        self.sendLine(about + b": " + result)
    def service(self, name):
        return self.factory.services[name]
    def do_start(self, line, name):
        self.service(name).startService()
        self.say(b"done", line)
    def do_stop(self, line, name):
        self.service(name).stopService().addBoth(self.say, line)
        self.say(b"done", line)
    def do_when(self, line, name, limit=None):
        connected = self.service(name).whenConnected(limit and int(limit))
        connected.addBoth(self.say, line)
    def do_ask(self, line, name, what):
        factory = self.factory.redialling.get(name)
        if factory is not None:
            factory.current.ask(what).addBoth(self.say, line)
            return
        connected = self.service(name).whenConnected()
        connected.addCallback(Asking.ask, what).addBoth(self.say, line)
    def do_much(self, line, name, count):
        connected = self.service(name).whenConnected()
        connected.addCallback(lambda asking: asking.sendLine(b"x" * int(count)))
        connected.addCallback(lambda unused: self.say(b"done", line))
    def do_state(self, line, name):
        machine = self.service(name)._machine
        self.say(machine.__automat_transitioner__._state.name.encode(), line)
    def do_delay(self, line, name):
        factory = self.factory.redialling[name]
        left = factory._callID.getTime() - reactor.seconds()
        self.say(b"%d minutes" % (left / 60), line)
    def do_hurry(self, line, name):
        self.factory.redialling[name]._callID.reset(0)

class Controlling(ServerFactory):
    protocol = Control

def retry(attempt):
    return 0.2

def seldom(attempt):
    return 1000

def makeService():
    parent, control = MultiService(), Controlling()
    TCPServer(CONTROL, control, interface="127.0.0.1").setServiceParent(parent)
    control.services, control.redialling = {}, {}
    for name, port in SERVERS.items():
        name = name.encode()
        if name in (b"retrying", b"redialled"):
            control.redialling[name] = factory = Redialling(
                1000 if name == b"retrying" else 0.1)
            TCPClient("127.0.0.1", port, factory).setServiceParent(parent)
            continue
        endpoint = clientFromString(reactor, "tcp:127.0.0.1:%d" % port)
        if name == b"connected":
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        factory = Factory.forProtocol(Asking)
        factory.reconnecting = False
        prepare = Greeting(name) if name == b"preparing" else None
        policy = seldom if name == b"hopeless" else retry
        control.services[name] = service = ClientService(
            endpoint, factory, retryPolicy=policy, prepareConnection=prepare)
        if name not in (b"fresh", b"stopped"):
            service.setServiceParent(parent)
    return parent
"""


class ClientsTests(ServiceTestCase):
    """
    L{ClientService} and L{ReconnectingClientFactory}
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        Serve, with some of the servers there.
        """
        control, *ports = freePorts(len(NAMES) + 1)
        servers = dict(zip(NAMES, ports, strict=True))
        self.servers = {name: Listener(self, servers[name]) for name in NAMES}
        for name, server in self.servers.items():
            if name == "connecting":
                server.crowd()
            elif name not in ("waiting", "hopeless", "retrying"):
                server.start()
        self.code("asking", f"CONTROL, SERVERS = {control}, {servers}\n" + CLIENTS)
        yield self.serve("--service=asking=asking.makeService")
        self.nc = self.program(
            "nc", "127.0.0.1", str(control), package="netcat-openbsd"
        )

    def say(self, *lines: str) -> None:
        """
        Give commands whose answers come later.
        """
        for line in lines:
            self.nc.write(line.encode() + b"\r\n")

    def hear(self, line: str, answer: str) -> Any:
        """
        Wait for the answer to a command.
        """
        return self.nc.line(f"^{line}: {answer}$")

    @inlineCallbacks
    def tell(self, line: str, answer: str = "done") -> Any:
        """
        Give a command that is answered at once.
        """
        before = len(self.nc.lines)
        self.say(line)
        yield self.nc.line(f"^{line}: {answer}$", after=before)

    @inlineCallbacks
    def look(self) -> Any:
        """
        Each service is in the state that it is named for.
        """
        for name, state in (
            ("connected", "Connected"),
            ("preparing", "Connecting"),
            ("connecting", "Connecting"),
            ("disconnecting", "Disconnecting"),
            ("restarting", "Restarting"),
            ("hopeless", "Waiting"),
            ("fresh", "Init"),
            ("stopped", "Stopped"),
        ):
            yield self.tell(f"state {name}", state)
        yield self.tell("delay retrying", "1[56] minutes")

    @inlineCallbacks
    def test_states(self) -> Any:
        """
        In every state that a client may be in, it is so in the next process;
        who waits is told there.
        """
        yield self.begin()
        peers = yield self.prepare()
        yield self.look()
        yield self.move()
        yield self.look()
        yield self.move()
        yield self.look()
        yield self.finish(peers)
        lines = self.nc.lines
        once = [line for line in lines if line.startswith(("when", "ask", "stop"))]
        self.assertEqual(len(set(once)), len(once), once)

    @inlineCallbacks
    def prepare(self) -> Any:
        """
        Bring every client into its state.

        @return: the servers' ends of those that are connected.
        """
        peers = {}
        for name in ("connected", "preparing", "disconnecting", "restarting"):
            peers[name] = yield self.servers[name].next()
        peers["redialled"] = yield self.servers["redialled"].next()
        yield peers["preparing"].expect(b"may I, preparing\r\n")
        for name in ("disconnecting", "restarting"):
            # It ends once all is read that was written, and nobody reads.
            peers[name].transport.pauseProducing()
            yield self.tell(f"much {name} 20000000")
            yield self.tell(f"stop {name}")
        yield self.tell("start restarting")
        yield self.tell("stop stopped")
        self.say(*(f"when {name}" for name in WAITED))
        self.say("ask connected one", "ask redialled two")
        yield peers["connected"].expect(b"one\r\n")
        yield peers["redialled"].expect(b"two\r\n")
        return peers

    @inlineCallbacks
    def finish(self, peers: Any) -> Any:
        """
        Let each client get on.
        """
        peers["connected"].sendLine(b"yes")
        yield self.hear("ask connected one", "yes")
        peers["preparing"].sendLine(b"you may")
        yield self.hear("when preparing", "Asking")
        for name in ("disconnecting", "restarting"):
            peers[name].transport.resumeProducing()
            yield peers[name].closed()
            self.assertEqual(peers[name].received, b"x" * 20000000 + b"\r\n")
            yield self.hear(f"stop {name}", "NoneType")
        yield self.hear("when restarting", "Asking")
        yield self.tell("start fresh")
        yield self.hear("when fresh", "Asking")
        yield self.tell("start stopped")
        yield self.tell("when stopped", "Asking")
        yield self.tell("stop hopeless")
        yield self.hear("when hopeless", "CancelledError")
        for name in ("waiting", "hopeless", "retrying"):
            self.servers[name].start()
        yield self.hear("when waiting", "Asking")
        yield self.tell("start hopeless")
        yield self.tell("when hopeless", "Asking")
        self.servers["connecting"].start()
        yield self.hear("when connecting", "Asking")
        yield self.redial(peers["redialled"])

    @inlineCallbacks
    def redial(self, peer: Any) -> Any:
        """
        Who was connected by a reconnecting factory connects again, and again;
        who waited for his next attempt makes it.
        """
        peer.sendLine(b"once")
        yield self.hear("ask redialled two", "once")
        for _ in range(2):
            yield peer.disconnect()
            peer = yield self.servers["redialled"].next()
        self.say("hurry retrying")
        peer = yield self.servers["retrying"].next()
        self.say("ask retrying three")
        yield peer.expect(b"three\r\n")
        peer.sendLine(b"thrice")
        yield self.hear("ask retrying three", "thrice")
