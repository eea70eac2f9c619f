"""
C{txmigrate spawn}: have a running process start a successor that inherits its
listening sockets.
"""

from __future__ import annotations

import click

from migrate.cli.running import Operator, asking, fail
from migrate.conversation import Deadlines
from migrate.meeting import ask


@click.command()
@click.option(
    "--drain",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Close the clients that are left at the old process after so long; by "
    "default they stay for as long as they will.",
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=600.0,
    metavar="SECONDS",
    help="How long to wait for the successor.",
    show_default=True,
)
@asking
async def spawn(operator: Operator, drain: float | None, timeout: float) -> None:
    """
    Have a process start its own successor, which inherits what listens.

    The successor is started as the process itself was, from the files as they are now.
    Both accept for a moment; then the old process accepts no more, serves the clients
    that it has until they sign off, and ends.  If the successor does not start, the
    process serves on as if nothing had been.  The exit status is 0 only if the
    successor accepts for all services.

    \b
    Examples:
      txmigrate spawn
      txmigrate spawn --drain 60      close after a minute who is left by then
    """
    answer = await ask(
        operator.reactor,
        operator.origin,
        "spawn",
        {} if drain is None else {"drain": drain},
        policy=operator.policy,
        login=operator.login,
        deadlines=Deadlines(preparing=timeout),
    )
    names = ", ".join(answer["services"])
    if answer["why"] or not names:
        if operator.json:
            operator.tell(answer, [])
        fail(
            answer["why"]
            or "the successor has taken nothing over, and does not say why"
        )
    operator.tell(answer, [f"process {answer['pid']} accepts for {names}"])
