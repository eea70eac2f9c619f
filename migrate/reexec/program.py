"""
What it takes to run a program: its interpreter, command line, directory, environment
and limits; and what an operator would have changed of that.

It must not know when it is run.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from migrate.errors import CannotAnswer
from migrate.reexec.bootstrap import split

SHEBANG = 4096
"""
Bytes of a script that are looked at for the name of its interpreter.
"""


@attrs.frozen
class Changes:
    """
    What is to be different.

    @ivar environment: variables to set.
    @ivar unset: variables to take away.
    @ivar nofile: how many descriptors it may have open; L{None} for as many as now.
    @ivar directory: where it is to begin; empty for where it began.
    @ivar python: another interpreter; empty for the same one.
    @ivar command: another command line; empty for the same one.
    """

    environment: Mapping[str, str] = attrs.field(factory=dict)
    unset: Sequence[str] = ()
    nofile: int | None = None
    directory: str = ""
    python: str = ""
    command: Sequence[str] = ()

    @classmethod
    def of(cls, arguments: Mapping[str, Any]) -> Changes:
        """
        @param arguments: of an operator's question.
        @raise CannotAnswer: they are of other types.
        """
        changes = cls(
            arguments.get("environment", {}),
            arguments.get("unset", ()),
            arguments.get("nofile"),
            arguments.get("directory", ""),
            arguments.get("python", ""),
            arguments.get("command", ()),
        )
        texts = [changes.directory, changes.python, *changes.unset, *changes.command]
        texts += [*changes.environment, *changes.environment.values()]
        if not all(isinstance(each, str) and "\0" not in each for each in texts):
            raise CannotAnswer("names, values and words have to be text")
        return changes


@attrs.frozen
class Program:
    """
    One program.

    @ivar executable: the path of its interpreter.
    @ivar command: the words of its command line, the interpreter's path first.
    @ivar directory: where it begins.
    @ivar environment: its variables.
    @ivar nofile: how many descriptors it may have, soft and hard limit; L{None} for
        what the process has.
    """

    executable: str
    command: tuple[str, ...]
    directory: str
    environment: Mapping[str, str]
    nofile: tuple[int, int] | None = None

    @classmethod
    def current(cls) -> Program:
        """
        @return: that of this process, which has just begun.
        """
        # An interpreter looks for itself by the name that it was called by.
        command = (sys.executable, *sys.orig_argv[1:])
        return cls(sys.executable, command, os.getcwd(), dict(os.environ))

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: what the next image is told.
        """
        return attrs.asdict(self)

    def limited(self) -> Program:
        """
        @return: the same, with the limits that are in force now.
        """
        return attrs.evolve(self, nofile=resource.getrlimit(resource.RLIMIT_NOFILE))

    def changed(self, changes: Changes) -> Program:
        """
        @return: what is to be run.
        @raise CannotAnswer: that cannot be run, for a reason that is known already.
        """
        environment = {**self.environment, **changes.environment}
        for name in (*changes.environment, *changes.unset):
            if not name or "=" in name:
                raise CannotAnswer(f"{name!r} is no name for an environment variable")
        for name in changes.unset:
            environment.pop(name, None)
        program = attrs.evolve(
            self,
            environment=environment,
            directory=_directory(changes.directory or self.directory),
            nofile=None if changes.nofile is None else _limit(changes.nofile),
        )
        if changes.command:
            program = program.running(changes.command)
        if changes.python:
            program = program.by(changes.python)
        program.check()
        return program

    def by(self, python: str) -> Program:
        """
        @return: the same by another interpreter.
        @raise CannotAnswer: there is none.
        """
        found = self._found(python)
        return attrs.evolve(self, executable=found, command=(found, *self.command[1:]))

    def running(self, command: Sequence[str]) -> Program:
        """
        @param command: a script that Python runs, or an interpreter and what it is to
            run.
        @raise CannotAnswer: it is neither.
        """
        found = self._found(command[0])
        if os.path.realpath(found) == os.path.realpath(self.executable) or (
            Path(found).name.startswith(("python", "pypy"))
        ):
            return attrs.evolve(self, executable=found, command=(found, *command[1:]))
        interpreter = _interpreterOf(found)
        if not interpreter or "python" not in " ".join(interpreter):
            raise CannotAnswer(
                f"{found} is no Python, nor a script for one: give twistd, or python "
                "with its arguments"
            )
        if Path(interpreter[0]).name == "env":
            interpreter = [each for each in interpreter[1:] if each != "-S"]
        executable = self._found(interpreter[0])
        words = (executable, *interpreter[1:], found, *command[1:])
        return attrs.evolve(self, executable=executable, command=words)

    def check(self) -> None:
        """
        @raise CannotAnswer: it cannot be run.
        """
        if not os.access(self.executable, os.X_OK):
            raise CannotAnswer(f"{self.executable} cannot be executed any more")
        try:
            split(list(self.command))
        except ValueError as error:
            raise CannotAnswer(str(error)) from error

    def _found(self, name: str) -> str:
        path = self.environment.get("PATH", os.defpath)
        found = shutil.which(os.path.join(self.directory, name), path=path)
        found = found if "/" in name else shutil.which(name, path=path)
        if found is None:
            raise CannotAnswer(f"there is no program {name}")
        return found


def _directory(path: str) -> str:
    """
    @raise CannotAnswer: nobody can begin there.
    """
    if (
        not os.path.isabs(path)
        or not os.access(path, os.X_OK)
        or not Path(path).is_dir()
    ):
        raise CannotAnswer(f"{path} is no directory that this process can enter")
    return path


def _limit(nofile: object) -> tuple[int, int]:
    """
    @raise CannotAnswer: this process may not have as many.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if type(nofile) is not int or not 0 < nofile < 1 << 31:
        raise CannotAnswer(f"a process cannot have {nofile!r} descriptors")
    if hard != resource.RLIM_INFINITY and nofile > hard and os.geteuid() != 0:
        raise CannotAnswer(
            f"{nofile} descriptors are over the hard limit of {hard}, which only root "
            "can raise"
        )
    return nofile, max(nofile, hard) if hard != resource.RLIM_INFINITY else hard


def _interpreterOf(script: str) -> list[str]:
    """
    @return: the words after C{#!}; none if there are none.
    """
    try:
        with open(script, "rb") as file:
            line = file.read(SHEBANG).partition(b"\n")[0]
    except OSError:
        return []
    if not line.startswith(b"#!"):
        return []
    return os.fsdecode(line[2:]).split()
