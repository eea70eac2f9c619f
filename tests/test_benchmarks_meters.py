"""
What the benchmarks read of the kernel is right.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.meters import (
    Memory,
    memoryFiles,
    processorSeconds,
    proportional,
    resetPeak,
    sharedMemory,
)
from benchmarks.sampling import Peaks, Sampler

_MEGABYTE = 1 << 20


class MetersTests(SynchronousTestCase):
    """
    L{benchmarks.meters}, of this process.
    """

    def test_peak(self) -> None:
        """
        The peak is above what is resident, and begins anew when told to.
        """
        pid = os.getpid()
        block = bytes(1) * (64 * _MEGABYTE)
        high = Memory.of(pid)
        del block
        self.assertGreater(high.peak, 64 * _MEGABYTE)
        resetPeak(pid)
        low = Memory.of(pid)
        self.assertLess(low.peak, high.peak - 32 * _MEGABYTE)
        self.assertGreaterEqual(low.peak, low.resident - _MEGABYTE)

    def test_proportional(self) -> None:
        """
        A part of what is shared is no more than all of it.
        """
        found = proportional(os.getpid())
        self.assertGreater(found, 0)
        self.assertLess(found, Memory.of(os.getpid()).resident + _MEGABYTE)

    def test_processor(self) -> None:
        """
        Work takes time.
        """
        before = processorSeconds(os.getpid())
        sum(range(1_000_000))
        self.assertGreater(processorSeconds(os.getpid()), before)

    def test_memoryFiles(self) -> None:
        """
        A memory file counts with what was written to it, while it is open.
        """
        before = memoryFiles(os.getpid())
        fileno = os.memfd_create("benchmark")
        self.addCleanup(os.close, fileno)
        os.truncate(fileno, 8 * _MEGABYTE)
        os.pwrite(fileno, b"x" * _MEGABYTE, 0)
        inode = os.fstat(fileno).st_ino
        found = memoryFiles(os.getpid())
        self.assertEqual(found.keys() - before.keys(), {inode})
        self.assertGreaterEqual(found[inode], _MEGABYTE)
        self.assertGreaterEqual(sharedMemory(), _MEGABYTE)


class SamplerTests(SynchronousTestCase):
    """
    L{Sampler}
    """

    def child(self, inherited: int) -> Any:
        """
        @return: a process that has the same memory file open.
        """
        command = [
            sys.executable,
            "-c",
            "import sys; print(flush=True); sys.stdin.read()",
        ]
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[inherited],
        )
        self.addCleanup(child.communicate)
        assert child.stdout is not None
        child.stdout.readline()
        return child

    def test_once(self) -> None:
        """
        A memory file that two processes have open counts at the one that made it, also
        when it has closed it; a process that has ended stays what it was.
        """
        fileno = os.memfd_create("benchmark")
        os.pwrite(fileno, b"x" * (4 * _MEGABYTE), 0)
        child = self.child(fileno)
        ours = os.getpid()
        sampler = Sampler(ours, child.pid)
        sampler.look()
        os.pwrite(fileno, b"x" * _MEGABYTE, 4 * _MEGABYTE)
        os.close(fileno)
        sampler.look()
        self.assertGreaterEqual(sampler.peaks[ours].files, 5 * _MEGABYTE)
        self.assertEqual(sampler.peaks[child.pid].files, 0)
        before = sampler.peaks[child.pid].resident
        child.communicate()
        sampler.look()
        self.assertEqual(sampler.peaks[child.pid].resident, before)
        self.assertGreater(before, 0)

    def test_thread(self) -> None:
        """
        It looks until it is told to finish.
        """
        sampler = Sampler(os.getpid())
        sampler.start()
        sampler.finish()
        peaks = sampler.peaks[os.getpid()]
        self.assertFalse(sampler.is_alive())
        self.assertGreater(peaks.own, 0)
        self.assertGreater(peaks.proportional, 0)

    def test_own(self) -> None:
        """
        The kernel's peak counts while there is no shared memory in it; otherwise what
        was made does, and what is mapped of others' files does not.
        """
        peaks = Peaks()
        peaks.note(Memory(private=5, shared=0, peak=9), opened=0, made=0)
        self.assertEqual(peaks.own, 9)
        peaks.note(Memory(private=6, shared=20, peak=40), opened=20, made=0)
        self.assertEqual(peaks.own, 9)
        peaks.note(Memory(private=6, shared=0, peak=40), opened=8, made=8)
        self.assertEqual(peaks.own, 14)
        peaks.note(Memory(private=6, shared=30, peak=40), opened=8, made=8)
        self.assertEqual(peaks.own, 6 + 8 + 22)
        self.assertEqual((peaks.resident, peaks.shared, peaks.files), (40, 30, 8))
