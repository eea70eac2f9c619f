"""
The memory of two processes while a service moves from one to the other, looked at
again and again.

It must not know what moves.
"""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import attrs

from benchmarks.meters import Memory, memoryFiles, proportional, sharedMemory

#: Between two looks, in seconds.
INTERVAL = 0.005

#: The same for what the kernel has to walk over all pages for.
SELDOM = 0.1


@attrs.define
class Peaks:
    """
    The most that one process ever had, in bytes.

    @ivar own: what counts as its own: private memory, the memory files that it has
        made, whoever has these open, and shared memory that is no such file.
    @ivar resident: what the kernel calls the peak of its resident memory, in which
        memory files count that are mapped, whoever made them.
    @ivar shared: shared memory in it.
    @ivar files: the memory files that it has made.
    @ivar proportional: its resident memory, with its part only of what it shares.
    """

    own: int = 0
    resident: int = 0
    shared: int = 0
    files: int = 0
    proportional: int = 0

    def note(self, memory: Memory, opened: int, made: int) -> None:
        """
        @param opened: the memory files that it has open.
        @param made: those that it has made.
        """
        # What is mapped of others' files counts where they were made.
        rest = max(0, memory.shared - opened)
        self.own = max(self.own, memory.private + made + rest)
        self.resident = max(self.resident, memory.peak)
        self.shared = max(self.shared, memory.shared)
        self.files = max(self.files, made)
        if not self.shared and not self.files:
            # There is no doubt whose all of it is, and the kernel misses nothing.
            self.own = max(self.own, memory.peak)


class Sampler(threading.Thread):
    """
    Looks on until L{finish} is called.

    @ivar peaks: of every process, by its id.
    @ivar shared: the most shared memory that the whole machine had, in bytes.
    """

    def __init__(self, *pids: int) -> None:
        """
        @param pids: a memory file that is found open in two of these at once is the
            first one's.
        """
        super().__init__(daemon=True)
        self.peaks = {pid: Peaks() for pid in pids}
        self.shared = 0
        self._makers: dict[int, int] = {}
        self._halt = threading.Event()
        self._seldom = 0.0

    def run(self) -> None:
        """
        See L{threading.Thread.run}.
        """
        while not self._halt.is_set():
            self.look()
            self._halt.wait(INTERVAL)

    def finish(self) -> None:
        """
        Look once more, and no more.
        """
        self._halt.set()
        self.join()
        self.look()

    def look(self) -> None:
        """
        One look at all of them; one that has ended stays what it was.
        """
        opened = {pid: _files(pid) for pid in self.peaks}
        sizes: dict[int, int] = {}
        for pid, files in opened.items():
            for inode, size in files.items():
                self._makers.setdefault(inode, pid)
                sizes[inode] = size
        made = dict.fromkeys(self.peaks, 0)
        for inode, size in sizes.items():
            made[self._makers[inode]] += size
        for pid, peaks in self.peaks.items():
            with suppress(OSError, KeyError):
                peaks.note(Memory.of(pid), sum(opened[pid].values()), made[pid])
        self.shared = max(self.shared, sharedMemory())
        if time.monotonic() >= self._seldom:
            self._seldom = time.monotonic() + SELDOM
            self._lookSeldom()

    def _lookSeldom(self) -> None:
        for pid, peaks in self.peaks.items():
            with suppress(OSError, AssertionError):
                peaks.proportional = max(peaks.proportional, proportional(pid))


def _files(pid: int) -> dict[int, int]:
    with suppress(OSError):
        return memoryFiles(pid)
    return {}
