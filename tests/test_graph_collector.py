"""
Tests for what is done about garbage and freed memory.
"""

from __future__ import annotations

import gc
import subprocess
import sys

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.graph.collector import OWN, promote, uncollected
from tests.processes import CHECKOUT

#: Every second of many blocks is freed, so that the C library keeps them all.
KEEPS = """
import ctypes, os
from migrate.graph.collector import giveBack
from tests.procfs import residentBytes
if not hasattr(ctypes.CDLL(None), "malloc_trim"):
    raise SystemExit(77)
blocks = [bytes(16 * 1024) for _ in range(4000)]
small = bytes(16 * 1024)
del blocks
before = residentBytes(os.getpid())
giveBack()
after = residentBytes(os.getpid())
print(before - after)
"""


class CollectorTests(SynchronousTestCase):
    """
    Tests for L{migrate.graph.collector}.
    """

    def test_uncollected(self) -> None:
        """
        The collector is as it was afterwards, also after an error.
        """
        before = gc.isenabled()
        self.addCleanup((gc.disable, gc.enable)[before])
        for enabled in (True, False):
            (gc.disable, gc.enable)[enabled]()
            with self.assertRaises(ZeroDivisionError), uncollected():
                self.assertFalse(gc.isenabled())
                raise ZeroDivisionError
            self.assertEqual(gc.isenabled(), enabled)

    def test_promote(self) -> None:
        """
        What there is is old from then on, and is still collected when it is garbage.
        """
        promote()
        self.assertLess(gc.get_freeze_count(), OWN)
        thing: list[object] = []
        thing.append(thing)
        promote()
        self.assertTrue(any(each is thing for each in gc.get_objects(2)))

    def test_giveBack(self) -> None:
        """
        Freed memory is the system's again.
        """
        done = subprocess.run(
            [sys.executable, "-c", KEEPS],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 77:
            raise SkipTest("this C library has no malloc_trim")
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertGreater(int(done.stdout), 32 << 20)
