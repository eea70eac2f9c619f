"""
How the successor of a running process is started: as that was, or as an operator says.

It must not know what becomes of it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import attrs

from migrate.cli.running import Operator
from migrate.control import ControlAddress
from migrate.errors import MigrationError, UnknownStart
from migrate.manager.orders import endpoint
from migrate.manager.settings import Settings
from migrate.started import Started
from migrate.successor import REMEDY, successor


@attrs.frozen
class Changes:
    """
    What an operator wants to be different.

    @ivar command: the whole command line; empty for that of the old process.
    @ivar environment: variables to set.
    @ivar unset: variables to take away.
    @ivar directory: where it runs; empty for where the old one was started, or, with a
        command line, for this directory.
    @ivar nofile: how many files it may have open; 0 for as many as this process.
    @ivar python: the path of another Python.
    @ivar options: options of C{migrate-client} by their long names.
    @ivar output: a file that standard output is added to; empty for the same as that of
        the old process.
    """

    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict)
    unset: tuple[str, ...] = ()
    directory: str = ""
    nofile: int = 0
    python: str | None = None
    options: Mapping[str, str] = attrs.field(factory=dict)
    output: str = ""


@attrs.frozen
class Start:
    """
    One start.

    @ivar command: the program and its arguments.
    @ivar settings: what it is given.
    @ivar environment: its variables.
    @ivar heeds: whether it is known to take over only once it is let.
    """

    command: list[str]
    settings: Settings
    environment: dict[str, str]
    heeds: bool

    @property
    def isGradual(self) -> bool:
        """
        Whether the successor takes what listens only, and makes the rest anew.
        """
        words = self.command
        return "--gradual" in words or ("--takeover" in words and "--move" not in words)

    @property
    def provided(self) -> list[str]:
        """
        The names of the resources that the successor has of its own.
        """
        words, found = self.command, []
        for word, following in zip(words, [*words[1:], ""], strict=True):
            name, _, value = word.partition("=")
            if name == "--provide":
                found.append((value or following).partition("=")[0])
        return found


async def start(operator: Operator, pid: int, changes: Changes) -> Start:
    """
    @param pid: the process that is to have a successor.
    @return: how that is started.
    @raise MigrationError: it cannot be told, or cannot be done.
    """
    if changes.command:
        words, directory = list(changes.command), os.getcwd()
        environment = dict(os.environ)
    else:
        words, directory = await _asBefore(operator, changes)
        environment = environmentOf(pid)
    environment.update(changes.environment)
    for name in changes.unset:
        environment.pop(name, None)
    settings = Settings(changes.directory or directory, nofile=changes.nofile)
    settings.check()
    return Start(words, settings, environment, not changes.command)


async def _asBefore(operator: Operator, changes: Changes) -> tuple[list[str], str]:
    """
    @return: a command line, and the directory for it.
    """
    answer = await operator.ask("started")
    try:
        started = Started.fromDictionary(answer)
    except (KeyError, TypeError) as error:
        raise UnknownStart(
            f"the process does not tell how it was started; {REMEDY}"
        ) from error
    command = successor(
        started,
        control=endpoint(_asItIs(operator.origin)),
        interpreter=changes.python,
        options=changes.options,
    )
    return command.inForeground().words, started.directory


def _asItIs(control: ControlAddress) -> ControlAddress:
    """
    @return: a control endpoint with the mode that its socket has: the successor may
        have to listen beside it.
    """
    if control.kind != "unix":
        return control
    try:
        mode = stat.S_IMODE(os.stat(control.path).st_mode)
    except OSError:
        return control
    return attrs.evolve(control, mode=mode)


def environmentOf(pid: int) -> dict[str, str]:
    """
    @return: the variables that a process was started with.
    @raise MigrationError: they cannot be read.
    """
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            pairs = [pair.partition(b"=") for pair in file.read().split(b"\0")]
    except OSError as error:
        raise MigrationError(
            f"the environment of process {pid} cannot be read ({error}): be its user, "
            "or root, on its machine"
        ) from error
    return {os.fsdecode(name): os.fsdecode(value) for name, eq, value in pairs if eq}


@contextmanager
def outputOf(pid: int, path: str, tell: Callable[[str], object]) -> Iterator[int]:
    """
    Open what the successor's standard output is to be.

    @param pid: the old process.
    @param path: a file; empty for what the old process has.
    @param tell: called with why there is none.
    @raise MigrationError: the file cannot be opened.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
    try:
        if path:
            fileno = os.open(path, flags | os.O_CREAT, 0o640)
        else:
            fileno = _open(f"/proc/{pid}/fd/1", flags, tell)
    except OSError as error:
        raise MigrationError(f"--output {path}: {error}") from error
    try:
        yield fileno
    finally:
        os.close(fileno)


def _open(path: str, flags: int, tell: Callable[[str], object]) -> int:
    try:
        # Nobody may be left to read from a pipe.
        fileno = os.open(path, flags | os.O_NONBLOCK)
    except OSError as error:
        tell(
            "the new process's standard output goes nowhere, for that of the old one "
            f"cannot be opened ({error.strerror}); --output FILE keeps it"
        )
        return os.open(os.devnull, flags)
    os.set_blocking(fileno, True)
    return fileno
