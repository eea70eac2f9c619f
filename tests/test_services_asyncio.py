"""
Code for asyncio, under the reactor that runs on its loop: what can move does,
what cannot is named.
"""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.clients import Client
from tests.services import ServiceTestCase, freePort

#: Does one thing of asyncio's for each kind of line.
SERVICE = """
import asyncio, os
from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver


class Front(LineOnlyReceiver):
    delimiter = b"\\n"

    def connectionMade(self):
        self.loop = asyncio.get_event_loop()

    def lineReceived(self, line):
        command, *arguments = line.decode().split()
        self.say(getattr(self, command)(*arguments) or "ok")

    def say(self, answer):
        self.sendLine(str(answer).encode())

    def told(self, future):
        self.say(future.result())

    def future(self):
        self.factory.future = self.loop.create_future()
        self.factory.future.add_done_callback(self.told)

    def bridge(self):
        self.factory.future = self.loop.create_future()
        Deferred.fromFuture(self.factory.future).addCallback(self.say)

    def back(self):
        self.factory.deferred = Deferred()
        self.factory.future = self.factory.deferred.asFuture(self.loop)
        self.factory.future.add_done_callback(self.told)

    def fire(self, result):
        self.factory.deferred.callback(result)

    def set(self, result):
        self.factory.future.set_result(result)

    def result(self):
        return self.factory.future.result()

    def later(self, delay, what):
        self.loop.call_later(float(delay), self.say, what)

    def put(self, *items):
        for item in items:
            self.factory.queue.put_nowait(item)

    def get(self):
        return self.factory.queue.get_nowait()

    def task(self, path):
        self.factory.task = self.loop.create_task(self.wait(path))
        self.factory.future = self.factory.task

    def loose(self, path):
        self.loop.create_task(self.wait(path)).add_done_callback(self.told)

    async def wait(self, path):
        while os.path.exists(path):
            await asyncio.sleep(0.01)
        return "gone"

    def whenDone(self):
        self.factory.task.add_done_callback(self.told)

    def watch(self):
        self.pipe = os.pipe()
        self.loop.add_reader(self.pipe[0], self.say, "readable")
        return "watched"

    def ignore(self):
        self.loop.remove_reader(self.pipe[0])
        for fileno in self.pipe:
            os.close(fileno)
        return "ignored"

    def stream(self, port):
        async def connect():
            streams = await asyncio.open_connection("127.0.0.1", int(port))
            self.reader, self.writer = streams
            self.say("connected")

        self.loop.create_task(connect())

    def drop(self):
        self.writer.close()
        del self.reader, self.writer
        return "dropped"


def makeService():
    factory = Factory.forProtocol(Front)
    factory.lock, factory.event = asyncio.Lock(), asyncio.Event()
    factory.queue = asyncio.Queue()
    return TCPServer(%d, factory, interface="127.0.0.1")
"""


class AsyncioTests(ServiceTestCase):
    """
    C{twistd --reactor=asyncio migrate-server}
    """

    @inlineCallbacks
    def front(self) -> Any:
        """
        Serve on asyncio's loop.

        @return: a client.
        """
        self.port = freePort()
        self.code("front", SERVICE % self.port)
        self.server = self.twistd("migrate-server", "--service=front=front.makeService")
        yield self.server.line("recipients are let in")
        return (yield self.processes.connect(self.port))

    def twistd(self, *arguments: str) -> Child:
        """
        @return: a twistd on asyncio's loop.
        """
        return self.processes.twistd(
            ["--reactor=asyncio", "-n", *arguments], self.directory
        )

    def client(self, *options: str, **unused: Any) -> Child:
        """
        See L{ServiceTestCase.client}.
        """
        return self.twistd("migrate-client", *options)

    @inlineCallbacks
    def ask(self, client: Client, question: str, *answers: str) -> Any:
        """
        Say a line, and get others.
        """
        client.send(question.encode() + b"\n")
        for answer in answers or ["ok"]:
            self.assertEqual((yield client.line()).decode(), answer)

    @inlineCallbacks
    def test_futures(self) -> Any:
        """
        Futures wait, with callbacks and as Deferreds, either way; what has been
        put into a queue stays in it, and a call is made when it is due.
        """
        client = yield self.front()
        yield self.ask(client, "put 1 2 3")
        yield self.ask(client, "future")
        patient = yield self.processes.connect(self.port)
        yield self.ask(patient, "later 2 due")
        yield self.move()
        yield self.ask(client, "set one", "ok", "one")
        yield self.ask(client, "result", "one")
        yield self.ask(client, "bridge")
        yield self.move()
        yield self.ask(client, "get", "1")
        yield self.ask(client, "set two", "ok", "two")
        yield self.ask(client, "back")
        yield self.move()
        yield self.ask(client, "fire three", "ok", "three")
        yield self.ask(client, "get", "2")
        self.assertEqual((yield patient.line()), b"due")

    @inlineCallbacks
    def test_tasks(self) -> Any:
        """
        A task that runs has to end, whether or not anything but the loop knows
        of it; the one that ended has its result.
        """
        client = yield self.front()
        for command, path in (("task", "front.args[1].task"), ("loose", "front<task>")):
            blocker = self.directory / command
            blocker.touch()
            yield self.ask(client, f"{command} {command}")
            said = yield self.refused()
            self.assertIn(f"{path}: the task Task-", said)
            self.assertIn(" of asyncio waits in line ", said)
            self.assertIn("a frame cannot be moved; let it finish", said)
            blocker.unlink()
            if command == "loose":
                self.assertEqual((yield client.line()), b"gone")
            else:
                yield self.ask(client, "whenDone", "ok", "gone")
            yield self.move()
            yield self.ask(client, "result", "gone")

    @inlineCallbacks
    def test_loop(self) -> Any:
        """
        What the loop watches, and its own connections, are in the way by name.
        """
        client = yield self.front()
        yield self.ask(client, "watch", "watched")
        said = yield self.refused()
        self.assertIn("front<loop work>: descriptor ", said)
        self.assertIn("which asyncio's loop watches for it (<Handle Front.say", said)
        yield self.ask(client, "ignore", "ignored")
        yield self.move()
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            yield self.ask(client, f"stream {port}", "ok", "connected")
            said = yield self.refused()
            self.assertIn(
                "protocol.reader._transport: "
                "asyncio.selector_events._SelectorSocketTransport: a transport or "
                "server of asyncio belongs to the loop of its process; use Twisted's "
                "transports, or have it closed first",
                said,
            )
            yield self.ask(client, "drop", "dropped")
        yield self.move()
