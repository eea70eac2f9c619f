"""
From the command line that a process was started with, that of its successor.

It must not know how a process is started, nor what the options of the plugins mean:
which ones there are is asked of the plugins, as twistd does.
"""

from __future__ import annotations

import getopt
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.scripts._twistd_unix import ServerOptions

from migrate.errors import UnknownStart
from migrate.started import Started

SERVER, CLIENT = "migrate-server", "migrate-client"
"""
The plugins whose processes have successors.
"""

TAKEOVER = "takeover"
"""
An option with which one command line is that of the first process and of every
successor.
"""

OWN = frozenset({"service", "plugin", "all", "check", "rehearse", "gradual", "drain"})
"""
Options that say what one process is for, and not how it is to do it.
"""

REMEDY = "say what the new process is: -- COMMAND LINE"


@attrs.frozen
class TwistdCommand:
    """
    A command line of twistd, taken apart.

    @ivar interpreter: the path of the Python.
    @ivar program: the options of that Python, and what it runs: a script, C{-m} and
        a module, or C{-c} and code.
    @ivar twistd: the options of twistd itself, as they were given.
    @ivar plugin: the name of the plugin.
    @ivar options: the options of the plugin, as they were given.
    """

    interpreter: str
    program: tuple[str, ...]
    twistd: tuple[str, ...]
    plugin: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, started: Started) -> TwistdCommand:
        """
        @raise UnknownStart: that was no twistd, or is not to be recognized.
        """
        words = started.words[1:]
        end = _programEnd(words)
        program, arguments = words[:end], words[end:]
        if not program:
            raise UnknownStart(f"{_said(started)} runs no program; {REMEDY}")
        twistd = ServerOptions()
        try:
            _, rest = getopt.getopt(list(arguments), twistd.shortOpt, twistd.longOpt)
        except getopt.GetoptError as error:
            raise UnknownStart(
                f"{_said(started)} was not started as twistd is ({error}); {REMEDY}"
            ) from error
        if not rest:
            raise UnknownStart(
                f"{_said(started)} runs no plugin of twistd: its migration server is "
                f"part of a program of its own; {REMEDY}"
            )
        count = len(arguments) - len(rest)
        return cls(
            started.executable or started.words[0],
            tuple(program),
            tuple(arguments[:count]),
            rest[0],
            tuple(rest[1:]),
        )

    @property
    def words(self) -> list[str]:
        """
        The whole of it, for C{exec}.
        """
        return [
            self.interpreter,
            *self.program,
            *self.twistd,
            self.plugin,
            *self.options,
        ]

    def twistdOptions(self) -> dict[str, str]:
        """
        @return: the options of twistd that were given, by their long names; flags
            have an empty string.
        """
        return dict(_given(ServerOptions(), self.twistd))

    @property
    def isDaemon(self) -> bool:
        """
        Whether the process that is started so becomes a daemon.
        """
        return not {"nodaemon", "debug"} & set(self.twistdOptions())

    def inForeground(self) -> TwistdCommand:
        """
        @return: the same for a process that is no daemon, but is started as one is: it
            logs to the same file, and makes files of the same mode.  Whoever starts it
            knows its process id.
        """
        if not self.isDaemon:
            return self
        given, more = set(self.twistdOptions()), ["--nodaemon"]
        if not given & {"logfile", "syslog", "logger"}:
            more += ["--logfile", "twistd.log"]
        if "umask" not in given:
            more += ["--umask", "077"]
        return attrs.evolve(self, twistd=(*self.twistd, *more))

    def withInterpreter(self, interpreter: str) -> TwistdCommand:
        """
        @param interpreter: the path of another Python.
        @return: the same run by that one: with the twistd that stands beside it, if
            one does, for the script of another environment may be gone with that.
        """
        program, script = self.program, self.program[-1]
        beside = os.path.join(os.path.dirname(interpreter), "twistd")
        isScript = os.path.basename(script) == "twistd" and "-m" not in program
        if isScript and os.path.isfile(beside):
            program = (*program[:-1], beside)
        return attrs.evolve(self, interpreter=interpreter, program=program)


