"""
Tables that no jellier writes, under the policy for origins that are not of this
user: refused before anything of theirs runs, with nothing left over.
"""

from __future__ import annotations

import os
import sys
import time
from collections import deque
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from fuzz.targets import feedFrames, feedPickle, feedRecords, loadTable
from migrate.adapters import defaultRegistry
from migrate.errors import ControlError, Forbidden, LoadError, MalformedTable
from migrate.filenos import closeAll
from migrate.graph import Environment, TableSerializer
from migrate.graph import records as r
from migrate.graph.environment import TrustingPolicy
from migrate.interfaces import IPolicy
from migrate.policies import CODE, OWN, Allowed, AllowList, Policies
from tests.graphs import Thing
from tests.inprocess import descriptors

RAN: list[str] = []
"""
What a table has had called.
"""


def ran(*arguments: object) -> Thing:
    """
    Note that this was called.
    """
    RAN.append(repr(arguments))
    return Thing()


class Reduced:
    """
    Made again by L{ran}.
    """

    def __reduce__(self) -> Any:
        """
        See L{ran}.
        """
        return ran, ()


class HostileTestCase(SynchronousTestCase):
    """
    A loader under a strict policy.
    """

    def setUp(self) -> None:
        """
        Nothing has run.
        """
        RAN.clear()
        self.registry = defaultRegistry()

    def load(self, records: list[Any], *allow: str, filenos: Any = ()) -> Any:
        """
        @param records: the table, without its end.
        @return: what comes of it.
        """
        policy = AllowList(tuple(map(Allowed.parse, allow)))
        loader = TableSerializer().loader(
            Environment(self.registry, Clock(), policy=policy)
        )
        rows = [x for x in records if x[0] not in (r.SHAPE, r.MORE)]
        try:
            try:
                for chunk in r.encoded([*records, [r.END, len(rows)]]):
                    loader.feed(chunk)
            except LoadError:
                # They were not given away yet.
                closeAll(list(filenos))
                raise
            return loader.finish(filenos)
        finally:
            loader.discard()

    def refused(self, records: list[Any], *allow: str, why: type = LoadError) -> str:
        """
        @return: what the error says.
        """
        before, modules = descriptors(), set(sys.modules)
        given = [os.open(os.devnull, os.O_RDONLY)]
        error = self.assertRaises(why, self.load, records, *allow, filenos=given)
        self.assertEqual(descriptors(), before)
        self.assertEqual(set(sys.modules), modules)
        self.assertEqual(RAN, [])
        return str(error)


