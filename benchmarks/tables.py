"""
The tables of what was measured, cell by cell.

It must not know how anything was measured, nor how a table is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

import attrs

_MEGABYTE = 1 << 20

Results = Mapping[str, Any]

#: The name of a column, and what is in it of a row.
Column = tuple[str, Callable[[Any], str]]


@attrs.frozen
class Table:
    """
    Cells, and what they are called.

    @ivar title: what it is about.
    @ivar head: the names of the columns.
    @ivar rows: the cells.
    @ivar texts: how many of the first columns are text; the others are numbers.
    @ivar notes: lines below it.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: int = 1
    notes: Sequence[str] = ()

    @classmethod
    def of(
        cls, title: str, columns: Sequence[Column], rows: Iterable[Any], **more: Any
    ) -> Table:
        """
        @param rows: what the columns make cells of.
        """
        cells = [[cell(row) for _, cell in columns] for row in rows]
        return cls(title, [head for head, _ in columns], cells, **more)


def _column(head: str, *path: str, form: str = "{}", factor: float = 1) -> Column:
    """
    @param path: the names that lead from a row to a number, or to a text; nothing is
        written if there is none.
    @param form: how it is written.
    @param factor: what a number is multiplied by.
    """

    def cell(row: Any) -> str:
        for name in path:
            row = row.get(name)
            if row is None:
                return ""
        return form.format(row if isinstance(row, str) else row * factor)

    return head, cell


_ms = partial(_column, form="{:,.2f}", factor=1e3)
_megabytes = partial(_column, form="{:,.1f}", factor=1 / _MEGABYTE)
_count = partial(_column, form="{:,}")
_part = partial(_column, form="{:.3f}")

# What is written of several numbers, in one cell.


def _both(head: str, first: Column, second: Column, between: str = "/") -> Column:
    return head, lambda row: f"{first[1](row)}{between}{second[1](row)}"


# The pause.

_SIZE = (
    _column("way", "way"),
    _count("people", "people"),
    _column("state MB", "ballast", form="{:.0f}", factor=1 / _MEGABYTE),
)

_FELT = _ms("felt ms", "felt"), _ms("least", "least"), _ms("most", "most")

_COST = (
    _megabytes("MB sent", "bytes", form="{:,.2f}"),
    _megabytes("origin MB", "originPeak"),
    _megabytes("recipient MB", "recipientPeak"),
)


def pauses(found: Results) -> Iterator[Table]:
    """
    @return: the pause that people felt, its ratio to the floor's of the same size, and
        what it took; and what it is made of.
    """
    floors = {
        (row["people"], row["ballast"]): row["felt"]
        for row in found["rows"]
        if row["way"] == "floor"
    }

    def ratio(row: Results) -> str:
        floor = floors.get((row["people"], row["ballast"]))
        return f"{row['felt'] / floor:.1f}" if floor else ""

    columns = [*_SIZE, *_FELT, ("x floor", ratio), ("us each", _each), *_COST]
    skipped = [f"{n['people']:,} left out: {n['reason']}" for n in found["skipped"]]
    yield Table.of("The pause", columns, found["rows"], notes=skipped)
    stepping = [row for row in found["rows"] if row["steps"]]
    names = dict.fromkeys(name for row in stepping for name in row["steps"])
    steps = [_ms(name, "steps", name) for name in names]
    yield Table.of("Its parts, in ms", [*_SIZE, *steps], stepping)


def _each(row: Results) -> str:
    """
    @return: what each of many people costs.
    """
    each = row["felt"] / row["people"]
    return f"{each * 1e6:,.1f}" if row["people"] > 1 else ""


def growths(found: Results) -> Iterator[Table]:
    """
    @return: how the pause grows with the connections.
    """
    columns = [
        _column("way", "way"),
        _column("clock", "clock"),
        _part("pause", "slope"),
        ("cost each", lambda line: f"{line['slope'] - 1:+.3f}"),
        _part("pause, 1,000 on", "tail"),
        _column("us at one", "factor", form="{:,.1f}", factor=1e6),
        _part("r squared", "fit"),
    ]
    lines = [
        {"way": way, "clock": clock, **line}
        for way, clocks in found["growth"].items()
        for clock, line in clocks.items()
    ]
    if lines:
        title = "Growth with the connections: slopes, both axes logarithmic"
        yield Table.of(title, columns, lines, texts=2)


# One telnet session.


def sessions(found: Results) -> Iterator[Table]:
    """
    @return: what one telnet session feels, and what is done before and after.
    """
    first = found["rows"][0]
    columns = [
        _column("way", "way"),
        _ms("felt", "felt"),
        _ms("least", "least"),
        _ms("most", "most"),
        _ms("felt elsewhere", "elsewhere"),
        _ms("round trip", "roundTrip"),
        *(_ms(step, "steps", step) for step in first["steps"]),
    ]
    yield Table.of("One telnet session, in ms", columns, found["rows"])
    around = [_ms(name, "around", name) for name in first["around"]]
    yield Table.of(
        "Outside of that pause, in ms", [_column("way", "way"), *around], found["rows"]
    )


