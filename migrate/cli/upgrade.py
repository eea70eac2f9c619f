"""
C{txmigrate upgrade}: have a new process take the services over, and see that it has.
"""

from __future__ import annotations

import os
from typing import Any

import click

from migrate.cli.attempts import spoken
from migrate.cli.reexec import environmentOf
from migrate.cli.running import FAILED, UNCLEAR, Operator, asking, fail
from migrate.cli.showing import milliseconds, printable
from migrate.cli.starts import Changes, start
from migrate.cli.steps import Steps
from migrate.cli.upgrading import Nobody, Operation
from migrate.cli.verdicts import STAYED, Verdict
from migrate.errors import ControlError, PeerLost, PeerTimeout


@click.command()
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option(
    "--env-file", type=click.File(), help="Set variables: a file of NAME=VALUE lines."
)
@click.option("--unset", multiple=True, metavar="NAME", help="Take a variable away.")
@click.option(
    "--chdir",
    type=click.Path(exists=True, file_okay=False, resolve_path=False),
    help="Run it in another directory.",
)
@click.option(
    "--nofile",
    type=click.IntRange(1),
    default=None,
    help="How many descriptors it may have open (ulimit -n).",
)
@click.option(
    "--python",
    type=click.Path(exists=True, dir_okay=False),
    help="Run it by another Python.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False),
    help="File that its standard output is added to.  [default: where that of the old "
    "process goes]",
)
@click.option(
    "--wait",
    type=click.FloatRange(0),
    metavar="SECONDS",
    help="Wait for an instant at which everything can move.",
)
@click.option(
    "--max-pause", metavar="TIME", help="Leave it if it would stand still for longer."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    default=120.0,
    metavar="SECONDS",
    show_default=True,
    help="How long the new process may take to get ready, and again to take over.",
)
@click.argument("command", nargs=-1, metavar="[-- COMMAND...]")
@asking
async def upgrade(operator: Operator, timeout: float, **options: Any) -> None:
    """
    Have a new process take everything over, and see that it has.

    What cannot move is found out first.  Then a new process is started, in a session of
    its own, with the command line, directory and environment that the old one was
    started with: with the code that is on disk by now.  It gets ready while the old one
    serves, takes over, and is asked whether it serves.

    \b
    Examples:
      txmigrate upgrade
      txmigrate upgrade --python venv-3.13/bin/python --env DEBUG=1
      txmigrate upgrade --wait 60 --max-pause 50ms
      txmigrate upgrade -- twistd migrate-client --all --logfile chat.log

    COMMAND is run as if it were typed here, in this directory, instead.  It has to
    stay, or to end only once the new process serves, as twistd does.

    Whatever goes wrong, the old process serves on, and one line says why.  Ctrl-C ends
    the new process unless it owns something already.

    \b
    Exit status:
      0  another process serves, and has said so
      1  nothing has moved, and the old process serves, and has said so
      2  the command line makes no sense
      3  neither: nobody answers any more, or only a part has moved
    """
    changes = changesOf(options)
    steps = Steps(operator.reactor, quiet=operator.json)
    operation = Operation(
        operator, timeout, bool(options["wait"]), changes.output, steps
    )
    try:
        verdict = await operation.run(lambda pid: start(operator, pid, changes))
    except (Nobody, ControlError, PeerLost, PeerTimeout) as error:
        steps.close()
        fail(str(error), UNCLEAR)
    finally:
        steps.close()
    tell(operator, verdict)


def changesOf(options: dict[str, Any]) -> Changes:
    """
    @raise click.UsageError: they make no sense.
    """
    command = options["command"]
    given = {"wait": options["wait"], "max-pause": options["max_pause"]}
    passed = {name: str(value) for name, value in given.items() if value is not None}
    if command and (passed or options["python"]):
        raise click.UsageError(
            "with a COMMAND, give --python, --wait and --max-pause as a part of that"
        )
    return Changes(
        command=command,
        environment=environmentOf(options["env"], options["env_file"]),
        unset=options["unset"],
        directory=_absolute(options["chdir"]),
        nofile=options["nofile"] or 0,
        python=_absolute(options["python"]) or None,
        options=passed,
        output=_absolute(options["output"]),
    )


def _absolute(path: str | None) -> str:
    return os.path.abspath(path) if path else ""


def tell(operator: Operator, verdict: Verdict) -> None:
    """
    Say what came of it, and end with the exit status that means it.
    """
    if verdict.moved or operator.json:
        operator.tell(verdict.asDictionary(), told(verdict))
    elif verdict.details:
        click.echo(verdict.details)
    if verdict.moved:
        return
    if verdict.outcome == STAYED:
        fail(f"process {verdict.pid} serves on: {verdict.reason}", FAILED)
    fail(verdict.reason, UNCLEAR)


def told(verdict: Verdict) -> list[str]:
    """
    @return: what came of a move, for a person.
    """
    lines = [
        f"process {verdict.pid} serves {', '.join(verdict.services)} in place of "
        f"process {verdict.origin}, at {verdict.control}",
        *(spoken(each) for each in verdict.attempts),
        f"the pause was {milliseconds(verdict.pause)}; all of it took "
        f"{verdict.took:.1f} s",
    ]
    return [printable(line) for line in lines]
