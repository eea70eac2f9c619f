"""
C{txmigrate status}: how a running process is doing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from migrate.cli.attempts import spoken
from migrate.cli.running import Operator, asking
from migrate.cli.showing import count, instant, printable, size, span, table


@click.command()
@asking
async def status(operator: Operator) -> None:
    """
    Tell which services a process has, and how they are doing.

    Also what the process is and has open, and how the last attempt to move each
    service went.  A generation is a process: the third one has got the service from
    the second.

    \b
    Examples:
      txmigrate status                               of the service in this directory
      txmigrate status -c unix:/srv/chat/migrate.sock
      txmigrate status --json | jq .services[0].generation

    The exit status is 0 if the process has answered, else 1.
    """
    answer = await operator.ask("status")
    operator.tell(answer, told(answer))


def told(answer: Mapping[str, Any]) -> list[str]:
    """
    @param answer: see L{migrate.census.census}.
    @return: the same for a person.
    """
    versions = answer["versions"]
    limit = answer["descriptorLimit"]
    descriptors = count(answer["descriptors"], "descriptor")
    services = answer["services"]
    lines = [
        f"process {answer['pid']} at {printable(answer['control'])}, "
        f"up for {span(answer['uptime'])}",
        f"Python {versions['python']}, Twisted {versions['twisted']}, "
        f"txmigrate {versions['txmigrate']}",
        f"{count(answer['connections'], 'connection')}, "
        f"{count(answer['ports'], 'port')}, {count(answer['timers'], 'timer')}, "
        f"{descriptors}{f' of {limit}' if limit else ''}, "
        f"{size(answer['memory'])} resident",
        "",
        *table(
            ("SERVICE", "STATE", "GENERATION", "SINCE"),
            [_row(each) for each in services],
            right=(2,),
        ),
    ]
    attempts = [each["last"] for each in services if each["last"]]
    return lines + ([""] if attempts else []) + [spoken(each) for each in attempts]


def _row(service: Mapping[str, Any]) -> tuple[str, ...]:
    generation = service["generation"]
    return (
        service["name"],
        service["state"],
        "-" if generation is None else str(generation),
        instant(service["since"]),
    )
