"""
C{txmigrate manager}: orders for the process that keeps the services' processes.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Coroutine
from typing import Any

import click
from twisted.internet.task import deferLater

from migrate.cli.running import Operator, fail, run
from migrate.control import ControlAddress
from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import ControlError, MigrationError
from migrate.identity import Login
from migrate.meeting import ask

DEFAULT = "unix:manager.sock"

LOOK = 0.1
"""
Seconds between two looks at whether a manager has executed its program anew.
"""


@click.group()
def manager() -> None:
    """
    Give orders to a twistd migrate-manager.

    It listens at unix:manager.sock in the directory that it was started in, unless
    its --manager says otherwise.

    \b
    Examples:
      txmigrate manager status
      txmigrate manager upgrade --nofile 65536
      txmigrate manager stop --leave
    """


def ordering(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """
    Make an asynchronous function that takes an L{Operator}, and a function that asks,
    what click calls.
    """

    @click.option(
        "--manager",
        "-m",
        "endpoint",
        default=DEFAULT,
        metavar="ENDPOINT",
        help="Where the manager takes orders: unix:PATH, tcp:PORT or tcp:HOST:PORT.",
        show_default=True,
    )
    @click.option(
        "--login", "user", metavar="USER", help="Whom to log in as, over tcp."
    )
    @click.option(
        "--password-file",
        type=click.File(),
        help="File whose first line is that user's password.",
    )
    @click.option(
        "--timeout",
        default=600.0,
        metavar="SECONDS",
        help="How long to wait for the answer.",
        show_default=True,
    )
    @click.option("--json", is_flag=True, help="Answer in JSON, for a program.")
    @functools.wraps(command)
    def called(
        endpoint: str,
        user: str | None,
        password_file: Any,
        timeout: float,
        json: bool,
        **options: Any,
    ) -> None:
        if (user is None) != (password_file is None):
            raise click.UsageError("--login and --password-file go together")
        login = None
        if user is not None:
            login = Login(user, password_file.readline().rstrip("\r\n"))
        try:
            address = ControlAddress.parse(endpoint)
        except MigrationError as error:
            raise click.UsageError(str(error)) from error
        from twisted.internet import reactor

        operator = Operator(reactor, address, UserPolicy(), login, json)

        async def order(question: str, **arguments: Any) -> dict[str, Any]:
            try:
                return await ask(
                    reactor,
                    address,
                    f"manager.{question}",
                    arguments,
                    policy=operator.policy,
                    login=login,
                    deadlines=Deadlines(preparing=timeout),
                )
            except ControlError as error:
                raise ControlError(
                    f"nobody takes orders at {address}: is twistd migrate-manager "
                    "running there?"
                ) from error

        run(reactor, lambda: command(operator, order, **options))

    return called


@manager.command()
@ordering
async def status(operator: Operator, order: Any) -> None:
    """
    Tell which processes there are, and how they are doing.

    \b
    Examples:
      txmigrate manager status
      txmigrate manager status --manager unix:/srv/chat/manager.sock --json
    """
    answer = await order("status")
    operator.tell(answer, told(answer))


def told(answer: dict[str, Any]) -> list[str]:
    """
    @return: how a manager is doing, for a person.
    """
    lines = [
        f"manager {answer['pid']}: {answer['upgrades']} upgrades, "
        f"{answer['restarts']} restarts"
    ]
    lines += [
        f"{', '.join(post['services'])} at {post['control']}: {_who(post)}"
        for post in answer["posts"]
    ]
    if answer["successor"]:
        lines.append(f"process {answer['successor']} is about to take over")
    lines += [f"process {pid} has handed over and ends" for pid in answer["leaving"]]
    lines += [f"to come: {reason}" for reason in answer["pending"]]
    last = answer["last"]
    if last:
        how = "went well" if last["upgraded"] else f"failed: {last['why']}"
        lines.append(f"the last upgrade ({'; '.join(last['reasons'])}) {how}")
    return lines


def _who(post: dict[str, Any]) -> str:
    if post["pid"] is None:
        return "no process"
    return (
        f"process {post['pid']}, generation {post['generation']}, for "
        f"{post['seconds']:.0f} s, {post['resident'] / (1 << 20):.0f}M in use"
    )


@manager.command()
@click.option(
    "--directory", type=click.Path(exists=True, file_okay=False), help="To work in."
)
@click.option(
    "--environment-file",
    type=click.Path(exists=True, dir_okay=False),
    help="File of NAME=VALUE lines, read whenever a process starts.",
)
@click.option("--nofile", type=click.IntRange(1), help="Files that may be open.")
@click.option(
    "--python", type=click.Path(exists=True, dir_okay=False), help="To run it with."
)
@ordering
async def upgrade(
    operator: Operator,
    order: Any,
    directory: str | None,
    environment_file: str | None,
    nofile: int | None,
    python: str | None,
) -> None:
    """
    Have a new process take the services over.

    What is given holds for that process, and, if it takes over, for those after it.
    The exit status is 0 once it serves; otherwise the old one serves on.

    \b
    Examples:
      txmigrate manager upgrade
      txmigrate manager upgrade --environment-file /etc/chat.env --nofile 65536
    """
    changes = {
        "directory": _absolute(directory),
        "environmentFile": _absolute(environment_file),
        "nofile": nofile,
        "python": _absolute(python),
    }
    given = {name: value for name, value in changes.items() if value is not None}
    report = await order("upgrade", changes=given)
    if report["upgraded"] or operator.json:
        lines = [
            f"{', '.join(post['services'])}: process {post['pid']} serves in place of "
            f"{post['from']}"
            for post in report["posts"]
        ]
        operator.tell(report, lines)
    if not report["upgraded"]:
        if report["details"] and not operator.json:
            click.echo(report["details"], err=True)
        fail(f"there was no upgrade: {report['why']}")
    if any(post["left"] for post in report["posts"]):
        left = ", ".join(name for post in report["posts"] for name in post["left"])
        why = " ".join(post["wrote"] for post in report["posts"])
        fail(f"{left} could not move, and stays where it is: {why}")


def _absolute(path: str | None) -> str | None:
    return None if path is None else os.path.abspath(path)


@manager.command()
@click.option("--leave", is_flag=True, help="End the manager only, not the services.")
@ordering
async def stop(operator: Operator, order: Any, leave: bool) -> None:
    """
    End the services, and the manager.

    \b
    Examples:
      txmigrate manager stop
      txmigrate manager stop --leave      the services go on
    """
    answer = await order("stop", leave=leave)
    told = "manager {pid} ends".format(**answer)
    if leave:
        pids = ", ".join(str(post["pid"]) for post in answer["posts"])
        told += f"; process {pids} serves on"
    operator.tell(answer, [told])


@manager.command()
@ordering
async def reexec(operator: Operator, order: Any) -> None:
    """
    Have the manager execute its program anew, which may be a newer one.

    Its process id stays, and so do the processes that it keeps.

    \b
    Example:
      txmigrate manager reexec
    """
    before = await order("reexec")
    while True:
        answer = await order("status")
        if answer["renewals"] > before["renewals"]:
            break
        await deferLater(operator.reactor, LOOK)
    operator.tell(answer, [f"manager {answer['pid']} runs its program anew"])
