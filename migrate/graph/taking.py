"""
The records of a table that arrives, kept until all of them are there.

There are two of it that do the same: this one, which leaves all making and filling to
those who ask it, and L{migrate.graph.native}, which does what is most frequent itself
and leaves them the rest.

It must not know what is made of a record.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from migrate.errors import MalformedTable
from migrate.graph import records as r
from migrate.graph.records import Record, asInCode, unboxed


class Records(Sequence[Record]):
    """
    Records by number.

    @ivar made: the objects by number; C{missing} for those that need others.
    @ivar complete: whether the end has come.
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
            made or filled.
        @param missing: stands for what is not made yet.
        """
        self.made: list[Any] = []
        self.complete = False
        self._rows: list[Record] = []
        self._shapeCame = shapeCame
        self._missing = missing
        self._kinds = kinds

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: Any) -> Any:
        return self._rows[number]

    def head(self, number: int) -> int:
        """
        @return: the head of a record.
        """
        head: int = self._rows[number][0]
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
        head = record[0]
        kind = self._kinds.get(head) if type(head) is int else None
        if kind is None:
            self._control(head, record)
            return
        self.made.append(self._missing if kind.blank is None else kind.blank())
        self._rows.append(record)

    def _control(self, head: Any, record: Record) -> None:
        """
        Take a record that describes no object.
        """
        if head == r.MORE and self._rows:
            self._rows[-1].extend(record[1:])
        elif head == r.LATER and self._isLater(record):
            self._rows[record[1]].extend(record[2:])
        elif head == r.SHAPE:
            self._shapeCame(record)
        elif head == r.END and record[1:] == [len(self._rows)]:
            self.complete = True
        else:
            raise MalformedTable(f"a record begins with {head!r}")

    def _isLater(self, record: Record) -> bool:
        """
        @return: whether a record names an earlier one.
        """
        return (
            len(record) > 2 and type(record[1]) is int and record[1] < len(self._rows)
        )

    # Making and filling

    def elements(self, number: int) -> list[Any]:
        """
        @return: the elements of a record, which are no pieces, as the objects that
            they are.
        @raise MalformedTable: it refers to what does not exist.
        """
        made = self.made
        try:
            return [
                made[e]
                if type(e) is int
                else unboxed(e)
                if type(e) is list
                else asInCode(e)
                if type(e) is str
                else e
                for e in self._rows[number][1:]
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
        for number, row in enumerate(self._rows):
            kind = self._kinds[row[0]]
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
