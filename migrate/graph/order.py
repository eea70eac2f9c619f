"""
The order in which the objects of a walk are written so that whoever reads them
one after the other can make and fill each at once.

What an object mentions comes before it, so that nobody has to write or read
one inside another: depth costs nothing.  Where objects refer to each other, one
is first made without what it holds.  What is hashed, or looked into by code of
its class, comes once all that is reachable from it is filled, as far as cycles
permit.

It must not know how anything is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from migrate.graph import records as r
from migrate.graph.paths import needs
from migrate.graph.planner import Planner
from migrate.graph.records import references
from migrate.graph.walk import Walk

# What is to be done with an object.
#: Make it; fill it too, unless it is among L{Order.early}.
MAKE = "make"
#: Fill what is made.
FILL = "fill"
#: Fill it with some elements only: what comes later fills it anew.
PART = "part"
#: See whether the members of a frozenset can be hashed; then it is made.
TRY = "try"
#: Look at a frozenset in the end: its members' hashes may change until then.
KEEP = "keep"

_ENTERED, _LEFT = 1, 2
_BLANK = frozenset((r.LIST, r.SET, r.DICT))
#: Which elements of a record are hashed.
_HASHED = {
    r.SET: slice(1, None),
    r.FROZENSET: slice(1, None),
    r.DICT: slice(1, None, 2),
}


class Step(NamedTuple):
    """
    One thing to be done.

    @ivar verb: what.
    @ivar number: the number of the object.
    @ivar places: which elements, for L{PART}; the first is 0.
    """

    verb: str
    number: int
    places: tuple[int, ...] = ()


class Order:
    """
    The order for one walk.

    @ivar steps: what is to be done, one after the other.  An object without
        elements is not among these: it is made and filled where it is first
        mentioned.  The list of roots comes last.
    @ivar blanks: the numbers of those builtin containers that have to be there,
        empty, before the first step.
    @ivar early: the numbers of those described objects that are made without
        their state.
    """

    def __init__(self, walk: Walk, planner: Planner) -> None:
        self.steps: list[Step] = []
        self.blanks: list[int] = []
        self.early: set[int] = set()
        self._walk = walk
        self._rows = walk.rows
        self._classes = [
            None if walk.rows[shape.cls][0] == r.NAMED else shape.cls
            for shape in walk.shapes
        ]
        adapters = [planner.named(shape.adapter) for shape in walk.shapes]
        self._complete = [adapter.complete for adapter in adapters]
        self._wholeState = [getattr(a, "wholeState", False) for a in adapters]
        self._plain = [adapter is planner.plain for adapter in adapters]
        count = len(walk.rows)
        self._made, self._filled = bytearray(count), bytearray(count)
        self._seen = bytearray(count)
        self._depth: dict[int, int] = {}
        self._path: dict[int, list[int]] = {}
        self._blocked: dict[int, int] = {}
        self._awaited: dict[int, int] = {}
        self._waiting: dict[int, list[int]] = {}
        self._byIdentity: dict[type, bool] = {}
        self._visit()

    # The way through the graph

    def _children(self, number: int) -> list[int]:
        """
        @return: the numbers of all that an object mentions.
        """
        row = self._rows[number]
        found = references(row)
        del found[0]  # The head is a number as well.
        if row[0] >= r.FIRST:
            cls = self._classes[row[0] - r.FIRST]
            if cls is not None:
                found.append(cls)
        return found

    def _visit(self) -> None:
        """
        Enter every object, depth first, and leave it after what it mentions.
        """
        seen, stack = self._seen, [0]
        while stack:
            number = stack.pop()
            if number < 0:
                self._leave(~number)
                continue
            if seen[number]:
                continue
            children = self._children(number)
            if not children and number:
                seen[number] = _LEFT
                self._made[number] = self._filled[number] = 1
                continue
            seen[number] = _ENTERED
            self._depth[number] = len(self._depth)
            self._path[number] = children
            stack.append(~number)
            stack.extend(child for child in reversed(children) if not seen[child])

    def _leave(self, number: int) -> None:
        """
        Write an object, and what waits for it.
        """
        self._seen[number] = _LEFT
        children = self._path.pop(number)
        last = self._last(children)
        if last is not None:
            self._blocked[number] = last
        self._finish(number, children)
        for other in self._waiting.pop(number, ()):
            self._finish(other, self._children(other))

    def _last(self, numbers: Iterable[int]) -> int | None:
        """
        @return: of the objects that have to be left before all these are
            whole, the one that is left last; L{None} if they are whole.
        """
        found = None
        for number in numbers:
            other = self._until(number)
            if self._seen[other] == _ENTERED and (
                found is None or self._depth[other] < self._depth[found]
            ):
                found = other
        return found

    def _until(self, number: int) -> int:
        """
        @return: the object that has to be left before this one is whole; itself
            if it is not left, and anything that is left if it is whole.
        """
        passed = []
        while self._seen[number] == _LEFT and number in self._blocked:
            passed.append(number)
            number = self._blocked[number]
        for each in passed:
            self._blocked[each] = number
        return number

    # What has to wait

    def _finish(self, number: int, children: Sequence[int]) -> None:
        """
        Write an object, unless it has to wait for another to be left.
        """
        if self._filled[number]:
            return
        last = self._awaits(number, children)
        if last is None:
            self._write(number, children)
            return
        self._awaited[number] = last
        self._waiting.setdefault(last, []).append(number)
        self._writePart(number, children)

    def _awaits(self, number: int, children: Sequence[int]) -> int | None:
        """
        @return: what has to be left before an object can be made and filled as
            it should be; L{None} if nothing has to.
        """
        late = [
            other
            for child in children
            if not self._made[child] and not self._isBlank(child)
            for other in (self._awaited.get(child, child),)
            if self._seen[other] == _ENTERED
        ]
        last = self._last(self._wholes(number, children))
        return min(
            late if last is None else [*late, last],
            key=self._depth.__getitem__,
            default=None,
        )

    def _wholes(self, number: int, children: Sequence[int]) -> Iterable[int]:
        """
        @return: what should be whole before an object is made and filled.
        """
        head = self._rows[number][0]
        if head in _HASHED:
            return [n for n in self._hashed(number) if self._isUnsafe(n)]
        if head >= r.FIRST:
            if self._wholeState[head - r.FIRST]:
                return children
            if self._complete[head - r.FIRST] and not self._made[number]:
                return needs(self._walk, number)
        return ()

    def _hashed(self, number: int) -> list[int]:
        """
        @return: the described objects that are hashed with a container's keys.
        """
        row = self._rows[number]
        stack = references(row[_HASHED[row[0]]])
        known = set(stack)
        found = []
        while stack:
            other = stack.pop()
            head = self._rows[other][0]
            if head >= r.FIRST:
                found.append(other)
            elif head in (r.TUPLE, r.FROZENSET):
                more = set(references(self._rows[other][1:])) - known
                known |= more
                stack.extend(more)
        return found

    def _isUnsafe(self, number: int) -> bool:
        """
        @return: whether hashing an object, or comparing it, looks into it.
        """
        cls = type(self._walk.objects[number])
        if cls not in self._byIdentity:
            own: tuple[Any, Any] = (cls.__hash__, cls.__eq__)
            self._byIdentity[cls] = own == (object.__hash__, object.__eq__)
        return not self._byIdentity[cls]

    # What is to be done

    def _add(self, verb: str, number: int, places: tuple[int, ...] = ()) -> None:
        """
        Add a step.
        """
        self.steps.append(Step(verb, number, places))

    def _write(self, number: int, children: Sequence[int]) -> None:
        """
        Make an object, and fill it.
        """
        missing = [child for child in children if not self._made[child]]
        if missing:
            self._writePart(number, children)
            for child in missing:
                self._make(child)
        head = self._rows[number][0]
        if head in (r.SET, r.DICT) and self._hashed(number):
            self._make(number)
        if self._made[number]:
            if not self._filled[number]:
                self._add(FILL, number)
        else:
            self._addWhole(number)
        self._made[number] = self._filled[number] = 1

    def _addWhole(self, number: int) -> None:
        """
        Make something at once with all that it holds.
        """
        keyed = self._rows[number][0] == r.FROZENSET and self._hashed(number)
        if keyed:
            self._add(TRY, number)
        self._add(MAKE, number)
        if keyed:
            self._add(KEEP, number)

    def _writePart(self, number: int, children: Sequence[int]) -> None:
        """
        Give a plain object those attributes that are made already: what has
        to be made before the others may look at them.
        """
        for child in children:
            if not self._made[child] and self._isBlank(child):
                self._make(child)
        row = self._rows[number]
        if row[0] < r.FIRST or not self._plain[row[0] - r.FIRST]:
            return
        places = [
            place
            for place, element in enumerate(row[1:])
            if type(element) is not int or self._made[element]
        ]
        if len(places) < len(row) - 1 and self._isBlank(number):
            self._make(number)
            self._add(PART, number, tuple(places))

    def _isBlank(self, number: int) -> bool:
        """
        @return: whether an object can be made as it should be, without any other.
        """
        head = self._rows[number][0]
        if head in _BLANK:
            return True
        if head < r.FIRST:
            return False
        needed = needs(self._walk, number)
        if self._complete[head - r.FIRST] and self._last(needed) is not None:
            return False
        return all(map(self._made.__getitem__, needed))

    def _make(self, number: int) -> None:
        """
        Make an object without what it holds, and before it what it needs.  No
        cycle consists of what objects need: the walk was checked for that.
        """
        stack = [number]
        while stack:
            missing = (
                []
                if self._made[stack[-1]]
                else [n for n in needs(self._walk, stack[-1]) if not self._made[n]]
            )
            if missing:
                stack.extend(missing)
                continue
            number = stack.pop()
            if not self._made[number]:
                self._made[number] = 1
                self._makeOne(number)

    def _makeOne(self, number: int) -> None:
        """
        Make an object of which all that it needs is made.
        """
        head = self._rows[number][0]
        if not self._children(number):
            self._filled[number] = 1
            return
        if head in _BLANK:
            self.blanks.append(number)
            return
        if head >= r.FIRST and self._walk.shapes[head - r.FIRST].names is not None:
            self.early.add(number)
        else:
            self._filled[number] = 1
        self._addWhole(number)
