"""
The benchmarks make the right numbers of what they measured.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from benchmarks.growth import Line, grown
from benchmarks.spread import Ratio, median


class GrowthTests(SynchronousTestCase):
    """
    L{benchmarks.growth}
    """

    def test_line(self) -> None:
        """
        The slope is the exponent.
        """
        line = Line.through([(n, 3 * n**1.5) for n in (1, 10, 100)])
        self.assertAlmostEqual(line.slope, 1.5)
        self.assertAlmostEqual(line.factor, 3)
        self.assertAlmostEqual(line.fit, 1)

    def test_noise(self) -> None:
        """
        It is the line from which all points are least away, squared.
        """
        line = Line.through([(1, 1), (10, 1000), (100, 100)])
        self.assertAlmostEqual(line.slope, 1)
        self.assertAlmostEqual(line.factor, 10 ** (2 / 3))
        self.assertAlmostEqual(line.fit, 3 / 7)

    def test_grown(self) -> None:
        """
        Small sizes say nothing, and many have a slope of their own.
        """
        points = [(1, 50.0), (100, 1.0), (1000, 10.0), (10000, 1000.0)]
        found = grown(points)
        assert found is not None
        self.assertAlmostEqual(found["slope"], 1.5)
        self.assertAlmostEqual(found["tail"], 2)
        self.assertNotIn("tail", grown(points[:3]) or {})
        self.assertIsNone(grown(points[:2]))


class SpreadTests(SynchronousTestCase):
    """
    L{benchmarks.spread}
    """

    def test_ratio(self) -> None:
        """
        The bounds are those of rounds that are drawn anew, in pairs.
        """
        under = [[1.0, 3.0], [2.0, 2.0], [4.0, 4.0]]
        ratio = Ratio.of([[value * 2 for value in each] for each in under], under)
        self.assertEqual(ratio, Ratio(2.0, 2.0, 2.0, 2.0, 2.0))

    def test_bounds(self) -> None:
        """
        The more the rounds differ, the wider they are.
        """
        ratio = Ratio.of([[9.0], [10.0], [12.0]], [[10.0], [10.0], [10.0]])
        self.assertEqual((ratio.ratio, ratio.least, ratio.most), (1.0, 0.9, 1.2))
        self.assertEqual((ratio.low, ratio.high), (0.9, 1.2))

    def test_median(self) -> None:
        """
        Numbers have medians, in dictionaries too; what is the same stays.
        """
        rows = [
            {"felt": felt, "people": 3, "way": "table", "steps": {"load": 2 * felt}}
            for felt in (1.0, 5.0, 2.0)
        ]
        self.assertEqual(
            median(rows),
            {
                "felt": 2.0,
                "people": 3,
                "way": "table",
                "steps": {"load": 4.0},
                "least": 1.0,
                "most": 5.0,
                "runs": 3,
            },
        )
