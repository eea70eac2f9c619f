"""
All that can become of a L{World}: every order of every move.

It must not know what the moves are.
"""

from __future__ import annotations

from collections import deque

import attrs

from migrate.graph.collector import uncollected
from tests.handovermodel import FAULTS, Model
from tests.handoverworld import Violation, World


class Found(Exception):
    """
    A promise is broken.  C{str} of it tells which, and by which moves.
    """


@attrs.frozen
class Census:
    """
    What a search has seen.

    @ivar states: how many different worlds.
    @ivar transitions: how many moves led to them.
    @ivar ends: in how many of them only faults could still happen.
    @ivar kinds: the kinds of moves that there were.
    """

    states: int
    transitions: int
    ends: int
    kinds: frozenset[str]

    def __str__(self) -> str:
        return f"{self.states} states, {self.transitions} transitions, {self.ends} ends"


@attrs.define
class Search:
    """
    A search in breadth, so that what it finds is found by as few moves as can be.
    """

    model: Model
    _worlds: list[World] = attrs.field(init=False, factory=list)
    _index: dict[World, int] = attrs.field(init=False, factory=dict)
    _came: list[tuple[int, str]] = attrs.field(init=False, factory=list)
    _calm: list[tuple[int, ...]] = attrs.field(init=False, factory=list)
    _kinds: set[str] = attrs.field(init=False, factory=set)
    _transitions: int = attrs.field(init=False, default=0)
    _ends: int = attrs.field(init=False, default=0)

    def run(self, start: World) -> Census:
        """
        @raise Found: a promise is broken.
        """
        with uncollected():
            self._number(start, -1, "")
            at = 0
            while at < len(self._worlds):
                try:
                    self._visit(at)
                except Violation as violation:
                    raise Found(f"{violation}\n{self._wayTo(at)}") from violation
                at += 1
            self._ensureEnds()
        return Census(
            len(self._worlds), self._transitions, self._ends, frozenset(self._kinds)
        )

    def _number(self, world: World, before: int, how: str) -> int:
        number = self._index.setdefault(world, len(self._worlds))
        if number == len(self._worlds):
            self._worlds.append(world)
            self._came.append((before, how))
        return number

    def _visit(self, at: int) -> None:
        world = self._worlds[at]
        self.model.check(world)
        calm = set()
        for kind, role, what, after in self.model.moves(world):
            self._transitions += 1
            self._kinds.add(kind)
            number = self._number(after, at, f"{role.value} {kind} {what}")
            if kind not in FAULTS:
                calm.add(number)
        if not calm:
            self._ends += 1
            self.model.checkEnd(world)
        self._calm.append(tuple(calm))

    def _ensureEnds(self) -> None:
        """
        Without further faults there is no way round and round: whatever happens, one
        of the ends comes.

        @raise Found: there is.
        """
        entries = [0] * len(self._calm)
        for after in self._calm:
            for number in after:
                entries[number] += 1
        free = deque(number for number, count in enumerate(entries) if not count)
        passed = 0
        while free:
            passed += 1
            for number in self._calm[free.popleft()]:
                entries[number] -= 1
                if not entries[number]:
                    free.append(number)
        if passed < len(self._calm):
            stuck = next(number for number, count in enumerate(entries) if count)
            raise Found(f"it may go on for ever\n{self._wayTo(stuck)}")

    def _wayTo(self, number: int) -> str:
        """
        @return: the moves that lead there, one a line.
        """
        way = [str(self._worlds[number])]
        while number > 0:
            number, how = self._came[number]
            way.append(how)
        return "\n".join(reversed(way))
