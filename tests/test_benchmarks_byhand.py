"""
Tests for L{benchmarks.byhand}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from benchmarks.byhand import Took, shown
from tests.processes import CHECKOUT, Processes


class ByHandTests(TestCase):
    """
    The least that Twisted's objects can cost.
    """

    @inlineCallbacks
    def test_few(self) -> Any:
        """
        Both are measured, with however few people, and compared.
        """
        child = Processes(self).python(["-m", "benchmarks.byhand", "20"], CHECKOUT)
        ended = yield child.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        for name in ("by hand", "descriptors", "floor"):
            line = rf"(?m)^{name}: \d+\.\d+ us, \d+\.\d+ of it at the new end$"
            self.assertRegex(ended.out, line)
        self.assertRegex(ended.out, r"by hand it is \d+\.\d+ times the floor, one end")
        self.assertRegex(ended.out, r"and \d+\.\d+ times if the old end took no time")


class ShownTests(SynchronousTestCase):
    """
    What is told of what was measured.
    """

    def test_ratios(self) -> None:
        """
        The descriptors are on both sides of a ratio; the new end alone is compared with
        all of the floor.
        """
        found = {
            "by hand": Took(4.0, 7.5),
            "descriptors": Took(0.5, 0.5),
            "floor": Took(1.0, 3.0),
        }
        self.assertEqual(
            shown(found),
            [
                "by hand: 11.50 us, 7.50 of it at the new end",
                "descriptors: 1.00 us, 0.50 of it at the new end",
                "floor: 4.00 us, 3.00 of it at the new end",
                "by hand it is 2.50 times the floor, one end after the other",
                "and 1.60 times if the old end took no time at all",
            ],
        )
