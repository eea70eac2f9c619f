"""
The compiled loops do what the plain ones do: the same records of the same graph, the
same objects of the same records.  All other tests of graphs are run with either, see
the Makefile.
"""

from __future__ import annotations

import gc
import os
import sys
import types
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.adapters.callables import Method
from migrate.errors import LoadError
from migrate.graph import loader as loaders
from migrate.graph import records as r
from migrate.graph import taking, visits, walk
from migrate.graph.compiled import VERSION, native
from migrate.graph.environment import Environment
from migrate.graph.loader import TableLoader
from migrate.graph.walk import Walk
from migrate.memory import MemoryFiles
from tests.graphs import Thing, difference, environment, moved
from tests.test_graph_table import graphs


def records(chunks: list[bytes]) -> list[Any]:
    """
    @return: all records of some chunks: shapes, then the others.
    """
    found = [record for chunk in chunks for record in r.decoded(chunk)]
    return sorted(found, key=lambda record: record[0] != r.SHAPE)


class Speaker:
    """
    Has methods of all kinds.
    """

    def speak(self) -> str:
        """
        Tells who speaks.
        """
        return type(self).__name__

    say = speak

    @classmethod
    def call(cls) -> str:
        """
        Tells who is called.
        """
        return f"{cls.__name__}!"


class Singer(Speaker):
    """
    Inherits some, and has one of its own.
    """

    def speak(self) -> str:
        """
        Tells it in another way.
        """
        return "la"


def stranger(self: object) -> str:
    """
    A function that no class has as a method.
    """
    return "who?"


