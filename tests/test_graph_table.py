"""
Tests for L{migrate.graph.table}, and for what every serializer has to do.
"""

from __future__ import annotations

import gc
import math
import sys
from collections.abc import Callable
from typing import Any

import attrs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate.errors import CannotMigrate
from migrate.graph import Environment, PickleSerializer, TableSerializer, audit
from migrate.graph.records import CHUNK
from migrate.interfaces import (
    IAdapter,
    ICapture,
    IDump,
    ILiveAdapter,
    ILoader,
    ILoading,
    ISeeker,
    ISerializer,
)
from migrate.model import Actions, Description, Descriptor, External, Named, Weak
from tests.graphs import (
    Key,
    Rich,
    Slotted,
    Thing,
    difference,
    environment,
    moved,
    registry,
)

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 200), max_value=1 << 200),
    st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=100),
    st.binary(max_size=100),
)

LEAVES = ("thing", "slotted", "list", "dict", "set")
NODES = (*LEAVES, "tuple", "frozenset", "key", "rich", "atom")


def hashable(value: Any) -> bool:
    """
    @return: whether a set can hold C{value}.
    """
    try:
        hash(value)
    except TypeError:
        return False
    return True


@st.composite
def graphs(draw: Callable[[Any], Any]) -> list[Any]:
    """
    Graphs of a dozen objects: those that cannot change refer to earlier ones,
    the others to any, themselves included.
    """
    nodes: list[Any] = []
    kinds = draw(st.lists(st.sampled_from(NODES), min_size=1, max_size=12))

    def some(candidates: list[Any]) -> list[Any]:
        if not candidates:
            return []
        return draw(st.lists(st.sampled_from(candidates), max_size=4))

    for tag, kind in enumerate(kinds):
        keys = [node for node in nodes if hashable(node)]
        make: dict[str, Callable[[], Any]] = {
            "thing": lambda: Thing(tag),  # noqa: B023
            "slotted": lambda: Slotted(tag),  # noqa: B023
            "list": list,
            "dict": dict,
            "set": set,
            "tuple": lambda: tuple(some(nodes)),
            "frozenset": lambda: frozenset(some(keys)),  # noqa: B023
            "key": lambda: Key(tag, (*some(keys),)),  # noqa: B023
            "rich": lambda: Rich(tag, some(keys)),  # noqa: B023
            "atom": lambda: draw(atoms),
        }
        nodes.append(make[kind]())
    fill(draw, some, nodes)
    draw(st.randoms()).shuffle(nodes)
    return nodes


def fill(
    draw: Callable[[Any], Any], some: Callable[[list[Any]], Any], nodes: list[Any]
) -> None:
    """
    Give what can change some other nodes.
    """
    keys = [node for node in nodes if hashable(node)]
    for node in nodes:
        if type(node) is Thing:
            vars(node).update({f"a{i}": part for i, part in enumerate(some(nodes))})
        elif type(node) is Slotted and draw(st.booleans()):
            node.maybe = draw(st.sampled_from(nodes))
        elif isinstance(node, Key):
            node.other = draw(st.sampled_from(nodes))
        elif type(node) is list:
            node.extend(some(nodes))
        elif type(node) is dict:
            node.update({key: draw(st.sampled_from(nodes)) for key in some(keys)})
        elif type(node) is set:
            node.update(some(keys))


class Chain:
    """
    A link.
    """

    next: Chain | None = None


class Deep:
    """
    Hashed by a set inside a dictionary inside it.
    """

    def __init__(self) -> None:
        self.inner = {Key(1): {Key(2)}}
        self.home: object = None

    def __hash__(self) -> int:
        return hash(tuple(map(frozenset, self.inner.values())))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Deep) and self.inner == other.inner


@attrs.define(slots=True)
class Point:
    """
    Has C{__getstate__} and C{__setstate__} of its own, which are bypassed.
    """

    x: object
    y: object = None

    def __getstate__(self) -> object:
        raise AssertionError("the object is not at rest")

    def __setstate__(self, state: object) -> None:
        raise AssertionError("the object is not at rest")


