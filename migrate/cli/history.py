"""
C{txmigrate history}: every attempt to move what a process serves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from migrate.cli.attempts import amount
from migrate.cli.running import Operator, asking, services
from migrate.cli.showing import instant, milliseconds, printable, size, table

TITLES = (
    *("TIME", "SERVICE", "OUTCOME", "FROM", "TO"),
    *("PAUSE", "OBJECTS", "DESCRIPTORS", "SIZE"),
)


@click.command()
@click.option(
    "--service",
    "-s",
    metavar="NAME",
    help="Only of this service.",
    shell_complete=services,
)
@asking
async def history(operator: Operator, service: str | None) -> None:
    """
    Tell every attempt to move a service, and how it went.

    Those of earlier processes are among them: what is known moves along with the
    services.  The last 100 are kept.  The outcome is "moved"; "rolled back", if the
    service had been written down and went on where it was; or "refused", if it was
    not touched.  The reason of each that failed stands below it.

    \b
    Examples:
      txmigrate history
      txmigrate history --service chat
      txmigrate history --json | jq '.attempts[] | select(.outcome == "moved").pause'

    The exit status is 0 if the process has answered, else 1.
    """
    answer = await operator.ask("history")
    if service is not None:
        answer = {
            "services": {k: v for k, v in answer["services"].items() if k == service},
            "attempts": [e for e in answer["attempts"] if e["service"] == service],
        }
    operator.tell(answer, told(answer))


def told(answer: Mapping[str, Any]) -> list[str]:
    """
    @param answer: see L{migrate.history.History.asDictionary}.
    @return: the same for a person.
    """
    attempts = answer["attempts"]
    if not attempts:
        return ["nothing has been moved, nor was to be"]
    title, *rows = table(TITLES, map(_row, attempts), right=(3, 4, 5, 6, 7, 8))
    lines = [title]
    for attempt, row in zip(attempts, rows, strict=True):
        lines.append(row)
        if attempt["reason"]:
            lines.append(f"    {printable(attempt['reason'])}")
    return lines


def _row(attempt: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        instant(attempt["at"]),
        attempt["service"],
        attempt["outcome"],
        str(attempt["origin"]),
        str(attempt["recipient"]),
        milliseconds(attempt["pause"]),
        amount(attempt["objects"]),
        amount(attempt["descriptors"]),
        amount(attempt["bytes"], size),
    )
