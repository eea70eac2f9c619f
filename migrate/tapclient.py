"""
C{twistd migrate-client}: takes services over from a running process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from twisted.python import usage

from migrate.adapters.prompts import keepEverySource
from migrate.client import MigrationClient
from migrate.commandline import CommandLineClient, CommandLineInquirer
from migrate.errors import MigrationError
from migrate.gate import Gate
from migrate.gradual.recipes import SERVICE, Recipe
from migrate.identity import Login
from migrate.outcome import Outcome, PidFile
from migrate.policies import Policies
from migrate.server import MigrationServer
from migrate.takeover.inheritance import inherited
from migrate.tap import (
    DRAIN,
    CommonOptions,
    drain,
    duration,
    follow,
    namedBy,
    resourcesOf,
    seconds,
    split,
)
from migrate.tapsuccessor import (
    CommandLineGradual,
    equip,
    makerOf,
    makersOf,
    show,
)


class Options(CommonOptions):
    """
    The options of C{twistd migrate-client}.
    """

    synopsis = "[--control ENDPOINT] (--service NAME ... | --all)"
    longdesc = (
        "Takes services over from a running twistd migrate-server, with all their "
        "connections, and publishes them in turn."
    )

    optFlags: ClassVar = [
        ["all", "a", "Take over every service that is available."],
        [
            "gradual",
            None,
            "Take only the listening sockets: new clients are served here, by services "
            "that this process makes itself, and the others where they are until they "
            "sign off.",
        ],
        ["check", None, "Only tell what would move, and what could not."],
        [
            "rehearse",
            None,
            "Only load a copy of the services, throw it away, and tell how long they "
            "would have stood still.",
        ],
    ]

    optParameters: ClassVar = [
        [
            "serializer",
            None,
            "table",
            "How the services travel: table, or pickle (same user only).",
        ],
        [
            "wait",
            None,
            "0",
            "Seconds to wait for an instant at which a service can move, if it cannot "
            "now but will be able to.",
        ],
        [
            "max-pause",
            None,
            None,
            "For how long a service may stand still: 50ms, 0.2s; a number alone is in "
            "seconds.  One for which a rehearsal predicts more stays where it is.",
        ],
        DRAIN,
        ["login", None, None, "User to log in as, if the control endpoint is tcp."],
        ["password-file", None, None, "File whose first line is that user's password."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["services"] = []
        self["allow"] = []
        self["provide"] = []
        self["recipes"] = {}

    def opt_provide(self, text: str) -> None:
        """
        NAME=CALLABLE: what the dotted name CALLABLE returns when called, perhaps
        as a Deferred, is made ready before a service is taken over, and takes the
        place of what that calls NAME.  May be given more than once.
        """
        self["provide"].append(split(text, "--provide"))

    def opt_allow(self, name: str) -> None:
        """
        MODULE or MODULE:NAME: the only code, beside what every service needs,
        that a service may name.  May be given more than once.  Without it an
        origin of the same user or of root may name anything.
        """
        self["allow"].append(name)

    def opt_service(self, name: str) -> None:
        """
        Take over the service that is published as NAME.  May be given more
        than once.  With --gradual, NAME=CALLABLE: the one here is what the dotted
        name CALLABLE is, or returns when called; by default what the origin was
        started with.
        """
        if "=" in name:
            name, dotted = split(name, "--service")
            self["recipes"][name] = Recipe(SERVICE, dotted)
        self["services"].append(name)

    def postOptions(self) -> None:
        """
        See L{CommonOptions.postOptions}.
        """
        super().postOptions()
        if bool(self["services"]) == bool(self["all"]):
            raise usage.UsageError("give either --service NAME, or --all")
        if len(set(self["services"])) != len(self["services"]):
            raise usage.UsageError("a --service is named twice")
        if self["check"] and self["rehearse"]:
            raise usage.UsageError("give either --check or --rehearse")
        self._checkGradual()
        provided = [name for name, _ in self["provide"]]
        if len(set(provided)) != len(provided):
            raise usage.UsageError("a resource is provided twice")
        try:
            self["policies"] = Policies.fromNames(self["allow"])
        except MigrationError as error:
            raise usage.UsageError(str(error)) from error
        try:
            self["seconds"] = seconds("wait", self["wait"], least=0.0)
            self["pause"] = self._pause()
            self["seconds to drain"] = drain(self["drain"])
        except ValueError as error:
            raise usage.UsageError(str(error)) from error
        self["credentials"] = self._credentials()
        self.pidFile = PidFile.of(self.parent)
        self.pidFile.withhold()

    def _checkGradual(self) -> None:
        """
        @raise usage.UsageError: what only one way of taking over knows is given for
            the other.
        """
        if self["gradual"]:
            for name in ("check", "rehearse", "max-pause", "provide"):
                if self[name]:
                    raise usage.UsageError(
                        f"--{name} is about services that move: --gradual moves none"
                    )
        elif self["drain"] is not None or self["recipes"]:
            option = "--service NAME=CALLABLE" if self["recipes"] else "--drain"
            raise usage.UsageError(f"{option} goes with --gradual")

    def _pause(self) -> float | None:
        """
        @raise ValueError: it is no time.
        """
        if self["max-pause"] is None:
            return None
        if self["check"]:
            raise usage.UsageError(
                "a pause is predicted by a rehearsal: give --max-pause without "
                "--check, or with --rehearse in its place"
            )
        return duration("max-pause", self["max-pause"])

    def _credentials(self) -> Login | None:
        user, path = self["login"], self["password-file"]
        if user is None and path is None:
            return None
        if user is None or path is None:
            raise usage.UsageError("--login and --password-file go together")
        try:
            with open(path) as file:
                return Login(user, file.readline().rstrip("\r\n"))
        except OSError as error:
            raise usage.UsageError(f"--password-file: {error}") from error


def openerOf(dotted: str) -> Callable[[], Any]:
    """
    @param dotted: the name of something that returns a resource when called.
    @raise usage.UsageError: it is not there, or cannot be called.
    """
    found = namedBy("--provide", dotted)
    if not callable(found):
        raise usage.UsageError(f"--provide: {dotted} cannot be called: it is {found!r}")
    opener: Callable[[], Any] = found
    return opener


def makeService(options: Options) -> MigrationServer:
    """
    @return: a client that takes over, or asks about, what was given.
    """
    wanted: Any = None if options["all"] else options["services"]
    # What is typed at a prompt from now on can be made again elsewhere.
    keepEverySource()
    outcome = Outcome(options.parent)
    try:
        openers = {name: openerOf(dotted) for name, dotted in options["provide"]}
        following = follow(options, openers, options.pidFile)
    except (MigrationError, ValueError, usage.UsageError) as error:
        outcome.leave(f"migrate-client: {error}")
    if following is not None:
        outcome.close()
        return following
    gate = Gate.fromEnvironment()
    asking = options["check"] or options["rehearse"]
    try:
        gate.preload()
        client = _clientOf(options, wanted, openers, asking)
        client.resources.update(resourcesOf(options))
        if not asking:
            options.reloading(client)
    except (MigrationError, ValueError, usage.UsageError) as error:
        outcome.leave(f"migrate-client: {error}")
    if asking:
        client.outcome = outcome
        show(client, outcome)
    else:
        equip(client, options, outcome, gate)
    made: MigrationClient = client
    return made


def _clientOf(
    options: Options, wanted: Any, openers: dict[str, Callable[[], Any]], asking: bool
) -> Any:
    """
    @return: what takes over, or asks, in the way that was given.
    """
    make: Any = CommandLineClient
    own: dict[str, Any] = {"maxPause": options["pause"]}
    if asking:
        make = partial(CommandLineInquirer, rehearse=bool(options["rehearse"]))
    elif options["gradual"]:
        make = CommandLineGradual
        own = {
            "makers": makersOf(options["recipes"], options.parent),
            "maker": partial(makerOf, twistd=options.parent),
            "drain": options["seconds to drain"],
            "held": inherited(os.environ),
        }
    client = make(
        options["control"],
        wanted,
        serializer=options["serializer"],
        login=options["credentials"],
        policies=options["policies"],
        wait=options["seconds"],
        provide=openers,
        **own,
        **options.common(),
    )
    if options["gradual"]:
        client.gradual.recipes.update(options["recipes"])
    return client
