"""
Tests for L{migrate.graph.pickling}.  What every serializer has to do is tested with
the table.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from migrate.errors import CannotMigrate, MalformedTable
from migrate.graph import PickleSerializer, TableSerializer
from migrate.graph import records as r
from migrate.graph.pickling import PickleLoader
from migrate.interfaces import IAdapter, ICapture, ILoader, ILoading
from migrate.model import Description
from tests.graphs import Key, Thing, environment, moved, registry
from tests.pythons import CHECKOUT

SERIALIZER = PickleSerializer()

#: How long a child process may take, in seconds.
DEADLINE = 120

#: A graph that is as deep as it gets, moved where there is little stack.
_DEEP = """
import sys, threading
from migrate.graph import PickleSerializer
from tests.graphs import Thing, moved

class Reduced:
    def __init__(self, inner):
        self.inner = inner

    def __reduce__(self):
        return Reduced, (self.inner,)

WRAPS = {
    "list": (lambda inner: [inner], lambda outer: outer[0]),
    "tuple": (lambda inner: (inner,), lambda outer: outer[0]),
    "dict": (lambda inner: {"k": inner}, lambda outer: outer["k"]),
    "thing": (Thing, lambda outer: outer.tag),
    "reduced": (Reduced, lambda outer: outer.inner),
    "mixed": (
        lambda inner: Reduced([(Thing({"k": inner}),)]),
        lambda outer: outer.inner[0][0].tag["k"],
    ),
}

def run():
    wrap, unwrap = WRAPS["WRAP"]
    root = None
    for _ in range(DEPTH):
        root = wrap(root)
    arrived = moved(root, serializer=PickleSerializer())
    for _ in range(DEPTH):
        assert type(arrived) is type(root)
        arrived, root = unwrap(arrived), unwrap(root)
    assert arrived is root is None
    print("moved")

