"""
What the two twistd plugins have in common: their options, and how they tell
the operator how it went.

It must not know how services move.
"""

from __future__ import annotations

import atexit
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any, ClassVar, NoReturn

import attrs
from twisted.application.service import IService, IServiceMaker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.logger import Logger
from twisted.plugin import getPlugins
from twisted.python import reflect, usage

from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import MigrationError

MOST_SECONDS = 1e9
"""
Seconds that any option takes.
"""


class CommonOptions(usage.Options, AuthOptionMixin):
    """
    The options of both plugins.
    """

    supportedInterfaces = (IUsernameHashedPassword,)

    optParameters: ClassVar = [
        [
            "control",
            "c",
            "unix:migrate.sock",
            "Endpoint of the migration server: unix:PATH, tcp:PORT or tcp:HOST:PORT.",
        ],
        [
            "deadline",
            None,
            "10",
            "Seconds that one transfer may take before it is rolled back.",
        ],
        [
            "greeting-deadline",
            None,
            "10",
            "Seconds that the other side has to say who it is.",
        ],
        [
            "preparing-deadline",
            None,
            "60",
            "Seconds that the other side has to audit, or to import, what it needs.",
        ],
    ]

    optFlags: ClassVar = [
        [
            "no-fence",
            None,
            "Never kill a recipient that hangs after the commit point: wait for it.",
        ],
    ]

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self["peers"] = []
        self["resources"] = []

    def opt_peer(self, name: str) -> None:
        """
        A user, beside this one and root, whose processes are trusted as the
        other side on a UNIX control socket.  May be given more than once.
        """
        self["peers"].append(name)

    def opt_resource(self, text: str) -> None:
        """
        NAME=OBJECT: what the dotted name OBJECT stands for is what a recipient
        may have of its own, as NAME: see --provide of migrate-client.  May be given
        more than once.
        """
        self["resources"].append(split(text, "--resource"))

    def postOptions(self) -> None:
        """
        Check what was given, before anything is started.
        """
        # Services and their classes may live in the working directory, as
        # they may for a configuration file.
        here = os.getcwd()
        if here not in sys.path:
            sys.path.insert(0, here)
        try:
            self["policy"] = UserPolicy.fromNames(self["peers"])
            self["deadlines"] = Deadlines(
                **{
                    field: seconds(option, self[option])
                    for field, option in _DEADLINES.items()
                }
            )
        except (MigrationError, ValueError) as error:
            raise usage.UsageError(str(error)) from error

    def common(self) -> dict[str, Any]:
        """
        @return: what L{migrate.server.MigrationServer} is to be told.
        """
        return {
            "policy": self["policy"],
            "deadlines": self["deadlines"],
            "fence": not self["no-fence"],
            "checkers": self.get("credCheckers", []),
        }


_DEADLINES = {
    "greeting": "greeting-deadline",
    "preparing": "preparing-deadline",
    "transfer": "deadline",
}


