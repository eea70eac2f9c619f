"""
Tests for L{benchmarks.byhand}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

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
        self.assertRegex(ended.out, r"by hand \d+\.\d+ us, floor \d+\.\d+ us")
        self.assertRegex(ended.out, r"by hand it is \d+\.\d+ times the floor")