# No tax.

_TAXED = {
    "rate": ("answers/s", 1, "{:,.0f}"),
    "cpu": ("CPU us each", 1e6, "{:,.2f}"),
    "median": ("wait us, median", 1e6, "{:,.1f}"),
    "p99": ("wait us, 99 %", 1e6, "{:,.1f}"),
}

_COMPARED: Sequence[Column] = (
    *(_column(name, name) for name in ("case", "measure", "run by", "plain", "there")),
    _part("ratio", "ratio"),
    _both("95 % within", _part("", "low"), _part("", "high"), " to "),
    _both("rounds within", _part("", "least"), _part("", "most"), " to "),
    ("1 within", lambda row: "yes" if row["low"] <= 1 <= row["high"] else "no"),
)

_IDLE = (
    _column("case", "case"),
    _column("run by", "arm"),
    _column("CPU s a minute", "cpu", form="{:.4f}"),
    _megabytes("RSS MB", "resident"),
    _megabytes("PSS MB", "proportional"),
)


def taxes(found: Results) -> Iterator[Table]:
    """
    @return: what runs under the migration server, before a move and after it, beside
        the same under plain twistd; and all of them idle.
    """
    taxed = [_taxed(case, about) for case, about in found["cases"].items()]
    yield Table.of("While nothing migrates", _COMPARED, chain(*taxed), texts=3)
    standing = [
        {"case": case, "arm": arm, **one}
        for case, about in found["cases"].items()
        for arm, one in about["idle"].items()
    ]
    yield Table.of("Idle, with everybody connected", _IDLE, standing, texts=2)


def _taxed(case: str, about: Results) -> Iterator[dict[str, Any]]:
    """
    @return: a row for every measure, and for everybody but the first one who runs it.
    """
    plain, *others = about["arms"]
    for name, (label, factor, form) in _TAXED.items():
        for arm in others:
            one = about["arms"][arm][name]
            base = about["arms"][plain][name]["median"]
            yield {
                **one,
                "case": case,
                "measure": label,
                "run by": arm,
                "plain": form.format(base * factor),
                "there": form.format(one["median"] * factor),
            }


# Memory.

_GRAPH: Column = (
    "graph",
    lambda row: f"{row['what']['graph']}, {row['what']['serializer']}",
)

_BESIDE = (
    _GRAPH,
    _megabytes("at origin", "graph"),
    _megabytes("loaded", "loaded"),
    _megabytes("origin's peak beside", "originExtra"),
    _part("of graph", "originPart"),
    _megabytes("recipient's peak", "recipientPeak"),
    _part("of loaded", "recipientPart"),
    _part("of origin's", "recipientOfGraph"),
)


def memories(found: Results) -> Iterator[Table]:
    """
    @return: the memory that moving a graph takes.
    """
    moved = [row for row in found["rows"] if "taken" in row]
    stayed = [
        f"{_GRAPH[1](row)}: {row.get('refused') or row['skipped']}"
        for row in found["rows"]
        if "taken" not in row
    ]
    yield Table.of("The memory of a move, in MB", _BESIDE, moved, notes=stayed)
    title = "What that is made of, in MB: origin/recipient"
    yield Table.of(title, [_GRAPH, *_taken()], moved)


def _taken() -> Iterator[Column]:
    """
    @return: what the kernel says of both processes.
    """
    sides = ("taken", "origin"), ("taken", "recipient")
    for head, name in (
        ("RSS peak", "resident"),
        ("PSS peak", "proportional"),
        ("memory files", "files"),
    ):
        yield _both(head, *(_megabytes("", *side, name) for side in sides))
    for head, before, after in (
        ("RSS before/after", "before", "after"),
        ("PSS before/after", "beforePart", "afterPart"),
    ):
        pair = [_megabytes("", "taken", name) for name in (before, after)]
        yield _both(head, *pair)
    yield _megabytes("machine's shared", "taken", "shared")
    yield _ms("pause ms", "taken", "move", "pause", form="{:,.0f}")


# All of it.


def bars(found: Results) -> Iterator[Table]:
    """
    @return: what may be at most, and whether it is.
    """
    columns: list[Column] = [
        _column("what", "name"),
        ("holds", lambda one: "yes" if one["holds"] else "NO"),
        _part("measured", "measured"),
        _part("at most", "most"),
    ]
    every = [each for part in found.values() for each in part.get("bars", ())]
    if every:
        yield Table.of("What has to hold", columns, every, texts=2)


def tables(found: Results) -> Iterator[Table]:
    """
    @param found: the results of some parts, by their names.
    @return: all there is to be shown.
    """
    kinds: Sequence[tuple[str, Callable[[Results], Iterator[Table]]]] = (
        ("telnet", sessions),
        ("pause", pauses),
        ("pause", growths),
        ("tax", taxes),
        ("memory", memories),
    )
    for name, show in kinds:
        if name in found:
            yield from show(found[name])
    yield from bars(found)
