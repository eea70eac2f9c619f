"""
The visits of a walk: every object that is met gets a number, is visited once, and
becomes a record.  This is the one loop that runs for every element of a graph.

There are two of it that do the same: this one, and L{migrate.graph.native}, which is
compiled where a compiler is there.

It must not know who speaks for which objects.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from migrate.graph import records as r
from migrate.graph.natives import Reader
from migrate.graph.records import Record, Shape

#: How the instances of a class are read; all but the first are what a compiled walk
#: knows to do without the reader.
READ, CONTAINER, PLAIN, DESCRIBED, DIRECT, HANDED = range(6)

_ATOMS = frozenset((type(None), bool, int, float, str, bytes))
_INLINE = frozenset((type(None), bool, float))
#: So many objects that were met together are visited together.
_FEW = 64
#: Heads of what is no object that moves, nor counted as one.
_UNCOUNTED = r.OUTSIDE | {r.DESCRIPTOR, r.WEAK}
_OUTSIDE = r.OUTSIDE | {-1}
#: Heads of what may need another object before it is made, and is not described.
_NEEDY = frozenset((r.TUPLE, r.FROZENSET, r.WEAK))


class Plan(NamedTuple):
    """
    How the instances of one class are read.

    @ivar way: one of L{READ}, L{CONTAINER}, L{PLAIN}, L{DESCRIBED}, L{DIRECT},
        L{HANDED}, which is for descriptors.
    @ivar reader: reads one.
    @ivar head: for L{CONTAINER}, that of a short one.
    @ivar adapter: for L{PLAIN}, L{DESCRIBED} and L{DIRECT}, who speaks for it; for
        L{HANDED}, the list of all descriptors.
    @ivar live: whether that has something to do when it is paused.
    @ivar outside: for L{CONTAINER}, by identity, those that only the reader knows; for
        L{HANDED}, by number, the places of those that have been sent before.  L{None}
        if there are none.
    """

    way: int
    reader: Reader
    head: int = 0
    adapter: Any = None
    live: bool = False
    outside: dict[int, Any] | None = None


class _Readers(dict[type, Reader]):
    """
    Readers by class, found when the first instance is met.
    """

    def __init__(self, plan: Callable[[type], Plan]) -> None:
        self._plan = plan

    def __missing__(self, cls: type) -> Reader:
        found = self[cls] = self._plan(cls).reader
        return found


class Visits:
    """
    All visits of one walk.

    @ivar objects: everything that was met, by number.
    @ivar rows: what was visited, by number: the records.  L{None} if they are
        written instead.
    """

    def __init__(self, guide: Any, keep: bool) -> None:
        """
        @param guide: the walk: C{plan(cls)} gives the L{Plan} of a class and
            C{shapes} the shapes so far.
        @param keep: whether records are kept; else they are written.
        """
        self.objects: list[Any] = []
        self.rows: list[Record] | None = [] if keep else None
        self._shapes: list[Shape] = guide.shapes
        self._readers = _Readers(guide.plan)
        self._numbers: dict[int, int] = {}
        self._parents = array("I")
        self._heads = array("l")
        self._few: list[list[int]] = []
        self._many: list[list[int]] = []
        self._active = [0, 0]
        self._mark = self._visited = self._next = 0
        self._mentions: list[tuple[int, int]] = []
        self._batch: list[Record] = []
        self._chunks: list[bytes] = []
        self._weight = self._declared = 0

    # Numbers

    def meet(self, obj: object) -> int:
        """
        @return: the number of an object, which it gets at the first time.
        """
        number = self._numbers.setdefault(id(obj), len(self.objects))
        if number == len(self.objects):
            self.objects.append(obj)
        return number

    def number(self, obj: object) -> int:
        """
        @return: the number of an object; -1 if it was not met.
        """
        return self._numbers.get(id(obj), -1)

    def moves(self, obj: object) -> bool:
        """
        @return: whether an object was visited and does not stay outside.
        """
        return self._head(self.number(obj)) not in _OUTSIDE

    def _head(self, number: int) -> int:
        """
        @return: the head of a record; -1 if there is none yet.
        """
        return self._heads[number] if 0 <= number < len(self._heads) else -1

    def parent(self, number: int) -> int:
        """
        @return: the object whose visit was the first to meet another.
        """
        return self._parents[number]

    def element(self, value: object) -> Any:
        """
        @return: how one value stands in a record.
        """
        kind = type(value)
        if kind in _INLINE or (kind is str and len(value) <= r.SHORT):  # type: ignore[arg-type]
            return value
        if kind is bytes and len(value) <= r.SHORT:  # type: ignore[arg-type]
            return [value]
        if kind is int and r.LOWEST <= value <= r.HIGHEST:  # type: ignore[operator]
            return [value]
        return self.meet(value)

    # The visits

    def drain(self) -> bool:
        """
        Visit what was met and not yet visited; if records are written, until
        there are enough for a chunk.

        @return: whether all was visited.
        """
        self._queue(0)
        rows = self.rows
        while not self._chunks:
            number = self._choose()
            if number < 0:
                return True
            row = self._visit(number)
            self._queue(number)
            if rows is not None:
                rows[number] = row
            else:
                self._write(number, row)
        return self._active[0] == self._active[1] and not (self._few or self._many)

    def amid(self) -> bool:
        """
        @return: whether the record of a large container has only been begun: nothing
            else may be added before it is whole.
        """
        return False

    def _choose(self) -> int:
        """
        @return: the object that is visited next, or -1.  Those come first that were
            met together, if they are few; of many, one with all below it before the
            next: so what is mentioned is mostly near, and can be made and filled
            while the rest is on its way.
        """
        few = self._few
        if self._active[0] == self._active[1]:
            few[self._mark :] = reversed(few[self._mark :])
            self._mark = len(few)
            if not few:
                return self._chooseOfMany()
            self._active = few.pop()
            self._mark = len(few)
        self._active[0] += 1
        return self._active[0] - 1

    def _chooseOfMany(self) -> int:
        if not self._many:
            return -1
        last = self._many[-1]
        last[0] += 1
        if last[0] == last[1]:
            self._many.pop()
        return last[0] - 1

    def _queue(self, parent: int) -> None:
        """
        Have those visited that were met since the last time.
        """
        known, count = len(self._parents), len(self.objects)
        if known == count:
            return
        into = self._many if count - known > _FEW else self._few
        into.append([known, count])
        self._parents.extend([parent] * (count - known))
        self._heads.extend([-1] * (count - known))
        if self.rows is not None:
            self.rows.extend([[]] * (count - known))

    def _visit(self, number: int) -> Record:
        """
        @return: the record of an object.
        """
        obj = self.objects[number]
        head, elements = self._readers[type(obj)](obj)
        row: Record = elements if head is None else self._row(head, elements)  # type: ignore[assignment]
        self._heads[number] = row[0]
        self._visited += 1
        if row[0] >= r.FIRST:
            self._note(number, row)
        return row

    def _row(self, head: int, elements: Iterable[Any]) -> Record:
        """
        @return: a record of C{elements}, each as L{element} has it, in one piece.
        """
        objects, numbers = self.objects, self._numbers
        row: Record = [head]
        add = row.append
        for element in elements:
            kind = type(element)
            if kind in _ATOMS:
                if kind in _INLINE:
                    add(element)
                    continue
                if kind is int:
                    if r.LOWEST <= element <= r.HIGHEST:
                        add([element])
                        continue
                elif len(element) <= r.SHORT:
                    add(element if kind is str else [element])
                    continue
            number = numbers.get(id(element))
            if number is None:
                number = numbers[id(element)] = len(objects)
                objects.append(element)
            add(number)
        return row

    def _note(self, number: int, row: Record) -> None:
        """
        Note which objects an adapter's object needs before it is made.
        """
        shape = self._shapes[row[0] - r.FIRST]
        if shape.arguments:
            needed = r.references(row[1 : 1 + shape.arguments])
            self._mentions += [(number, other) for other in needed]
        if shape.module is None:
            self._mentions.append((number, shape.cls))

    def knots(self) -> bool:
        """
        @return: whether objects may need each other: some described object needs
            one that needs something itself.
        """
        return any(
            head in _NEEDY or (head >= r.FIRST and self._isNeedy(head))
            for _, other in self._mentions
            for head in (self._head(other),)
        )

    def _isNeedy(self, head: int) -> bool:
        shape = self._shapes[head - r.FIRST]
        return bool(shape.arguments or shape.module is None)

    def counts(self) -> dict[type, int]:
        """
        @return: how many objects move, by class; the list of roots is one.
        """
        return Counter(
            type(obj)
            for obj, head in zip(self.objects, self._heads, strict=False)
            if head not in _UNCOUNTED
        )

    # What is added to earlier records

    def later(self, number: int, value: object) -> None:
        """
        Add an element to the record of an object that was visited.
        """
        element = self.element(value)
        if self.rows is not None:
            self.rows[number].append(element)
        else:
            self._batch.append([r.LATER, number, element])
            self._weight += 3

    # What is written

    def _write(self, number: int, row: Record) -> None:
        """
        Gather a record, and the shape that it is the first to need.
        """
        batch = self._batch
        if row[0] >= r.FIRST + self._declared:
            known, self._declared = self._declared, row[0] - r.FIRST + 1
            fresh = self._shapes[known : self._declared]
            batch += [shape.record() for shape in fresh]
        if number != self._next:
            batch.append([r.AT, number])
        self._next = number + 1
        batch.append(row)
        self._weight += len(row)
        if self._weight >= r.BATCH:
            self._flush()

    def _flush(self) -> None:
        self._chunks += r.encoded(self._batch)
        self._batch, self._weight = [], 0

    def add(self, records: list[Record]) -> None:
        """
        Write records that describe no object, and let them be taken at once.
        """
        if self.rows is None:
            self._batch += records
            self._flush()

    def end(self) -> None:
        """
        Write that this is all.
        """
        self._batch.append([r.END, self._visited])
        self._flush()

    def forget(self) -> None:
        """
        Let go of all objects, once nobody asks about them any more.
        """
        self._numbers.clear()
        self.objects.clear()
        self._readers.clear()

    def take(self) -> list[bytes]:
        """
        @return: the chunks that were written since the last time.
        """
        chunks, self._chunks = self._chunks, []
        return chunks
