"""
What the two twistd plugins have in common: their options, and what these stand
for.

It must not know how services move.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, ClassVar

from twisted.application.service import IService, IServiceMaker
from twisted.cred.credentials import IUsernameHashedPassword
from twisted.cred.strcred import AuthOptionMixin
from twisted.plugin import getPlugins
from twisted.python import reflect, usage

from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import MigrationError
from migrate.notify import Notifier
from migrate.reexec.plugin import ReexecOptions, reexecuted, settle
from migrate.reload import Reload, signalOf
from migrate.server import MigrationServer

MOST_SECONDS = 1e9
"""
Seconds that any option takes.
"""


DRAIN = [
    "drain",
    None,
    None,
    "Seconds after which the clients that are left at the old process are closed "
    "there; by default they stay for as long as they will.",
]
"""
The option of both plugins that goes with a gradual take-over.
"""


class CommonOptions(ReexecOptions, AuthOptionMixin):
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
        [
            "reload-signal",
            None,
            None,
            "HUP, USR1 or USR2: on this signal start a successor, as this process was "
            "started, that takes everything over.",
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
            if self["reload-signal"] is not None:
                self["reload"] = signalOf(self["reload-signal"])
        except (MigrationError, ValueError) as error:
            raise usage.UsageError(str(error)) from error
        self["signal"] = self.signalNumber()
        settle(getattr(self, "parent", None))

    def common(self) -> dict[str, Any]:
        """
        @return: what L{migrate.server.MigrationServer} is to be told.
        """
        return {
            "policy": self["policy"],
            "deadlines": self["deadlines"],
            "fence": not self["no-fence"],
            "checkers": self.get("credCheckers", []),
            "notifier": Notifier.fromEnvironment(),
        }

    def reloading(self, server: Any) -> None:
        """
        Have C{--reload-signal} heeded.

        @param server: what is upgraded then.
        @raise MigrationError: this process cannot know what its successor is.
        """
        if self.get("reload") is not None:
            reload = Reload(server, self["reload"])
            reload.check()
            # From the beginning: it would end a process that is just about to run.
            reload.install()


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


def drain(text: str | None) -> float | None:
    """
    @param text: the value of L{DRAIN}.
    @return: seconds.
    @raise ValueError: it is no such number.
    """
    return None if text is None else seconds("drain", text, least=0.0)


_TIME = re.compile(r"\s*((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(ms|s)?\s*", re.ASCII)


def duration(option: str, text: str) -> float:
    """
    @param text: a number, followed by C{ms}, C{s}, or nothing for seconds.
    @return: seconds.
    @raise ValueError: it is no such time, or none at all.
    """
    found = _TIME.fullmatch(text)
    value = 0.0
    if found is not None:
        value = float(found[1]) / (1000 if found[2] == "ms" else 1)
    if not 0.0 < value <= MOST_SECONDS:
        raise ValueError(
            f"--{option} {text}: give a time such as 50ms or 0.2s; a number alone is "
            "in seconds"
        )
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


def follow(
    options: Any, openers: Mapping[str, Callable[[], Any]], pidFile: Any
) -> MigrationServer | None:
    """
    @param openers: open resources, by name.
    @param pidFile: a L{migrate.outcome.PidFile}.
    @return: the server of an image of which the process served before; L{None} of a
        process that has just begun.
    @raise MigrationError: the options do not fit.
    """
    server = reexecuted(
        options["control"],
        options["signal"],
        openers,
        pidFile.write,
        **options.common(),
    )
    if server is not None:
        server.resources.update(resourcesOf(options))
        server.whenEmpty = pidFile.before(server.whenEmpty)
    return server


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