def seconds(option: str, text: str, least: float = 1e-3) -> float:
    """
    @param least: the smallest number that may be given.
    @raise ValueError: it is no such number.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not least <= value <= MOST_SECONDS:
        raise ValueError(f"--{option} {text}: give a positive number of seconds")
    return value


def split(text: str, option: str) -> tuple[str, str]:
    """
    Take C{NAME=WHAT} apart.

    @raise usage.UsageError: it is not of this form.
    """
    name, equals, what = text.partition("=")
    if not (name and equals and what):
        raise usage.UsageError(f"{option} {text!r}: it has to be NAME=...")
    return name, what


def namedBy(option: str, dotted: str) -> Any:
    """
    @param dotted: C{package.module.name}, or C{package.module:name}.
    @return: what it stands for.
    @raise usage.UsageError: nothing.
    """
    try:
        return reflect.namedAny(dotted.replace(":", ".", 1))
    except (
        reflect.ModuleNotFound,
        reflect.ObjectNotFound,
        reflect.InvalidName,
        AttributeError,
    ) as e:
        raise usage.UsageError(f"{option}: cannot find {dotted}: {e}") from e


def resourcesOf(options: Any) -> dict[str, Callable[[], object]]:
    """
    @return: what finds the objects of C{--resource} by their names, whenever they
        are asked for.
    @raise usage.UsageError: one is not there.
    """
    found: dict[str, Callable[[], object]] = {}
    for name, dotted in options["resources"]:
        namedBy("--resource", dotted)
        found[name] = partial(namedBy, "--resource", dotted)
    return found


def serviceOf(dotted: str) -> IService:
    """
    @param dotted: the name of something that is, or when called returns, an
        L{IService}.
    @raise usage.UsageError: it does not.
    """
    found = namedBy("--service", dotted)
    if IService.providedBy(found):
        return found
    made = found() if callable(found) else found
    service = IService(made, None)
    if service is None:
        raise usage.UsageError(
            f"--service: {dotted} neither is a service nor returns one: it gives "
            f"{made!r}"
        )
    return service


def pluginService(commandLine: str, twistd: Any) -> IService:
    """
    Make the service of any installed twistd plugin.

    @param commandLine: C{TAP OPTIONS}, quoted as in a shell.
    @param twistd: the options of twistd itself.
    @raise usage.UsageError: there is no such plugin, or it refuses its options.
    """
    words = shlex.split(commandLine)
    makers = {maker.tapname: maker for maker in getPlugins(IServiceMaker)}
    maker = makers.get(words[0]) if words else None
    if maker is None:
        raise usage.UsageError(
            f"--plugin: there is no twistd plugin {words[0] if words else ''!r}; "
            f"there are {', '.join(sorted(makers))}"
        )
    options = maker.options()
    options.parent = twistd
    options.parseOptions(words[1:])
    service: IService = IService(maker.makeService(options))
    return service


@attrs.define
class PidFile:
    """
    The pid file of twistd, which always names the process that serves: the
    recipient's takes the place of the origin's in one step.

    @ivar options: those of twistd.
    @ivar path: absolute; empty for none.
    """

    _log = Logger()

    options: Any
    path: str

    @classmethod
    def of(cls, options: Any) -> PidFile:
        """
        @param options: those of twistd, before it looks at them.
        """
        path = options["pidfile"] if options is not None else ""
        return cls(options, os.path.abspath(path) if path else "")

    def withhold(self) -> None:
        """
        Keep twistd from stopping over a live process's file, and from writing
        its own before this process serves.
        """
        if self.path:
            self.options["pidfile"] = ""

    def write(self) -> None:
        """
        Name this process, in one step.
        """
        if not self.path:
            return
        temporary = f"{self.path}.{os.getpid()}"
        try:
            with open(temporary, "w") as file:
                file.write(str(os.getpid()))
            os.replace(temporary, self.path)
        except OSError:
            # A service that runs is worth more than a file about it.
            self._log.failure("cannot write {path}", path=self.path)
            with suppress(OSError):
                os.unlink(temporary)
        else:
            self.options["pidfile"] = self.path

    def remove(self) -> None:
        """
        Leave no file that names this process, which ends without serving.
        """
        if self.path and self._named() == str(os.getpid()):
            with suppress(OSError):
                os.unlink(self.path)

    def before(self, stop: Callable[[], None]) -> Callable[[], None]:
        """
        @return: something that does C{stop}, and has twistd leave the file
            alone if it names another process by then.
        """

        def end() -> None:
            if self.path and self._named() != str(os.getpid()):
                self.options["pidfile"] = ""
            stop()

        return end

    def _named(self) -> str:
        try:
            with open(self.path) as file:
                return file.read().strip()
        except OSError:
            return ""


def exitWith(status: int) -> None:
    """
    Have this process end with C{status}: twistd knows no other way to end than
    0 or a signal.
    """

    def leave() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(status)

    atexit.register(leave)


@attrs.define
class Outcome:
    """
    Tells the operator how it went, also across daemonizing: by a line on the
    descriptor that standard error was at first, and by the exit status of the
    launching command.

    @ivar options: those of twistd, or L{None} outside of it.
    """

    options: Any
    _stdout: int = attrs.field(init=False)
    _stderr: int = attrs.field(init=False)
    _pipe: int | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """
        Keep standard output and error, which twistd gives to the log, and a
        daemon to nobody.
        """
        self._stdout, self._stderr = os.dup(1), os.dup(2)

    def postpone(self) -> None:
        """
        Called once a daemon is one: keep twistd from telling the launching
        command that all is well.
        """
        if self.options is not None:
            self._pipe = self.options.get("statusPipe")
            self.options["statusPipe"] = None

    def succeed(self) -> None:
        """
        All is well.
        """
        self._tell(b"0")

    def say(self, lines: Iterable[str]) -> None:
        """
        Write lines to standard output.
        """
        text = "".join(f"{line}\n" for line in lines).encode()
        while text:
            text = text[os.write(self._stdout, text) :]

    def warn(self, message: str) -> None:
        """
        Say something on standard error, in one line.
        """
        os.write(self._stderr, (" ".join(message.split()) + "\n").encode())

    def fail(self, message: str) -> None:
        """
        It did not work; say why, in one line.
        """
        self.warn(message)
        self._tell(b"1 see above")

    def leave(self, message: str) -> NoReturn:
        """
        It cannot even begin; say why, in one line, and end with status 1.
        """
        self.postpone()
        self.fail(message)
        raise SystemExit(1)

    def close(self) -> None:
        """
        Nothing more will be said: let go of standard output and error, whose
        reader may wait for their end.
        """
        os.close(self._stdout)
        os.close(self._stderr)

    def _tell(self, status: bytes) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.write(pipe, status)
            os.close(pipe)
        self.close()
