"""
What all subcommands have in common: where the process is that they ask, how they
ask it, and how they end.

It must not know any question.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NoReturn, TypeVar

import attrs
import click
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from migrate.control import DEFAULT, ControlAddress
from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import MigrationError
from migrate.identity import Login
from migrate.meeting import ask

FAILED = 1
"""
The exit status of a command that could not do what it was to do.
"""

UNCLEAR = 3
"""
The exit status of a command of which nobody can say what it has done.
"""

PATIENCE = 2.0
"""
Seconds that whoever presses a key is to wait for a process.
"""

Command = TypeVar("Command", bound=Callable[..., Any])


@attrs.define
class Operator:
    """
    Somebody at a terminal, or a program, who asks a running process.

    @ivar reactor: runs while the command does.
    @ivar origin: where the process listens.
    @ivar policy: whose processes are trusted.
    @ivar login: for a process that listens on TCP.
    @ivar json: whether a program is to read the answers.
    """

    reactor: Any
    origin: ControlAddress
    policy: UserPolicy
    login: Login | None
    json: bool

    async def ask(
        self, question: str, arguments: Mapping[str, object] | None = None
    ) -> dict[str, Any]:
        """
        See L{migrate.meeting.ask}.
        """
        return await ask(
            self.reactor,
            self.origin,
            question,
            arguments,
            policy=self.policy,
            login=self.login,
        )

    def tell(self, answer: Mapping[str, Any], lines: list[str]) -> None:
        """
        @param answer: for a program.
        @param lines: the same for a person.
        """
        click.echo(json.dumps(answer, indent=2) if self.json else "\n".join(lines))


def asking(command: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """
    Make an asynchronous function that takes an L{Operator} first what click calls,
    with the options by which that operator finds the process.
    """

    @click.option(
        "--control",
        "-c",
        default=DEFAULT,
        metavar="ENDPOINT",
        help="Where the process listens: unix:PATH, tcp:PORT or tcp:HOST:PORT.",
        show_default=True,
    )
    @click.option(
        "--peer",
        "peers",
        multiple=True,
        metavar="USER",
        help="A user, beside this one and root, whose process is trusted.",
    )
    @click.option(
        "--login", "user", metavar="USER", help="Whom to log in as, over tcp."
    )
    @click.option(
        "--password-file",
        type=click.File(),
        help="File whose first line is that user's password.",
    )
    @click.option("--json", is_flag=True, help="Answer in JSON, for a program.")
    @functools.wraps(command)
    def called(
        control: str,
        peers: tuple[str, ...],
        user: str | None,
        password_file: Any,
        json: bool,
        **options: Any,
    ) -> None:
        if (user is None) != (password_file is None):
            raise click.UsageError("--login and --password-file go together")
        login = None
        if user is not None:
            login = Login(user, password_file.readline().rstrip("\r\n"))
        try:
            origin = ControlAddress.parse(control)
            policy = UserPolicy.fromNames(list(peers))
        except (MigrationError, ValueError) as error:
            raise click.UsageError(str(error)) from error
        from twisted.internet import reactor

        operator = Operator(reactor, origin, policy, login, json)
        run(reactor, lambda: command(operator, **options))

    return called


def run(
    reactor: Any, command: Callable[[], Coroutine[Any, Any, None]], quiet: bool = False
) -> None:
    """
    Run until C{command} is done; end this process with status 1, and one line on
    standard error, if it fails with a L{MigrationError}, or is interrupted.

    @param quiet: whether nothing is said, nor ended.
    """
    failures: list[Failure] = []
    ended = False

    def begin() -> None:
        done = Deferred.fromCoroutine(command())
        done.addErrback(failures.append).addBoth(end)

    def end(_: object) -> None:
        nonlocal ended
        ended = True
        # Whoever interrupts has stopped it already.
        if reactor.running:
            reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()
    if quiet:
        return
    for failure in failures:
        if not failure.check(MigrationError):
            failure.raiseException()
        fail(failure.getErrorMessage())
    if not ended:
        fail("interrupted before there was an answer")


def services(
    context: click.Context, parameter: click.Parameter, begun: str
) -> list[str]:
    """
    Complete the name of a service for a shell: the process is asked.

    @param begun: what has been typed of it.
    @return: the names that begin so; none if nobody answers.
    """
    from twisted.internet import reactor

    found: list[str] = []

    async def look() -> None:
        control = ControlAddress.parse(context.params.get("control") or DEFAULT)
        soon = Deadlines(greeting=PATIENCE, preparing=PATIENCE)
        answer = await ask(reactor, control, "status", deadlines=soon)
        found.extend(each["name"] for each in answer["services"])

    run(reactor, look, quiet=True)
    return [name for name in found if name.startswith(begun)]


def fail(why: str, status: int = FAILED) -> NoReturn:
    """
    End with one line on standard error.
    """
    click.echo(f"txmigrate: {' '.join(why.split())}", err=True)
    raise SystemExit(status)
