"""
WebSockets of Twisted Web itself are moved while people talk.
"""

from __future__ import annotations

import importlib.util
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Tells everybody what somebody says, and measures what is sent in bytes.
SERVICE = """
from twisted.application.internet import TCPServer
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import Site
from twisted.web.websocket import WebSocketResource


class Talking:
    def __init__(self, everybody):
        self.everybody = everybody

    def negotiationStarted(self, transport):
        self.transport = transport

    def negotiationFinished(self):
        self.everybody.append(self)
        log.msg(f"{len(self.everybody)} here")

    def textMessageReceived(self, message):
        for each in self.everybody:
            each.transport.sendTextMessage(message)

    def bytesMessageReceived(self, data):
        self.transport.sendTextMessage(f"{len(data)} bytes")

    def pongReceived(self, payload):
        pass

    def connectionLost(self, reason):
        self.everybody.remove(self)
        log.msg(f"{len(self.everybody)} left")


class Meeting:
    def __init__(self):
        self.everybody = []

    def buildProtocol(self, request):
        return Talking(self.everybody)


def makeService():
    root = Resource()
    root.putChild(b"talk", WebSocketResource(Meeting()))
    return TCPServer(%(port)d, Site(root), interface="127.0.0.1")
"""

#: Says what it is told to, line by line, and tells what it hears.  A line that
#: begins with a number is the size of a message in bytes, sent in two halves: the
#: second once there is another line.
CLIENT = """
import asyncio
import sys

from websockets.asyncio.client import connect


async def say(socket):
    loop = asyncio.get_running_loop()
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        if line.isdigit():
            await socket.send(halves(loop, int(line) // 2))
        elif line == "ping":
            await (await socket.ping())
            print("pong")
        else:
            await socket.send(line)
    await socket.close()


async def halves(loop, size):
    yield bytes(size)
    print("half is sent")
    await loop.run_in_executor(None, sys.stdin.readline)
    yield bytes(size)


async def main():
    async with connect(sys.argv[1], **eval(sys.argv[2])) as socket:
        saying = asyncio.create_task(say(socket))
        async for message in socket:
            print("heard", message)
        await saying


asyncio.run(main())
"""


class WebSocketTests(ServiceTestCase):
    """
    Clients of the C{websockets} library.
    """

    def talk(self, options: str = "{}") -> Child:
        """
        Start a client.
        """
        return self.script(CLIENT, f"ws://127.0.0.1:{self.port}/talk", options)

    @inlineCallbacks
    def test_talk(self) -> Any:
        """
        Everybody hears everybody, whenever they came; a message that is cut in
        two by a move arrives whole.
        """
        if importlib.util.find_spec("wsproto") is None:
            raise SkipTest("no wsproto here: install twisted[websocket]")
        self.port = freePort()
        self.code("meeting", SERVICE % {"port": self.port})
        yield self.serve("--service", "site=meeting.makeService")
        clients = []
        for count in (1, 2):
            clients.append(self.talk())
            yield self.server.line(f"{count} here")
            clients[0].write(b"2000\n")
            yield clients[0].line("half is sent", after=len(clients[0].lines))
            yield self.move()
            clients[0].write(b"\n")
            yield clients[0].line("heard 2000 bytes", after=len(clients[0].lines))
            for each in clients:
                marks = [len(other.lines) for other in clients]
                each.write(b"hello\n")
                for other, mark in zip(clients, marks, strict=True):
                    yield other.line("heard hello", after=mark)
        clients[1].write(b"ping\n")
        yield clients[1].line("pong")
        clients[1].write(b"\n")
        yield self.server.line("1 left")
        ended = yield clients[1].ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        clients[0].write(b"alone\n")
        yield clients[0].line("heard alone")
