"""
How attempts to move a service are told to a person.

It must not know where they were noted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from migrate.cli.showing import count, instant, milliseconds, printable, size


def spoken(attempt: Mapping[str, Any]) -> str:
    """
    @param attempt: a L{migrate.history.Attempt} as it travels.
    @return: one line.
    """
    name, when = attempt["service"], instant(attempt["at"])
    origin, recipient = attempt["origin"], attempt["recipient"]
    isSame = origin == recipient
    if attempt["outcome"] == "moved":
        way = f"moved at {when} from process {origin} to {recipient}"
        if isSame:
            way = f"kept at {when} by process {origin}, which was executed anew,"
        took = milliseconds(attempt["pause"])
        return printable(f"{name} was {way} in {took}{_amounts(attempt)}")
    aim = "was not executed anew" if isSame else f"did not move to {recipient}"
    return printable(
        f"{name} stayed with process {origin} at {when}, and {aim} "
        f"({attempt['outcome']}): {attempt['reason']}"
    )


def _amounts(attempt: Mapping[str, Any]) -> str:
    if attempt["objects"] is None:
        return ""
    return (
        f": {count(attempt['objects'], 'object')}, "
        f"{count(attempt['descriptors'], 'descriptor')}, {size(attempt['bytes'])}"
    )


def amount(number: int | None, said: Callable[[int], str] = str) -> str:
    """
    @param said: how it is said.
    @return: a figure that nobody may know.
    """
    return "-" if number is None else said(number)
