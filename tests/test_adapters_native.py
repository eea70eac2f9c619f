"""
What adapters have compiled does what the plain ones do, and has them do whatever is not
usual.  All other tests of adapters are run with either, see the Makefile.
"""

from __future__ import annotations

import gc
import os
import re
import select
import socket
import weakref
from collections.abc import Callable
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.base import DelayedCall
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.protocols.basic import LineReceiver
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.adapters.compiled import VERSION, native
from migrate.adapters.detached import abandon, ignore
from migrate.adapters.streams import StreamAdapter
from migrate.adapters.timers import DelayedCallAdapter, _arranged
from migrate.adapters.transports import EPollReactor
from migrate.graph.environment import Environment
from migrate.graph.loading import Loading
from migrate.graph.planner import Capture
from migrate.model import Descriptor
from tests.inprocess import descriptors
from tests.reactors import freshReactor


def slow(*values: Any) -> Any:
    """
    Plain Python is not asked for what is usual.
    """
    raise AssertionError(values)


def result(function: Callable[..., Any], *values: Any) -> Any:
    """
    @return: what a function returns, or with what it fails.
    """
    try:
        return function(*values)
    except Exception as error:
        return type(error), str(error)


class NativeTestCase(SynchronousTestCase):
    """
    Has two reactors, and connections of the first.
    """

    def setUp(self) -> None:
        """
        It has to be compiled.
        """
        if native is None:
            raise SkipTest("nothing is compiled here, or TXMIGRATE_PLAIN is set")
        self.origin, self.recipient = freshReactor(self), freshReactor(self)
        self.peers: dict[int, socket.socket] = {}

    def pair(self, family: int = socket.AF_UNIX) -> socket.socket:
        """
        @return: one end of a stream.
        """
        if family == socket.AF_UNIX:
            ours, peer = socket.socketpair()
        else:
            with socket.create_server(("127.0.0.1", 0)) as server:
                peer = socket.create_connection(server.getsockname())
                ours = server.accept()[0]
        self.addCleanup(ours.close)
        self.addCleanup(peer.close)
        ours.setblocking(False)
        self.peers[ours.fileno()] = peer
        return ours

    def connection(self, cls: Any = tcp.Server) -> Any:
        """
        @return: a transport that is read from.
        """
        made = cls.__new__(cls)
        if issubclass(cls, unix.Server):
            parts = self.pair(), Protocol(), None, None, 1, self.origin
            unix.Server.__init__(made, *parts)
        else:
            tcp.Connection.__init__(made, self.pair(), Protocol(), self.origin)
        made.connected = 1
        made.startReading()
        self.addCleanup(self.origin.removeAll)
        return made

    def environment(self) -> Environment:
        """
        @return: that of the recipient.
        """
        return Environment(defaultRegistry(), self.recipient)


class Reading(tcp.Server):
    """
    Reads in its own way.
    """

    def doRead(self) -> Any:
        """
        See L{tcp.Connection.doRead}.
        """
        return tcp.Server.doRead(self)


