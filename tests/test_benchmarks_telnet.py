"""
The benchmark of one telnet session runs, and tells what it measured.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from benchmarks import telnet
from tests.benchmarking import BenchmarksTestCase


class TelnetTests(BenchmarksTestCase):
    """
    L{benchmarks.telnet}
    """

    @inlineCallbacks
    def test_session(self) -> Any:
        """
        A session is moved while it is used, and what is done outside of the pause is
        told: none of it takes less than no time, and nothing is missing.
        """
        options = ["--sessions", "table", "--session-runs", "1"]
        found, out = yield self.measure("benchmarks.telnet", *options)
        (row,) = found["telnet"]["rows"]
        self.assertEqual(
            list(row["steps"]), ["capture", "pause", "send", "load", "commit"]
        )
        outside = [
            "interpreter",
            *(name for name, _ in telnet.MARKS if name != "pause"),
        ]
        self.assertEqual(list(row["around"]), outside)
        self.assertGreater(min(row["around"].values()), 0.0)
        self.assertGreater(row["answers"], 10)
        self.assertGreater(row["felt"], 0.0)
        (held,) = found["telnet"]["bars"]
        self.assertEqual(held["measured"], row["felt"] * 1000)
        self.assertIn("Outside of that pause, in ms", out)

    def test_felt(self) -> None:
        """
        What a pause is felt by is the longest of the waits that it fell into.
        """
        usual = [(at / 10, 0.1) for at in range(10)]
        waits = [*usual, (1.0, 0.7), (2.0, 0.4), (3.0, 0.3), *usual]
        found = telnet.felt(waits, 2.3, 3.0)
        self.assertEqual(found["roundTrip"], 0.1)
        self.assertAlmostEqual(found["felt"], 0.3)
        self.assertAlmostEqual(found["elsewhere"], 0.6)

    def test_around(self) -> None:
        """
        Each part ends where the next one begins, and the pause is left out.
        """
        instants = {"imports": 2.0, "pause": 3.5, "publication": 4.0}
        self.assertEqual(
            telnet.around(1.0, instants, 9.0),
            {"interpreter": 1.0, "imports": 1.5, "publication": 5.0},
        )
