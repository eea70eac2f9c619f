"""
The records of a table that arrives, kept until all of them are there.

There are two of it that do the same: this one, which leaves all making and filling to
those who ask it, and L{migrate.graph.native}, which does what is most frequent itself
and leaves them the rest.

It must not know what is made of a record.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from migrate.errors import MalformedTable
from migrate.graph import records as r
from migrate.graph.records import Record, asInCode, unboxed

#: Heads of what is no object that moves.
_NO_OBJECT = r.OUTSIDE | {r.DESCRIPTOR, r.WEAK}


class Parts:
    """
    Large byte strings, whose parts come in files.
    """

    def __init__(self, loading: Any) -> None:
        self._loading = loading
        self._waiting: deque[Record] = deque()
        self._read: dict[int, list[bytes]] = {}

    def take(self, record: Record) -> None:
        """
        @param record: what says that a part is in a file, or that no more are.
        @raise MalformedTable: it says something else.
        """
        numbers = [box[0] if type(box) is list and box else None for box in record[2:]]
        if record[0] == r.SPENT:
            wrong = len(record) != 2 or type(record[1]) is not list
        else:
            wrong = len(numbers) != 4 or type(record[1]) is not int
            wrong = wrong or any(type(n) is not int or n < 0 for n in numbers)
        if wrong:
            raise MalformedTable("a part of bytes is none")
        self._waiting.append(record)

    def finished(self) -> Iterator[tuple[int, bytes]]:
        """
        Read all parts.

        @return: numbers of objects, and what they are.
        """
        while self._waiting:
            record = self._waiting.popleft()
            if record[0] == r.SPENT:
                self._loading.spend(record[1][0])
            else:
                self._readPart(record[1], *(box[0] for box in record[2:]))
        for number in list(self._read):
            yield number, b"".join(self._read.pop(number))

    def _readPart(
        self, number: int, begin: int, place: int, at: int, length: int
    ) -> None:
        parts = self._read.setdefault(number, [])
        data = readFile(self._loading.descriptor(place).fileno, at, length)
        if begin != sum(map(len, parts)) or len(data) != length:
            raise MalformedTable("a part of bytes is not where it should be")
        parts.append(data)


def readFile(fileno: int, at: int, length: int) -> bytes:
    """
    @return: bytes of a file, fewer than C{length} if it ends before.
    @raise MalformedTable: it is no file that can be read.
    """
    try:
        return os.pread(fileno, length, at)
    except (OSError, OverflowError, MemoryError) as e:
        raise MalformedTable(f"a part of bytes cannot be read: {e}") from e


class Records(Sequence[Record]):
    """
    Records by number.

    @ivar made: the objects by number; C{missing} for those that need others.
    @ivar complete: whether the end has come.
    @ivar taken: how many objects have come that move, the list of roots included.
    """

    def __init__(
        self,
        kinds: Mapping[int, Any],
        shapeCame: Callable[[Record], Any],
        loading: Any,
        missing: object,
    ) -> None:
        """
        @param kinds: what becomes of records, by head: L{migrate.graph.kinds.Kind}s.
        @param shapeCame: called with the record of a shape; adds the kind of the
            next head, and returns it.
        @param loading: its C{number} is set to that of an object that is being
            made or filled; its C{filenos} are the descriptors that have come.
        @param missing: stands for what is not made yet.
        """
        self.made: list[Any] = []
        self.complete = False
        self.taken = 0
        self._rows: list[Record | None] = []
        self._next = 0
        self._left = self._elements = 0
        self._shapeCame = shapeCame
        self._missing = missing
        self._kinds = kinds
        self._loading = loading
        self._parts = Parts(loading)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: Any) -> Any:
        return self._rows[number]

    def head(self, number: int) -> int:
        """
        @return: the head of a record.
        """
        row: Any = self._rows[number]
        head: int = row[0]
        return head

    def isTower(self, number: int) -> bool:
        """
        @return: whether L{make} has made an object, and others were needed.
        """
        return False

    # Taking

    def take(self, chunk: bytes) -> None:
        """
        Take records, and make a blank of each where that is possible.

        @raise MalformedTable: there are none.
        """
        for record in r.decoded(chunk):
            self._takeOne(record)

    def _takeOne(self, record: Record) -> None:
        if self.complete:
            raise MalformedTable("records come after the last")
        self._elements += len(record)
        head = record[0]
        kind = self._kinds.get(head) if type(head) is int else None
        if kind is None:
            self._control(head, record)
            return
        number, self._next = self._next, self._next + 1
        self._reach(number)
        if self._rows[number] is not None:
            raise MalformedTable(f"there are two records {number}")
        self._left -= 1
        self._rows[number] = record
        self.taken += head not in _NO_OBJECT
        if kind.blank is not None:
            self.made[number] = kind.blank()

    def _reach(self, number: int) -> None:
        """
        Have room for a record.
        """
        more = number + 1 - len(self._rows)
        if more > 0:
            self._left += more
            self._rows.extend([None] * more)
            self.made.extend([self._missing] * more)

    def _control(self, head: Any, record: Record) -> None:
        """
        Take a record that describes no object.
        """
        last = self._rows[self._next - 1] if 0 < self._next <= len(self._rows) else None
        if head == r.MORE and last is not None:
            last.extend(record[1:])
        elif head == r.LATER and self._isLater(record):
            earlier: Any = self._rows[record[1]]
            earlier.extend(record[2:])
        elif head == r.AT and self._isAhead(record):
            self._next = record[1]
        elif head in (r.PART, r.SPENT):
            self._parts.take(record)
        elif head == r.SHAPE:
            self._shapeCame(record)
        elif head == r.END and record[1:] == [len(self._rows)] and not self._left:
            self.complete = True
        else:
            raise MalformedTable(f"a record begins with {head!r}")

    def _isAhead(self, record: Record) -> bool:
        """
        @return: whether a record names a number that is not taken, and may have been
            mentioned: there are not more objects than elements.
        """
        if len(record) != 2 or type(record[1]) is not int:
            return False
        number = record[1]
        free = number >= len(self._rows) or self._rows[number] is None
        return free and number <= self._elements

    def _isLater(self, record: Record) -> bool:
        """
        @return: whether a record names an earlier one.
        """
        if len(record) < 3 or type(record[1]) is not int:
            return False
        return record[1] < len(self._rows) and self._rows[record[1]] is not None

    # Making and filling

    def elements(self, number: int) -> list[Any]:
        """
        @return: the elements of a record, which are no pieces, as the objects that
            they are.
        @raise MalformedTable: it refers to what does not exist.
        """
        made = self.made
        row: Any = self._rows[number]
        try:
            return [
                made[e]
                if type(e) is int
                else unboxed(e)
                if type(e) is list
                else asInCode(e)
                if type(e) is str
                else e
                for e in row[1:]
            ]
        except IndexError as e:
            raise MalformedTable(f"record {number} refers to what is not there") from e

    def make(self, whole: bytearray) -> list[int]:
        """
        Make what needs other objects, as far as nothing is in the way.

        @param whole: a mark for each object; set for what is filled, with all
            that is reachable from it.
        @return: what is left to be made, the highest number first.
        """
        missing = self._missing
        for number, data in self._parts.finished():
            if number >= len(self) or self._rows[number] != [r.BLOB, [len(data)]]:
                raise MalformedTable("parts of what is no large byte string came")
            self.made[number] = data
            whole[number] = 1
        return [n for n in range(len(self.made) - 1, -1, -1) if self.made[n] is missing]

    def fill(
        self, whole: bytearray, filled: bytearray
    ) -> tuple[list[int], list[int], list[int], list[int]]:
        """
        Fill what runs no code in doing so, as far as nothing is in the way.

        @param whole: see L{make}.
        @param filled: a mark for each object; set for what is filled.
        @return: the numbers of what adapters fill; of those of it that look into
            what they hold; of what would hash objects that are not filled; and of
            what else is left to be filled.
        """
        rest: list[int] = []
        looking: list[int] = []
        left: list[int] = []
        for number in range(len(self._rows)):
            kind = self._kinds[self.head(number)]
            if kind.fill is None:
                continue
            (left if kind.early else rest).append(number)
            if kind.whole and not kind.early:
                looking.append(number)
        return rest, looking, [], left

    def finish(self, numbers: list[int], filled: bytearray) -> list[int]:
        """
        Have adapters fill their objects.

        @param filled: see L{fill}.
        @return: those of C{numbers} that are left to be filled.
        """
        return numbers