class ExtractTests(NativeTestCase):
    """
    What is told of transports, timers and protocols.
    """

    def extractor(self, adapter: Any) -> Any:
        """
        @return: what is compiled of it, which leaves nothing to plain Python.
        """
        adapter.extract = slow
        self.addCleanup(vars(adapter).pop, "extract", None)
        return adapter.extractor(Capture(self.origin))

    def same(self, adapter: Any, obj: Any) -> Any:
        """
        Both say the same of an object.

        @return: what that is.
        """
        capture = Capture(self.origin)
        plain = result(adapter.extract, obj, capture)
        self.assertEqual(result(adapter.extractor(capture), obj, capture), plain)
        return plain

    def test_version(self) -> None:
        """
        It fits.
        """
        self.assertEqual(native.VERSION, VERSION)

    def test_usual(self) -> None:
        """
        Plain Python has nothing to do with what is usual.
        """
        adapter, connection = StreamAdapter("x"), self.connection()
        told = self.same(adapter, connection)
        descriptor = Descriptor(connection.fileno())
        self.assertEqual(told[:6], (descriptor, 1, 1, 0, True, False))
        self.assertEqual(self.extractor(adapter)(connection, None), told)
        inherited = self.connection(Reading)
        self.assertEqual(self.extractor(adapter)(inherited, None)[4:], told[4:])

    def test_states(self) -> None:
        """
        Whatever state a transport is in.
        """
        adapter = StreamAdapter("x")
        one = self.connection()
        one.stopReading()
        one.startWriting()
        self.assertEqual(self.same(adapter, one)[4:6], (False, True))
        one.dataBuffer, one.offset = b"abc", 1
        self.assertEqual(self.same(adapter, one)[6], b"bc")
        one._tempDataBuffer = [b"d"]
        self.assertEqual(self.same(adapter, one)[6], b"bcd")
        one.dataBuffer, one.offset = b"", 0
        self.assertEqual(self.same(adapter, one)[6], b"d")

    def test_unusual(self) -> None:
        """
        What is not usual, and what cannot move.
        """
        adapter = StreamAdapter("x")

        def changed(**attributes: Any) -> Any:
            made = self.connection()
            vars(made).update(attributes)
            return self.same(adapter, made)

        self.assertEqual(changed(doRead=ignore)[9:], (ignore, None))
        self.assertEqual(changed(doWrite=ignore)[9:], (None, ignore))
        self.assertEqual(changed(_aborting=True)[9:], (ignore, ignore))
        for refused in (
            changed(TLS=True),
            changed(reactor=Clock()),
            changed(connectionLost=ignore),
        ):
            self.assertEqual(refused[0].__name__, "NotMovable")
        lost = self.connection()
        self.origin.removeReader(lost)
        lost.socket.close()
        self.assertEqual(self.same(adapter, lost)[0].__name__, "NotMovable")
        left = self.connection()
        self.origin.removeReader(left)
        abandon(left)
        self.assertEqual(self.same(adapter, left)[0].__name__, "NotMovable")
        bare = self.connection()
        self.origin.removeReader(bare)
        del bare.socket
        self.assertEqual(self.same(adapter, bare)[:4], (None,) * 4)
        self.assertEqual(self.same(adapter, self.connection(unix.Server))[7], [])
        self.same(adapter, tcp.Server.__new__(tcp.Server))

    def test_subclass(self) -> None:
        """
        An adapter that says something else is asked.
        """

        class Other(StreamAdapter):
            def extract(self, obj: Any, capture: Any) -> Any:
                return ("else",)

        other = Other("y")
        self.assertEqual(other.extractor(Capture(self.origin)), other.extract)
        self.assertEqual(other.restorer(Loading(self.environment())), other.restore)

    def test_timers(self) -> None:
        """
        Delayed calls in every state.
        """
        adapter = DelayedCallAdapter()
        calls = [self.origin.callLater(5, ignore) for _ in range(5)]
        calls[1].delay(2)
        calls[2].kw = {"a": 1}
        calls[3].cancel()
        calls[4].called = 1
        told = [self.same(adapter, call) for call in calls]
        kinds = [each[0] for each in told]
        self.assertEqual(kinds, ["pending", "pending", "pending", "settled", "settled"])
        self.assertEqual(told[2][2], {"a": 1})
        calls[4].called = 0
        foreign = Clock().callLater(3, ignore)
        self.assertEqual(self.same(adapter, foreign)[0], "foreign")
        self.same(adapter, DelayedCall.__new__(DelayedCall))
        usual = self.extractor(adapter)
        self.assertEqual([usual(call, None) for call in calls[:2]], told[:2])

    def test_protocols(self) -> None:
        """
        Receivers of lines, busy ones and others.
        """
        adapter = defaultRegistry().lookup(LineReceiver)
        protocol: Any = LineReceiver()
        self.assertEqual(self.same(adapter, protocol), ())
        protocol._busyReceiving = True
        self.assertEqual(self.same(adapter, protocol)[0].__name__, "NotMovable")
        self.same(adapter, object())
        protocol._busyReceiving = False
        self.assertEqual(self.extractor(adapter)(protocol, None), ())

    def test_called(self) -> None:
        """
        Called in another way it is plain Python's.
        """
        usual = StreamAdapter("x").extractor(Capture(self.origin))
        self.assertRaises(TypeError, usual)
        self.assertRaises(TypeError, usual, 1, 2, 3)
        self.assertRaises(TypeError, native.socketExtractor, 1)
        self.assertRaises(TypeError, native.timerRestorer, *range(8))


