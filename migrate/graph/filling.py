"""
How the objects of a table get what they hold, each after what it looks into.

First lists and attributes are filled, which runs no code of any class.  Then
what hashes its elements, or runs code of theirs, each only once whatever is
reachable from those is filled, as far as cycles permit.  Nothing recurses.

It must not know what a record of some head becomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

from migrate.errors import LoadError, MalformedTable
from migrate.graph.kinds import ALL, MISSING, Kind
from migrate.graph.loading import Loading
from migrate.graph.making import Making
from migrate.graph.records import references

#: Where the walk down from what is hashed stands with an object.
_ENTERED, _LEFT = 1, 2
_EVERY = slice(1, None)


class Filling(Making):
    """
    Fills the objects of one table, but for what has to come last.
    """

    def __init__(self, records: Any, kinds: dict[int, Kind], loading: Loading) -> None:
        super().__init__(records, kinds, loading)
        self._filled = bytearray(len(records))
        self._seen = bytearray(len(records))
        self._partly: set[int] = set()
        self._looking: list[int] = []
        self._left: list[int] = []
        self._hashing: list[int] = []
        self._rest: list[int] = []
        self._frozen: list[int] = []
        self._depth: dict[int, int] = {}
        self._blocked: dict[int, int] = {}
        self._waiting: dict[int, list[int]] = {}

    def _fillEarly(self) -> None:
        """
        Fill what runs no code in doing so.
        """
        found = self._rows.fill(self._whole, self._filled)
        self._rest, self._looking, self._hashing, left = found
        for number in left:
            kind = self._kind(number)
            self._loading.number = number
            if kind.keys is not None and self._looks(self._rows[number][kind.keys]):
                self._hashing.append(number)
            elif not self._fill(number, kind):
                self._left.append(number)
        self._hashing.sort()

    def _looks(self, keys: Iterable[Any]) -> bool:
        """
        @param keys: some elements of a record.
        @return: whether hashing them might look at what is not filled.
        """
        numbers = self._checked(keys)
        return bool(numbers) and any(map(self._isUnsafe, numbers))

    def _checked(self, elements: Iterable[Any]) -> list[int]:
        """
        @return: the numbers that elements refer to.
        @raise MalformedTable: there are no such objects.
        """
        found = references(elements)
        if found and max(found) >= len(self.made):
            raise MalformedTable("a key refers to what is not there")
        return found

    def _fill(self, number: int, kind: Kind) -> bool:
        """
        Fill an object that is made, as far as its elements are.

        @return: whether it is filled now.
        """
        elements = self._elements(number)
        obj = self.made[number]
        if self._late and any(e is MISSING for e in elements):
            if kind.partial is not None:
                kind.partial(obj, elements)
                self._partly.add(number)
            return False
        fill = kind.again if number in self._partly else kind.fill
        assert fill is not None
        if kind.keys is not None:
            self._checkHashed(references(self._rows[number][kind.keys]))
            if obj:
                obj.clear()
        fill(obj, elements)
        if kind.keys is not None and len(obj) != len(self._rows[number][kind.keys]):
            raise LoadError(
                f"{kind.says}, object {number}: keys that differ at the origin "
                "are equal here"
            )
        self._filled[number] = 1
        return True

    def _fillWhole(self) -> None:
        """
        Fill, or make, what looks into its elements, after those.
        """
        for number in sorted({*self._late, *self._hashing, *self._looking}):
            kind = self._kind(number)
            if kind.keys is None:
                below = self._below(number)
            else:
                record = self._rows[number]
                below = [n for n in references(record[kind.keys]) if self._isUnsafe(n)]
            self._settle(below)
            self._attempt(number)

    def _below(self, number: int) -> list[int]:
        """
        @return: whatever an object mentions and that is not whole.
        """
        kind = self._kind(number)
        if kind.raw:
            return []
        found = self._checked(self._rows[number][1:])
        if kind.cls is not None:
            found.append(kind.cls)
        return [other for other in found if not self._whole[other]]

    def _settle(self, numbers: list[int]) -> None:
        """
        Finish whatever is reachable, in post-order.  What hashes an object
        that is on the way here from the start, and so refers to it, comes
        right after that object.
        """
        stack = [number for number in numbers if not self._seen[number]]
        while stack:
            number = stack.pop()
            if number < 0:
                self._leave(~number)
            elif not self._seen[number]:
                self._seen[number] = _ENTERED
                self._depth[number] = len(self._depth)
                stack.append(~number)
                stack.extend(n for n in self._below(number) if not self._seen[n])

    def _leave(self, number: int) -> None:
        """
        Everything reachable from an object was visited: finish it, and what
        waits for it.
        """
        self._seen[number] = _LEFT
        if self._blocked:
            awaited = self._awaited(self._below(number))
            if awaited is not None:
                self._blocked[number] = awaited
        self._attempt(number)
        for other in self._waiting.pop(number, ()):
            self._attempt(other)

    def _awaited(self, numbers: Iterable[int]) -> int | None:
        """
        @return: of the objects that have to be left before C{numbers} are
            whole, the one that is left last; L{None} if there is none.
        """
        found = None
        for number in numbers:
            other = number
            if self._seen[number] != _ENTERED:
                other = self._blocked.get(number, number)
            if self._seen[other] == _ENTERED and (
                found is None or self._depth[other] < self._depth[found]
            ):
                found = other
        return found

    def _attempt(self, number: int) -> None:
        """
        Finish one object, unless it has to wait.
        """
        kind = self._kind(number)
        if not kind.hashes and kind.keys is None:
            self._finish(number)
            return
        awaited = self._awaited(self._hashed(number))
        if awaited is not None:
            self._blocked[number] = awaited
            # Nobody can tell which objects of a cycle the hashes of others
            # look at.  What can be filled again goes first.
            if not kind.hashes:
                self._waiting.setdefault(awaited, []).append(number)
            return
        with suppress(Exception):
            self._finish(number)

    def _hashed(self, number: int) -> Iterator[int]:
        """
        @return: whatever is hashed to fill or make an object: what it has for
            keys, and what tuples among those hold.
        """
        kind = self._kind(number)
        stack = references(self._rows[number][kind.keys or _EVERY])
        known = set(stack)
        while stack:
            other = stack.pop()
            yield other
            if self._kind(other).needed == ALL and not self._kind(other).raw:
                more = set(self._needs(other)) - known
                known |= more
                stack.extend(more)

    def _finish(self, number: int) -> None:
        """
        Make and fill one object, if what it mentions is made.
        """
        kind = self._kind(number)
        self._loading.number = number
        if self.made[number] is MISSING:
            needs = self._needs(number)
            if self._missing(needs, force=True):
                return
            self._make(number, needs, force=True)
        if kind.fill is not None and not self._filled[number]:
            self._fill(number, kind)