class NameTests(HostileTestCase):
    """
    What is named.
    """

    def test_byName(self) -> None:
        """
        Nothing that is not allowed is found by its name, or by another.
        """
        for module, qualname in (
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "exec"),
            ("builtins", "getattr"),
            ("builtins", "__import__"),
            ("builtins", "type"),
            ("builtins", "dict.get"),
            ("subprocess", "Popen"),
            ("antigravity", ""),
            ("", ""),
            ("tests.graphs", "Thing.__init__.__globals__"),
            ("tests.graphs", "Thing.__subclasses__"),
            ("tests.test_hostile_tables", "os.system"),
            ("tests.test_hostile_tables", "os"),
            ("tests.test_hostile_tables", "sys.modules"),
            ("tests.test_hostile_tables", "deque.append"),
            ("tests.test_hostile_tables", "RAN.append"),
            ("twisted.internet.tcp", "os.system"),
            ("twisted.internet.tcp", "Port.connectionLost"),
        ):
            why = self.refused(
                [[r.LIST, 1], [r.NAMED, module, qualname]],
                "tests.graphs",
                "tests.test_hostile_tables",
                why=Forbidden,
            )
            self.assertIn("keeps it out", why)

    def test_shapes(self) -> None:
        """
        Nor does a shape name its class.
        """
        for module, qualname in (("os", "_wrap_close"), ("tests.graphs", "Thing")):
            shape = [r.SHAPE, "plain", 2, 0, [], module, qualname, []]
            self.refused([shape, [r.LIST, 1], [r.FIRST]], why=Forbidden)

    def test_adapters(self) -> None:
        """
        Adapters that make code, or reach into what exists, are kept out.
        """
        known = set(self.registry._byName)
        self.assertEqual(CODE - known, set())
        for name in CODE:
            shape = [r.SHAPE, name, 2, 2, None, "builtins", "object", []]
            why = self.refused([shape, [r.LIST, 1], [r.FIRST, "x", "y"]], why=Forbidden)
            self.assertIn(name, why)

    def test_reduce(self) -> None:
        """
        A reduction calls what is allowed, and nothing else: not even what
        exists already, whatever led to it.
        """
        shape = [r.SHAPE, "reduce", 2, 2, None, "builtins", "object", []]
        call = [[r.LIST, 1], [r.FIRST, 3, 4], [r.LIST], [r.NAMED, __name__, "ran"]]
        self.refused([shape, *call, [r.TUPLE]], "tests.graphs", why=Forbidden)
        self.load([shape, *call, [r.TUPLE]], __name__, "tests.graphs")
        self.assertEqual(RAN, ["()"])
        RAN.clear()
        # What stays outside is no class or function: its own class decides.
        call[3] = [r.EXTERNAL, "reactor"]
        self.refused([shape, *call, [r.TUPLE]], why=Forbidden)

    def test_reduceCycle(self) -> None:
        """
        What a reduction needs cannot need the reduction.
        """
        shape = [r.SHAPE, "reduce", 2, 2, None, "builtins", "object", []]
        call = [[r.LIST, 1], [r.FIRST, 3, 4], [r.LIST], [r.NAMED, __name__, "ran"]]
        self.refused([shape, *call, [r.TUPLE, 1]], __name__, why=MalformedTable)

    def test_allowed(self) -> None:
        """
        What is allowed moves, as do values and containers.
        """
        root = [Thing(deque([1, Thing()])), {"a": {1, 2}}, b"x" * 100, 1 << 70]
        here = Environment(self.registry, Clock())
        policy = AllowList((Allowed("tests.graphs", "Thing"),))
        there = Environment(self.registry, Clock(), policy=policy)
        loader = TableSerializer().loader(there)
        for chunk in TableSerializer().dump(root, "root", here).chunks:
            loader.feed(chunk)
        found = loader.finish(())
        loader.discard()
        self.assertIsInstance(found[0].tag[1], Thing)
        self.assertEqual(found[1:], root[1:])


class SizeTests(HostileTestCase):
    """
    What is small on the wire, and large when it is made.
    """

    def test_laughs(self) -> None:
        """
        Each tuple holds the next one twice: that is little memory, but without
        end when it is hashed.
        """
        tower = [[r.TUPLE, n + 1, n + 1] for n in range(2, 80)]
        for holder in ([r.SET, 2], [r.FROZENSET, 2], [r.DICT, 2, 2]):
            began = time.monotonic()
            why = self.refused(
                [[r.LIST, 1], holder, *tower, [r.TUPLE]], why=MalformedTable
            )
            self.assertIn("hashing", why)
            self.assertLess(time.monotonic() - began, 10)
        # Without being hashed it does no harm.
        self.load([[r.LIST, 2], [r.LIST], *tower, [r.TUPLE]])

    def test_deep(self) -> None:
        """
        Hashing recurses in C, making does not.
        """
        chain = [[r.TUPLE, n + 1] for n in range(2, 200_000)]
        self.refused([[r.LIST, 1], [r.SET, 2], *chain, [r.TUPLE]], why=MalformedTable)
        self.load([[r.LIST, 2], [r.LIST], *chain, [r.TUPLE]])

    def test_counts(self) -> None:
        """
        Numbers that are too large, references to nothing, shapes of no size.
        """
        for records in (
            [[r.LIST, 1 << 62]],
            [[r.LIST, 1]],
            [[r.TUPLE, 0]],
            [[r.LIST, 1], [r.TUPLE, 1]],
            [[r.LIST, 1], [r.TUPLE, 2], [r.TUPLE, 1]],
            [[r.LIST, 1], [r.DICT, 0]],
            [[r.LIST, 1], [r.DICT, 0, 0]],
            [[r.LIST, 1], [r.DESCRIPTOR, [0]], [r.DESCRIPTOR, [1 << 62]]],
            [[r.LIST, 1], [r.DESCRIPTOR, [1 << 62]]],
            [[r.LIST, 1], [r.WEAK]],
            [[r.LIST, 1], [r.EXTERNAL, "nothing"]],
            [[r.LIST, 1], [r.RAW_LIST, 1]],
            [[r.LIST, 1], [r.INT, "x"]],
            [[r.MORE, 1]],
            [[r.SHAPE, "plain", 1 << 62, 1 << 62, [], None, None, []], [r.LIST, 0]],
            [[r.SHAPE, "deque", 1 << 62, 1 << 62, [], None, None, []], [r.FIRST]],
            [
                [r.SHAPE, "deque", 1 << 62, 1 << 62, [], None, None, []],
                *([r.LIST, 1], [r.FIRST]),
            ],
            [[r.SHAPE, "nobody", 0, 0, [], None, None, []], [r.LIST, 0]],
        ):
            self.refused(records)

    def test_nested(self) -> None:
        """
        MessagePack that nests without end, or says that more follows than does.
        """
        loader = TableSerializer().loader(Environment(self.registry, Clock()))
        for chunk in (
            b"\x91" * 1_000_000,
            b"\xdd\xff\xff\xff\xff",
            b"\xdb\xff\xff\xff\xff",
        ):
            self.assertRaises(MalformedTable, loader.feed, chunk)
        loader.discard()


