"""
A graph of which some objects move later, by themselves: what all of them have in
common, and what is in their way.

It must not know what those objects are, nor when they move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

import attrs

from migrate.graph import records as r
from migrate.graph.absent import absent
from migrate.graph.collector import uncollected
from migrate.graph.environment import Environment
from migrate.graph.paths import pathTo, step
from migrate.graph.records import references
from migrate.graph.walk import Walk
from migrate.holders import isHolder, isMapping

#: What is no object of its own: made by an adapter for one walk.
_SPOKEN = r.OUTSIDE | {r.DESCRIPTOR, r.WEAK}
#: What an adapter may make of a container's content.
_CONTENT = (list, tuple, dict, set)


@attrs.frozen(eq=False)
class Parts:
    """
    What one look at a graph found.

    @ivar objects: what is there, in the order of the walk; among it may be what
        only this walk has made.
    @ivar holders: the containers of it that hold what moves later.
    @ivar private: what those mention only along with what moves later, such as the
        values of a dictionary whose keys move: it belongs to that.
    @ivar problems: mentions of what moves later that nothing can be taken out of,
        each by its path.
    """

    objects: list[Any]
    holders: list[Any]
    private: list[Any]
    problems: list[str]


def partsOf(
    root: object, label: str, environment: Environment, later: Mapping[int, object]
) -> Parts:
    """
    Look at a graph without some of its objects.

    @param label: what paths begin with.
    @param later: what moves later, by identity.
    """
    with uncollected():
        walk = Walk.over(root, without(environment, later.values()))
        return _Look(walk, label, later).parts()


def without(environment: Environment, things: Iterable[object]) -> Environment:
    """
    @return: what a walk needs to know that leaves C{things} out.
    """
    externals = {**environment.externals, **absent(things)}
    made = attrs.evolve(environment, externals=externals, outside=None)
    return attrs.evolve(made, outside=made.known())


@attrs.define(eq=False, slots=False)
class _Look:
    """
    A walk from which some objects were left out.
    """

    walk: Walk
    label: str
    later: Mapping[int, object]

    def parts(self) -> Parts:
        """
        See L{partsOf}.
        """
        objects = [
            thing
            for thing, row in zip(self.walk.objects, self.walk.rows, strict=True)
            if row[0] not in _SPOKEN
        ]
        return Parts(
            objects[1:],
            [self.walk.objects[number] for number in self._holders],
            list(self._private()),
            list(self._problems()),
        )

    @cached_property
    def _left(self) -> frozenset[int]:
        """
        The numbers of what was left out, of weak references to it too.
        """
        objects, rows = self.walk.objects, self.walk.rows
        left = {n for n, thing in enumerate(objects) if id(thing) in self.later}
        weak = {
            n for n, row in enumerate(rows) if row[0] == r.WEAK and {*row[1:]} & left
        }
        return frozenset(left | weak)

    @cached_property
    def _mentions(self) -> list[tuple[int, int]]:
        """
        Who mentions what was left out, by number.
        """
        left = self._left
        if not left:
            return []
        return [
            (number, element)
            for number, row in enumerate(self.walk.rows)
            if row[0] != r.WEAK
            for element in row[1:]
            if type(element) is int and element in left
        ]

    @cached_property
    def _holders(self) -> dict[int, None]:
        """
        The containers that hold what was left out.
        """
        found = (self._holderOf(number) for number, _ in self._mentions)
        return dict.fromkeys(number for number in found if number is not None)

    def _holderOf(self, number: int) -> int | None:
        """
        @return: the container whose content a record is.
        """
        objects = self.walk.objects
        if type(objects[number]) in _CONTENT:
            parent = self.walk.parent(number)
            described = self.walk.rows[parent][0] >= r.FIRST
            outer = objects[parent]
            if described and isHolder(outer) and not _has(outer, objects[number]):
                return parent
        return number if isHolder(objects[number]) else None

    def _problems(self) -> Iterator[str]:
        """
        See L{Parts}.
        """
        for number, element in self._mentions:
            if self._holderOf(number) is None:
                path = pathTo(self.walk, number, self.label)
                yield path + step(self.walk, number, element)

    def _private(self) -> Iterator[Any]:
        """
        See L{Parts}.
        """
        candidates = {id(thing) for thing in self._companions()}
        if candidates:
            reached = self._reached(candidates)
            for number, thing in enumerate(self.walk.objects):
                if id(thing) in candidates and number not in reached:
                    yield thing

    def _companions(self) -> Iterator[object]:
        """
        @return: what stands in a mapping beside what was left out.
        """
        for number in self._holders:
            holder = self.walk.objects[number]
            if isMapping(holder):
                for pair in list(holder.items()):
                    if any(id(each) in self.later for each in pair):
                        yield from (x for x in pair if id(x) not in self.later)

    def _reached(self, companions: set[int]) -> set[int]:
        """
        @return: the numbers of what is there without any container's mention of
            what it has beside something that was left out.
        """
        waiting, reached = [0], {0}
        while waiting:
            number = waiting.pop()
            isContent = self._holderOf(number) in self._holders
            for other in self._references(number):
                skipped = isContent and id(self.walk.objects[other]) in companions
                if other not in reached and not skipped:
                    reached.add(other)
                    waiting.append(other)
        return reached

    def _references(self, number: int) -> list[int]:
        """
        @return: what a record mentions, its class included.
        """
        row = self.walk.rows[number]
        found = references(row[1:])
        if row[0] >= r.FIRST:
            found.append(self.walk.shapes[row[0] - r.FIRST].cls)
        return found


def _has(owner: Any, value: object) -> bool:
    """
    @return: whether C{value} is what an object has as an attribute, and no part of
        what it holds.
    """
    found = list(getattr(owner, "__dict__", {}).values())
    for base in type(owner).__mro__:
        slots = vars(base).get("__slots__", ())
        names = [slots] if isinstance(slots, str) else slots
        found += [getattr(owner, name, None) for name in names]
    return any(each is value for each in found)
