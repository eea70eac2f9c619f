"""
How figures, times and tables are shown to people: the same on a terminal and in a file.

It must not know what they are of.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))
_SIZES = ("bytes", "KB", "MB", "GB", "TB")


def printable(text: str) -> str:
    """
    @return: text of one line that a terminal takes for nothing else.
    """
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def table(
    titles: Sequence[str], rows: Iterable[Sequence[str]], right: Collection[int] = ()
) -> list[str]:
    """
    @param rows: of as many columns as there are titles.
    @param right: the columns of numbers, which end below each other.
    @return: aligned lines.
    """
    lines = [list(titles), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(len(titles))]
    return [
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def instant(seconds: float | None) -> str:
    """
    @param seconds: since 1970 (UTC).
    @return: that instant by the clock of this place.
    """
    if seconds is None:
        return "-"
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def span(seconds: float | None) -> str:
    """
    @return: a long time in two units at most.
    """
    if seconds is None:
        return "an unknown time"
    rest = int(seconds)
    told: list[str] = []
    for unit, size in _UNITS:
        if rest >= size and len(told) < 2:
            told.append(f"{rest // size} {unit}")
            rest %= size
    if len(told) < 2 and (rest or not told):
        told.append(f"{rest} s")
    return " ".join(told)


def milliseconds(seconds: float | None) -> str:
    """
    @return: a short time.
    """
    if seconds is None:
        return "-"
    count = seconds * 1000
    return f"{count:.0f} ms" if count >= 100 else f"{count:.3g} ms"


def size(count: int | None) -> str:
    """
    @param count: of bytes.
    @return: the same in the largest unit of which there is more than one.
    """
    if count is None:
        return "an unknown size"
    value, unit = float(count), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    digits = f"{value:.3g}" if value < 1000 else f"{value:.0f}"
    return f"{digits} {_SIZES[unit]}"


def count(number: int | None, what: str) -> str:
    """
    @return: a number of things, as one says it.
    """
    if number is None:
        return f"an unknown number of {what}s"
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
