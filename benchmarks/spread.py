"""
What several runs of one measurement say together, and how sure that is.

It must not know what was measured.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence
from typing import Any

import attrs

#: How often the rounds are drawn anew.
DRAWS = 2000

#: The part of the draws that lies within the bounds.
WITHIN = 0.95

Round = Sequence[float]


def median(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    @param rows: several runs of one measurement: numbers, and what is the same in
        all of them, by name; or these in a dictionary of their own.
    @return: the medians; and the C{"least"} and the C{"most"} that was C{"felt"}, of
        how many C{"runs"}.
    """
    felt = [row["felt"] for row in rows]
    return {**_median(rows), "least": min(felt), "most": max(felt), "runs": len(rows)}


def _median(rows: Sequence[Any]) -> Any:
    first = rows[0]
    if isinstance(first, dict):
        return {name: _median([row[name] for row in rows]) for name in first}
    # What is the same stays what it is, an integer too.
    return first if all(row == first for row in rows) else statistics.median(rows)


@attrs.frozen
class Ratio:
    """
    What one thing is to another.

    @ivar ratio: of the medians.
    @ivar low: the lower bound of 95 % of what it is if the rounds are drawn anew,
        with replacement (a bootstrap).
    @ivar high: the upper bound.
    @ivar least: the smallest ratio of the medians of any one round.
    @ivar most: the greatest.
    """

    ratio: float
    low: float
    high: float
    least: float
    most: float

    @classmethod
    def of(cls, over: Sequence[Round], under: Sequence[Round]) -> Ratio:
        """
        @param over: for every round what was measured of one thing, in that round.
        @param under: the same of the other, in the same rounds.
        """
        pairs = list(zip(over, under, strict=True))
        draw = random.Random(0)
        drawn = sorted(_ratio(draw.choices(pairs, k=len(pairs))) for _ in range(DRAWS))
        edge = int((1 - WITHIN) / 2 * DRAWS)
        alone = [_ratio([pair]) for pair in pairs]
        return cls(_ratio(pairs), drawn[edge], drawn[-1 - edge], min(alone), max(alone))


def _ratio(pairs: Sequence[tuple[Round, Round]]) -> float:
    """
    @return: the ratio of the medians of all that was measured in these rounds.
    """
    over = statistics.median(each for pair in pairs for each in pair[0])
    under = statistics.median(each for pair in pairs for each in pair[1])
    return over / under
