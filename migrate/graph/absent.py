"""
What a graph leaves behind, and what stands in its place on arrival.

It must not know why anything is left behind.
"""

from __future__ import annotations

from collections.abc import Iterable

ABSENT = "absent:"
"""
What the name of an external object begins with that has no counterpart at the
recipient.
"""


class Absent:
    """
    Stands where the origin has something that does not come along.  Whoever loads
    the graph does away with it before anything of the graph runs.
    """


def absent(things: Iterable[object]) -> dict[str, object]:
    """
    @return: the names of things that a graph is to leave behind, as
        L{migrate.graph.Environment} has externals.
    """
    return {f"{ABSENT}{number}": thing for number, thing in enumerate(things)}
