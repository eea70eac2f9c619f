"""
C{txmigrate check}: what would move, and what would not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from migrate.cli.running import Operator, asking, fail
from migrate.cli.running import services as published
from migrate.cli.showing import milliseconds
from migrate.cli.surveys import survey
from migrate.wish import Inquiry


@click.command()
@click.option(
    "--provide",
    multiple=True,
    metavar="NAME",
    help="A resource that the next process has of its own.",
)
@click.argument("services", nargs=-1, metavar="[SERVICE]...", shell_complete=published)
@asking
async def check(
    operator: Operator, services: tuple[str, ...], provide: tuple[str, ...]
) -> None:
    """
    Tell what would move, and what would not, without moving anything.

    Each thing that cannot move has the path by which it is reached from the service,
    and what can be done about it.  Without SERVICE all are checked.  The service goes
    on all the while, but for the moment that looking through it takes.

    \b
    Examples:
      txmigrate check
      txmigrate check chat && txmigrate upgrade
      txmigrate check --json | jq '.services[].survey.refusals[].path'

    Whether the new program can load all that is another question:
    "twistd migrate-client --rehearse --all" tries it.

    The exit status is 0 if all would move, and 1 if something would not, or nobody
    answers.
    """
    found = await survey(operator, list(dict.fromkeys(services)), provide)
    answer = asDictionary(found)
    lines = [line for name, inquiry in found.items() for line in told(name, inquiry)]
    operator.tell(answer, lines)
    hindered = [n for n, each in answer["services"].items() if not each["moves"]]
    if hindered:
        fail(f"{', '.join(hindered)} cannot move as it is now")


def asDictionary(found: Mapping[str, Inquiry]) -> dict[str, Any]:
    """
    @return: what a program is told.
    """
    services = {
        name: {
            "moves": not inquiry.survey.refusals,
            "passes": passes(inquiry),
            "survey": inquiry.survey.asDictionary(),
            "seconds": dict(inquiry.seconds),
        }
        for name, inquiry in found.items()
    }
    moves = all(not inquiry.survey.refusals for inquiry in found.values())
    return {"moves": moves, "services": services}


def passes(inquiry: Inquiry) -> bool:
    """
    @return: whether something is in the way now, and all of that passes by itself.
    """
    refusals = inquiry.survey.refusals
    return bool(refusals) and all(each.over is not None for each in refusals)


def told(name: str, inquiry: Inquiry) -> list[str]:
    """
    @return: lines for a person.
    """
    verdict = "would move"
    if inquiry.survey.refusals:
        verdict = "cannot move now" if passes(inquiry) else "cannot move"
    took = inquiry.seconds.get("audit")
    if took is not None:
        verdict += f" (it took {milliseconds(took)} to find out)"
    return [f"{name} {verdict}", *(f"  {line}" for line in inquiry.survey.describe())]