def successor(
    started: Started,
    *,
    control: str | None = None,
    services: Sequence[str] | None = None,
    interpreter: str | None = None,
    options: Mapping[str, str] | None = None,
) -> TwistdCommand:
    """
    @param started: how the process was started that is to have a successor.
    @param control: the endpoint where that listens now; the one of its command line
        if it is not given.
    @param services: what is to be taken over; all of it by default.
    @param interpreter: the path of another Python.
    @param options: further options of C{migrate-client} by their long names without
        dashes; each takes the place of the same one of the old process.
    @return: the command line of the successor, to be started in C{started.directory}.
        Options of twistd stay as they are, and so do those that both plugins know.
    @raise UnknownStart: it cannot be told.
    """
    command = TwistdCommand.of(started)
    if command.plugin not in (SERVER, CLIENT):
        raise UnknownStart(
            f"{_said(started)} runs twistd {command.plugin}, not {SERVER} or "
            f"{CLIENT}; {REMEDY}"
        )
    changed = {**({} if control is None else {"control": control}), **(options or {})}
    try:
        given = list(_given(_grammar(command.plugin), command.options))
    except getopt.GetoptError as error:
        raise UnknownStart(
            f"{_said(started)} has options of {command.plugin} that are not known "
            f"here ({error}): it runs another release of this library; {REMEDY}"
        ) from error
    if TAKEOVER in dict(given):
        plugin, kept = command.plugin, given
    else:
        plugin, kept = CLIENT, list(_common(given))
        kept += _wanted(services)
    kept = [(name, value) for name, value in kept if name not in changed]
    known = _grammar(plugin).longOpt
    words = [
        word
        for name, value in [*kept, *changed.items()]
        for word in _spoken(name, value, known)
    ]
    command = attrs.evolve(command, plugin=plugin, options=tuple(words))
    return command if interpreter is None else command.withInterpreter(interpreter)


def _common(given: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """
    @return: those options that the client knows, too, and that are not about what is
        served.
    """
    known = {name.rstrip("=") for name in _grammar(CLIENT).longOpt} - OWN
    return (each for each in given if each[0] in known)


def _wanted(services: Sequence[str] | None) -> list[tuple[str, str]]:
    if services is None:
        return [("all", "")]
    return [("service", name) for name in services]


def _spoken(name: str, value: str, known: Sequence[str]) -> list[str]:
    """
    @return: the words of one option.
    """
    return [f"--{name}", value] if f"{name}=" in known else [f"--{name}"]


def _grammar(plugin: str) -> Any:
    """
    @return: the options of a plugin of twistd.
    @raise UnknownStart: it is not installed here.
    """
    for maker in getPlugins(IServiceMaker):
        if maker.tapname == plugin:
            return maker.options()
    raise UnknownStart(f"twistd {plugin} is not installed here; {REMEDY}")


def _given(options: Any, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """
    @param options: which ones there are.
    @return: those that were given, by their long names, in order.
    @raise getopt.GetoptError: there is no such option.
    """
    found, _ = getopt.getopt(list(words), options.shortOpt, options.longOpt)
    for dashed, value in found:
        name = dashed.lstrip("-")
        yield options.synonyms.get(name, name), value


def _programEnd(words: Sequence[str]) -> int:
    """
    @param words: what stands behind the name of a Python.
    @return: how many of them are that one's own options and the program: what follows
        belongs to the program.
    """
    place = 0
    while place < len(words) and words[place].startswith("-"):
        word = words[place]
        place += 1
        if word == "--check-hash-based-pycs":
            place += 1
        elif word.startswith("--") or word == "-":
            continue
        else:
            ends, more = _short(word)
            place += more
            if ends:
                return min(place, len(words))
    return min(place + 1, len(words))


def _short(word: str) -> tuple[bool, int]:
    """
    @param word: a dash, and options of Python of one letter.
    @return: whether they end with the program, and how many words more they take.
    """
    for place, letter in enumerate(word[1:], 2):
        if letter in "cmWX":
            return letter in "cm", int(place == len(word))
    return False, 0


def _said(started: Started) -> str:
    line = shlex.join(started.words)
    return f"the process ({line if len(line) <= 300 else line[:297] + '...'})"
