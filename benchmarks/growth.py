"""
How a cost grows with the number of connections: the slope of a straight line through
the medians, both axes logarithmic.

It must not know what was measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import attrs

#: Fewer connections than these say more of what is fixed than of what grows.
LEAST = 100

#: From here on hardly anything of the cost is fixed.
MANY = 1000


@attrs.frozen
class Line:
    """
    C{cost = factor * size ** slope}, by least squares over the logarithms.

    @ivar slope: 1 if every connection costs the same, however many there are.
    @ivar factor: the cost of one.
    @ivar fit: the part of the variance that the line explains, from 0 to 1.
    """

    slope: float
    factor: float
    fit: float

    @classmethod
    def through(cls, points: Sequence[tuple[float, float]]) -> Line:
        """
        @param points: sizes and costs, at least two sizes, all greater than 0.
        """
        xs = [math.log(size) for size, _ in points]
        ys = [math.log(cost) for _, cost in points]
        middle, height = sum(xs) / len(xs), sum(ys) / len(ys)
        spread = sum((x - middle) ** 2 for x in xs)
        both = sum((x - middle) * (y - height) for x, y in zip(xs, ys, strict=True))
        variance = sum((y - height) ** 2 for y in ys)
        slope = both / spread
        fit = slope * both / variance if variance else 1.0
        return cls(slope, math.exp(height - slope * middle), fit)


def grown(
    points: Sequence[tuple[float, float]], least: int = LEAST, many: int = MANY
) -> dict[str, float] | None:
    """
    @param points: sizes and costs.
    @param least: smaller sizes are left out.
    @param many: where C{"tail"} begins.
    @return: of the line through them C{"slope"}, C{"factor"}, C{"fit"}, and C{"tail"},
        the slope from C{many} on, if there are two sizes of these; L{None} if there
        are no two sizes at all.
    """
    large = sorted(each for each in points if each[0] >= least)
    if len({size for size, _ in large}) < 2:
        return None
    found = attrs.asdict(Line.through(large))
    tail = [each for each in large if each[0] >= many]
    if len({size for size, _ in tail}) > 1:
        found["tail"] = Line.through(tail).slope
    return found