class RestoreTests(NativeTestCase):
    """
    What becomes of what was told.
    """

    usual = (None, None, False, None, None)

    def came(self, loading: Loading, family: int = socket.AF_UNIX) -> Descriptor:
        """
        @return: a descriptor of a stream that has just come.
        """
        fileno = os.dup(self.pair(family).fileno())
        loading.receive([fileno])
        return Descriptor(fileno)

    def restored(self, compiled: bool, values: Any, **keywords: Any) -> Any:
        """
        @param values: what follows the descriptor, or all if there is none.
        @return: the loading, and the transport, or the error.
        """
        loading = Loading(self.environment())
        self.addCleanup(loading.discard)
        adapter = StreamAdapter("x")
        restore = adapter.restorer(loading) if compiled else adapter.restore
        made: Any = tcp.Server.__new__(tcp.Server)
        made.reactor = self.recipient
        if len(values) < 11:
            values = (self.came(loading), *values)
        failed = result(restore, made, values, loading)
        return loading, made if failed is None else failed

    def same(self, *values: Any) -> Any:
        """
        Both do the same.

        @return: the error, or the attributes that were set.
        """
        before = descriptors()
        found = []
        for compiled in (False, True):
            loading, made = self.restored(compiled, values)
            if isinstance(made, tuple):
                found.append(made)
            else:
                attributes = dict(vars(made))
                skt = attributes.pop("socket", None)
                fileno = attributes.pop("fileno", None)
                if skt is not None:
                    self.assertEqual(fileno(), skt.fileno())
                    self.assertEqual(loading.unowned, set())
                    told = skt.family, skt.type, skt.proto, skt.gettimeout()
                    attributes["socket"] = told
                attributes["names"] = list(vars(made))
                found.append(attributes)
                loading.adopt()
                attributes["reading"] = made in self.recipient.getReaders()
                attributes["writing"] = made in self.recipient.getWriters()
                self.recipient.removeAll()
                if skt is not None:
                    skt.close()
            loading.discard()
        self.assertEqual(*found)
        self.assertEqual(descriptors() - before, 0 if len(values) == 11 else 4)
        return found[0]

    def test_usual(self) -> None:
        """
        A connection, whatever it is watched for.
        """
        for reading in (False, True):
            for writing in (False, True):
                told = self.same(1, 1, 0, reading, writing, *self.usual[1:], None)
                self.assertEqual((told["reading"], told["writing"]), (reading, writing))
                self.assertEqual(told["socket"], (1, 1, 0, 0.0))

    def test_alike(self) -> None:
        """
        Of a kind of which there is one already, a socket is made in another way, and
        is the same.
        """
        loading = Loading(self.environment())
        self.addCleanup(loading.discard)
        restore = StreamAdapter("x").restorer(loading)

        def made(family: int) -> socket.socket:
            transport: Any = tcp.Server.__new__(tcp.Server)
            transport.reactor = self.recipient
            values = (self.came(loading, family), family, 1, 0, False, False)
            restore(transport, (*values, *self.usual), loading)
            self.assertEqual(transport.fileno(), transport.socket.fileno())
            found: socket.socket = transport.socket
            return found

        def told(skt: socket.socket) -> Any:
            shown = repr(skt).replace(f"fd={skt.fileno()},", "")
            slots = [name for name in socket.socket.__slots__ if name != "__weakref__"]
            return (
                *(type(skt), skt.family, skt.type, skt.proto, skt.gettimeout()),
                *(re.sub(r"\d{4,}", "PORT", shown), skt.getblocking()),
                *([getattr(skt, name) for name in slots], gc.is_tracked(skt)),
            )

        unix, inet = socket.AF_UNIX, socket.AF_INET
        for family in (unix, unix, unix, inet, inet, unix):
            usual, found = made(family), made(family)
            self.assertEqual(told(usual), told(found))
            self.assertNotEqual(usual.fileno(), found.fileno())
            self.assertRaises(BlockingIOError, found.recv, 1)
            with found.makefile("wb", buffering=0) as file:
                file.write(b"abc")
            fileno = found.detach()
            self.assertRaises(OSError, found.getsockname)
            os.close(fileno)
        seen = weakref.ref(usual)
        fileno = usual.fileno()
        usual.close()
        self.assertRaises(OSError, os.fstat, fileno)
        self.assertIs(seen(), usual)

    def test_unsent(self) -> None:
        """
        What waits to be sent, and methods of its own.
        """
        told = self.same(1, 1, 0, True, True, b"abc", None, False, None, None)
        self.assertEqual(told["dataBuffer"], b"abc")
        told = self.same(1, 1, 0, True, True, None, None, False, ignore, ignore)
        self.assertIs(told["doRead"], ignore)

    def test_nothing(self) -> None:
        """
        No socket at all.
        """
        told = self.same(*[None] * 4, False, False, *[None] * 2, False, *[None] * 2)
        self.assertNotIn("socket", told)

    def test_wrong(self) -> None:
        """
        Another kind, numbers that are none, and a descriptor that is none.
        """
        beside = (True, False, None, None, False, None, None)
        for values in ((1, 2, 0), (1, "1", 0), (1, 1 << 70, 0), (99, 1, 0)):
            self.same(*values, *beside)
        self.same("x", 1, 1, 0, *beside)
        self.same(Descriptor(1 << 40), 1, 1, 0, *beside)
        self.same(Descriptor(987654), 1, 1, 0, *beside)

    def test_twice(self) -> None:
        """
        A descriptor has one owner.
        """
        loading = Loading(self.environment())
        self.addCleanup(loading.discard)
        restore = StreamAdapter("x").restorer(loading)
        came = self.came(loading)
        values = (came, 1, 1, 0, True, False, None, None, False, None, None)
        first: Any = tcp.Server.__new__(tcp.Server)
        first.reactor = self.recipient
        restore(first, values, loading)
        error, why = result(restore, tcp.Server.__new__(tcp.Server), values, loading)
        self.assertEqual(error.__name__, "MalformedTable")
        self.assertIn("has an owner", why)
        self.assertEqual(first.fileno(), came.fileno)

    def test_timers(self) -> None:
        """
        Delayed calls, pending ones and others.
        """
        cases = [
            ("pending", 5.0, None, None),
            ("pending", 5.0, {"a": 1}, None),
            ("settled", 5.0, None, None),
            ("foreign", 5.0, None, {"time": 3.0}),
        ]
        for values in cases:
            found = []
            for compiled in (False, True):
                loading = Loading(self.environment())
                adapter = DelayedCallAdapter()
                restore = adapter.restorer(loading) if compiled else adapter.restore
                call: Any = DelayedCall.__new__(DelayedCall)
                call.func, call.args, call.called, call.cancelled = ignore, (), 0, 0
                restore(call, values, loading)
                loading.settle()
                names = list(vars(call))
                if values[0] == "pending":
                    self.assertEqual(call.time, 5.0)
                    self.assertEqual(self.recipient.getDelayedCalls(), [])
                loading.adopt()
                found.append((names, {**vars(call)}))
                if values[0] == "pending":
                    self.assertEqual(self.recipient.getDelayedCalls(), [call])
                    call.cancel()
            self.assertEqual(*found)

    def test_arranged(self) -> None:
        """
        Equal times keep their order, nobody makes what was cancelled, and what has
        been put off stays so.
        """
        found = []
        for arrange in (_arranged, native.arrange):
            due = []
            for when in (2.5, 1.0, 2.5, 1.0, 2.5, 7.0, 8.0, 9.0):
                call: Any = DelayedCall.__new__(DelayedCall)
                call.called = call.cancelled = 0
                call.time, call.delayed_time = when, 0.0
                due.append((when, call))
            due[3][1].cancelled = due[4][1].called = 1
            due[5][1].time = 0.5
            due[6][1].delayed_time = 3.0
            moved: list[Any] = []
            calls = arrange(due, moved)
            self.assertEqual(calls, [due[at][1] for at in (1, 0, 2, 7)])
            self.assertEqual(moved, [due[at][1] for at in (5, 6)])
            found.append([vars(call) for _, call in due])
        self.assertEqual(*found)
        times = [call.time for call in calls]
        self.assertEqual(sorted(set(times)), times)
        self.assertRaises(TypeError, native.arrange, (), [])
        self.assertRaises(TypeError, native.arrange, [1], [])
        bare = DelayedCall.__new__(DelayedCall)
        self.assertRaises(AttributeError, native.arrange, [(1.0, bare)], [])

    def test_timersUsual(self) -> None:
        """
        Plain Python has nothing to do with pending ones.
        """
        self.patch(DelayedCallAdapter, "restore", slow)
        loading = Loading(self.environment())
        restore = DelayedCallAdapter().restorer(loading)
        call: Any = DelayedCall.__new__(DelayedCall)
        call.func, call.args, call.called, call.cancelled = ignore, (), 0, 0
        restore(call, ("pending", 5.0, None, None), loading)
        self.assertEqual(call.kw, {})
        for values in (("pending", 5, None, None), (), None, ("pending", 5.0)):
            self.assertRaises(AssertionError, restore, call, values, loading)
        loading.discard()