class PolicyTests(SynchronousTestCase):
    """
    Which policy holds, and what it says.
    """

    def test_interface(self) -> None:
        """
        A list is a policy.
        """
        self.assertTrue(verifyObject(IPolicy, AllowList()))

    def test_forOrigin(self) -> None:
        """
        One's own processes are trusted, unless something was said.
        """
        said = Policies.fromNames(["chat"])
        self.assertEqual(Policies().forOrigin(own=True), TrustingPolicy())
        self.assertEqual(Policies.fromNames([]), Policies())
        self.assertEqual(Policies().forOrigin(own=False), AllowList())
        for own in (True, False):
            self.assertEqual(said.forOrigin(own), AllowList((Allowed("chat"),)))

    def test_prefixes(self) -> None:
        """
        A module means those below it, and a name what is inside of it.
        """
        policy = AllowList((Allowed.parse("chat"), Allowed.parse("web:Site")))
        for module, name, permitted in (
            ("chat", "", True),
            ("chat.rooms", "Room", True),
            ("chatter", "Room", False),
            ("web", "Site.Request", True),
            ("web", "Sites", False),
            ("web", "", False),
            ("chat", "Room.__init__", False),
        ):
            self.assertEqual(policy.permits(module, name), permitted, (module, name))

    def test_malformed(self) -> None:
        """
        What is no name is refused with how one looks.
        """
        for text in ("", "chat:", ":Room", "chat Room", "chat..x", "chat:Room:x"):
            error = self.assertRaises(ControlError, Allowed.parse, text)
            self.assertIn("MODULE:NAME", str(error))

    def test_own(self) -> None:
        """
        What needs no permission exists, and nothing in it runs what it is
        given.
        """
        self.assertNotIn("os", OWN)
        for word in ("eval", "exec", "getattr", "type", "compile", "open", "super"):
            self.assertNotIn(word, OWN["builtins"].split())


FEW = settings(
    max_examples=150,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


class FuzzTests(SynchronousTestCase):
    """
    The short form of C{make fuzz}.
    """

    @FEW
    @given(st.lists(st.binary(max_size=200), max_size=4))
    def test_frames(self, pieces: list[bytes]) -> None:
        """
        Bytes are messages, or one typed error.
        """
        feedFrames(pieces)

    @FEW
    @given(st.binary(max_size=400))
    def test_records(self, data: bytes) -> None:
        """
        Bytes are records, or one typed error.
        """
        feedRecords(data)

    @FEW
    @given(st.integers(0, (1 << 64) - 1))
    def test_tables(self, seed: int) -> None:
        """
        Tables that are almost right are graphs, or one typed error.
        """
        loadTable(seed)

    @FEW
    @given(st.integers(0, (1 << 64) - 1))
    def test_pickles(self, seed: int) -> None:
        """
        Pickles that are almost right are graphs, or one typed error.
        """
        feedPickle(seed)
