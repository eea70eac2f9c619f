"""
Tests for L{migrate.graph.pickling} and L{migrate.graph.arrival}.  What every
serializer has to do is tested with the table.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle
import struct
import subprocess
import sys
import zlib
from typing import Any

from twisted.persisted.styles import Versioned
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyClass

from migrate.errors import CannotMigrate, LoadError, MalformedTable
from migrate.graph import PickleSerializer, calls
from migrate.graph.arrival import HINT
from migrate.graph.calls import Call, Operation
from migrate.graph.pickling import PickleLoader
from migrate.interfaces import IAdapter, ICapture, ILoader, ILoading
from migrate.model import Description
from tests.graphs import Key, Rich, Thing, environment, moved, registry
from tests.pythons import CHECKOUT
from tests.test_graph_assembly import Late, LateAdapter

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


class Writer(pickle.Pickler):
    """
    Writes whatever it is told, calls as calls.
    """

    def reducer_override(self, obj: Any) -> Any:
        if type(obj) is Call:
            return obj.function, obj.arguments
        return obj.name if type(obj) is Operation else NotImplemented

    def persistent_id(self, obj: object) -> object:
        return 1 if isinstance(obj, Thing) else None


def sealed(data: bytes) -> bytes:
    """
    @return: a pickle as it is sent.
    """
    return struct.pack("!QI", len(data), zlib.crc32(data)) + data


def load(data: bytes) -> Any:
    """
    @return: what arrives of a pickle.
    """
    loader = PickleLoader(environment())
    loader.feed(sealed(data))
    try:
        return loader.finish(())
    finally:
        loader.discard()


def crafted(*steps: object) -> bytes:
    """
    @return: a pickle of steps that no walk leads to.
    """
    stream = io.BytesIO()
    writer = Writer(stream, 5)
    writer.dump([])
    writer.dump(list(steps))
    return stream.getvalue()


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


class Account(Versioned):
    """
    Has had a version before.
    """

    persistenceVersion = 2
    tag: Any

    def upgradeToVersion2(self) -> None:
        self.tag = [self.tag, "upgraded"]


class Changing(Key):
    """
    Its hash changes from one time to the next.
    """

    count = 0

    def __hash__(self) -> int:
        type(self).count += 1
        return type(self).count


class Broken(Key):
    """
    Cannot be hashed once it has arrived.
    """

    broken = False

    def __hash__(self) -> int:
        if self.broken:
            raise ValueError("broken")
        return 1


class PickleTests(SynchronousTestCase):
    """
    What is particular about a pickle.
    """

    def test_name(self) -> None:
        self.assertEqual(SERIALIZER.name, "pickle")
        verifyClass(ILoader, PickleLoader)

    def test_isAPickle(self) -> None:
        """
        Python's own containers and atoms are pickled as they are.
        """
        graph = [1, "text", {2: [b"bytes"]}, (None, 1.5), {3}, frozenset((4,))]
        (chunk,) = SERIALIZER.dump(graph, "r", environment()).chunks
        stream = io.BytesIO(chunk[len(sealed(b"")) :])
        unpickler = pickle.Unpickler(stream)
        self.assertEqual(unpickler.load(), [])
        self.assertEqual(unpickler.load()[-1], [graph])

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


class HashTests(SynchronousTestCase):
    """
    Containers find their keys, or the graph is refused.
    """

    def refused(self, graph: Any) -> str:
        """
        @return: why a graph cannot be made again.
        """
        error = self.assertRaises(LoadError, moved, graph, serializer=SERIALIZER)
        self.assertIn(HINT, str(error))
        return str(error)

    def test_changing(self) -> None:
        """
        A hash that is another one each time.
        """
        changing = Changing(1)
        self.assertIn("a set could not be", self.refused([{changing}]))
        self.assertIn("a dict could not be", self.refused({changing: 1}))
        self.assertIn("a frozenset could not be", self.refused([frozenset([changing])]))

    def test_broken(self) -> None:
        """
        A hash that fails.
        """
        for graph in ({Broken(1)}, {Broken(1): 2}, frozenset([Broken(1)])):
            dump = SERIALIZER.dump([graph], "r", environment())
            loader = SERIALIZER.loader(environment())
            for chunk in dump.chunks:
                loader.feed(chunk)
            Broken.broken = True
            try:
                error = self.assertRaises(LoadError, loader.finish, ())
            finally:
                Broken.broken = False
            self.assertIn("ValueError: broken", str(error))
            self.assertIn(HINT, str(error))

    def test_equalHere(self) -> None:
        """
        Keys that differ at the origin and are equal on arrival.
        """
        maker = calls.MAKER("plain", calls.NAMED("tests.graphs", "Key"), None, ())
        keys = [maker(), maker()]
        state = {"tag": 1, "part": 2}
        filled = [Call(calls.FILLER(maker), (key, state)) for key in keys]
        members, table, frozen = set[Any](), dict[Any, Any](), frozenset(keys)
        for steps in (
            (members, calls.ADD(members, *keys), [members]),
            (table, calls.PAIR(table, keys[0], 1, keys[1], 2), [table]),
            (frozen, calls.KEEP(frozen, 2), [frozen]),
        ):
            data = crafted(*keys, *filled, *steps)
            error = self.assertRaises(LoadError, load, data)
            self.assertIn("are equal here", str(error))
            self.assertIn(HINT, str(error))

    def test_afterFill(self) -> None:
        """
        Keys that adapters finish after the fill: their hashes change, and some
        were equal before.
        """
        found = registry()
        found.register(Late, LateAdapter())
        process = environment(registry=found)
        for tags in ((1,), (1, 2, 3)):
            keys = list(map(Late, tags))
            graph = [set(keys), dict.fromkeys(keys, "v"), keys]
            arrived = moved(graph, process, serializer=SERIALIZER)
            self.assertEqual(arrived, graph)
            for key in arrived[2]:
                self.assertIn(key, arrived[0])
                self.assertEqual(arrived[1][key], "v")
        error = self.assertRaises(
            LoadError, moved, [frozenset([Late(1)])], process, serializer=SERIALIZER
        )
        self.assertIn("hashed by what refers to it", str(error))

    def test_laterHash(self) -> None:
        """
        Members of a frozenset whose hashes change after it was made.
        """
        key = Key("key")
        key.other = frozenset([Rich("rich", [key])])
        self.assertIn("hashed by what refers to it", self.refused([key]))


class CraftedTests(SynchronousTestCase):
    """
    Pickles that no walk leads to.
    """

    def test_well(self) -> None:
        """
        What the others vary is right.
        """
        maker = calls.MAKER("plain", calls.NAMED("tests.graphs", "Thing"), ("tag",), ())
        thing = maker()
        fill = Call(calls.FILLER(maker), (thing, (5,)))
        self.assertEqual(load(crafted(thing, fill, [thing])).tag, 5)

    def test_nothingRuns(self) -> None:
        """
        A pickle that names anything but operations is refused, and nothing of
        it is called.
        """
        for evil in (Evil(), os.mkdir, Key(1), Operation("mkdir")):
            data = pickle.dumps(evil)
            error = self.assertRaises(MalformedTable, load, data)
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
        error = self.assertRaises(MalformedTable, load, crafted([Thing()]))
        self.assertIn("what is outside of it", str(error))

    def test_noPickle(self) -> None:
        whole = crafted([5])
        self.assertEqual(load(whole), 5)
        for data in (b"", b"x", whole[:-1], whole + b"x", whole + whole, b"\x80\x05e."):
            self.assertRaises(MalformedTable, load, data)

    def test_noRoot(self) -> None:
        for data in (
            crafted(),
            crafted([]),
            crafted(5),
            crafted({}),
            pickle.dumps([]) + pickle.dumps({}),
        ):
            self.assertRaises(MalformedTable, load, data)

    def test_damaged(self) -> None:
        """
        Whatever bit is another one, nothing is made.
        """
        whole = sealed(crafted([5]))
        for at in range(len(whole)):
            damaged = bytearray(whole)
            damaged[at] ^= 1
            for chunk in (bytes(damaged), whole[:at]):
                loader = PickleLoader(environment())
                loader.feed(chunk)
                self.assertRaises(MalformedTable, loader.finish, ())

    def test_wrongCalls(self) -> None:
        thing = calls.NAMED("tests.graphs", "Thing")
        maker = calls.MAKER("plain", thing, ("tag",), ())
        for wrong in (
            calls.NAMED(1, 2),
            calls.NAMED("tests.graphs", "Missing"),
            calls.NAMED(),
            calls.EXTERNAL("db"),
            calls.DESCRIPTOR(0),
            calls.DESCRIPTOR("x"),
            calls.MAKER("plain", calls.NAMED("os", "getpid"), (), ()),
            calls.MAKER("plain", calls.NAMED("builtins", "dict"), (), ())(),
            calls.MAKER("plain", thing, (5,), ()),
            calls.MAKER("plain", thing, (), (1,)),
            calls.MAKER("missing", thing, (), ()),
            Call(calls.FILLER(maker), (maker(), ())),
            Call(calls.FILLER(maker), (maker(), (1, 2))),
            Call(calls.FILLER(maker), (maker(), None)),
            Call(calls.FILLER(maker), (5, (1,))),
            calls.EXTEND(5, 1),
            calls.ADD([], 1),
            calls.PAIR({}, 1),
            calls.TRY([]),
            calls.KEEP(5, 1),
        ):
            with self.assertRaises(LoadError, msg=repr(wrong)):
                load(crafted(wrong, [5]))

    def test_upgrades(self) -> None:
        """
        Objects of older classes are brought up to date.
        """
        cls, name = calls.NAMED(__name__, "Account"), f"{__name__}.Account"
        for version, tag in ((2, "a"), (1, ["a", "upgraded"])):
            maker = calls.MAKER("plain", cls, ("tag",), (name, version))
            account = maker()
            fill = Call(calls.FILLER(maker), (account, ("a",)))
            self.assertEqual(load(crafted(account, fill, [account])).tag, tag)
        maker = calls.MAKER("plain", cls, None, (name, 3))
        error = self.assertRaises(LoadError, load, crafted([maker()]))
        self.assertIn("versions never go back", str(error))

    def test_upgradeFails(self) -> None:
        """
        The error says whose.
        """
        maker = calls.MAKER("plain", calls.NAMED(__name__, "Account"), None, ())
        error = self.assertRaises(LoadError, load, crafted([maker()]))
        self.assertIn(f"{__name__}.Account", str(error))
        self.assertIn("AttributeError", str(error))
