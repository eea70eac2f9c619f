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

from migrate.errors import LoadError, MalformedTable, MigrationError
from migrate.graph.kinds import ALL, MISSING, Kind
from migrate.graph.loading import Loading
from migrate.graph.records import FIRST, Record, references, unboxed

#: Where the walk down from what is hashed stands with an object.
_ENTERED, _LEFT = 1, 2
_EVERY = slice(1, None)


class Assembly:
    """
    Makes one graph of its records.

    @ivar made: the objects by number; L{MISSING} for those that need others.
    """

    def __init__(
        self,
        rows: Sequence[Record],
        made: list[Any],
        kinds: dict[int, Kind],
        loading: Loading,
    ) -> None:
        self.made = made
        self._rows = rows
        self._kinds = kinds
        self._loading = loading
        self._whole = bytearray(len(rows))
        self._filled = bytearray(len(rows))
        self._seen = bytearray(len(rows))
        self._late: set[int] = set()
        self._left: list[int] = []
        self._hashing: list[int] = []
        self._rest: list[int] = []
        self._frozen: list[int] = []
        self._waiting: dict[int, list[int]] = {}
        self._byIdentity: dict[type, bool] = {}

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
        except MigrationError:
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

    def _kind(self, number: int) -> Kind:
        """
        @return: the kind of the object of that number.
        """
        return self._kinds[self._rows[number][0]]

    def _elements(self, number: int) -> list[Any]:
        """
        @return: the elements of a record as the objects that they are.
        @raise MalformedTable: it refers to what does not exist.
        """
        record = self._rows[number]
        if self._kinds[record[0]].raw:
            return record[1:]
        made = self.made
        try:
            return [
                made[e] if type(e) is int else unboxed(e) if type(e) is list else e
                for e in record[1:]
            ]
        except IndexError as e:
            raise MalformedTable(f"record {number} refers to what is not there") from e

    # Making

    def _makeAll(self) -> None:
        """
        Make what needs other objects, unless it needs those whole and they
        are not.  What is needed mostly has the higher number.
        """
        made = self.made
        for number in range(len(made) - 1, -1, -1):
            if made[number] is not MISSING:
                continue
            needs = self._needs(number)
            if [other for other in needs if made[other] is MISSING]:
                self._makeFrom(number, force=False)
            else:
                self._make(number, needs, force=False)

    def _makeFrom(self, start: int, force: bool) -> None:
        """
        Make an object, and before it what it needs.

        @param force: whether to make it even though something that it needs
            is not whole.
        @raise MalformedTable: some objects need each other.
        """
        stack = [start]
        entered = set()
        while stack:
            number = stack[-1]
            if self.made[number] is not MISSING or (number in self._late and not force):
                stack.pop()
                continue
            needs = self._needs(number)
            missing = self._missing(needs, force)
            if not missing:
                self._make(stack.pop(), needs, force)
                continue
            if number in entered:
                raise MalformedTable(f"objects {missing} and {number} need each other")
            entered.add(number)
            stack.extend(missing)

    def _needs(self, number: int) -> list[int]:
        """
        @return: the numbers of what an object needs to be made.
        @raise MalformedTable: there is no such object.
        """
        kind = self._kind(number)
        found = [] if kind.raw else kind.needs(self._rows[number])
        if found and max(found) >= len(self.made):
            raise MalformedTable(f"record {number} refers to what is not there")
        return found

    def _missing(self, needs: list[int], force: bool) -> list[int]:
        """
        @return: of what an object needs, that which still has to be made.
        """
        return [
            other
            for other in needs
            if self.made[other] is MISSING and (force or other not in self._late)
        ]

    def _make(self, number: int, needs: list[int], force: bool) -> None:
        """
        Make one object, or put it off.
        """
        kind = self._kind(number)
        if not force and not self._isReady(kind, needs):
            self._late.add(number)
            return
        self._loading.number = number
        cls = None if kind.cls is None else self.made[kind.cls]
        elements = self._elements(number)
        if kind.needed < len(elements):
            elements = elements[: kind.needed]
        assert kind.make is not None
        self.made[number] = kind.make(elements, cls)
        if kind.fill is None:
            self._whole[number] = not needs or all(map(self._whole.__getitem__, needs))

    def _isReady(self, kind: Kind, needs: Iterable[int]) -> bool:
        """
        @return: whether what is needed is as it has to be.
        """
        if kind.hashes:
            return not any(map(self._isUnsafe, needs))
        if kind.complete:
            return all(map(self._whole.__getitem__, needs))
        return not any(self.made[other] is MISSING for other in needs)

    def _isUnsafe(self, number: int) -> bool:
        """
        @return: whether hashing an object, or comparing it, might look at
            what is not filled.
        """
        if self._whole[number]:
            return False
        cls = type(self.made[number])
        if cls not in self._byIdentity:
            own: tuple[Any, Any] = (cls.__hash__, cls.__eq__)
            self._byIdentity[cls] = cls is not type(MISSING) and (
                own == (object.__hash__, object.__eq__)
            )
        return not self._byIdentity[cls]

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
                self._seen[~number] = _LEFT
                self._attempt(~number)
                for other in self._waiting.pop(~number, ()):
                    self._attempt(other)
            elif not self._seen[number]:
                self._seen[number] = _ENTERED
                stack.append(~number)
                stack.extend(n for n in self._below(number) if not self._seen[n])

    def _attempt(self, number: int) -> None:
        """
        Finish one object, unless it has to wait.
        """
        kind = self._kind(number)
        if not kind.hashes and kind.keys is None:
            self._finish(number)
            return
        for other in self._hashed(number):
            if self._seen[other] == _ENTERED:
                self._waiting.setdefault(other, []).append(number)
                return
        # A class whose hash needs an object that is on a cycle with it has to
        # see that one whole; if it fails now it may not once all is filled.
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
        for number in sorted(self._late):
            self._makeFrom(number, force=True)
        self._late.clear()
        for number in (*self._left, *self._hashing, *self._rest):
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

    def _rehash(self) -> None:
        """
        What ran after the fill may have changed how keys are hashed.

        @raise LoadError: a frozenset was made of what was not whole.
        """
        for number in self._hashing:
            self._loading.number = number
            obj = self.made[number]
            if all(key in obj for key in list(obj)):
                continue
            content = obj.copy()
            obj.clear()
            obj.update(content)
        for number in self._frozen:
            obj = self.made[number]
            if len(obj) != len(self._rows[number]) - 1 or any(
                key not in obj for key in list(obj)
            ):
                raise LoadError(
                    f"object {number}, a frozenset, could not be made again: its "
                    "members and what they are hashed by refer to each other"
                )