class Contract:
    """
    What every serializer does.
    """

    serializer: ISerializer
    assertEqual: Any
    assertIs: Any
    assertIn: Any
    assertIsNone: Any
    assertRaises: Any
    assertTrue: Any
    assertFalse: Any
    assertLessEqual: Any

    def move(self, root: Any, **options: Any) -> Any:
        return moved(root, serializer=self.serializer, **options)

    def test_interfaces(self) -> None:
        verifyObject(ISerializer, self.serializer)
        verifyObject(IDump, self.serializer.dump([], "root", environment()))
        verifyObject(ILoader, self.serializer.loader(environment()))

    def test_atoms(self) -> None:
        values = [
            None,
            True,
            0,
            -1,
            (1 << 63) - 1,
            1 << 63,
            -(1 << 63),
            -(1 << 63) - 1,
            1 << 100_000,
            -(1 << 100_000),
            0.0,
            -0.0,
            math.inf,
            -math.inf,
            5.0,
            "",
            "\ud800",
            "\ud800" * 1000,
            "é" * 64,
            b"",
            b"\xff" * 65,
        ]
        for value in values:
            arrived = self.move(value)
            self.assertEqual((type(arrived), arrived), (type(value), value))
            self.assertEqual(self.move({"k": [value]}), {"k": [value]})
        self.assertTrue(math.isnan(self.move(math.nan)))
        self.assertEqual(math.copysign(1, self.move([-0.0])[0]), -1)

    def test_surrogatesEverywhere(self) -> None:
        thing = Thing()
        setattr(thing, "\udcff", ["\udcff", *map(str, range(20))])
        arrived = self.move([thing, {"\udcff": b"", **{str(i): b"" for i in range(9)}}])
        self.assertEqual(vars(arrived[0]), vars(thing))
        self.assertIn("\udcff", arrived[1])

    def test_raw(self) -> None:
        """
        Containers of nothing but atoms of one type, with more elements than
        one record has.
        """
        for value in (
            list(range(5000)),
            tuple(map(float, range(5000))),
            set(map(str, range(5000))),
            frozenset(map(str.encode, map(str, range(5000)))),
            {str(i): i for i in range(5000)},
            [1 << 64, *range(20)],
            ["x" * 65, *map(str, range(20))],
            [True, *range(20)],
        ):
            arrived = self.move([value, value])
            self.assertEqual(arrived[0], value)
            self.assertIs(type(arrived[0]), type(value))
            self.assertIs(arrived[0], arrived[1])
            self.assertEqual(list(map(type, arrived[0])), list(map(type, value)))

    def test_wide(self) -> None:
        """
        Containers and states with more elements than one record has.
        """
        things = [Thing(i) for i in range(3000)]
        wide = Thing()
        vars(wide).update({f"a{i}": thing for i, thing in enumerate(things)})
        graph = [things, tuple(things), dict.fromkeys(things), set(things), wide]
        self.assertIsNone(difference(graph, self.move(graph)))

    def test_boundedChunks(self) -> None:
        graph = ["é" * (1 << 21), b"\xff" * (1 << 22), ["\ud800" * 64] * 100_000]
        graph.append([Thing("\U0001f600" * 64) for i in range(20_000)])
        dump = self.serializer.dump(graph, "root", environment())
        sizes = list(map(len, dump.chunks))
        self.assertTrue(len(sizes) > 4)
        self.assertLessEqual(max(sizes), CHUNK)

    def test_longTextOnce(self) -> None:
        text = "x" * (1 << 16)
        dump = self.serializer.dump(
            [Thing(text), text, {text: text}], "r", environment()
        )
        self.assertTrue(sum(map(len, dump.chunks)) < 2 * len(text))
        arrived = self.move([Thing(text), text])
        self.assertIs(arrived[0].tag, arrived[1])

    def test_shapesOnce(self) -> None:
        """
        The names of attributes are sent once a class, in every order they
        come in.
        """
        name = "a_name_that_is_sent_once"
        things = [Thing() for _ in range(100)]
        for i, thing in enumerate(things):
            setattr(thing, name, i)
        chunks = b"".join(self.serializer.dump(things, "r", environment()).chunks)
        self.assertEqual(chunks.count(name.encode()), 1)
        other = Thing()
        del other.tag
        setattr(other, name, 1)
        other.tag = 2
        arrived = self.move([things[0], other])
        self.assertEqual(list(vars(arrived[0])), ["tag", name])
        self.assertEqual(list(vars(arrived[1])), [name, "tag"])

    def test_chain(self) -> None:
        """
        A million links move, and the collector is as it was.
        """
        root = last = Chain()
        for _ in range(1_000_000):
            last.next = Chain()
            last = last.next
        gc.collect()
        gc.disable()
        arrived = self.move(root)
        self.assertFalse(gc.isenabled())
        gc.enable()
        length = 0
        while arrived is not None:
            arrived.next, arrived = None, arrived.next
            length += 1
        while root is not None:
            root.next, root = None, root.next
        self.assertEqual(length, 1_000_001)

    def test_nested(self) -> None:
        """
        Containers in containers, deeper than anything recurses.
        """
        for wrap in (
            lambda inner: [inner],
            lambda inner: (inner,),
            lambda inner: {"k": inner},
            lambda inner: Thing(inner),
        ):
            root: Any = []
            for _ in range(20_000):
                root = wrap(root)
            arrived = self.move(root)
            for _ in range(20_000):
                self.assertIs(type(arrived), type(root))
                arrived, root = (
                    (each.tag if isinstance(each, Thing) else next(iter(each)))
                    if not isinstance(each, dict)
                    else each["k"]
                    for each in (arrived, root)
                )
            self.assertEqual((arrived, root), ([], []))

    def test_cyclesThroughTheImmutable(self) -> None:
        thing = Thing()
        thing.tag = (thing, frozenset([thing]), {(thing,): thing})
        arrived = self.move(thing)
        self.assertIs(arrived.tag[0], arrived)
        self.assertEqual(arrived.tag[1], {arrived})
        self.assertIs(arrived.tag[2][(arrived,)], arrived)

    def test_keyOnACycle(self) -> None:
        """
        An object hashed by its state, inside containers that it refers to.
        """
        key = Key("a", ("b", frozenset([Key("c")])))
        key.other = [{key: 1}, {key}, frozenset([key]), {(key, 1): key}]
        for graph in (key, key.other, [key.other[2], key], {key: key}):
            arrived = self.move(graph)
            self.assertIsNone(difference(graph, arrived))
        arrived = self.move(key)
        self.assertEqual(arrived.other[0][arrived], 1)
        self.assertIn(arrived, arrived.other[1])
        self.assertIn(arrived, arrived.other[2])
        self.assertIs(arrived.other[3][(arrived, 1)], arrived)

    def test_keyThatHoldsContainers(self) -> None:
        """
        A key's hash looks into a dictionary that has to be filled first.
        """
        deep = Deep()
        deep.home = {deep: "here"}
        for graph in (deep, deep.home, [{deep}, deep.inner]):
            arrived = self.move(graph)
            found = next(iter(arrived if isinstance(graph, dict) else [arrived]))
            if isinstance(graph, list):
                found = next(iter(arrived[0]))
            self.assertEqual(found.home[found], "here")
            self.assertIn(Key(2), found.inner[Key(1)])

    def test_orderOfDictionaries(self) -> None:
        graph = {Key(i): i for i in (5, 3, 9, 1)} | {"z": 1, "a": 2}
        self.assertEqual(list(self.move(graph).values()), [5, 3, 9, 1, 1, 2])

    def test_atRestIsBypassed(self) -> None:
        point = Point(1)
        point.y = point
        arrived = self.move(point)
        self.assertIs(arrived.y, arrived)
        self.assertEqual(arrived.x, 1)

    def test_externals(self) -> None:
        """
        What is outside is replaced, whatever its type; the reactor by itself.
        """
        ours, theirs = [object(), {}, [1]], [object(), {}, [2]]
        names = ("a", "b", "c")
        reactors = Thing(), Thing()
        arrived = self.move(
            [*ours, reactors[0], {}, [1]],
            origin=environment(
                reactors[0], externals=dict(zip(names, ours, strict=True))
            ),
            recipient=environment(
                reactors[1], externals=dict(zip(names, theirs, strict=True))
            ),
        )
        for got, expected in zip(arrived, [*theirs, reactors[1]], strict=False):
            self.assertIs(got, expected)
        self.assertEqual(arrived[4:], [{}, [1]])

    def test_snapshot(self) -> None:
        """
        The chunks are what the graph was at the walk.
        """
        thing = Thing([1, 2])
        dump = self.serializer.dump([thing, list(range(20))], "r", environment())
        thing.tag.append(3)
        thing.more = 1
        loader = self.serializer.loader(environment())
        for chunk in dump.chunks:
            loader.feed(chunk)
        self.assertEqual(vars(loader.finish(())[0]), {"tag": [1, 2]})

    def test_chunksAgain(self) -> None:
        dump = self.serializer.dump([Thing(1)], "r", environment())
        self.assertEqual(list(dump.chunks), list(dump.chunks))


