"""
The benchmark of the memory that a move takes runs, and tells what it measured.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from benchmarks import memory
from benchmarks.show import shown
from tests.benchmarking import BenchmarksTestCase


class MemoryTests(BenchmarksTestCase):
    """
    L{benchmarks.memory}
    """

    @inlineCallbacks
    def test_graphs(self) -> Any:
        """
        Everything is moved, is there afterwards, and is compared to an empty service.
        """
        options = ["--objects", "20000", "--megabytes", "16"]
        found, out = yield self.measure("benchmarks.memory", *options)
        rows = {row["what"]["graph"]: row for row in found["memory"]["rows"]}
        self.assertEqual(tuple(rows), memory.GRAPHS)
        self.assertGreater(rows["objects"]["taken"]["move"]["objects"], 20000)
        for graph in ("blocks", "strings", "one string"):
            row = rows[graph]
            self.assertGreater(row["taken"]["move"]["bytes"], 16 << 20)
            # Processes differ by a megabyte or two anyway.
            self.assertLess(abs(row["graph"] / (16 << 20) - 1), 0.3)
            self.assertGreater(row["recipientPeak"], 0.9 * row["loaded"])
        self.assertEqual(len(found["memory"]["bars"]), 3 * len(rows))
        self.assertIn("What has to hold", out)

    def test_refused(self) -> None:
        """
        What cannot be moved is told with the reason, and the others are.
        """
        told = {"what": {"graph": "blocks", "serializer": "table"}, "refused": "no"}
        found = {"rows": [told], "bars": memory.barsOf([told])}
        self.assertIn("blocks, table: no", shown({"memory": found}))

    def test_compared(self) -> None:
        """
        A graph is what a process has more than one that holds nothing; a peak that is
        less than what is there afterwards was missed.
        """

        def taken(before: int, after: int, origin: int, recipient: int) -> Any:
            sides = memory.Peaks(own=origin), memory.Peaks(own=recipient)
            return memory.Taken(before, after, *sides, 0, 0, 0, {})

        found = memory.compared(taken(300, 420, 330, 450), taken(100, 120, 101, 121))
        self.assertEqual(found["graph"], 200)
        self.assertEqual(found["loaded"], 300)
        self.assertEqual(found["originPart"], 0.15)
        self.assertEqual(found["recipientPart"], 1.1)
        self.assertEqual(found["recipientOfGraph"], 1.65)
        missed = memory.compared(taken(300, 420, 330, 7), taken(100, 120, 101, 121))
        self.assertEqual(missed["recipientPart"], 1.0)
