"""
Services that talk to a real Redis server move with their connections to it.
"""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.python.modules import getModule
from twisted.trial.unittest import SkipTest

from tests.children import Child
from tests.clients import Client
from tests.services import ServiceTestCase, freePort

#: Passes commands of clients on, and what comes of them back.
SERVICE = """
import txredisapi
from twisted.application.internet import TCPServer
from twisted.application.service import MultiService
from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver


class Front(LineOnlyReceiver):
    delimiter = b"\\n"
    transaction = None

    def connectionMade(self):
        self.factory.fronts.append(self)

    def lineReceived(self, line):
        command, *arguments = line.decode().split()
        if command == "multi":
            answer = self.factory.pool.multi().addCallback(self.begun)
        elif command == "size":
            return self.say(self.factory.pool._factory.size)
        elif self.transaction and command in ("commit", "discard"):
            answer, self.transaction = getattr(self.transaction, command)(), None
        else:
            target = self.transaction or self.factory.pool
            answer = getattr(target, command)(*arguments)
        answer.addCallbacks(self.say, self.sorry)

    def begun(self, transaction):
        self.transaction = transaction
        return "begun"

    def say(self, answer):
        self.sendLine(repr(answer).encode())

    def sorry(self, failure):
        self.say(failure.getErrorMessage())


class Ear(txredisapi.SubscriberProtocol):
    def connectionMade(self):
        self.subscribe("news")
        self.psubscribe("news.*")

    def messageReceived(self, pattern, channel, message):
        for front in self.factory.fronts:
            front.say([pattern, channel, message])


class EarFactory(txredisapi.SubscriberFactory):
    protocol = Ear
    initialDelay = maxDelay = 0.1


class Persistent(txredisapi.RedisFactory):
    initialDelay = maxDelay = 0.1


def makePersistent(host, port, poolsize):
    # Twisted looks up even an address in a thread, each time.
    factory = Persistent(None, None, poolsize, isLazy=True)
    factory.startConnecting(TCP4ClientEndpoint(reactor, host, port))
    return factory.handler


def makeService():
    front = Factory.forProtocol(Front)
    front.fronts = []
    front.pool = %(pool)s("127.0.0.1", %(redis)d, poolsize=3)
    ear = EarFactory()
    ear.fronts = front.fronts
    ear.startConnecting(TCP4ClientEndpoint(reactor, "127.0.0.1", %(redis)d))
    front.ear = ear
    return TCPServer(%(front)d, front, interface="127.0.0.1")
"""


class RedisTests(ServiceTestCase):
    """
    C{txredisapi}
    """

    #: A command that is on its way when Redis dies has nobody who waits for it.
    failsBy = ("txredisapi.ConnectionError: ",)

    def setUp(self) -> None:
        """
        See L{ServiceTestCase.setUp}.
        """
        try:
            getModule("txredisapi")
        except KeyError:
            raise SkipTest("no txredisapi here") from None
        super().setUp()
        self.redisPort, self.port = freePort(), freePort()

    @inlineCallbacks
    def redis(self) -> Any:
        """
        Start a Redis server that forgets everything.
        """
        redis: Child = self.program(
            "redis-server",
            *("--port", str(self.redisPort), "--bind", "127.0.0.1"),
            *("--save", "", "--appendonly", "no"),
        )
        yield redis.line("eady to accept connections")
        return redis

    @inlineCallbacks
    def front(self, pool: str = "txredisapi.lazyConnectionPool") -> Any:
        """
        Serve what uses it.

        @param pool: what makes a pool of connections.
        """
        names = {"redis": self.redisPort, "front": self.port, "pool": pool}
        source = SERVICE % names
        self.code("usesredis", source)
        yield self.serve("--service", "front=usesredis.makeService")

    @inlineCallbacks
    def ask(self, client: Client, question: str, answer: str) -> Any:
        """
        Ask something and get an answer.
        """
        got = yield client.ask(question.encode())
        self.assertEqual(got.decode(), answer)

    @inlineCallbacks
    def ready(self, client: Client) -> Any:
        """
        Wait until the whole pool is connected.
        """
        size = b""
        while size != b"3":
            size = yield client.ask(b"size")

    @inlineCallbacks
    def test_commands(self) -> Any:
        """
        One command waits for its answer through all moves, others are made
        between them, and what is published is heard.
        """
        yield self.redis()
        yield self.front()
        client = yield self.processes.connect(self.port)
        yield self.ready(client)
        waiting = yield self.processes.connect(self.port)
        waiting.sendLine(b"blpop list")
        yield self.ask(client, "set key \u20ac", "'OK'")
        for stage in range(2):
            yield self.move()
            yield self.ask(client, "get key", "'\u20ac'")
            yield self.ask(client, "incr count", repr(stage + 1))
            for channel, pattern in (("news", None), ("news.now", "news.*")):
                told = repr([pattern, channel, stage]).encode()
                client.sendLine(f"publish {channel} {stage}".encode())
                said = [(yield client.line()), (yield client.line())]
                self.assertEqual(sorted(said), sorted([b"1", told]))
                self.assertEqual((yield waiting.line()), told)
        yield self.ask(client, "rpush list here", "1")
        self.assertEqual((yield waiting.line()), b"['list', 'here']")

    @inlineCallbacks
    def test_transaction(self) -> Any:
        """
        A transaction is begun before, and ended after, the moves; nobody sees
        anything of it meanwhile.
        """
        yield self.redis()
        yield self.front()
        client = yield self.processes.connect(self.port)
        other = yield self.processes.connect(self.port)
        yield self.ready(client)
        yield self.ask(client, "multi", "'begun'")
        yield self.ask(client, "set one 1", "'QUEUED'")
        yield self.move()
        yield self.ask(client, "incr one", "'QUEUED'")
        yield self.ask(other, "get one", "None")
        yield self.move()
        yield self.ask(client, "commit", "['OK', 2]")
        yield self.ask(other, "get one", "2")

    @inlineCallbacks
    def test_down(self) -> Any:
        """
        While there is no server it is tried on and on, after moves too.  A
        command that waits for a connection is a generator, and has to end.
        """
        redis = yield self.redis()
        yield self.front("makePersistent")
        client = yield self.processes.connect(self.port)
        yield self.ready(client)
        redis.signal(signal.SIGKILL)
        yield redis.ended()
        size = b""
        while size != b"0":
            size = yield client.ask(b"size")
        yield self.move()
        yield self.move()
        client.sendLine(b"incr count")
        said = yield self.refused()
        self.assertIn("the generator RedisFactory.getConnection waits in line", said)
        yield self.redis()
        self.assertEqual((yield client.line()), b"1")
        yield self.ready(client)
        yield self.move()
        yield self.ask(client, "incr count", "2")
