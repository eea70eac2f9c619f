"""
Tests for L{migrate.graph.assembly}, L{migrate.graph.filling} and
L{migrate.graph.making}: hashes see whole objects, whatever refers to what.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.errors import LoadError
from migrate.graph import Environment
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description
from tests.graphs import ATOMS, Key, Rich, Thing, difference, environment, moved, parts
from tests.graphs import registry as emptyRegistry


class Late:
    """
    Hashed by what its adapter sets after the fill.
    """

    def __init__(self, tag: object) -> None:
        self.tag = tag

    def __hash__(self) -> int:
        return hash(self.tag)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Late) and self.tag == other.tag


@implementer(IAdapter)
class LateAdapter:
    """
    Sets the tag of L{Late} objects after the fill.
    """

    name = "late"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        return Description(Late, (), {"tag": obj.tag})

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        return Late(None)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        loading.afterFill(lambda: setattr(obj, "tag", state["tag"]))


class Box:
    """
    Made of what it holds.
    """

    def __init__(self, content: Any) -> None:
        self.content = content


@implementer(IAdapter)
class BoxAdapter:
    """
    Moves L{Box} objects, by their arguments or by their state.
    """

    complete = False

    def __init__(self, name: str, byState: bool) -> None:
        self.name = name
        self.byState = byState

    def describe(self, obj: Any, capture: ICapture) -> Description:
        if self.byState:
            return Description(Box, (), {"content": obj.content})
        return Description(Box, (obj.content,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        return Box(*arguments or (None,))

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        obj.content = state["content"]


class HashTests(SynchronousTestCase):
    """
    Sets, frozensets and dicts of objects that are hashed by what they hold.
    """

    def assertMoves(self, root: Any, process: Environment | None = None) -> Any:
        """
        The graph is the same, and each container finds all that it holds.
        """
        arrived = moved(root, process)
        self.assertIsNone(difference(root, arrived))
        seen: set[int] = set()
        work = [arrived]
        while work:
            each = work.pop()
            if isinstance(each, ATOMS) or id(each) in seen:
                continue
            seen.add(id(each))
            if isinstance(each, dict | set | frozenset):
                self.assertTrue(all(member in each for member in list(each)))
            work.extend(parts(each))
        return arrived

    def knot(self) -> list[Any]:
        """
        @return: a frozenset of an object that is hashed by a table, the key of
            which is a frozenset of an object that refers to the first.
        """
        key = Key("k")
        inner = frozenset([key])
        rich = Rich("r", [inner, key])
        outer = frozenset([rich])
        key.other = [outer, (outer, {outer: rich}), Thing(outer)]
        rich.other = {(outer, inner): key}
        return [key, inner, rich, outer, Thing((outer,))]

    def test_knots(self) -> None:
        """
        In whatever order the walk meets it.
        """
        for size in (1, 3, 5):
            for order in permutations(self.knot(), size):
                self.assertMoves(list(order))

    def test_plainCycles(self) -> None:
        key, other = Key("a"), Key("b")
        rich = Rich("r", [key, (other, 1), frozenset([key])])
        key.other, other.other = {rich: {rich}}, frozenset([rich, other])
        for order in permutations([key, other, rich, key.other]):
            self.assertMoves(list(order))

    def test_nestedRich(self) -> None:
        """
        Tables that are hashed by tables, with ways back to the top.
        """
        key = Key("k")
        rich: Any = key
        chain = [key]
        for level in range(20):
            rich = Rich(level, [rich])
            chain.append(rich)
        key.other = dict.fromkeys(chain, chain)
        chain[10].other = frozenset(chain)
        for root in (chain, key, rich, chain[::-1], chain[10]):
            self.assertMoves([root])

    def test_held(self) -> None:
        """
        An adapter that holds part of a knot gets what is right, or the graph
        is refused: it never gets what was made too early.
        """
        refused = []
        for byState in (True, False):
            registry = emptyRegistry()
            registry.register(Box, BoxAdapter("box", byState))
            process = environment(registry=registry)
            for order in permutations(range(5), 3):
                knot = self.knot()
                knot[0].box = Box(knot[3])
                try:
                    self.assertMoves([knot[at] for at in order], process)
                except LoadError as e:
                    self.assertIn("by objects that refer to it", str(e))
                    refused.append((byState, order))
        self.assertFalse(any(byState for byState, _ in refused))
        self.assertTrue(len(refused) < 60)

    def test_afterFill(self) -> None:
        """
        What changes hashes after the fill leaves no container behind that does
        not find its keys; where that cannot be, the graph is refused.
        """
        registry = emptyRegistry()
        registry.register(Late, LateAdapter())
        process = environment(registry=registry)
        late = Late("x")
        arrived = self.assertMoves([{late: late}, {late}, {(late,)}], process)
        self.assertIn(Late("x"), arrived[0])
        error = self.assertRaises(LoadError, moved, frozenset([late]), process)
        self.assertIn("a frozenset, could not be made again", str(error))
        two = {Late("x"), Late("y")}
        error = self.assertRaises(LoadError, moved, two, process)
        self.assertIn("are equal here", str(error))
