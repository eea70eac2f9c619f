"""
Large byte strings on their way out of the records: which part of which one goes into
which file.

It must not know what a file is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence

import attrs
from zope.interface import implementer

from migrate.graph import records as r
from migrate.graph.records import Record
from migrate.interfaces import ILargeBytes


@implementer(ILargeBytes)
@attrs.define
class Uncopied:
    """
    Counts what would be written.

    @ivar size: how many bytes there are.
    """

    size: int = 0

    def write(self, parts: Sequence[memoryview]) -> int:
        """
        See L{ILargeBytes.write}.

        @return: no descriptor at all.
        """
        self.size += sum(map(len, parts))
        return -1


@attrs.define(eq=False)
class Outgoing:
    """
    What one walk has met of them.

    @ivar filenos: the walk's descriptors, which are added to.
    @ivar total: how many bytes there were so far.
    """

    _large: ILargeBytes
    filenos: list[int]
    total: int = 0
    _waiting: deque[tuple[int, bytes]] = attrs.field(factory=deque)
    _size: int = 0
    _begun: int = 0

    def add(self, number: int, data: bytes) -> Record:
        """
        @param number: the object of the walk that C{data} is.
        @return: its record.
        """
        self._waiting.append((number, data))
        self._size += len(data)
        self.total += len(data)
        return [r.BLOB, [len(data)]]

    def full(self) -> Iterator[list[Record]]:
        """
        Write files, as far as there is enough for one.

        @return: for each file the records that say what is in it.
        """
        while self._size >= r.SEGMENT:
            yield self._write()

    def rest(self) -> Iterator[list[Record]]:
        """
        Write all there is.
        """
        while self._waiting:
            yield self._write()

    def _write(self) -> list[Record]:
        """
        Write one file.
        """
        place, at = len(self.filenos), 0
        parts: list[memoryview] = []
        records: list[Record] = []
        while self._waiting and at < r.SEGMENT:
            (number, data), begin = self._waiting[0], self._begun
            length = min(r.SEGMENT - at, len(data) - begin)
            parts.append(memoryview(data)[begin : begin + length])
            records.append([r.PART, number, [begin], [place], [at], [length]])
            at += length
            self._begun = begin + length
            if self._begun == len(data):
                self._waiting.popleft()
                self._begun = 0
        self.filenos.append(self._large.write(parts))
        self._size -= at
        return [*records, [r.SPENT, [place]]]
