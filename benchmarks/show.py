"""
Shows what was measured: as a table, and as a plot.

It must not know how it was measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

_MEGABYTE = 1 << 20


def table(rows: list[dict[str, Any]]) -> str:
    """
    @param rows: the medians, one for every number of people and way.
    @return: lines with the pause that people felt, its ratio to the floor's of the
        same runs, what it is made of, and what it took.
    """
    floors = {
        (row["people"], row["ballast"]): row["felt"]
        for row in rows
        if row["way"] == "floor"
    }
    lines = [
        f"{'people':>6} {'state':>6} {'way':<8} {'felt ms':>9} {'x floor':>7} "
        f"{'us each':>8} {'MB sent':>8} {'peak MB':>11}  steps in ms"
    ]
    for row in rows:
        floor = floors.get((row["people"], row["ballast"]))
        ratio = f"{row['felt'] / floor:7.1f}" if floor else " " * 7
        peaks = "/".join(
            f"{row[side] / _MEGABYTE:.0f}"
            for side in ("originPeak", "recipientPeak")
            if side in row
        )
        steps = " ".join(f"{n} {s * 1000:.1f}" for n, s in row["steps"].items())
        lines.append(
            f"{row['people']:>6} {row['ballast'] >> 20:>3} MB {row['way']:<8} "
            f"{row['felt'] * 1000:>9.2f} {ratio} "
            f"{row['felt'] / row['people'] * 1e6:>8.1f} "
            f"{row['bytes'] / _MEGABYTE:>8.2f} {peaks:>11}  {steps}"
        )
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], path: Path) -> None:
    """
    Draw the pause over the number of people, both logarithmic.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for way in dict.fromkeys(row["way"] for row in rows):
        points = [
            (row["people"], row["felt"] * 1000)
            for row in rows
            if row["way"] == way and not row["ballast"]
        ]
        axes.plot(*zip(*points, strict=True), marker="o", label=way)
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="live connections",
        ylabel="pause that somebody felt, ms",
    )
    axes.grid(which="both", alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)
