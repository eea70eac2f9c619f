"""
The benchmark of what costs while nothing migrates runs, and tells what it measured.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from benchmarks import tax
from tests.benchmarking import BenchmarksTestCase


class TaxTests(BenchmarksTestCase):
    """
    L{benchmarks.tax}
    """

    @inlineCallbacks
    def test_cases(self) -> Any:
        """
        Every service is asked, whoever runs it, and stands idle.
        """
        options = ["--rounds", "1", "--seconds", "0.05", "--idle", "0.1", "--cases"]
        found, out = yield self.measure("benchmarks.tax", *options, "chat-1", "web-50")
        cases = found["tax"]["cases"]
        self.assertEqual(list(cases), ["chat-1", "web-50"])
        for about in cases.values():
            self.assertEqual(list(about["arms"]), ["plain", "served", "moved"])
            for name, arm in about["arms"].items():
                self.assertEqual(list(arm), ["rate", "cpu", "median", "p99"])
                for measured in arm.values():
                    self.assertGreater(measured["median"], 0)
                    self.assertEqual("ratio" in measured, name != "plain")
            (round_,) = about["rounds"]
            self.assertEqual({len(slots) for slots in round_.values()}, {2})
            for one in about["idle"].values():
                self.assertGreaterEqual(one["cpu"], 0)
                self.assertGreater(one["resident"], one["proportional"])
        self.assertIn("While nothing migrates", out)

    def test_order(self) -> None:
        """
        Whoever is asked first, and last, changes from round to round; each of them
        is at every place equally often.
        """
        orders = [tax.ordered(number) for number in range(6)]
        for place in range(len(tax.ARMS)):
            names = [order[place] for order in orders]
            self.assertEqual({names.count(arm) for arm in tax.ARMS}, {2})

    def test_compared(self) -> None:
        """
        Everybody is compared to the first, measure by measure.
        """
        slots = {
            arm: [dict.fromkeys(tax.MEASURES, value)] * 2
            for arm, value in zip(tax.ARMS, (4.0, 5.0, 2.0), strict=True)
        }
        found = tax.compared([slots, slots])
        self.assertEqual(found["plain"]["rate"], {"median": 4.0})
        self.assertEqual(found["served"]["cpu"]["ratio"], 1.25)
        self.assertEqual(found["moved"]["p99"]["ratio"], 0.5)
