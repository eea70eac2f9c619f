"""
Shows what was measured: C{python -m benchmarks.show FILE}, where FILE is what
C{--json} wrote.  It prints the tables, with C{--rst} as a document has them; C{--plot}
draws the pause over the number of connections.

It must not know how anything was measured.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.cells import Table
from benchmarks.tables import tables

Results = Mapping[str, Any]


def _widths(table: Table) -> list[int]:
    rows = [table.head, *table.rows]
    return [max(len(row[at]) for row in rows) for at in range(len(table.head))]


def _line(cells: Sequence[str], widths: Sequence[int], texts: int) -> str:
    """
    @param texts: how many of the first columns are text, and not numbers.
    """
    padded = [
        cell.ljust(width) if at < texts else cell.rjust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def plainly(table: Table) -> str:
    """
    @return: the table, for a terminal.
    """
    widths = _widths(table)
    lines = [_line(row, widths, table.texts) for row in [table.head, *table.rows]]
    return "\n".join([table.title, "-" * len(table.title), *lines, *table.notes])


def documented(table: Table) -> str:
    """
    @return: the same in reStructuredText, as a table without a section of its own.
    """
    widths = _widths(table)
    rule = "  ".join("=" * width for width in widths)
    rows = [[cell or "\\" for cell in row[:1]] + list(row[1:]) for row in table.rows]
    body = [_line(row, widths, len(widths)) for row in rows]
    head = _line(table.head, widths, len(widths))
    notes = [f"{note}." if note[-1:] != "." else note for note in table.notes]
    lines = [f"{table.title}:", "", rule, head, rule, *body, rule]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def shown(found: Results, rst: bool = False) -> str:
    """
    @param found: the results of all parts, as they are written as JSON.
    @param rst: whether it is for a document, or for a terminal.
    @return: all tables.
    """
    show = documented if rst else plainly
    return "\n\n".join(show(table) for table in tables(found))


def plot(found: Results, path: Path) -> None:
    """
    Draw the pause over the number of people, both logarithmic.
    """
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    rows = found["pause"]["rows"]
    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for way in dict.fromkeys(row["way"] for row in rows):
        plain = [row for row in rows if row["way"] == way and not row["ballast"]]
        people = [row["people"] for row in plain]
        felt = [row["felt"] * 1000 for row in plain]
        below = [(row["felt"] - row["least"]) * 1000 for row in plain]
        above = [(row["most"] - row["felt"]) * 1000 for row in plain]
        axes.errorbar(people, felt, (below, above), marker="o", capsize=3, label=way)
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


def main() -> None:
    """
    Show what was written.
    """
    parser = argparse.ArgumentParser(prog="benchmarks.show")
    parser.add_argument("results", type=Path)
    parser.add_argument("--rst", action="store_true")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    found = json.loads(given.results.read_text())
    print(shown(found, given.rst))
    if given.plot is not None:
        plot(found, given.plot)


if __name__ == "__main__":
    main()
