"""
What a walk has found, counted.

It must not know what a count is for, nor do anything to a graph.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import attrs
from twisted.internet.interfaces import IDelayedCall, IListeningPort, ITransport

from migrate.graph import records as r
from migrate.graph.paths import refusals
from migrate.graph.plain import className
from migrate.graph.survey import Row, Survey
from migrate.graph.walk import Walk

#: Heads of what is no object that moves, and is written for the one that was the
#: first to mention it.
_CARRIED = frozenset((r.TEXT, r.BYTES, r.INT, r.DESCRIPTOR, r.WEAK))
#: Heads of what is written for nobody in particular.
_SHARED = frozenset((r.NAMED, r.EXTERNAL, r.REFUSED))


@attrs.define(eq=False)
class _Counting:
    """
    One look at a walk.
    """

    walk: Walk
    objects: Counter[type] = attrs.field(factory=Counter)
    sizes: Counter[type] = attrs.field(factory=Counter)

    def count(self) -> None:
        """
        Count all objects, and measure what is written for them.
        """
        walk = self.walk
        for number in range(1, len(walk.rows)):
            head = walk.rows[number][0]
            if head in _SHARED:
                continue
            holder = self._holder(number)
            if holder:
                cls = type(walk.objects[holder])
                self.sizes[cls] += r.sizeOf(walk.rows[number])
            if head not in _CARRIED:
                self.objects[type(walk.objects[number])] += 1

    def _holder(self, number: int) -> int:
        """
        @return: the object for which a record is written; 0 if for none.
        """
        walk = self.walk
        while number and walk.rows[number][0] in _CARRIED:
            parent = walk.parent(number)
            # What only a weak reference means was met out of order.
            number = parent if parent < number else 0
        return number if walk.rows[number][0] not in _SHARED else 0

    def instances(self, interface: Any) -> Iterator[int]:
        """
        @return: the objects whose class implements an interface.  Objects that
            provide one only by themselves stand in for others.
        """
        classes = {cls for cls in self.objects if _implements(cls, interface)}
        for number in range(1, len(self.walk.rows)):
            if type(self.walk.objects[number]) in classes and self._moves(number):
                yield number

    def _moves(self, number: int) -> bool:
        """
        @return: whether an adapter described the object of that number.
        """
        return bool(self.walk.rows[number][0] >= r.FIRST)

    def holdsDescriptor(self, number: int) -> bool:
        """
        @return: whether an object has a descriptor of its own.
        """
        rows = self.walk.rows
        return any(
            rows[mentioned][0] == r.DESCRIPTOR
            for mentioned in r.references(rows[number][1:])
        )

    def hasProtocol(self, number: int) -> bool:
        """
        @return: whether an object works for a protocol, as a transport does from
            the time at which it is connected until it is lost.
        """
        names = self.walk.shapes[self.walk.rows[number][0] - r.FIRST].names
        return isinstance(names, tuple) and "protocol" in names


def _implements(cls: type, interface: Any) -> bool:
    """
    Asking zope would leave a trace on classes that know nothing of interfaces.
    """
    declares = any("__implemented__" in base.__dict__ for base in cls.__mro__)
    return bool(declares and interface.implementedBy(cls))


def surveyOf(walk: Walk, label: str, size: int) -> Survey:
    """
    @param walk: whatever it has found that cannot move.
    @param label: what paths in refusals begin with.
    @param size: the bytes of all that would be written.
    @return: what would move.
    """
    counting = _Counting(walk)
    counting.count()
    ports = set(filter(counting.holdsDescriptor, counting.instances(IListeningPort)))
    return Survey(
        objects=counting.objects.total(),
        bytes=size,
        descriptors=len(walk.filenos),
        connections=sum(
            number not in ports
            and counting.hasProtocol(number)
            and counting.holdsDescriptor(number)
            for number in counting.instances(ITransport)
        ),
        ports=len(ports),
        timers=sum(
            walk.objects[number].active() for number in counting.instances(IDelayedCall)
        ),
        rows=_rows(counting),
        refusals=tuple(refusals(walk, label)),
    )


def _rows(counting: _Counting) -> tuple[Row, ...]:
    """
    @return: the rows; classes of one name share one.
    """
    counts: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    for cls, count in counting.objects.items():
        counts[className(cls)] += count
        sizes[className(cls)] += counting.sizes[cls]
    rows = [Row(name, count, sizes[name]) for name, count in counts.items()]
    return tuple(sorted(rows, key=lambda row: (-row.bytes, row.name)))