class TableTests(Contract, SynchronousTestCase):
    """
    The table.
    """

    serializer = TableSerializer()

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def test_isomorphic(self, graph: list[Any]) -> None:
        """
        Whatever is moved has the same shape, the same identities, the same
        atoms and the same order.
        """
        self.assertIsNone(difference(graph, self.move(graph)))


class PickleTests(Contract, SynchronousTestCase):
    """
    The same with L{pickle}.
    """

    serializer = PickleSerializer()


class Live:
    """
    Something that the reactor acts upon.
    """

    def __init__(self, fileno: int = -1) -> None:
        self.fileno = fileno
        self.friends: list[object] = []


@implementer(ILiveAdapter)
class LiveAdapter:
    """
    Describes L{Live} objects.
    """

    name = "live"
    complete = False

    def __init__(self) -> None:
        self.log: list[object] = []

    def describe(self, obj: Any, capture: ICapture) -> Description:
        state = {"friends": obj.friends, "watched": capture.reading(obj)}
        return Description(Live, (Descriptor(obj.fileno),), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        return cls(loading.own(arguments[0]))

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        obj.friends = state["friends"]
        loading.afterFill(lambda: self.log.append(obj))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        return Actions()


@implementer(IAdapter)
class WeakAdapter:
    """
    Has L{Holder} objects refer to their target weakly.
    """

    name = "holder"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        return Description(Holder, (Weak(obj.target),))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        return cls(*arguments)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("there is no state")


class Holder:
    """
    Refers to something weakly.
    """

    def __init__(self, target: object) -> None:
        self.target = target


@implementer(IAdapter)
class ArgumentAdapter:
    """
    Makes L{Made} objects of their part.
    """

    complete = False

    def __init__(self, name: str = "made", complete: bool = False) -> None:
        self.name = name
        self.complete = complete

    def describe(self, obj: Any, capture: ICapture) -> Description:
        return Description(type(obj), (obj.part,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        return cls(*arguments)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("there is no state")


class Made:
    """
    Made of its part.
    """

    def __init__(self, part: Any) -> None:
        self.part = part


class Summed(Made):
    """
    Looks into its part while it is made.
    """

    def __init__(self, part: Any) -> None:
        super().__init__(part)
        self.sum = sum(part.tag)


@implementer(ISeeker)
class Finder:
    """
    Finds what a table of others holds.
    """

    def __init__(self, belongings: list[tuple[object, object]]) -> None:
        self.belongings = belongings
        self.asked = 0

    def seek(self, capture: ICapture) -> list[object]:
        self.asked += 1
        return [found for owner, found in self.belongings if capture.contains(owner)]


class Reactor:
    """
    Watches some objects.
    """

    def __init__(self, *readers: object) -> None:
        self.readers = readers

    def getReaders(self) -> list[object]:
        return list(self.readers)

    def getWriters(self) -> list[object]:
        return []


class Dumps(SynchronousTestCase):
    """
    What a dump tells beside its chunks, whoever writes it.
    """

    serializer: ISerializer

    def move(self, root: Any, *environments: Environment) -> Any:
        return moved(root, *environments, serializer=self.serializer)

    def setUp(self) -> None:
        self.registry = registry()
        self.adapter = LiveAdapter()
        self.registry.register(Live, self.adapter)
        self.registry.register(Holder, WeakAdapter())
        self.registry.register(Made, ArgumentAdapter())
        self.registry.register(Summed, ArgumentAdapter("summed", complete=True))
        self.environment = environment(registry=self.registry)

    def test_live(self) -> None:
        """
        Live objects and descriptors come in the order of the walk.
        """
        first, second = Live(10), Live(11)
        verifyObject(ILiveAdapter, self.adapter)
        first.friends = [second, first]
        dump = self.serializer.dump([first, second], "r", self.environment)
        self.assertEqual(dump.filenos, [10, 11])
        self.assertEqual(dump.live, [(self.adapter, first), (self.adapter, second)])

    def test_countsAndNames(self) -> None:
        graph = [Thing(), Thing(), Thing, "x" * 100, Live(3)]
        dump = audit(graph, "r", self.environment)
        self.assertEqual(
            dump.counts,
            {"tests.graphs.Thing": 2, "list": 2, "tests.test_graph_table.Live": 1},
        )
        self.assertEqual(dump.objects, 5)
        self.assertIn(Named("tests.graphs", "Thing"), dump.names)

    def test_reading(self) -> None:
        """
        The reactor is asked once; one that watches nothing is a reactor too.
        """
        live = Live(3)
        dump = self.serializer.dump([live], "r", self.environment)
        self.assertFalse(dump.capture.reading(live))
        process = environment(Reactor(live), registry=self.registry)
        capture = self.serializer.dump([live], "r", process).capture
        verifyObject(ICapture, capture)
        self.assertTrue(capture.reading(live))
        self.assertFalse(capture.writing(live))

    def test_contains(self) -> None:
        text, live, inner = "x" * 100, Live(3), [Thing]
        reactor = Reactor()
        process = environment(reactor, registry=self.registry)
        capture = self.serializer.dump(
            [text, live, inner, reactor], "r", process
        ).capture
        for candidate in (live, inner):
            self.assertTrue(capture.contains(candidate))
        for candidate in (None, 1, text, Thing, reactor, Thing()):
            self.assertFalse(capture.contains(candidate))

    def test_noSideEffects(self) -> None:
        """
        A capture changes nothing: not the graph, not what is loaded, not the
        number of objects, not the collector.
        """
        key = Key(1)
        graph = [Thing({key: [key]}), Slotted(3), Live(5), Holder(key), (key,) * 9]
        before = repr([vars(graph[0]), graph[1].hidden(), vars(graph[2])])
        self.serializer.dump(graph, "r", self.environment)
        modules = set(sys.modules)
        gc.collect()
        count = len(gc.get_objects())
        references = [sys.getrefcount(each) for each in graph]
        dump = self.serializer.dump(graph, "r", self.environment)
        del dump
        gc.collect()
        self.assertEqual(references, [sys.getrefcount(each) for each in graph])
        self.assertLessEqual(len(gc.get_objects()), count + 5)
        self.assertEqual(set(sys.modules), modules)
        after = repr([vars(graph[0]), graph[1].hidden(), vars(graph[2])])
        self.assertEqual(after, before)
        self.assertTrue(gc.isenabled())

    def test_collectorAfterARefusal(self) -> None:
        with self.assertRaises(CannotMigrate):
            self.serializer.dump((i for i in ()), "r", self.environment)
        self.assertTrue(gc.isenabled())

    def test_seekers(self) -> None:
        """
        What belongs to the graph comes along, what belongs to that too; each
        is kept alive until the graph is adopted.
        """
        owner, timer, inner, stranger = Thing(), Thing("timer"), Thing(), Thing()
        timer.tag = inner
        finder = Finder([(inner, [1]), (owner, timer), (stranger, Thing("stranger"))])
        self.registry.addSeeker(finder)
        verifyObject(ISeeker, finder)
        dump = audit(owner, "r", self.environment)
        self.assertEqual(dump.counts, {"tests.graphs.Thing": 3, "list": 1})
        self.assertEqual(finder.asked, 3)
        self.assertEqual(vars(self.move(owner, self.environment)), {"tag": None})

    def test_weak(self) -> None:
        """
        A weak reference means what is there by another path, or by name.
        """
        thing = Thing()
        root = [Holder(thing), Holder(Thing), Holder(None), Holder("é" * 99), thing]
        root += [Holder(7), Holder(b"b"), Holder(1 << 99)]
        arrived = self.move(root, self.environment)
        self.assertIs(arrived[0].target, arrived[4])
        self.assertIs(arrived[1].target, Thing)
        self.assertIsNone(arrived[2].target)
        self.assertEqual(arrived[3].target, "é" * 99)
        targets = [holder.target for holder in arrived[5:]]
        self.assertEqual(targets, [7, b"b", 1 << 99])

    def test_weakOnly(self) -> None:
        """
        What only weak references mean does not move, nor does who has them.
        """
        thing = Thing()
        with self.assertRaises(CannotMigrate) as caught:
            audit([0, Holder(thing), Holder(thing)], "r", self.environment)
        self.assertEqual(
            [refusal.path for refusal in caught.exception.refusals], ["r[1]", "r[2]"]
        )
        self.assertIn("weakly", caught.exception.refusals[0].reason)

    def test_weakBySeeker(self) -> None:
        thing = Thing()
        self.registry.addSeeker(Finder([(thing, thing)]))
        holder = Holder(thing)
        finder = Finder([(holder, thing)])
        self.registry.addSeeker(finder)
        self.assertIsInstance(self.move(holder, self.environment).target, Thing)

    def test_arguments(self) -> None:
        """
        Arguments may lead back to their object through a state.
        """
        thing = Thing()
        made = thing.tag = Made((thing, [Made(thing)]))
        arrived = self.move(made, self.environment)
        self.assertIs(arrived.part[0].tag, arrived)
        self.assertIs(arrived.part[1][0].part, arrived.part[0])

    def test_complete(self) -> None:
        """
        Arguments are whole before such an object is made, also in a cycle.
        """
        thing = Thing([1, 2, 3])
        summed = Summed(thing)
        thing.back = (summed, frozenset([summed]))  # type: ignore[attr-defined]
        for root in (thing, summed, [summed, thing], [(summed,), thing]):
            arrived = self.move([root], self.environment)[0]
            found = arrived
            if isinstance(root, list):
                found = arrived[1]
            if isinstance(found, Thing):
                found = found.back[0]  # type: ignore[attr-defined]
            self.assertEqual(found.sum, 6)
            self.assertIs(found.part.back[0], found)
            self.assertEqual(list(vars(found.part)), ["tag", "back"])
            self.assertIn(found, found.part.back[1])

    def test_impossibleCycle(self) -> None:
        """
        Objects that need each other as arguments are refused.
        """
        one = Made(None)
        one.part = (1, (one,))
        with self.assertRaises(CannotMigrate) as caught:
            audit({"k": [one]}, "r", self.environment)
        (refusal,) = caught.exception.refusals
        self.assertEqual(refusal.path, "r['k'][0]")
        self.assertIn("a cycle through the arguments of", refusal.reason)

    def test_external(self) -> None:
        """
        An adapter may put an object outside.
        """

        @implementer(IAdapter)
        class Outside(ArgumentAdapter):
            def describe(self, obj: Any, capture: ICapture) -> Any:
                return External("db")

        self.registry.register(Made, Outside("outside"))
        there = environment(registry=self.registry, externals={"db": "theirs"})
        self.assertEqual(self.move([Made(1)], self.environment, there), ["theirs"])


class DumpTests(Dumps):
    """
    What a table's dump tells.
    """

    serializer = TableSerializer()


class PickleDumpTests(Dumps):
    """
    What a pickle's dump tells.
    """

    serializer = PickleSerializer()


# There is no serializer for it to be run with.
del Dumps
