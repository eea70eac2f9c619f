"""
The benchmark of the pause runs, and tells what it measured; not how fast that is.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from benchmarks import pause
from benchmarks.running import SPARE, tooMany
from tests.benchmarking import BenchmarksTestCase


class PauseTests(BenchmarksTestCase):
    """
    L{benchmarks.pause}
    """

    @inlineCallbacks
    def test_ways(self) -> Any:
        """
        Every way moves, or restarts, a few people, and a little state.
        """
        options = ["--people", "3", "--runs", "1", "--ballast", "1"]
        found, _ = yield self.measure("benchmarks", "--parts", "pause", *options)
        rows = {(row["way"], row["ballast"]): row for row in found["pause"]["rows"]}
        ways = ("table", "pickle", "floor", "restart")
        expected = {(way, 0) for way in ways} | {(way, 1 << 20) for way in ways[:3]}
        self.assertEqual(set(rows), expected)
        for (way, ballast), row in rows.items():
            self.assertGreaterEqual(row["answers"], 3)
            self.assertEqual(row["returned"], 3 * (way == "restart" and not ballast))
            self.assertGreaterEqual(row["bytes"], ballast)
        self.assertEqual(
            list(rows["table", 0]["steps"]),
            ["capture", "pause", "send", "load", "commit"],
        )

    @inlineCallbacks
    def test_limit(self) -> Any:
        """
        More people than a process may have files open are left out, with the reason;
        the others are measured.
        """
        options = ["--people", "2", "500", "--runs", "1", "--ballast", "0"]
        found, out = yield self.measure(
            "benchmarks",
            *("--parts", "pause", "--ways", "floor", *options),
            limit="ulimit -n 300;",
        )
        self.assertEqual([row["people"] for row in found["pause"]["rows"]], [2])
        (skipped,) = found["pause"]["skipped"]
        self.assertEqual(skipped["people"], 500)
        self.assertIn("may open 300 files here", skipped["reason"])
        self.assertIn(f"500 left out: {skipped['reason']}", out)

    def test_tooMany(self) -> None:
        """
        A process needs some files beside its connections.
        """
        self.assertIsNone(tooMany(50, 50 + SPARE))
        self.assertIn("need 151", tooMany(51, 50 + SPARE) or "")

    def test_growth(self) -> None:
        """
        The growth is that of the rows without other state, by both clocks.
        """
        rows = [
            {"way": way, "people": n, "ballast": ballast, "felt": f, "pause": 2.0}
            for way in ("table", "restart")
            for n, ballast, f in (
                (1, 0, 9.0),
                (100, 0, 1.0),
                (1, 1 << 20, 7.0),
                (1000, 0, 10.0),
            )
        ]
        found = pause.growth(rows)
        self.assertEqual(list(found), ["table"])
        self.assertAlmostEqual(found["table"]["felt"]["slope"], 1.0)
        self.assertAlmostEqual(found["table"]["pause"]["slope"], 0.0)
