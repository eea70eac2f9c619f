"""
Tests for L{migrate.graph.survey} and L{migrate.graph.counting}.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from twisted.internet.base import DelayedCall
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.tcp import Port, Server
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.internet.udp import Port as DatagramPort
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import defaultRegistry
from migrate.errors import (
    CannotMigrate,
    Refusal,
    RemoteProtocolError,
)
from migrate.graph import (
    Environment,
    Others,
    PickleSerializer,
    Row,
    Survey,
    TableSerializer,
)
from migrate.graph import records as r
from migrate.graph.survey import LONGEST, REFUSALS, ROWS
from migrate.interfaces import IDump, ISerializer
from tests.graphs import Thing, environment

SERIALIZERS = (TableSerializer(), PickleSerializer())

THING = "tests.graphs.Thing"


def surveyed(root: object, **options: Any) -> Survey:
    """
    @return: the survey of a graph in which all but names is plain.
    """
    found = TableSerializer().survey(root, "r", environment(**options))
    assert isinstance(found, Survey)
    return found


class CountingTests(SynchronousTestCase):
    """
    What a survey counts, of graphs that can move.
    """

    def test_interfaces(self) -> None:
        for serializer in SERIALIZERS:
            verifyObject(ISerializer, serializer)
            verifyObject(IDump, serializer.dump([], "r", environment()))

    def test_exact(self) -> None:
        """
        Three things in a list: every byte is where it belongs.
        """
        # The head is a byte, as are the array's own, each number of an object,
        # and each integer, with a byte for the list around it.
        survey = surveyed([Thing(1), Thing(2), Thing(None)])
        self.assertEqual(
            survey.rows, (Row(THING, 3, 4 + 4 + 3), Row("list", 1, 1 + 1 + 3))
        )
        self.assertEqual(survey.objects, 4)
        self.assertEqual(survey.others, Others())
        self.assertEqual(survey.refusals, ())

    def test_all(self) -> None:
        """
        The size is that of what a table sends, to the byte.
        """
        graph = [Thing("x" * 100_000), [Thing(2.5)] * 9, b"y" * 200, 1 << 99, "\ud800"]
        graph += [Thing(list(range(5000))), {"\udc00": Thing}]
        for each in ([], graph, [Thing(n) for n in range(20_000)]):
            dump = TableSerializer().dump(each, "r", environment())
            survey = dump.survey()
            self.assertEqual(survey.bytes, sum(map(len, dump.chunks)))
            self.assertEqual(survey.objects, dump.objects)
            self.assertEqual(sum(row.count for row in survey.rows), dump.objects)
            counted = {row.name: row.count for row in survey.rows}
            self.assertEqual(counted, dict(dump.counts))  # type: ignore[attr-defined]

    def test_sum(self) -> None:
        """
        What is in no row is names, what they have in common, and what frames it.
        """
        things = [Thing(n) for n in range(5000)]
        dump = TableSerializer().dump(things, "r", environment())
        survey = dump.survey()
        left = survey.bytes - sum(row.bytes for row in survey.rows)
        self.assertGreater(left, 0)
        self.assertLess(left, 200)

    def test_bothSerializers(self) -> None:
        """
        The measure is the same for both, and for a dump and without one.
        """
        graph = [Thing("x" * 300), Thing(2), [3, {4: 5}]]
        found = [
            survey
            for serializer in SERIALIZERS
            for survey in (
                serializer.survey(graph, "r", environment()),
                serializer.dump(graph, "r", environment()).survey(),
            )
        ]
        self.assertEqual(len(set(found)), 1)

    def test_longValues(self) -> None:
        """
        Long values are written for the one that mentions them first.
        """
        text = "x" * 1000
        rows = {row.name: row for row in surveyed([Thing(text), [text]]).rows}
        alone = {row.name: row for row in surveyed([Thing(7), [7]]).rows}
        # A head of three bytes, one for the array, one for the record.
        # The reference is one byte, where the integer took two.
        self.assertEqual(rows[THING].bytes, alone[THING].bytes - 1 + 1000 + 3 + 2)
        self.assertEqual(rows["list"].bytes, alone["list"].bytes - 1)
        self.assertEqual(set(rows), {THING, "list"})

    def test_longRoot(self) -> None:
        """
        A long text alone belongs to nobody, and is no object.
        """
        survey = surveyed("x" * 1000)
        self.assertEqual((survey.objects, survey.rows), (0, ()))
        self.assertGreater(survey.bytes, 1000)

    def test_order(self) -> None:
        """
        Most bytes come first; of equal ones the first of the alphabet.
        """
        survey = surveyed([(1, 2), {3}, [4] * 6])
        self.assertEqual(
            [row.name for row in survey.rows],
            ["list", "tuple", "set"],
        )
        equal = surveyed([(1,), {1}, frozenset([1])])
        self.assertEqual(
            [row.name for row in equal.rows], ["list", "frozenset", "set", "tuple"]
        )

    def test_noTrace(self) -> None:
        """
        Whatever is asked of a class leaves nothing on it.
        """
        before = dict(vars(Thing))
        surveyed([Thing()])
        self.assertEqual(dict(vars(Thing)), before)


class LiveTests(SynchronousTestCase):
    """
    What an operator knows objects by.
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.environment = Environment(defaultRegistry(), self.reactor)

    def connection(self) -> Any:
        """
        @return: a connected transport, as a reactor makes it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX)
        self.addCleanup(ours.close)
        self.addCleanup(theirs.close)
        protocol = Protocol()
        transport = Server(ours, protocol, ("127.0.0.1", 2), None, 0, self.reactor)
        protocol.transport = transport
        return transport

    def survey(self, *root: object) -> Survey:
        found: Survey = TableSerializer().survey(list(root), "r", self.environment)
        self.assertEqual(found.refusals, ())
        return found

    def test_kinds(self) -> None:
        """
        Connections, ports and timers are each counted as what they are.
        """
        port = Port(0, Factory(), interface="127.0.0.1", reactor=self.reactor)
        port.startListening()
        datagrams = DatagramPort(
            0, DatagramProtocol(), interface="127.0.0.1", reactor=self.reactor
        )
        datagrams.startListening()
        for each in (port, datagrams):
            self.addCleanup(each.socket.close)
        timer = self.reactor.callLater(5, print)
        survey = self.survey(
            port, datagrams, self.connection(), self.connection(), [timer]
        )
        self.assertEqual((survey.connections, survey.ports, survey.timers), (2, 2, 1))
        self.assertEqual(survey.descriptors, 4)
        (row,) = (row for row in survey.rows if row.name == "twisted.internet.tcp.Port")
        self.assertEqual(row.count, 1)

    def test_others(self) -> None:
        """
        What is over, or was never more than an object, is not counted.
        """
        over = self.reactor.callLater(5, print)
        over.cancel()
        port = Port(0, Factory(), reactor=self.reactor)
        survey = self.survey(over, port, StringTransport())
        self.assertEqual((survey.connections, survey.ports, survey.timers), (0, 0, 0))

    def test_foreignTimers(self) -> None:
        """
        The calls of a clock that moves along are still to happen as well.
        """
        clock = Clock()
        calls = [clock.callLater(n, print) for n in range(3)]
        survey = self.survey(clock, calls)
        self.assertEqual(survey.timers, 3)
        self.assertTrue(isinstance(calls[0], DelayedCall))


class RefusalTests(SynchronousTestCase):
    """
    The survey of what cannot move.
    """

    def setUp(self) -> None:
        self.graph: Any = [Thing(1), Thing(i for i in ()), [Thing(j for j in ())]]

    def test_refused(self) -> None:
        """
        Every refusal is there, with its path, as C{dump} raises them; what
        would move is counted all the same.
        """
        for serializer in SERIALIZERS:
            survey = serializer.survey(self.graph, "shell", environment())
            with self.assertRaises(CannotMigrate) as raised:
                serializer.dump(self.graph, "shell", environment())
            self.assertEqual(survey.refusals, raised.exception.refusals)
            self.assertEqual(
                [refusal.path for refusal in survey.refusals],
                ["shell[1].tag", "shell[2][0].tag"],
            )
            counts = {row.name: row.count for row in survey.rows}
            self.assertEqual(counts, {THING: 3, "list": 2})
            self.assertEqual(survey.objects, 5)

    def test_nothingDone(self) -> None:
        """
        The graph is what it was.
        """
        generator = self.graph[1].tag
        for serializer in SERIALIZERS:
            serializer.survey(self.graph, "shell", environment())
        self.assertIs(self.graph[1].tag, generator)
        self.assertIsNotNone(generator.gi_frame)

    def test_passing(self) -> None:
        """
        What will pass by itself is told apart, on the way too.
        """
        waiting = Survey(
            objects=1,
            bytes=1,
            descriptors=0,
            refusals=(Refusal("r", "busy", over=lambda: True),),
        )
        arrived = Survey.fromDictionary(waiting.asDictionary())
        (refusal,) = arrived.refusals
        self.assertEqual(waiting.asDictionary()["refusals"][0]["passes"], True)
        assert refusal.over is not None
        self.assertFalse(refusal.over())
        self.assertEqual(arrived, waiting)


def large(rows: int, refusals: int = 0) -> Survey:
    """
    @return: a survey of so many rows and refusals.
    """
    return Survey(
        objects=sum(range(rows)),
        bytes=1 << 40,
        descriptors=3,
        connections=4,
        ports=5,
        timers=6,
        rows=tuple(Row(f"m.C{n}", n, 1000 - n) for n in range(rows)),
        refusals=tuple(Refusal(f"r[{n}]", "no", "stop") for n in range(refusals)),
    )


class ShownTests(SynchronousTestCase):
    """
    L{Survey.describe}
    """

    def test_table(self) -> None:
        survey = Survey(
            objects=1003,
            bytes=123456,
            descriptors=1,
            connections=1,
            ports=0,
            timers=2,
            rows=(Row("chat.Client", 1000, 120000), Row("list", 2, 40), Row("x", 1, 3)),
        )
        self.assertEqual(
            survey.describe(rows=2),
            [
                "1003 objects, 123456 bytes of records, 1 descriptor",
                "1 connection, 0 ports, 2 timers",
                "count   bytes  class",
                " 1000  120000  chat.Client",
                "    2      40  list",
                "    1       3  (1 other class)",
            ],
        )

    def test_nothing(self) -> None:
        """
        There is no table of nothing.
        """
        empty = Survey(objects=0, bytes=9, descriptors=0)
        self.assertEqual(
            empty.describe(),
            [
                "0 objects, 9 bytes of records, 0 descriptors",
                "0 connections, 0 ports, 0 timers",
            ],
        )

    def test_refusals(self) -> None:
        lines = large(0, 3).abridged(refused=2).describe()
        self.assertEqual(
            lines[2:],
            ["cannot move:", "  r[0]: no; stop", "  r[1]: no; stop", "  and 1 more"],
        )

    def test_hostileNames(self) -> None:
        """
        A name cannot move the cursor, nor add lines.
        """
        survey = Survey(
            objects=1,
            bytes=1,
            descriptors=0,
            rows=(Row("\x1b[2J\nm.é\u202e\ud800", 1, 1),),
            refusals=(Refusal("p\r", "\x07"),),
        )
        lines = survey.describe()
        self.assertEqual(lines[3], "    1      1  \\x1b[2J\\nm.é\\u202e\\ud800")
        self.assertEqual(lines[-1], "  p\\r: \\x07")


class TravelTests(SynchronousTestCase):
    """
    L{Survey.asDictionary} and L{Survey.fromDictionary}
    """

    def test_keys(self) -> None:
        """
        Programs rely on these names.
        """
        self.assertEqual(
            large(2, 1).asDictionary(),
            {
                "objects": 1,
                "bytes": 1 << 40,
                "descriptors": 3,
                "connections": 4,
                "ports": 5,
                "timers": 6,
                "rows": [
                    {"name": "m.C0", "count": 0, "bytes": 1000},
                    {"name": "m.C1", "count": 1, "bytes": 999},
                ],
                "others": {"classes": 0, "count": 0, "bytes": 0},
                "refusals": [
                    {"path": "r[0]", "reason": "no", "remedy": "stop", "passes": False}
                ],
                "furtherRefusals": 0,
            },
        )

    def test_roundTrip(self) -> None:
        """
        What fits arrives as it was, by way of JSON.
        """
        graph = [Thing(1), Thing(i for i in ())]
        for survey in (
            large(ROWS, REFUSALS),
            TableSerializer().survey(graph, "r", environment()),
        ):
            text = json.dumps(survey.asDictionary())
            self.assertEqual(Survey.fromDictionary(json.loads(text)), survey)

    def test_summedUp(self) -> None:
        """
        What does not fit is summed up, and no object is lost over it.
        """
        survey = large(ROWS + 7, REFUSALS + 5)
        arrived = Survey.fromDictionary(survey.asDictionary())
        rest = survey.rows[ROWS:]
        self.assertEqual(arrived.rows, survey.rows[:ROWS])
        self.assertEqual(
            arrived.others,
            Others(7, sum(row.count for row in rest), sum(row.bytes for row in rest)),
        )
        self.assertEqual(len(arrived.refusals), REFUSALS)
        self.assertEqual(arrived.furtherRefusals, 5)
        again = arrived.abridged(10, 10)
        self.assertEqual(again.others.classes, 7 + ROWS - 10)
        self.assertEqual(
            sum(row.count for row in again.rows) + again.others.count, survey.objects
        )
        self.assertEqual(again.furtherRefusals, 5 + REFUSALS - 10)

    def test_longNames(self) -> None:
        """
        Names are cut to what travels; both ends stay.
        """
        name = "a" * LONGEST + "b" * LONGEST
        survey = Survey(
            objects=1,
            bytes=1,
            descriptors=0,
            rows=(Row(name, 1, 1), Row("\ud800", 1, 1)),
            refusals=(Refusal(name, name, name),),
        )
        arrived = Survey.fromDictionary(survey.asDictionary())
        (long, odd), (refusal,) = arrived.rows, arrived.refusals
        for text in (long.name, refusal.path, refusal.reason, refusal.remedy):
            self.assertLessEqual(len(text), LONGEST)
            self.assertGreater(len(text), LONGEST - 5)
            self.assertTrue(text.startswith("aaa") and text.endswith("bbb"), text)
        self.assertEqual(odd.name, "\\ud800")

    def test_unknownKeys(self) -> None:
        """
        A later version may say more.
        """
        found = large(1).asDictionary()
        found["weather"] = "fine"
        found["rows"][0]["colour"] = "red"
        self.assertEqual(Survey.fromDictionary(found), large(1))

    def test_bounds(self) -> None:
        """
        Whatever is out of bounds, or of another type, is refused.
        """

        def without(key: str) -> Any:
            return lambda found: found.pop(key)

        def put(value: object, *path: Any) -> Any:
            def change(found: Any) -> None:
                for step in path[:-1]:
                    found = found[step]
                found[path[-1]] = value

            return change

        counts = ("objects", "bytes", "descriptors", "connections", "ports", "timers")
        wrong = [-1, 1 << 48, "1", 1.0, 1.5, None, True, [], {}]
        changes = [put(value, key) for key in counts for value in wrong]
        changes += [put(value, "furtherRefusals") for value in wrong]
        changes += [
            put(value, *place, key)
            for value in wrong
            for place, key in (
                (("rows", 0), "count"),
                (("rows", 0), "bytes"),
                (("others",), "classes"),
                (("others",), "count"),
                (("others",), "bytes"),
            )
        ]
        texts = [(("rows", 0), "name")]
        texts += [(("refusals", 0), key) for key in ("path", "reason", "remedy")]
        changes += [
            put(value, *place, key)
            for value in ("x" * (LONGEST + 1), None, 5, b"x", [])
            for place, key in texts
        ]
        row, refusal = (
            large(1, 1).asDictionary()[key][0] for key in ("rows", "refusals")
        )
        changes += [
            put([row] * (ROWS + 1), "rows"),
            put([refusal] * (REFUSALS + 1), "refusals"),
            put("no", "refusals", 0, "passes"),
            put(None, "rows"),
            put({}, "rows"),
            put([[]], "rows"),
        ]
        changes += [without(key) for key in large(1).asDictionary()]
        for number, change in enumerate(changes):
            found = large(1, 1).asDictionary()
            change(found)
            with self.assertRaises(RemoteProtocolError, msg=f"{number}: {found}"):
                Survey.fromDictionary(found)
        for nothing in ([], None, 5, "x", [1]):
            with self.assertRaises(RemoteProtocolError):
                Survey.fromDictionary(nothing)  # type: ignore[arg-type]


class SizeTests(SynchronousTestCase):
    """
    L{migrate.graph.records.sizeOf}
    """

    def test_everyRecord(self) -> None:
        """
        One record alone makes a chunk with a frame of at least one byte.
        """
        short: Any = [r.LIST, 1, 2.5, "x", [5], [b"y"], None, True]
        for record in (short, [r.LIST, "\ud800"], [r.TEXT, "x" * 50]):
            chunk = b"".join(r.encoded([list(record)]))
            self.assertEqual(r.sizeOf(list(record)), len(chunk) - 1)
        long = [r.LIST, *range(5000)]
        whole = b"".join(r.encoded([list(long)]))
        self.assertLess(0, len(whole) - r.sizeOf(long))
        self.assertLess(len(whole) - r.sizeOf(long), 10)

    def test_refusedIsWritten(self) -> None:
        """
        What cannot move is in no row.
        """
        survey = surveyed(i for i in ())
        self.assertEqual((survey.objects, survey.rows), (0, ()))