class WatchTests(NativeTestCase):
    """
    Many come into the hands of the reactor at once.
    """

    def setUp(self) -> None:
        """
        Only one reactor has it.
        """
        super().setUp()
        if type(self.recipient) is not EPollReactor:
            raise SkipTest("the reactor that runs does not ask epoll")
        self.reactor: Any = self.recipient
        self.lookout = native.Lookout()

    def watch(self, transports: list[Any]) -> Any:
        """
        @return: those that are left.
        """
        reactor = self.reactor
        return self.lookout.watch(
            *(transports, reactor._poller.fileno()),
            *(reactor._reads, reactor._writes, reactor._selectables),
        )

    def test_watched(self) -> None:
        """
        They are watched as if they had been added one by one; who cannot be, or is
        already, is left to the reactor.
        """
        own = set(self.reactor.getReaders())
        several = [self.connection() for _ in range(5)]
        self.reactor.addWriter(several[1])
        self.reactor.addReader(several[2])
        closed = several[3].socket
        self.origin.removeReader(several[3])
        closed.close()
        left = self.watch([*several, object()])
        self.assertEqual(left[:3], several[1:4])
        self.assertEqual(len(left), 4)
        reading = {several[0], several[2], several[4]}
        self.assertEqual(set(self.reactor.getReaders()) - own, reading)
        self.assertEqual(self.reactor.getWriters(), [several[1]])
        for each in left[:2]:
            self.reactor.addReader(each)
        for each in (*several[:3], several[4]):
            self.reactor.removeReader(each)
            self.reactor.removeWriter(each)
        self.assertEqual(set(self.reactor.getReaders()), own)
        self.assertEqual(len(self.reactor._selectables), len(own))

    def events(self) -> dict[int, int]:
        """
        @return: what the reactor's epoll tells, by descriptor.
        """
        return dict(self.reactor._poller.poll(0))

    def test_prepared(self) -> None:
        """
        What has been prepared is told of by the reactor's epoll as soon as it is
        watched; what is not wanted is not.
        """
        wanted, late, unwanted, written = (self.connection() for _ in range(4))
        prepared = [each.fileno() for each in (wanted, unwanted, written)]
        self.lookout.prepare(prepared)
        self.reactor.addWriter(written)
        peer, ours = socket.socketpair()
        self.addCleanup(peer.close)
        self.addCleanup(ours.close)
        own = tcp.Connection(ours, Protocol(), self.reactor)
        own.startReading()
        every = (wanted, late, unwanted, own)
        for each in every[:3]:
            self.peers[each.fileno()].send(b"x")
        peer.send(b"x")
        before = self.events()
        self.assertEqual(set(before), {ours.fileno(), written.fileno()})
        self.assertEqual(self.watch([wanted, late]), [])
        after = self.events()
        self.assertEqual(after.pop(wanted.fileno()), select.EPOLLIN)
        self.assertEqual(after.pop(late.fileno()), select.EPOLLIN)
        self.assertEqual(after, before)
        for each in (wanted, late, own):
            self.reactor.removeReader(each)
        self.reactor.removeWriter(written)
        self.assertEqual(self.events(), {})
        for each in every:
            self.reactor.addReader(each)
            self.assertIn(each.fileno(), self.events())
            self.reactor.removeReader(each)

    def test_unprepared(self) -> None:
        """
        Nothing can be prepared but stream sockets.
        """
        one = self.connection()
        with (
            open(os.devnull) as file,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
        ):
            numbers = [file.fileno(), datagrams.fileno(), one.fileno(), 1 << 20, -1]
            self.lookout.prepare(numbers)
            self.lookout.prepare([1 << 40])
            self.assertRaises(TypeError, self.lookout.prepare, ["x"])
            self.assertRaises(TypeError, self.lookout.prepare, 5)
            self.assertEqual(self.watch([one]), [])
        self.peers[one.fileno()].send(b"x")
        self.assertEqual(set(self.events()), {one.fileno()})
        self.reactor.removeReader(one)

    def test_refused(self) -> None:
        """
        If the reactor's epoll cannot give way, all is as it would be without.
        """
        one, other = self.connection(), self.connection()
        self.lookout.prepare([one.fileno()])
        # Somebody has closed it, and has not said so.
        self.reactor._selectables[1 << 20] = object()
        before = descriptors()
        self.assertEqual(self.watch([one, other]), [])
        del self.reactor._selectables[1 << 20]
        self.assertEqual(descriptors(), before - 1)
        for each in (one, other):
            self.peers[each.fileno()].send(b"x")
        self.assertEqual(set(self.events()), {one.fileno(), other.fileno()})
        for each in (one, other):
            self.reactor.removeReader(each)

    def test_many(self) -> None:
        """
        Where the reactor watches more than came ahead, it keeps its own epoll.
        """
        own = len(self.reactor._selectables)
        others = [self.connection() for _ in range(own + 3)]
        for each in others[:3]:
            self.reactor.addReader(each)
        with select.epoll.fromfd(os.dup(self.reactor._poller.fileno())) as before:
            several = others[3:]
            for each in others:
                self.peers[each.fileno()].send(b"x")
            self.lookout.prepare([each.fileno() for each in several])
            self.assertEqual(self.watch(several), [])
            numbers = {each.fileno() for each in others}
            self.assertEqual(set(self.events()), numbers)
            self.assertEqual(set(dict(before.poll(0))), numbers)
            for each in others:
                self.reactor.removeReader(each)
            for each in others:
                self.lookout.prepare([each.fileno()])
            self.assertEqual(self.watch(others), [])
            self.assertEqual(set(self.events()), numbers)
            self.assertEqual(dict(before.poll(0)), {})
        for each in others:
            self.reactor.removeReader(each)

    def test_closed(self) -> None:
        """
        Who gives up leaves nothing behind.
        """
        one = self.connection()
        before = descriptors()
        self.lookout.prepare([one.fileno()])
        self.assertEqual(descriptors(), before + 1)
        self.lookout.close()
        self.lookout.close()
        self.assertEqual(descriptors(), before)
        self.lookout.prepare([one.fileno()])
        self.lookout = None
        self.assertEqual(descriptors(), before)
