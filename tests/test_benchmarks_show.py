"""
What the benchmarks found is shown as it is.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.cells import Table
from benchmarks.running import bar
from benchmarks.show import documented, plainly, plot, shown
from tests.processes import CHECKOUT

_ROW = {
    "people": 2,
    "ballast": 0,
    "bytes": 3 << 20,
    "least": 0.001,
    "most": 0.01,
    "steps": {"load": 0.5},
}

PAUSE = {
    "rows": [
        {**_ROW, "way": "floor", "felt": 0.002},
        {**_ROW, "way": "table", "felt": 0.009, "originPeak": 5 << 20},
        {**_ROW, "way": "floor", "felt": 0.1, "ballast": 1 << 20},
    ],
    "growth": {"table": {"felt": {"slope": 1.25, "factor": 1e-6, "fit": 0.5}}},
    "skipped": [],
    "bars": [bar("a slope", 1.25, 1.05), bar("another", 1.05, 1.05)],
}


class ShowTests(SynchronousTestCase):
    """
    L{benchmarks.show}
    """

    def lines(self, start: str) -> list[list[str]]:
        """
        @return: the words of the lines that begin like that.
        """
        text = shown({"pause": PAUSE})
        return [line.split() for line in text.splitlines() if line.startswith(start)]

    def test_ratio(self) -> None:
        """
        Every pause is compared to that of the floor of the same size.
        """
        floor, other = self.lines("floor")[:2]
        self.assertEqual(floor[6], "1.0")
        self.assertEqual(other[2:4] + other[6:7], ["1", "100.00", "1.0"])
        self.assertEqual(
            self.lines("table")[0],
            [
                "table",
                "2",
                "0",
                "9.00",
                "1.00",
                "10.00",
                "4.5",
                "4,500.0",
                "3.00",
                "5.0",
            ],
        )

    def test_growth(self) -> None:
        """
        The cost of each grows by one less than that of all.
        """
        self.assertEqual(
            self.lines("table")[2],
            ["table", "felt", "1.250", "+0.250", "1.0", "0.500"],
        )

    def test_bars(self) -> None:
        """
        What does not hold is told.
        """
        self.assertEqual(self.lines("a slope")[0][2:], ["NO", "1.250", "1.050"])
        self.assertEqual(self.lines("another")[0][1:], ["yes", "1.050", "1.050"])

    def test_plainly(self) -> None:
        """
        Numbers are flush right, and words flush left.
        """
        table = Table("Two", ["way", "n"], [["a", "1"], ["bcde", "22"]], notes=["so"])
        self.assertEqual(plainly(table), "Two\n---\nway    n\na      1\nbcde  22\nso")

    def test_documented(self) -> None:
        """
        A document has a table of its own kind, without a section.
        """
        table = Table("Two", ["way", "n"], [["a", "1"], ["", "22"]], notes=["so"])
        self.assertEqual(
            documented(table),
            "Two:\n\n===  ==\nway  n\n===  ==\na    1\n\\    22\n===  ==\n\nso.",
        )

    def test_program(self) -> None:
        """
        What was written is shown again by a program.
        """
        path = Path(self.mktemp())
        path.write_text(json.dumps({"about": {}, "pause": PAUSE}))
        command = [
            sys.executable,
            "-m",
            "benchmarks.show",
            str(path.absolute()),
            "--rst",
        ]
        done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, shown({"pause": PAUSE}, rst=True) + "\n")

    def test_plot(self) -> None:
        """
        The pause is drawn.
        """
        path = Path(self.mktemp())
        try:
            plot({"pause": PAUSE}, path.with_suffix(".png"))
        except ModuleNotFoundError as error:
            self.skipTest(str(error))
        self.assertEqual(path.with_suffix(".png").read_bytes()[1:4], b"PNG")