class NativeTests(SynchronousTestCase):
    """
    L{native.Visits} beside L{visits.Visits}, L{native.Records} beside
    L{taking.Records}.
    """

    def setUp(self) -> None:
        """
        Both have to be there.
        """
        if native is None:
            raise SkipTest("nothing is compiled here, or TXMIGRATE_PLAIN is set")

    def plainly(self, function: Callable[[], Any]) -> Any:
        """
        @return: what a function returns where nothing is compiled.
        """
        for module in (walk, loaders):
            self.patch(module, "native", None)
        try:
            return function()
        finally:
            for module in (walk, loaders):
                self.patch(module, "native", native)

    def written(self, graph: Any, process: Environment) -> list[Any]:
        return records(list(Walk([graph], process, keep=False).run()))

    def test_version(self) -> None:
        self.assertEqual(native.VERSION, VERSION)

    def test_methods(self) -> None:
        """
        Bound methods, of which plain code is asked only once for each class, are
        written alike and are the same functions of the same objects.
        """
        people = [Speaker(), Singer(), Speaker(), Singer()]
        graph = [
            *(each.speak for each in people),
            *(each.call for each in people),
            *(super(Singer, each).speak for each in people[1::2]),
            *(types.MethodType(stranger, each) for each in people),
            *(types.MethodType(len, each) for each in ("abc", [1])),
            *(each.speak for each in people),
        ]
        registry = defaultRegistry().withoutSeekers()
        process = environment(registry=registry)
        compiled = self.written(graph, process)
        self.assertEqual(self.plainly(lambda: self.written(graph, process)), compiled)
        for arrived in (
            moved(graph, process),
            self.plainly(lambda: moved(graph, process)),
        ):
            said = [method() for method in arrived]
            self.assertEqual(said, [method() for method in graph])
            self.assertIs(arrived[0].__self__, arrived[-4].__self__)
            self.assertIs(arrived[0].__func__, Speaker.speak)

    def test_otherMethods(self) -> None:
        """
        Somebody's own adapter for methods is asked about each.
        """
        registry = defaultRegistry().withoutSeekers()

        class Mine(Method):
            name = "mine"

        registry.register(types.MethodType, Mine())
        process = environment(registry=registry)
        graph = [Speaker().speak, Speaker().speak]
        compiled = self.written(graph, process)
        self.assertEqual(self.plainly(lambda: self.written(graph, process)), compiled)
        self.assertEqual(
            [method() for method in moved(graph, process)], ["Speaker"] * 2
        )

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def test_sameRecords(self, graph: list[Any]) -> None:
        """
        A graph is written alike, and its records are kept alike.
        """
        process = environment()
        compiled = self.written(graph, process)
        self.assertEqual(self.plainly(lambda: self.written(graph, process)), compiled)
        kept, plain = (
            run(lambda: Walk.over([graph], process))
            for run in (lambda f: f(), self.plainly)
        )
        self.assertEqual(kept.rows, plain.rows)
        self.assertEqual(kept.counts(), plain.counts())
        self.assertEqual(kept.knots(), plain.knots())
        numbers = range(1, len(kept.rows))
        self.assertEqual(
            list(map(kept.parent, numbers)), list(map(plain.parent, numbers))
        )

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(graphs())
    def test_sameObjects(self, graph: list[Any]) -> None:
        """
        What one writes the other reads, however it is cut into chunks.
        """
        process = environment()
        chunks = list(Walk(graph, process, keep=False).run())
        single = [r.packed([record]) for chunk in chunks for record in r.decoded(chunk)]

        def load() -> list[Any]:
            found = []
            for pieces in (chunks, single):
                loader = TableLoader(process)
                for piece in pieces:
                    loader.feed(piece)
                found.append(loader.finish(()))
            return found

        for run in (lambda f: f(), self.plainly):
            try:
                arrived = run(load)
            except LoadError as e:
                self.assertIn("hashed by what refers to it", str(e))
            else:
                for each in arrived:
                    self.assertIsNone(difference(graph, each))

    def test_largeBytes(self) -> None:
        """
        Byte strings that go by files, by either and to either.
        """
        large = [
            os.urandom(size) for size in (r.LARGE, r.LARGE - 1, 3 * r.SEGMENT // 2)
        ]
        graph = [*large, Thing({large[0]: large[2]}), bytearray(large[2]), large[0]]
        for write in (lambda f: f(), self.plainly):
            for read in (lambda f: f(), self.plainly):
                arrived = self.moved(graph, write, read)
                self.assertEqual(arrived[:3], large)
                self.assertEqual(arrived[3].tag, {large[0]: large[2]})
                self.assertEqual(arrived[4], large[2])
                self.assertIs(arrived[5], arrived[0])

    def test_largeBytesAmidContainer(self) -> None:
        """
        What is said of a file of large byte strings comes before, or after, the record
        of a container that is written piece by piece.
        """
        many = [each for n in range(50000) for each in (n, f"number {n}", None)]
        graph = [os.urandom(r.SEGMENT), many, dict.fromkeys(many), b"end"]
        for write in (lambda f: f(), self.plainly):
            for read in (lambda f: f(), self.plainly):
                self.assertTrue(self.moved(graph, write, read) == graph)

    def test_noDictionaries(self) -> None:
        """
        Objects that are looked at, and those that arrive, keep their attributes
        without a dictionary: it would make them larger and slower.
        """
        if not (3, 11) <= sys.version_info < (3, 14):
            raise SkipTest("this Python gives every object a dictionary, or is new")

        def dictionaries() -> int:
            gc.collect()
            names = {"tag"}
            held = (each for each in gc.get_objects() if type(each) is dict)
            return sum(each.keys() == names for each in held)

        things = [Thing(number) for number in range(500)]
        before = dictionaries()
        chunks = list(Walk(things, environment(), keep=False).run())
        loader = TableLoader(environment())
        for chunk in chunks:
            loader.feed(chunk)
        arrived = loader.finish(())
        self.assertLess(dictionaries() - before, 10)
        self.assertEqual([each.tag for each in arrived], list(range(500)))

    def moved(self, graph: Any, write: Any, read: Any) -> Any:
        """
        @return: what arrives of a graph.
        """
        files = MemoryFiles()
        leaving = Environment(environment().registry, None, large=files)
        before = set(os.listdir("/proc/self/fd"))
        one = Walk(graph, leaving, keep=False)
        chunks = write(lambda: list(one.run()))
        filenos = [os.dup(fileno) for fileno in one.filenos]
        files.close()

        def load() -> Any:
            loader = TableLoader(environment())
            for chunk in chunks:
                loader.feed(chunk)
                loader.receive([filenos.pop(0)] if filenos else [])
            found = loader.finish(filenos)
            self.assertEqual(set(os.listdir("/proc/self/fd")), before)
            loader.adopt()
            return found

        return read(load)


class PlainTests(SynchronousTestCase):
    """
    Where nothing is compiled, plain Python is used.
    """

    def test_plainOnes(self) -> None:
        for compiled in (True, False):
            self.patch(walk, "native", native if compiled else None)
            made = Walk([1], environment(), keep=True)
            kind = type(made._visits)
            self.assertEqual(kind is visits.Visits, native is None or not compiled)
        self.patch(loaders, "native", None)
        self.assertIs(type(TableLoader(environment())._records), taking.Records)
