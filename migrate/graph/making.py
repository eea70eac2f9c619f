"""
How the objects of a table come into being, each after what it needs.

Most objects are blanks by then and need nothing.  What is left are those that
cannot change once they are made, such as tuples, and those whose adapter wants
arguments.  Some of them need others not only made but whole: filled, with all
that is reachable from them.  Nothing recurses.

It must not know how objects are filled.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from migrate.errors import LoadError, MalformedTable
from migrate.graph.kinds import MISSING, Kind
from migrate.graph.loading import Loading

#: Tuples and the like inside each other, of something that is hashed: hashing
#: recurses in C, and where it has no room left the process ends.
DEEPEST = 5000
#: Steps that one hash may take: without end, where each of a row of tuples holds
#: the next one twice.
HEAVIEST = 1 << 22


class NotHashable(LoadError):
    """
    An object could not be made, for another could not be hashed; perhaps that
    is not filled yet.
    """


def hashesOf(container: Iterable[Any]) -> dict[int, int]:
    """
    @return: the hashes that keys have now, by their identity.  What a container
        remembers of them may be older, and it may find a key by chance.
    """
    return {id(key): hash(key) for key in container}


class Making:
    """
    Makes the objects of one table.

    @ivar made: the objects by number; L{MISSING} for those that need others.
    """

    def __init__(self, records: Any, kinds: dict[int, Kind], loading: Loading) -> None:
        """
        @param records: see L{migrate.graph.taking.Records}.
        """
        self.made: list[Any] = records.made
        self._rows = records
        self._kinds = kinds
        self._loading = loading
        self._whole = bytearray(len(records))
        self._late: set[int] = set()
        self._hashes: dict[int, dict[int, int]] = {}
        self._byIdentity: dict[type, bool] = {}
        self._towers: dict[int, tuple[int, int]] = {}

    def _kind(self, number: int) -> Kind:
        """
        @return: the kind of the object of that number.
        """
        return self._kinds[self._rows.head(number)]

    def _elements(self, number: int) -> list[Any]:
        """
        @return: the elements of a record as the objects that they are.
        @raise MalformedTable: it refers to what does not exist.
        """
        if self._kind(number).raw:
            pieces: list[Any] = self._rows[number][1:]
            return pieces
        elements: list[Any] = self._rows.elements(number)
        return elements

    # Making

    def _makeAll(self) -> None:
        """
        Make what needs other objects, unless it needs those whole and they
        are not.  What is needed mostly has the higher number.
        """
        made = self.made
        for number in self._rows.make(self._whole):
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
        if kind.hashes:
            self._checkHashed(needs)
        elif needs:
            self._towers[number] = self._tower(needs)
        try:
            self.made[number] = kind.make(elements, cls)
        except Exception as e:
            if not kind.hashes:
                raise
            raise NotHashable(
                f"{kind.says}, object {number}: {type(e).__name__}: {e}"
            ) from e
        if force and kind.hashes:
            self._hashes[number] = hashesOf(self.made[number])
        if kind.fill is None:
            self._whole[number] = not needs or all(map(self._whole.__getitem__, needs))

    def _tower(self, needs: list[int]) -> tuple[int, int]:
        """
        @param needs: what an object is made of.
        @return: how deep it is, and how many steps hashing it takes.
        """
        parts = [self._towerOf(other) for other in needs]
        return 1 + max(deep for deep, _ in parts), 1 + sum(each for _, each in parts)

    def _towerOf(self, number: int) -> tuple[int, int]:
        """
        @return: the same for what is made already.
        """
        found = self._towers.get(number)
        if found is None and self._rows.isTower(number):
            # What those that it is made of are made of is no tower.
            found = self._towers[number] = 1, 1 + len(self._needs(number))
        return found or (0, 1)

    def _checkHashed(self, numbers: Iterable[int]) -> None:
        """
        @param numbers: what is to be hashed.
        @raise MalformedTable: that would take too long, or too much of the stack.
        """
        for number in numbers:
            deep, heavy = self._towerOf(number)
            if deep > DEEPEST or heavy > HEAVIEST:
                raise MalformedTable(
                    f"hashing object {number}, {deep} levels deep, takes {heavy} steps"
                )

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
