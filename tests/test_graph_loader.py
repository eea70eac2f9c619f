"""
Tests for L{migrate.graph.loader}, L{migrate.graph.loading} and
L{migrate.graph.assembly}: what comes from a peer is checked, and descriptors
have one owner at every instant.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import msgspec
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate.errors import (
    CannotResolve,
    Forbidden,
    LoadError,
    LocalProtocolError,
    MalformedTable,
)
from migrate.graph import Environment, PickleSerializer, TableSerializer
from migrate.graph import records as r
from migrate.graph.loader import TableLoader
from migrate.graph.loading import Loading
from migrate.graph.records import Record
from migrate.interfaces import (
    IAdapter,
    ICapture,
    ILoader,
    ILoading,
    IPolicy,
    ISerializer,
)
from migrate.model import Description, Descriptor, Named
from tests.graphs import Key, Slotted, Thing, environment, moved, registry

THING = [r.SHAPE, "plain", 1, 0, ["tag"], "tests.graphs", "Thing", []]


class Pipe:
    """
    Owns a descriptor.
    """

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno


@implementer(IAdapter)
class PipeAdapter:
    """
    Logs what becomes of L{Pipe} objects.
    """

    name = "pipe"
    complete = False

    def __init__(self) -> None:
        self.log: list[Any] = []
        self.wrong: Any = None

    def describe(self, obj: Any, capture: ICapture) -> Description:
        return Description(Pipe, (Descriptor(obj.fileno),), {"at": obj.fileno})

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        verifyObject(ILoading, loading)
        fileno = loading.own(arguments[0])
        loading.onDiscard(lambda: os.close(fileno))
        return Pipe(fileno)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        at = state["at"]
        self.log.append(("fill", at))
        loading.afterFill(lambda: self.settle(at))
        loading.onAdopt(lambda: self.log.append(("adopt", at)))
        loading.onDiscard(lambda: self.log.append(("discard", at)))

    def settle(self, at: int) -> None:
        self.log.append(("after", at))
        if self.wrong is not None:
            raise self.wrong


@implementer(IPolicy)
class Paranoid:
    """
    Permits what one module has.
    """

    def __init__(self, module: str) -> None:
        self.module = module

    def permits(self, module: str, qualname: str) -> bool:
        return module == self.module


def isOpen(fileno: int) -> bool:
    """
    @return: whether a descriptor is open.
    """
    try:
        os.fstat(fileno)
    except OSError:
        return False
    return True


class Ownership(SynchronousTestCase):
    """
    Who owns and who closes descriptors, whatever is loaded.
    """

    serializer: ISerializer
    #: In which order three objects in a list are settled after the fill.
    settled: tuple[int, ...]

    def setUp(self) -> None:
        self.adapter = PipeAdapter()
        found = registry()
        found.register(Pipe, self.adapter)
        self.environment = environment(registry=found)
        self.filenos = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
        self.addCleanup(self.close)

    def close(self) -> None:
        for fileno in filter(isOpen, self.filenos):
            os.close(fileno)

    def loader(self, root: Any = None) -> ILoader:
        root = root or [Pipe(0), Pipe(1), Pipe(2)]
        dump = self.serializer.dump(root, "r", self.environment)
        loader = self.serializer.loader(self.environment)
        for chunk in dump.chunks:
            loader.feed(chunk)
        return loader

    def states(self) -> list[bool]:
        return list(map(isOpen, self.filenos))

    def test_adopt(self) -> None:
        """
        Owned descriptors stay open; the order of everything.
        """
        os.set_inheritable(self.filenos[0], True)
        loader = self.loader()
        root = loader.finish(self.filenos)
        self.assertEqual([pipe.fileno for pipe in root], self.filenos)
        self.assertFalse(any(map(os.get_inheritable, self.filenos)))
        expected = [("fill", 0), ("fill", 1), ("fill", 2)]
        expected += [("after", at) for at in self.settled]
        self.assertEqual(self.adapter.log, expected)
        loader.adopt()
        expected += [("adopt", 0), ("adopt", 1), ("adopt", 2)]
        self.assertEqual(self.adapter.log, expected)
        self.assertEqual(self.states(), [True, True, True])
        self.assertRaises(LocalProtocolError, loader.adopt)
        loader.discard()
        self.assertEqual(self.states(), [True, True, True])

    def test_discard(self) -> None:
        loader = self.loader()
        loader.finish(self.filenos)
        del self.adapter.log[:]
        loader.discard()
        loader.discard()
        self.assertEqual(
            self.adapter.log, [("discard", 2), ("discard", 1), ("discard", 0)]
        )
        self.assertEqual(self.states(), [False, False, False])
        self.assertRaises(LocalProtocolError, loader.adopt)
        self.assertRaises(LocalProtocolError, loader.feed, b"")
        self.assertRaises(LocalProtocolError, loader.finish, ())

    def test_discardEarly(self) -> None:
        loader = self.loader()
        self.assertRaises(LocalProtocolError, loader.adopt)
        loader.discard()
        self.assertRaises(LocalProtocolError, loader.finish, self.filenos)

    def test_unowned(self) -> None:
        """
        A descriptor that nobody owns is closed on adoption.
        """
        loader = self.loader([Pipe(7)])
        loader.finish(self.filenos)
        loader.adopt()
        self.assertEqual(self.states(), [True, False, False])

    def test_failures(self) -> None:
        """
        Whatever goes wrong, nothing stays open.
        """
        self.adapter.wrong = KeyError("wrong")
        loader = self.loader()
        error = self.assertRaises(LoadError, loader.finish, self.filenos)
        self.assertIn(f"{__name__}.Pipe", str(error))
        self.assertIn("KeyError: 'wrong'", str(error))
        self.assertEqual(self.states(), [False, False, False])

    def test_tooFew(self) -> None:
        loader = self.loader()
        self.assertRaises(MalformedTable, loader.finish, self.filenos[:2])
        self.assertEqual(self.states(), [False, False, True])

    def test_closed(self) -> None:
        loader = self.loader()
        os.close(self.filenos[1])
        self.assertRaises(LoadError, loader.finish, self.filenos)
        self.assertEqual(self.states(), [False, False, False])

    def test_malformedOnes(self) -> None:
        """
        A table that is found wrong at the end owns its descriptors too.
        """
        loader = self.serializer.loader(self.environment)
        self.assertRaises(MalformedTable, loader.finish, self.filenos)
        self.assertEqual(self.states(), [False, False, False])


class DescriptorTests(Ownership):
    """
    The same, of tables.
    """

    serializer = TableSerializer()
    settled = (2, 1, 0)

    def test_ownedTwice(self) -> None:
        shape = [r.SHAPE, "pipe", 1, 1, None, __name__, "Pipe", []]
        rows = [[r.LIST, 2, 3], [r.NAMED, __name__, "Pipe"]]
        rows += [[r.FIRST, 4], [r.FIRST, 4], [r.DESCRIPTOR, [0]]]
        loader = TableLoader(self.environment)
        loader.feed(msgspec.msgpack.encode([shape, *rows, [r.END, 5]]))
        error = self.assertRaises(MalformedTable, loader.finish, self.filenos)
        self.assertIn("has an owner", str(error))
        self.assertEqual(self.states(), [False, False, False])

    def test_actionsThatFail(self) -> None:
        """
        An action that fails at the very end is logged and keeps none back.
        """
        loading = Loading(self.environment)
        log: list[int] = []
        loading.onAdopt(lambda: log.append(1))
        loading.onAdopt(lambda: {}[0])
        loading.onAdopt(lambda: log.append(2))
        loading.adopt()
        self.assertEqual(log, [1, 2])
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)

    def test_afterFillAgain(self) -> None:
        """
        What is to be done after the fill may ask for more.
        """
        loading = Loading(self.environment)
        log: list[int] = []
        loading.afterFill(lambda: loading.afterFill(lambda: log.append(1)))
        loading.settle()
        self.assertEqual(log, [1])


class PickleDescriptorTests(Ownership):
    """
    The same, of pickles.
    """

    serializer = PickleSerializer()
    settled = (2, 1, 0)


class Environments(SynchronousTestCase):
    """
    Names and resources of the recipient, whatever is loaded.
    """

    serializer: ISerializer

    def move(self, root: Any, *environments: Environment) -> Any:
        return moved(root, *environments, serializer=self.serializer)

    def test_missingExternal(self) -> None:
        db = Thing()
        origin = environment(externals={"db": db})
        error = self.assertRaises(CannotResolve, self.move, [db], origin, environment())
        self.assertEqual(str(error), "this process provides no 'db'")

    def test_policy(self) -> None:
        process = environment(policy=Paranoid("tests.graphs"))
        self.assertIsInstance(self.move([Thing()], environment(), process)[0], Thing)
        for root in ([FilePath], [Key(os.getpid)]):
            self.assertRaises(Forbidden, self.move, root, environment(), process)

    def test_constants(self) -> None:
        """
        Text that looks like a name is the very object that code means by it.
        """
        thing = Thing("AWAITING_DATA")
        (made,) = self.move([thing], environment(), environment())
        self.assertIsNot(made, thing)
        self.assertIs(made.tag, thing.tag)

    def test_missingAdapter(self) -> None:
        found = registry()
        found.register(Pipe, PipeAdapter())
        origin = environment(registry=found)
        error = self.assertRaises(
            LoadError, self.move, [Pipe(3)], origin, environment()
        )
        self.assertIn("'pipe'", str(error))

    def test_resolvedOnce(self) -> None:
        asked: list[tuple[str, str]] = []

        class Counting(Paranoid):
            def permits(self, module: str, qualname: str) -> bool:
                asked.append((module, qualname))
                return True

        loading = Loading(environment(policy=Counting("")))
        for _ in range(2):
            self.assertIs(loading.resolve(Named("tests.graphs", "Thing")), Thing)
        self.assertEqual(asked, [("tests.graphs", "Thing")])


class EnvironmentTests(Environments):
    """
    The same, of tables.
    """

    serializer = TableSerializer()


class PickleEnvironmentTests(Environments):
    """
    The same, of pickles.
    """

    serializer = PickleSerializer()


# There is no serializer for these to be run with.
del Ownership, Environments


class MalformedTests(SynchronousTestCase):
    """
    Tables that no jellier writes.
    """

    def load(self, records: Iterable[Any], process: Environment | None = None) -> Any:
        loader = TableLoader(process or environment())
        try:
            loader.feed(msgspec.msgpack.encode(list(records)))
            return loader.finish(())
        finally:
            loader.discard()

    def rows(self, *rows: Record) -> list[Record]:
        return [*rows, [r.END, len(rows)]]

    def test_well(self) -> None:
        """
        What the others vary is right.
        """
        named = [r.NAMED, "tests.graphs", "Thing"]
        found = self.load([THING, *self.rows([r.LIST, 2], named, [r.FIRST, 0])])
        self.assertEqual(found.tag, [found])

    def test_records(self) -> None:
        for records in (
            [],
            [[]],
            [5],
            [[r.LIST]],
            self.rows(),
            self.rows([r.LIST]),
            self.rows([r.TUPLE, 0]),
            self.rows([r.SET, 1]),
            self.rows([r.LIST, 1]),
            self.rows([r.LIST, -1]),
            self.rows([r.LIST, [1, 2, 3]]),
            self.rows([r.LIST, []]),
            self.rows([r.LIST, ["text"]]),
            self.rows([r.LIST, [0, b"\xff"]]),
            self.rows([r.LIST, {}]),
            self.rows([r.LIST, 1], [r.DEQUE]),
            self.rows([r.LIST, 1], [r.DEQUE, "long"]),
            self.rows([r.LIST, 1], [r.DEQUE, 0]),
            self.rows([r.LIST, 1], [r.DEQUE, None, 9]),
            self.rows([r.LIST, b"bytes"]),
            self.rows([r.LIST, 1 << 63]),
            self.rows(["list", 0]),
            self.rows([None]),
            self.rows([99, 0]),
            self.rows([r.FIRST]),
            self.rows([r.REFUSED]),
            [[r.MORE, 1], *self.rows([r.LIST, 0])],
            [*self.rows([r.LIST, 0]), [r.LIST, 0]],
            [*self.rows([r.LIST, 0]), [r.MORE, 0]],
            [[r.LIST, 0], [r.END, 2]],
            [[r.LIST, 0], [r.END]],
            [[r.LIST, 0]],
        ):
            self.assertRaises(MalformedTable, self.load, records)

    def test_objects(self) -> None:
        for record in (
            [r.DICT, None],
            [r.TUPLE, 1],
            [r.TUPLE, 7],
            [r.FROZENSET, 1],
            [r.FROZENSET, 9],
            [r.DICT, 9, 0],
            [r.SET, 9],
            [r.TEXT, [b"x"]],
            [r.BYTES, "x"],
            [r.INT, "x"],
            [r.NAMED, "os"],
            [r.NAMED, [b"os"], "x"],
            [r.NAMED, 0, 0],
            [r.EXTERNAL],
            [r.DESCRIPTOR, [0]],
            [r.DESCRIPTOR, "x"],
            [r.WEAK],
            [r.WEAK, 1],
            [r.RAW_LIST, 0],
            [r.RAW_LIST, [[1]]],
            [r.RAW_TUPLE, "x"],
            [r.RAW_SET, [{}]],
            [r.RAW_DICT, ["x"]],
            [r.RAW_DICT, ["x"], []],
        ):
            with self.assertRaises(MalformedTable, msg=record):
                self.load(self.rows([r.LIST, 1], record))

    def test_unhashable(self) -> None:
        for record in ([r.SET, 0], [r.FROZENSET, 0], [r.DICT, 0, 0]):
            error = self.assertRaises(
                LoadError, self.load, self.rows([r.LIST, 1], record)
            )
            self.assertIn("unhashable", str(error))

    def test_equalKeys(self) -> None:
        error = self.assertRaises(
            LoadError, self.load, self.rows([r.LIST, 1], [r.SET, [1], 1.0])
        )
        self.assertIn("are equal here", str(error))

    def test_knots(self) -> None:
        """
        Objects that need each other, however many.
        """
        rows = [[r.TUPLE, number + 2] for number in range(50_000)]
        error = self.assertRaises(
            MalformedTable, self.load, self.rows([r.LIST, 1], *rows, [r.TUPLE, 1])
        )
        self.assertIn("need each other", str(error))

    def test_shapes(self) -> None:
        def changed(at: int, value: Any) -> Record:
            return [*THING[:at], value, *THING[at + 1 :]]

        for shape in (
            THING[:-1],
            [*THING, 1],
            changed(1, None),
            changed(2, "x"),
            changed(3, None),
            changed(3, 1),
            changed(4, 5),
            changed(4, [5]),
            changed(5, None),
            changed(6, None),
            changed(7, None),
            changed(7, ["x"]),
            changed(7, [1, 1]),
        ):
            with self.assertRaises(MalformedTable, msg=shape):
                self.load([shape, *self.rows([r.LIST, 1], [r.FIRST, None])])

    def test_shapesThatDoNotFit(self) -> None:
        thing = [r.NAMED, "tests.graphs", "Thing"]
        loose = [*THING[:4], True, *THING[5:]]
        for shape, record in (
            (THING, [r.FIRST]),
            (THING, [r.FIRST, None, None]),
            (loose, [r.FIRST, "x"]),
            (loose, [r.FIRST, [1], None]),
        ):
            self.assertRaises(
                LoadError, self.load, [shape, *self.rows([r.LIST, 2], thing, record)]
            )

    def test_classes(self) -> None:
        """
        What a plain object is made of is a plain class.
        """
        for module, qualname in (
            ("builtins", "dict"),
            ("builtins", "len"),
            ("_thread", "LockType"),
            ("tests.graphs", "Missing"),
        ):
            shape = [*THING[:5], module, qualname, []]
            self.assertRaises(LoadError, self.load, [shape])

    def test_classByReference(self) -> None:
        """
        A class that is an object of the graph is checked as well.
        """
        shape = [*THING[:5], None, None, []]
        for record in ([r.LIST], [r.NAMED, "builtins", "dict"], [r.TEXT, "x"]):
            self.assertRaises(
                LoadError,
                self.load,
                [shape, *self.rows([r.LIST, 2], record, [r.FIRST, None])],
            )

    def test_missingSlot(self) -> None:
        shape = [*THING[:4], ["gone"], "tests.graphs", "Slotted", []]
        rows = self.rows([r.LIST, 2], [r.LIST], [r.FIRST, 0])
        error = self.assertRaises(LoadError, self.load, [shape, *rows])
        self.assertIn("tests.graphs.Slotted has no place for 'gone'", str(error))

    def test_depth(self) -> None:
        """
        Nothing recurses on what comes.
        """
        chunk = b"\x91" * 1_000_000 + b"\x90"
        loader = TableSerializer().loader(environment())
        self.assertRaises(MalformedTable, loader.feed, chunk)
        self.assertRaises(MalformedTable, loader.feed, b"\xc1")
        self.assertRaises(MalformedTable, loader.feed, b"\xa1\xff")
        self.assertRaises(MalformedTable, loader.feed, b"")

    def test_truncated(self) -> None:
        """
        A table that lacks any of its chunks, or the end of one, is refused.
        """
        graph: list[Any] = [Slotted({Key(1): 2})]
        graph += [Thing(f"{i:1000}") for i in range(3000)]
        for serializer in (TableSerializer(), PickleSerializer()):
            chunks = list(serializer.dump(graph, "r", environment()).chunks)
            self.assertTrue(len(chunks) > 1)
            for missing in range(len(chunks)):
                kept = chunks[:missing] + chunks[missing + 1 :]
                self.assertRaises(MalformedTable, self.feed, serializer, kept)
            for end in range(1, 40):
                cut = [*chunks[:-1], chunks[-1][:-end]]
                self.assertRaises(MalformedTable, self.feed, serializer, cut)

    def feed(self, serializer: ISerializer, chunks: list[bytes]) -> None:
        loader = serializer.loader(environment())
        for chunk in chunks:
            loader.feed(chunk)
        loader.finish(())


class TakenTests(SynchronousTestCase):
    """
    L{ILoader.taken}
    """

    def test_table(self) -> None:
        """
        Objects are counted as they come, those that the dump counts, however often
        somebody asks.
        """
        found = registry()
        found.register(Pipe, PipeAdapter())
        there = environment(registry=found)
        things = [Thing((number, "x" * 100)) for number in range(5000)]
        root = [*things, Pipe(0), Thing, b"y" * (1 << 18), 1 << 200]
        dump = TableSerializer().dump(root, "r", there)
        loader = TableSerializer().loader(there)
        counts = [loader.taken]
        for chunk in dump.chunks:
            loader.feed(chunk)
            counts += [loader.taken, loader.taken]
        self.assertEqual((counts[0], counts[-1]), (0, dump.objects))
        self.assertEqual(counts[1::2], counts[2::2])
        self.assertEqual(counts, sorted(counts))
        self.assertGreater(len(set(counts)), 3)
        loader.discard()
