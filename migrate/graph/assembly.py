"""
The order in which the objects of a table are made and filled.

First everything is made that needs nothing that is not made; what is needed is
made before.  Then lists and attributes are filled, which runs no code of any
class.  Then what hashes its elements, or runs code of theirs, each only once
whatever is reachable from those is filled, as far as cycles permit.  The rest
is filled last.  Nothing recurses.

It must not know what a record of some head becomes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from migrate.errors import LoadError, MalformedTable
from migrate.graph.kinds import ALL, MISSING, Kind
from migrate.graph.loading import Loading
from migrate.graph.making import Making, NotHashable
from migrate.graph.records import FIRST, Record, references

#: Where the walk down from what is hashed stands with an object.
_ENTERED, _LEFT = 1, 2
_EVERY = slice(1, None)


class Assembly(Making):
    """
    Makes one graph of its records.
    """

    def __init__(
        self,
        rows: Sequence[Record],
        made: list[Any],
        kinds: dict[int, Kind],
        loading: Loading,
    ) -> None:
        super().__init__(rows, made, kinds, loading)
        self._filled = bytearray(len(rows))
        self._seen = bytearray(len(rows))
        self._left: list[int] = []
        self._hashing: list[int] = []
        self._rest: list[int] = []
        self._frozen: list[int] = []
        self._depth: dict[int, int] = {}
        self._blocked: dict[int, int] = {}
        self._waiting: dict[int, list[int]] = {}

    def run(self) -> None:
        """
        Make and fill everything.

        @raise LoadError: that cannot be done.
        """
        try:
            self._makeAll()
            self._fillEarly()
            self._fillWhole()
            self._fillRest()
            self._rehash()
            self._upgrade()
            self._loading.settle()
            self._rehash()
        except LoadError:
            raise
        except Exception as e:
            raise self._error(e) from e

    def _error(self, error: Exception) -> LoadError:
        """
        @return: what says which object could not be made, and why.
        """
        record = self._rows[self._loading.number]
        kind = self._kinds[record[0]]
        own = record[0] < FIRST and not kind.hashes and kind.keys is None
        wrong = MalformedTable if own else LoadError
        return wrong(
            f"{kind.says}, object {self._loading.number}: "
            f"{type(error).__name__}: {error}"
        )

    # Filling

    def _fillEarly(self) -> None:
        """
        Fill what runs no code in doing so.
        """
        kinds, loading = self._kinds, self._loading
        for number, record in enumerate(self._rows):
            kind = kinds[record[0]]
            if kind.fill is None:
                continue
            loading.number = number
            if not kind.early:
                self._rest.append(number)
            elif kind.keys is not None and self._looks(record[kind.keys]):
                self._hashing.append(number)
            elif not self._fill(number, kind):
                self._left.append(number)

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
            return False
        assert kind.fill is not None
        if kind.keys is not None and obj:
            obj.clear()
        kind.fill(obj, elements)
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
        whole = (number for number in self._rest if self._kind(number).whole)
        for number in sorted({*self._late, *self._hashing, *whole}):
            kind, record = self._kind(number), self._rows[number]
            if kind.keys is None:
                below = self._below(number)
            else:
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

    def _fillRest(self) -> None:
        """
        Make and fill what cycles kept from it, then what adapters fill.
        """
        self._frozen = [n for n in self._late if self._kind(n).hashes]
        pending = sorted(self._late)
        while pending:
            with suppress(Exception):
                self._refresh()
            failed = [number for number in pending if not self._isMade(number)]
            if len(failed) == len(pending):
                self._makeFrom(failed[0], force=True)
            pending = failed
            self._fillMade()
        self._late.clear()
        for number in (*self._left, *self._hashing, *self._rest):
            self._finish(number)

    def _isMade(self, number: int) -> bool:
        """
        Make an object, if those that it hashes are ready for it.

        @return: whether it is made.
        """
        try:
            self._makeFrom(number, force=True)
        except NotHashable:
            return False
        return True

    def _fillMade(self) -> None:
        """
        Fill what runs no code, as far as it has become possible.
        """
        for number in self._left:
            self._finish(number)
        for number in self._hashing:
            with suppress(Exception):
                self._finish(number)

    # Afterwards

    def _upgrade(self) -> None:
        """
        Have objects brought up to date that come from older classes.
        """
        steps: dict[tuple[int, type], Sequence[Any]] = {}
        for number, record in enumerate(self._rows):
            kind = self._kinds[record[0]]
            if kind.upgrades is None:
                continue
            obj = self.made[number]
            key = (record[0], type(obj))
            if key not in steps:
                steps[key] = kind.upgrades(type(obj))
            for step in steps[key]:
                self._loading.number = number
                self._loading.afterFill(partial(step, obj))

    def _stale(self) -> list[int]:
        """
        @return: the sets and dicts that do not find all their keys.
        """
        found = []
        for number in self._hashing:
            self._loading.number = number
            obj = self.made[number]
            if not all(key in obj for key in list(obj)):
                found.append(number)
        return found

    def _refresh(self) -> None:
        """
        Have sets and dicts find their keys, whose hashes are others now.
        """
        stale = self._stale()
        for _ in self._hashing:
            if not stale:
                break
            for number in stale:
                obj = self.made[number]
                # Not a copy: that would keep the hashes.
                content = list(obj.items() if type(obj) is dict else obj)
                obj.clear()
                obj.update(content)
            stale = self._stale()

    def _rehash(self) -> None:
        """
        What ran after the fill may have changed how keys are hashed.

        @raise LoadError: a frozenset was made of what was not whole.
        """
        self._refresh()
        for number in self._frozen:
            obj = self.made[number]
            if len(obj) != len(self._rows[number]) - 1 or any(
                key not in obj for key in list(obj)
            ):
                raise LoadError(
                    f"object {number}, a frozenset, could not be made again: its "
                    "members and what they are hashed by refer to each other"
                )
