"""
The order in which the objects of a table are made and filled, and what is done
once they are.

It must not know what a record of some head becomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from migrate.errors import LoadError, MalformedTable
from migrate.graph.filling import Filling
from migrate.graph.kinds import ALL, MISSING
from migrate.graph.making import NotHashable, hashesOf
from migrate.graph.records import FIRST, references


class Assembly(Filling):
    """
    Makes one graph of its records.
    """

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
        head = self._rows.head(self._loading.number)
        kind = self._kinds[head]
        own = head < FIRST and not kind.hashes and kind.keys is None
        wrong = MalformedTable if own else LoadError
        return wrong(
            f"{kind.says}, object {self._loading.number}: "
            f"{type(error).__name__}: {error}"
        )

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
        for number in (*self._left, *self._hashing):
            self._finish(number)
        self._mend()
        for number in self._rows.finish(self._rest, self._filled):
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

    def _upgrade(self) -> None:
        """
        Have objects brought up to date that come from older classes.
        """
        steps: dict[tuple[int, type], Sequence[Any]] = {}
        versioned = {h: k.upgrades for h, k in self._kinds.items() if k.upgrades}
        for number in range(len(self.made)) if versioned else ():
            head = self._rows.head(number)
            upgrades = versioned.get(head)
            if upgrades is None:
                continue
            obj = self.made[number]
            key = (head, type(obj))
            if key not in steps:
                steps[key] = upgrades(type(obj))
            for step in steps[key]:
                self._loading.number = number
                self._loading.afterFill(partial(step, obj))

    def _stale(self) -> list[int]:
        """
        @return: the sets and dicts whose keys have other hashes than when
            they were put there.
        """
        found = []
        for number in self._hashing:
            self._loading.number = number
            obj = self.made[number]
            if self._hashes.get(number) != hashesOf(obj):
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
                self._hashes[number] = hashesOf(obj)
            stale = self._stale()

    def _wrong(self) -> list[int]:
        """
        @return: the frozensets that lack members, or whose members have other
            hashes than when they were put there.
        """
        return [
            number
            for number in self._frozen
            for obj in (self.made[number],)
            if len(obj) != len(self._rows[number]) - 1
            or self._hashes.get(number) != hashesOf(obj)
        ]

    def _knotted(self, number: int) -> LoadError:
        """
        @return: why an object could not be made.
        """
        return LoadError(
            f"object {number}, {self._kind(number).says}, could not be made again: "
            "it is hashed, or holds what is hashed, by objects that refer to it"
        )

    def _mend(self) -> None:
        """
        Make those frozensets anew that were made of objects which were not
        whole.  One that lies on a cycle with its members has to exist before
        they are whole; only now are they.

        @raise LoadError: that cannot be done.
        """
        for _ in self._frozen:
            self._refresh()
            wrong = self._wrong()
            if not wrong:
                return
            self._replace(self._holding(wrong))

    def _holding(self, numbers: list[int]) -> set[int]:
        """
        @return: the objects of these numbers, and those that cannot change
            and hold them, to any depth.
        """
        found = set(numbers)
        before = 0
        while before != len(found):
            before = len(found)
            found.update(
                number
                for number in range(len(self._rows))
                if not found.isdisjoint(self._needs(number))
            )
        return found

    def _replace(self, numbers: set[int]) -> None:
        """
        Make objects anew, and fill those that hold them again.

        @raise LoadError: an adapter has made or got one of them.
        """
        for number in numbers:
            if self._kind(number).needed != ALL:
                raise self._knotted(number)
            self.made[number] = MISSING
        for number in sorted(numbers):
            self._makeFrom(number, force=True)
        for number, record in enumerate(self._rows):
            kind = self._kind(number)
            if kind.fill is None or numbers.isdisjoint(references(record[1:])):
                continue
            if kind.early:
                self._fill(number, kind)
            elif self._filled[number]:
                raise self._knotted(number)

    def _rehash(self) -> None:
        """
        What ran after the fill may have changed how keys are hashed.

        @raise LoadError: a frozenset was made of what was not whole.
        """
        self._refresh()
        wrong = self._wrong()
        if wrong:
            raise self._knotted(wrong[0])
