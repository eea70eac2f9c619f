"""
The tables of what was measured.

It must not know how anything was measured, nor how a table is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from benchmarks.cells import (
    MEGABYTE,
    Column,
    Table,
    both,
    column,
    count,
    megabytes,
    ms,
    part,
)

Results = Mapping[str, Any]

# The pause.

_SIZE = (
    column("way", "way"),
    count("people", "people"),
    column("state MB", "ballast", form="{:.0f}", factor=1 / MEGABYTE),
)

_FELT = ms("felt ms", "felt"), ms("least", "least"), ms("most", "most")

_COST = (
    megabytes("MB sent", "bytes", form="{:,.2f}"),
    megabytes("origin MB", "originPeak"),
    megabytes("recipient MB", "recipientPeak"),
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
    steps = [ms(name, "steps", name) for name in names]
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
        column("way", "way"),
        column("clock", "clock"),
        part("pause", "slope"),
        ("cost each", lambda line: f"{line['slope'] - 1:+.3f}"),
        part("pause, 1,000 on", "tail"),
        column("us at one", "factor", form="{:,.1f}", factor=1e6),
        part("r squared", "fit"),
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
        column("way", "way"),
        ms("felt", "felt"),
        ms("least", "least"),
        ms("most", "most"),
        ms("felt elsewhere", "elsewhere"),
        ms("round trip", "roundTrip"),
        *(ms(step, "steps", step) for step in first["steps"]),
    ]
    yield Table.of("One telnet session, in ms", columns, found["rows"])
    around = [ms(name, "around", name) for name in first["around"]]
    yield Table.of(
        "Outside of that pause, in ms", [column("way", "way"), *around], found["rows"]
    )


# No tax.

_TAXED = {
    "rate": ("answers/s", 1, "{:,.0f}"),
    "cpu": ("CPU us each", 1e6, "{:,.2f}"),
    "median": ("wait us, median", 1e6, "{:,.1f}"),
    "p99": ("wait us, 99 %", 1e6, "{:,.1f}"),
}

_COMPARED: Sequence[Column] = (
    *(column(name, name) for name in ("case", "measure", "run by", "plain", "there")),
    part("ratio", "ratio"),
    both("95 % within", part("", "low"), part("", "high"), " to "),
    both("rounds within", part("", "least"), part("", "most"), " to "),
    ("1 within", lambda row: "yes" if row["low"] <= 1 <= row["high"] else "no"),
)

_IDLE = (
    column("case", "case"),
    column("run by", "arm"),
    column("CPU s a minute", "cpu", form="{:.4f}"),
    megabytes("RSS MB", "resident"),
    megabytes("PSS MB", "proportional"),
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
    megabytes("at origin", "graph"),
    megabytes("loaded", "loaded"),
    megabytes("origin's peak beside", "originExtra"),
    part("of graph", "originPart"),
    megabytes("recipient's peak", "recipientPeak"),
    part("of loaded", "recipientPart"),
    part("of origin's", "recipientOfGraph"),
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
        yield both(head, *(megabytes("", *side, name) for side in sides))
    for head, before, after in (
        ("RSS before/after", "before", "after"),
        ("PSS before/after", "beforePart", "afterPart"),
    ):
        pair = [megabytes("", "taken", name) for name in (before, after)]
        yield both(head, *pair)
    yield megabytes("machine's shared", "taken", "shared")
    yield ms("pause ms", "taken", "move", "pause", form="{:,.0f}")


# The ways to hand over.

_whole = partial(ms, form="{:,.0f}")
_all = partial(megabytes, form="{:,.0f}")


def _triple(head: str, first: Column, second: Column, third: Column) -> Column:
    """
    @return: what is written of a number, and of two that it lies between.
    """
    between = both("", second, third, " to ")
    return head, lambda row: f"{first[1](row)} ({between[1](row)})"


_WAY = column("way", "way"), count("objects", "objects")

_FELT_OF_WAYS: Sequence[Column] = (
    *_WAY,
    _triple(
        "clients wait, ms",
        _whole("", "felt"),
        _whole("", "least"),
        _whole("", "most"),
    ),
    count("dropped", "returned"),
    _triple(
        "newcomers wait, ms",
        _whole("", "newcomers"),
        _whole("", "newcomersLeast"),
        _whole("", "newcomersMost"),
    ),
    count("turned away", "away"),
)

_WAYS: Sequence[Column] = (
    *_WAY,
    column("state", "state"),
    column("PID", "pid"),
    (
        "processes",
        lambda row: ", ".join(f"{n:.0f}" for n in row["processes"].values()),
    ),
    _all("MB before", "memory"),
    _all("at most", "peak"),
    column("s in all", "took", form="{:.1f}"),
)


def ways(found: Results) -> Iterator[Table]:
    """
    @return: how each way to hand a service over is felt, what it keeps and takes.
    """
    title = f"What is felt of each way to hand over, with {found['people']:,} clients"
    yield Table.of(title, _FELT_OF_WAYS, found["rows"])
    yield Table.of("What it keeps, and takes", _WAYS, found["rows"])


# All of it.


def bars(found: Results) -> Iterator[Table]:
    """
    @return: what may be at most, and whether it is.
    """
    columns: list[Column] = [
        column("what", "name"),
        ("holds", lambda one: "yes" if one["holds"] else "NO"),
        part("measured", "measured"),
        part("at most", "most"),
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
        ("ways", ways),
        ("pause", pauses),
        ("pause", growths),
        ("tax", taxes),
        ("memory", memories),
    )
    for name, show in kinds:
        if name in found:
            yield from show(found[name])
    yield from bars(found)
