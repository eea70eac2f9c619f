"""
What a process is given when it starts: its environment, its working directory, its
limit of open files.

It must not know which program it runs.
"""

from __future__ import annotations

import os
import re
import resource
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs

from migrate.errors import MigrationError

_ASSIGNMENT = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)=(.*)", re.DOTALL)


@attrs.frozen
class Settings:
    """
    What the next process is given.

    @ivar directory: its working directory, absolute.
    @ivar environmentFile: the absolute path of a file of NAME=VALUE lines, which is
        read whenever a process starts; empty for none.
    @ivar nofile: how many files it may have open; 0 for as many as this process.
    @ivar python: the Python that runs it, absolute.
    """

    directory: str
    environmentFile: str = ""
    nofile: int = 0
    python: str = sys.executable

    def changed(self, changes: Mapping[str, Any]) -> Settings:
        """
        @param changes: as an operator gives them, by the names of the settings;
            what is L{None} stays.
        @return: settings with these changes.
        @raise MigrationError: one of them is not what it has to be.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        known = attrs.fields_dict(type(self))
        strange = sorted(set(given) - set(known))
        if strange:
            raise MigrationError(f"there is no setting {', '.join(strange)}")
        for name, value in given.items():
            wanted = int if name == "nofile" else str
            if type(value) is not wanted:
                raise MigrationError(f"{name}: {value!r} is no {wanted.__name__}")
        settings = attrs.evolve(self, **given)
        settings.check()
        return settings

    def check(self) -> None:
        """
        @raise MigrationError: no process could start with these.
        """
        if not os.path.isdir(self.directory):
            raise MigrationError(f"{self.directory} is no directory")
        if shutil.which(self.python) is None:
            raise MigrationError(f"{self.python} is no program that can be run")
        _limits(self.nofile)
        self.environment({})

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """
        @param base: what the file adds to.
        @raise MigrationError: the file cannot be read.
        """
        if not self.environmentFile:
            return dict(base)
        try:
            with open(self.environmentFile) as file:
                text = file.read()
        except (OSError, UnicodeDecodeError) as error:
            raise MigrationError(
                f"the environment file cannot be read: {error}"
            ) from error
        return {**base, **assignments(text, self.environmentFile)}

    @contextmanager
    def limits(self) -> Iterator[None]:
        """
        What is started within has the limit of open files.

        @raise MigrationError: this user may not have it.
        """
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = _limits(self.nofile)
        if wanted == before:
            yield
            return
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, wanted)
        except (OSError, ValueError) as error:
            raise MigrationError(f"--nofile {self.nofile}: {error}") from error
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def _limits(nofile: int) -> tuple[int, int]:
    """
    @return: the soft and the hard limit that a process gets.
    @raise MigrationError: this user may not have so many.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if not nofile:
        return soft, hard
    if nofile < 0:
        raise MigrationError(f"--nofile {nofile}: give a positive number")
    bounded = hard != resource.RLIM_INFINITY
    # Who may exceed the hard limit may also lower it again.
    if bounded and nofile > hard and os.geteuid() != 0:
        raise MigrationError(
            f"--nofile {nofile}: this user may have {hard} open files at most; raise "
            "the hard limit of the manager"
        )
    return nofile, max(hard, nofile) if bounded else hard


def assignments(text: str, path: str) -> dict[str, str]:
    """
    @param text: lines of NAME=VALUE, quoted as in a shell or not at all; empty ones and
        those that begin with # or ; mean nothing.
    @raise MigrationError: a line is something else.
    """
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line or line[0] in "#;":
            continue
        match = _ASSIGNMENT.fullmatch(line)
        if match is None:
            raise MigrationError(f"{path}, line {number}: it has to be NAME=VALUE")
        found[match[1]] = _unquoted(match[2].strip(), path, number)
    return found


def _unquoted(value: str, path: str, number: int) -> str:
    if not value or value[0] not in "'\"":
        return value
    try:
        words = shlex.split(value)
    except ValueError as error:
        raise MigrationError(f"{path}, line {number}: {error}") from error
    if len(words) != 1:
        raise MigrationError(f"{path}, line {number}: something follows the quotes")
    return words[0]