threading.stack_size(1 << 18)
thread = threading.Thread(target=run)
thread.start()
thread.join()
"""


class Evil:
    """
    Has a directory made when it is unpickled.
    """

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


class Referring(pickle.Pickler):
    """
    Refers to whatever is not in the pickle.
    """

    def persistent_id(self, obj: object) -> object:
        return 1 if isinstance(obj, Thing) else None


def load(*chunks: bytes) -> Any:
    """
    @return: what arrives of pickles.
    """
    loader = PickleLoader(environment())
    try:
        for chunk in chunks:
            loader.feed(chunk)
        return loader.finish(())
    finally:
        loader.discard()


def pickled(*records: object) -> bytes:
    """
    @return: records that no walk leads to, as they are sent.
    """
    return pickle.dumps(list(records), 5)


class Once:
    """
    Refers to who is made of it.
    """

    def __init__(self, part: Any) -> None:
        self.part = part


class Index:
    """
    Made again of the keys that it holds, by what they hold.
    """

    def __init__(self) -> None:
        self.table: dict[object, Key] = {}

    def add(self, key: Key) -> None:
        self.table[key.tag] = key

    def __reduce__(self) -> tuple[object, tuple[()], list[Key]]:
        return Index, (), list(self.table.values())

    def __setstate__(self, keys: list[Key]) -> None:
        for key in keys:
            self.add(key)


@implementer(IAdapter)
class OnceAdapter:
    """
    Counts how often it makes an object.
    """

    name = "once"
    complete = False

    def __init__(self) -> None:
        self.made = 0

    def describe(self, obj: Any, capture: ICapture) -> Description:
        return Description(Once, (obj.part,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        self.made += 1
        return cls(*arguments)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("there is no state")


class PickleTests(SynchronousTestCase):
    """
    What is particular about a pickle.
    """

    def test_name(self) -> None:
        self.assertEqual(SERIALIZER.name, "pickle")
        verifyClass(ILoader, PickleLoader)

    def test_isAPickle(self) -> None:
        """
        Each chunk is a pickle of the records that the table has.
        """
        graph = [1, "text", {2: [b"bytes"]}, (None, 1.5), {3}, Thing("x" * 100000)]
        dumped = [
            list(serializer.dump(graph, "r", environment()).chunks)
            for serializer in (SERIALIZER, TableSerializer())
        ]
        self.assertEqual(
            list(map(pickle.loads, dumped[0])), list(map(r.decoded, dumped[1]))
        )

    def test_size(self) -> None:
        """
        It is what goes over the stream, audited or dumped.
        """
        for dumped in (
            SERIALIZER.dump([1, "text"] * 20, "r", environment()),
            SERIALIZER.audit([1, "text"] * 20, "r", environment()),
        ):
            written = SERIALIZER.dump([1, "text"] * 20, "r", environment())
            self.assertEqual(dumped.size, sum(map(len, written.chunks)))

    def test_cyclesMakeOnce(self) -> None:
        """
        What lies on a cycle with its arguments is made once all the same,
        wherever the walk enters the cycle.
        """
        adapter = OnceAdapter()
        found = registry()
        found.register(Once, adapter)
        process = environment(registry=found)
        inner: list[Any] = []
        once = Once(inner)
        inner.append(once)
        thing = Thing()
        thing.tag = other = Once((thing, [thing]))
        for root in (once, inner, thing, other, [thing, other], [other, thing]):
            adapter.made = 0
            arrived = moved([root], process, serializer=SERIALIZER)[0]
            self.assertEqual(adapter.made, 1)
            self.assertIs(type(arrived), type(root))
            if root is once:
                self.assertIs(arrived.part[0], arrived)
            if root is other:
                self.assertIs(arrived.part[0].tag, arrived)
                self.assertIs(arrived.part[1][0], arrived.part[0])

    def test_stateLookedInto(self) -> None:
        """
        Code of a class that runs on its state finds that filled, wherever the
        walk enters the cycle.
        """
        key = Key("k")
        key.other = index = Index()
        index.add(key)
        for root in (key, index, [key, index], [index, key], (key,), {"i": index}):
            (arrived,) = moved([root], serializer=SERIALIZER)
            while not isinstance(arrived, Key | Index):
                arrived = next(iter(getattr(arrived, "values", arrived.__iter__)()))
            found = arrived.other if isinstance(arrived, Key) else arrived
            self.assertEqual(list(found.table), ["k"])
            self.assertIs(found.table["k"].other, found)

    def test_refusals(self) -> None:
        """
        They are those of the walk, with the path.
        """
        error = self.assertRaises(
            CannotMigrate,
            SERIALIZER.dump,
            [Thing(i for i in ())],
            "shell",
            environment(),
        )
        self.assertEqual([each.path for each in error.refusals], ["shell[0].tag"])

    def test_externalsByValue(self) -> None:
        """
        What is outside stays outside also where pickle has a way of its own for
        values of that type.
        """
        ours = {"list": [1], "text": "x" * 100, "bytes": bytearray(b"x")}
        theirs = {"list": [2], "text": "y" * 100, "bytes": bytearray(b"y")}
        arrived = moved(
            [*ours.values(), [1]],
            environment(externals=ours),
            environment(externals=theirs),
            SERIALIZER,
        )
        self.assertEqual(arrived, [*theirs.values(), [1]])
        self.assertIs(arrived[0], theirs["list"])

    def test_partOfItself(self) -> None:
        """
        Attributes that a hash looks at are there before the rest, which needs
        that hash; also where they are too many for a shape.
        """
        for extra in (0, 300):
            key = Key("a")
            vars(key).update({f"x{i}": i for i in range(extra)})
            key.other = (frozenset([key]), {key: 1})
            arrived = moved(key, serializer=SERIALIZER)
            self.assertIn(arrived, arrived.other[0])
            self.assertEqual(arrived.other[1][arrived], 1)
            self.assertEqual(list(vars(arrived)), list(vars(key)))


class DepthTests(SynchronousTestCase):
    """
    Nothing recurses, so no stack is too small.
    """

    def check(self, wrap: str, depth: int) -> None:
        """
        Move a graph of some depth in a process of its own.
        """
        program = _DEEP.replace("DEPTH", str(depth)).replace("WRAP", wrap)
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        self.assertEqual((done.returncode, done.stdout), (0, "moved\n"), done.stderr)

    def test_lists(self) -> None:
        self.check("list", 1_000_000)

    def test_tuples(self) -> None:
        self.check("tuple", 100_000)

    def test_dicts(self) -> None:
        self.check("dict", 100_000)

    def test_things(self) -> None:
        self.check("thing", 100_000)

    def test_reductions(self) -> None:
        self.check("reduced", 100_000)

    def test_mixed(self) -> None:
        self.check("mixed", 50_000)


class CraftedTests(SynchronousTestCase):
    """
    Pickles that no walk leads to.
    """

    def test_well(self) -> None:
        """
        What the others vary is right.
        """
        self.assertEqual(load(pickled([r.LIST, [5]], [r.END, 1])), 5)
        self.assertEqual(load(pickled([r.LIST, [5]]), pickled([r.END, 1])), 5)

    def test_nothingRuns(self) -> None:
        """
        A pickle that names anything is refused, and nothing of it is called.
        """
        for evil in (Evil(), os.mkdir, Key(1), Thing):
            error = self.assertRaises(MalformedTable, load, pickle.dumps(evil))
            self.assertIn("a pickle names", str(error))
        self.assertFalse(os.path.exists("evil"))

    def test_extensions(self) -> None:
        """
        Nor do numbers that stand for names help.
        """
        copyreg.add_extension("posix", "mkdir", 240)
        self.addCleanup(copyreg.remove_extension, "posix", "mkdir", 240)
        pickle.loads(pickle.dumps(os.mkdir, 2))
        self.assertRaises(MalformedTable, load, pickle.dumps(Evil(), 2))
        self.assertFalse(os.path.exists("evil"))

    def test_persistent(self) -> None:
        stream = io.BytesIO()
        Referring(stream).dump([Thing()])
        error = self.assertRaises(MalformedTable, load, stream.getvalue())
        self.assertIn("what is outside of it", str(error))

    def test_noPickle(self) -> None:
        whole = pickled([r.LIST, [5]], [r.END, 1])
        for data in (b"", b"x", whole[:-1], whole + b"x", whole + whole, b"\x80\x05e."):
            self.assertRaises(MalformedTable, load, data)

    def test_noRecords(self) -> None:
        """
        What is no list of records is none here either.
        """
        for wrong in (
            5,
            {},
            [5],
            [[]],
            [["list"]],
            [[r.LIST, {}]],
            [[r.LIST, b"bytes"]],
            [[r.LIST, -1]],
            [[r.LIST, 1 << 70]],
            [[r.LIST, [[1]]]],
            [[99]],
        ):
            data = pickle.dumps(wrong)
            self.assertRaises(MalformedTable, load, data, pickled([r.END, 1]))
