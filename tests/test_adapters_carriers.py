"""
Tests for L{migrate.adapters.carriers}.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import partial
from queue import Queue
from threading import Thread
from typing import Any

from twisted.internet import tcp
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import LoopingCall
from twisted.internet.testing import StringTransport
from twisted.python.components import proxyForInterface
from twisted.trial.unittest import SynchronousTestCase
from twisted.web._newclient import Response
from twisted.web.http_headers import Headers
from zope.interface import implementer

from migrate.adapters.carriers import carried, touches


class Proxy(proxyForInterface(IProtocol)):  # type: ignore[misc]
    """
    A protocol in front of another one, and no subclass of anything.
    """


class Thing:
    """
    An object that somebody looks for.
    """

    def method(self, *unused: object) -> None:
        """
        Be bound.
        """

    def generate(self) -> Iterator[int]:
        """
        Hold on to it, suspended.
        """
        yield 1

    async def wait(self) -> None:
        """
        The same, asynchronously.
        """


class TouchesTests(SynchronousTestCase):
    """
    L{touches}
    """

    def setUp(self) -> None:
        """
        Make something to look for.
        """
        self.thing = Thing()

    def found(self, root: object) -> bool:
        """
        @return: whether C{root} carries the thing.
        """
        return touches([root], lambda item: item is self.thing)

    def test_stops(self) -> None:
        """
        What is said to belong elsewhere is not looked into.
        """
        elsewhere = [self.thing]

        def verdict(item: object) -> bool | None:
            return None if item is elsewhere else item is self.thing

        self.assertFalse(touches([elsewhere], verdict))
        self.assertTrue(touches([[elsewhere, self.thing]], verdict))

    def test_carriers(self) -> None:
        """
        Each kind of carrier is looked into.
        """
        thing = self.thing
        waiting: Deferred[Any] = Deferred()
        waiting.addCallback(lambda result, other: result, thing)
        loop = LoopingCall(print, thing)
        held: list[object] = [thing]
        queue: Queue[object] = Queue()
        queue.put(thing)
        coroutine = thing.wait()
        self.addCleanup(coroutine.close)
        transport = tcp.Server.__new__(tcp.Server)
        transport.protocol = Protocol()
        transport.protocol.factory = thing  # type: ignore[assignment]
        for root in (
            thing.method,
            lambda: thing,
            lambda x=thing: x,
            partial(print, thing),
            partial(print, end=thing),
            held.append,
            (held,),
            {"a": {1: [thing]}},
            frozenset([thing]),
            deque([thing]),
            queue,
            Thread(target=thing.method),
            {thing},
            waiting.callback,
            loop,
            thing.generate(),
            coroutine,
            transport,
            transport.protocol.dataReceived,
        ):
            self.assertTrue(self.found(root), root)

    def test_protocols(self) -> None:
        """
        A protocol carries whoever waits for what it gets, and where it hands
        that on to; not what it only knows.
        """

        @implementer(IConsumer)
        class Sink:
            pass

        sink, waiting = Sink(), Deferred[None]()
        waiting.addCallback(self.thing.method)
        for value, wanted in (
            (sink, sink),
            (waiting, self.thing),
            (self.thing.method, self.thing),
            (partial(int, self.thing), self.thing),
        ):
            protocol = Protocol()
            vars(protocol)["attribute"] = value
            self.assertTrue(touches([protocol], lambda item, it=wanted: item is it))
        protocol = Protocol()
        vars(protocol).update(it=self.thing, several=[self.thing])
        self.assertFalse(self.found(protocol))

    def test_queues(self) -> None:
        """
        Of the queues of a protocol, whoever waits in them is carried, and not
        the queue itself.
        """
        waiting = Deferred[None]().addCallback(self.thing.method)
        for queue in ([waiting], (waiting,), deque([waiting]), {waiting}, {1: waiting}):
            protocol = Protocol()
            vars(protocol)["queue"] = queue
            self.assertTrue(self.found(protocol), queue)
            self.assertFalse(touches([protocol], lambda item, it=queue: item is it))

    def test_keywordDefault(self) -> None:
        """
        A default of a keyword argument is carried.
        """

        def function(*, it: object = self.thing) -> None:
            pass

        self.assertTrue(self.found(function))

    def test_localClass(self) -> None:
        """
        The methods of a class inside of a function are closures.
        """
        thing = self.thing

        class Receiver:
            @staticmethod
            def receive() -> object:
                return thing

        class Maker:
            @classmethod
            def make(cls) -> object:
                return thing

        self.assertTrue(self.found(Receiver()))
        self.assertTrue(self.found(Maker()))

    def test_answer(self) -> None:
        """
        What an HTTP client is answered is looked into as far as to whoever gets
        its body, through a proxy as well.
        """
        for wrapped in (False, True):
            response = Response._construct(
                (b"HTTP", 1, 1), 200, b"OK", Headers(), StringTransport(), object()
            )
            collector: Any = Protocol()
            collector.finished = Deferred()
            collector.finished.addCallback(self.thing.method)
            response._bodyProtocol = Proxy(collector) if wrapped else collector
            asking: Any = Protocol()
            asking.response = response
            self.assertTrue(self.found(asking))
            response._bodyProtocol = None
            self.assertFalse(self.found(asking))

    def test_notCarriers(self) -> None:
        """
        Other objects are not looked into, nor are finished generators.
        """
        holder = Thing()
        holder.__dict__["thing"] = self.thing
        finished = self.thing.generate()
        list(finished)
        for root in (holder, holder.method, finished, len, 1, "text", Thing):
            self.assertFalse(self.found(root), root)

    def test_sharedContainers(self) -> None:
        """
        Immutable containers, which unrelated code may share, never count by
        themselves.
        """
        empty, full = (), (1, 2)
        wanted = [empty, full, frozenset()]
        roots = [empty, [full], {"a": frozenset()}]
        self.assertFalse(touches(roots, lambda item: any(item is w for w in wanted)))

    def test_cycles(self) -> None:
        """
        What contains itself is looked into once.
        """
        loop: list[object] = []
        loop.append(loop)
        self.assertFalse(self.found(loop))

    def test_deep(self) -> None:
        """
        Depth is no matter.
        """
        root: list[object] = [self.thing]
        for _ in range(20000):
            root = [root]
        self.assertTrue(self.found(root))

    def test_carried(self) -> None:
        """
        Of what is no carrier nothing is carried.
        """
        self.assertEqual(list(carried(self.thing)), [])
