"""
Tests for the memory that a recipient has before objects come.
"""

from __future__ import annotations

import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.headroom import LARGE, MOST, SMALL, headroom
from tests.processes import CHECKOUT

#: In a process of its own: how many pages the kernel gives while blocks are made, small
#: ones and larger ones, after headroom for so many objects.
FAULTS = """
import resource, sys
from migrate.headroom import LARGE, SMALL, headroom

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

objects = 40000
small = [None] * objects
large = [None] * (objects * LARGE // 1000)
kept = headroom(int(sys.argv[1]) * objects)
before = faults()
for number in range(len(small)):
    small[number] = b"." * (SMALL - 40)
for number in range(len(large)):
    large[number] = b"." * 950
print(faults() - before)
"""


class HeadroomTests(SynchronousTestCase):
    """
    Tests for L{headroom}.
    """

    def faults(self, times: int) -> int:
        """
        @return: how many pages of memory came while blocks were made, with C{times} as
            much headroom as is usual for as many objects.
        """
        done = subprocess.run(
            [sys.executable, "-c", FAULTS, str(times)],
            cwd=CHECKOUT,
            check=True,
            stdout=subprocess.PIPE,
        )
        return int(done.stdout)

    def test_nothingToWaitFor(self) -> None:
        """
        What is made afterwards finds its memory there.
        """
        if sys.platform != "linux":
            raise SkipTest("pages are counted as Linux does")
        self.assertLess(self.faults(1), self.faults(0) / 4)

    def test_bounded(self) -> None:
        """
        Hardly anything is kept, and nothing for nothing, whatever is announced.
        """
        self.assertEqual(headroom(0), [])
        self.assertEqual(headroom(1), [])
        for objects in (10_000, 1 << 62):
            room = min(objects * (SMALL + LARGE), MOST)
            kept = sum(map(sys.getsizeof, headroom(objects)))
            self.assertGreater(kept, 0)
            self.assertLess(kept, room / 500 + 65536)
