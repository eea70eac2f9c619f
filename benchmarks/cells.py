"""
The cells of a table, and how a number becomes one.

It must not know what was measured, nor how a table is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import attrs

MEGABYTE = 1 << 20

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


def column(head: str, *path: str, form: str = "{}", factor: float = 1) -> Column:
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


#: Of times in seconds, of bytes, of whole numbers, of ratios.
ms = partial(column, form="{:,.2f}", factor=1e3)
megabytes = partial(column, form="{:,.1f}", factor=1 / MEGABYTE)
count = partial(column, form="{:,}")
part = partial(column, form="{:.3f}")


def both(head: str, first: Column, second: Column, between: str = "/") -> Column:
    """
    @return: what is written of two numbers, in one cell.
    """
    return head, lambda row: f"{first[1](row)}{between}{second[1](row)}"
