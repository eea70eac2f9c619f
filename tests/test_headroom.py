"""
Tests for the memory that a recipient has before objects come.
"""

from __future__ import annotations

import subprocess
import sys
import tracemalloc

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.headroom import LARGE, MOST, OBJECT, SMALL, headroom
from tests.processes import CHECKOUT

#: In a process of its own: how many pages the kernel gives while blocks are made, small
#: ones and larger ones, after headroom for so many descriptors and objects.
FAULTS = """
import resource, sys
from migrate.headroom import BYTE, LARGE, OBJECT, SMALL, headroom

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

count = 8000
blocks = [None] * (7 * count)
kept = headroom(*[int(sys.argv[1]) * each for each in (6 * count, 1 << 40, count)])
before = faults()
for number in range(count):
    for place in range(6):
        blocks[7 * number + place] = b"." * (OBJECT - 40)
    blocks[7 * number + 6] = b"." * (LARGE - 50)
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
        for few in ((0, 0, 0), (1, 40, 0), (1 << 62, 0, 0), (0, 1 << 62, 0)):
            self.assertEqual(headroom(*few), [])
        for objects, size, descriptors in (
            (10_000, 400_000, 0),
            (10_000, 400_000, 1_000),
            (1 << 62, 1 << 62, 0),
            (0, 0, 1 << 62),
            (1 << 62, 1 << 62, 1 << 62),
        ):
            room = min(OBJECT * objects + (SMALL + LARGE) * descriptors, MOST)
            kept = sum(map(sys.getsizeof, headroom(objects, size, descriptors)))
            self.assertGreater(kept, 0)
            self.assertLess(kept, room / 500 + 65536)

    def test_littleToCome(self) -> None:
        """
        Of many objects that take a few bytes of records each, hardly more is made
        than those take: a list without anything in it has three.
        """
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        headroom(100_000, 300_000, 0)
        _, peak = tracemalloc.get_traced_memory()
        self.assertLess(peak, 100_000 * sys.getsizeof([]))
