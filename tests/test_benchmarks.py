"""
The benchmarks run, and tell what they measured; not how fast that is.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from benchmarks.show import table
from tests.processes import CHECKOUT, Processes

#: Long enough for every way once.
PATIENCE = 120.0


class BenchmarksTests(TestCase):
    """
    C{python -m benchmarks}
    """

    timeout = 240.0

    def setUp(self) -> None:
        self.processes = Processes(self)

    @inlineCallbacks
    def test_all(self) -> Any:
        """
        Every way moves, or restarts, a few people, and a little state.
        """
        told = Path(self.mktemp()).absolute()
        options = ["--people", "3", "--runs", "1", "--ballast", "1", "--json", told]
        run = self.processes.python(["-m", "benchmarks", *options], CHECKOUT)
        ended = yield run.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.err)
        found = json.loads(told.read_text())
        rows = {(row["way"], row["ballast"]): row for row in found["rows"]}
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


class TableTests(SynchronousTestCase):
    """
    L{table}
    """

    def test_ratio(self) -> None:
        """
        Every pause is compared to that of the floor of the same size.
        """
        row = {"people": 2, "ballast": 0, "bytes": 3 << 20, "steps": {"load": 0.5}}
        rows = [
            {**row, "way": "floor", "felt": 0.002},
            {**row, "way": "table", "felt": 0.009, "originPeak": 5 << 20},
            {**row, "way": "floor", "felt": 0.1, "ballast": 1 << 20},
        ]
        head, floor, moved, other = table(rows).splitlines()
        self.assertEqual(
            moved.split(),
            [
                "2",
                "0",
                "MB",
                "table",
                "9.00",
                "4.5",
                "4500.0",
                "3.00",
                "5",
                "load",
                "500.0",
            ],
        )
        self.assertIn(" 1.0 ", floor)
        self.assertIn(" 1.0 ", other)
        self.assertTrue(head.startswith("people"))
