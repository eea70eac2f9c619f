"""
C{txmigrate reexec}: have a running process execute its program anew.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import click
from twisted.internet.task import deferLater

from migrate.cli.running import Operator, asking
from migrate.conversation import Deadlines
from migrate.errors import CannotAnswer, MigrationError, PeerLost, PeerRefused
from migrate.meeting import ask
from migrate.reexec.reexecution import OUTCOME, QUESTION

PATIENCE = 60.0
"""
Seconds that the new image, or the old program after it, may take to answer, beside what
it may take to serve.
"""

RETRY = 0.1
"""
Seconds between two questions how it went.
"""


def pairs(text: str, what: str) -> tuple[str, str]:
    """
    @return: name and value.
    """
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.UsageError(f"{what} {text!r}: it has to be NAME=VALUE")
    return name, value


def environmentOf(assignments: tuple[str, ...], file: Any) -> dict[str, str]:
    """
    @param file: lines C{NAME=VALUE}; empty ones and those that begin with C{#} are
        passed over.  What was given by itself counts more.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(file or (), 1):
        text = line.strip()
        if text and not text.startswith("#"):
            found.update([pairs(text, f"--env-file, line {number}:")])
    found.update(pairs(each, "--env") for each in assignments)
    return found


@click.command(context_settings={"ignore_unknown_options": False})
@click.option("--env", multiple=True, metavar="NAME=VALUE", help="Set a variable.")
@click.option(
    "--env-file", type=click.File(), help="Set variables: a file of NAME=VALUE lines."
)
@click.option("--unset", multiple=True, metavar="NAME", help="Take a variable away.")
@click.option(
    "--nofile",
    type=click.IntRange(1),
    help="How many descriptors it may have open (ulimit -n).",
)
@click.option("--chdir", type=click.Path(), help="Begin in another directory.")
@click.option("--python", metavar="PATH", help="Run it by another Python.")
@click.option(
    "--wait",
    type=click.FloatRange(0),
    default=0.0,
    metavar="SECONDS",
    help="Wait for an instant at which everything can move.",
)
@click.argument("command", nargs=-1)
@asking
async def reexec(
    operator: Operator,
    env: tuple[str, ...],
    env_file: Any,
    unset: tuple[str, ...],
    nofile: int | None,
    chdir: str | None,
    python: str | None,
    wait: float,
    command: tuple[str, ...],
) -> None:
    """
    Have a process execute its program anew.

    It stays the same process, with the same id, parent, children and connections,
    and reads its code, environment and limits afresh.  The environment is the one
    that it was started with, and what is said here; that counts for later
    re-executions, too.  COMMAND, after "--", is another command line.

    Before anything stands still, the new program is tried with a copy of all services;
    what cannot move, or fails then, is told in one line, and the process runs on.  If
    the new program fails when it is run for good, the old one comes back.

    \b
    Examples:
      txmigrate reexec
      txmigrate reexec --nofile 65536 --env-file /etc/chat.env
      txmigrate reexec --wait 60 --python venv-3.13/bin/python

    The exit status is 0 only if the new program was asked, and serves.
    """
    ticket = secrets.token_hex(8)
    arguments: dict[str, Any] = {
        "ticket": ticket,
        "wait": wait,
        "environment": environmentOf(env, env_file),
        "unset": list(unset),
        "nofile": nofile,
        "directory": os.path.abspath(chdir) if chdir else "",
        "python": _path(python or ""),
        "command": [_path(command[0]), *command[1:]] if command else [],
    }
    began = time.monotonic()
    before = await _begin(operator, arguments, wait)
    found = await _outcome(operator, ticket, before)
    outcome: Mapping[str, Any] = found["outcome"]
    if not outcome["ok"]:
        raise CannotAnswer(f"the old program serves on: {outcome['reason']}")
    if found["image"] == before["image"] or found["pid"] != before["pid"]:
        raise CannotAnswer(
            f"process {found['pid']} answers, which is not the new image"
        )
    answer = {**found, "took": time.monotonic() - began}
    operator.tell(answer, describe(answer))


def _path(word: str) -> str:
    """
    @return: what means the same in the directory of the process.
    """
    return os.path.abspath(word) if os.sep in word else word


def describe(found: Mapping[str, Any]) -> list[str]:
    """
    @return: lines for a person.
    """
    outcome = found["outcome"]
    steps = [f"{name} {took * 1000:.0f} ms" for name, took in outcome["steps"].items()]
    return [
        f"process {found['pid']} was executed anew: generation {found['generation']}",
        f"{', '.join(outcome['services'])}: {outcome['objects']} objects, "
        f"{outcome['descriptors']} descriptors, {outcome['bytes']} bytes",
        f"pause {outcome['pause'] * 1000:.0f} ms ({', '.join(steps)})",
    ]


async def _begin(
    operator: Operator, arguments: Mapping[str, Any], wait: float
) -> dict[str, Any]:
    """
    @return: the image as it was.
    @raise MigrationError: it will not do it.
    """
    before = await operator.ask(OUTCOME)
    patient = Deadlines(preparing=Deadlines().preparing + PATIENCE + wait)
    # Who is lost may be on its way: whoever is there next knows.
    with suppress(PeerLost):
        await ask(
            operator.reactor,
            operator.origin,
            QUESTION,
            arguments,
            policy=operator.policy,
            login=operator.login,
            deadlines=patient,
        )
    return before


async def _outcome(
    operator: Operator, ticket: str, before: Mapping[str, Any]
) -> dict[str, Any]:
    """
    @return: what there is once it is over.
    @raise MigrationError: nobody who knows answers.
    """
    end = time.monotonic() + 2 * PATIENCE
    while True:
        try:
            found = await operator.ask(OUTCOME)
        except PeerRefused:
            raise
        except MigrationError as error:
            problem: MigrationError = error
        else:
            if found["outcome"].get("ticket") == ticket:
                return found
            if found["image"] != before["image"]:
                raise CannotAnswer(
                    f"process {found['pid']} answers, and knows of no re-execution"
                )
            problem = CannotAnswer(f"process {found['pid']} has not begun to")
        if time.monotonic() > end:
            raise problem
        await deferLater(operator.reactor, RETRY)
