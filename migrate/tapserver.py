"""
C{twistd migrate-server}: publishes services of a new process.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from twisted.python import usage

from migrate.activation import Activation
from migrate.adapters.prompts import keepEverySource
from migrate.control import DEFAULT, ControlAddress
from migrate.errors import MigrationError
from migrate.gate import Gate
from migrate.gradual.recipes import PLUGIN, SERVICE, Recipe
from migrate.outcome import Outcome, PidFile, appendToLog
from migrate.reexec.plugin import offer
from migrate.reexec.reexecution import guard
from migrate.server import MigrationServer
from migrate.takeover.inheritance import inherited
from migrate.takeover.spawning import Spawning
from migrate.tap import (
    DRAIN,
    CommonOptions,
    drain,
    follow,
    resourcesOf,
    split,
)
from migrate.tapsuccessor import (
    GradualReplacement,
    MovingReplacement,
    equip,
    makersOf,
)


class Options(CommonOptions):
    """
    The options of C{twistd migrate-server}.
    """

    synopsis = (
        "[--control ENDPOINT] --service NAME=CALLABLE ... "
        "--plugin 'NAME=TAP OPTIONS' ..."
    )
    longdesc = (
        "Runs services that another process can take over while they run, with all "
        "their connections: see twistd migrate-client."
    )

    optFlags: ClassVar = [
        [
            "takeover",
            None,
            "Where a process serves at the control endpoint already, take over from "
            "it: accept in its place, while it serves the clients that it has until "
            "they sign off.",
        ],
        [
            "move",
            None,
            "With --takeover: have the clients come too; the services are not made "
            "anew, but moved.",
        ],
    ]

    optParameters: ClassVar = [DRAIN]

    def __init__(self) -> None:
        super().__init__()
        self["services"] = []
        self["plugins"] = []

    def opt_service(self, text: str) -> None:
        """
        NAME=CALLABLE: publish as NAME what the dotted name CALLABLE is, or
        returns when called: a service.  May be given more than once.
        """
        self["services"].append(split(text, "--service"))

    def opt_plugin(self, text: str) -> None:
        """
        "NAME=TAP OPTIONS": publish as NAME the service of any twistd plugin.
        May be given more than once.
        """
        self["plugins"].append(split(text, "--plugin"))

    def postOptions(self) -> None:
        """
        See L{CommonOptions.postOptions}.
        """
        super().postOptions()
        if not self["services"] and not self["plugins"]:
            raise usage.UsageError(
                "nothing to publish: give --service NAME=CALLABLE or "
                "--plugin 'NAME=TAP OPTIONS'"
            )
        names = [name for name, _ in self["services"] + self["plugins"]]
        for name in names:
            if names.count(name) > 1:
                raise usage.UsageError(f"two services are named {name!r}")
        self.pidFile = PidFile.of(self.parent)
        try:
            self["seconds to drain"] = drain(self["drain"])
            self["succeeds"] = self._succeeds()
        except (MigrationError, ValueError) as error:
            raise usage.UsageError(str(error)) from error
        if self["succeeds"] or guard() is not None:
            # It names the other one, or this process already.
            self.pidFile.withhold()

    def _succeeds(self) -> bool:
        """
        @return: whether a process runs that is to be taken over from.
        """
        if not self["takeover"]:
            for name in ("move", "drain"):
                if self[name] not in (None, 0):
                    raise usage.UsageError(f"--{name} goes with --takeover")
            return False
        if self["move"] and self["drain"] is not None:
            raise usage.UsageError("with --move no clients are left: leave out --drain")
        address = ControlAddress.parse(self["control"])
        return guard() is None and address.isListenedOn()

    def recipes(self) -> dict[str, Recipe]:
        """
        @return: what the services are made of, by their names.
        """
        found = {name: Recipe(SERVICE, dotted) for name, dotted in self["services"]}
        found.update((name, Recipe(PLUGIN, text)) for name, text in self["plugins"])
        return found


class CommandLineServer(MigrationServer):
    """
    A server that says in one line why it cannot begin.
    """

    outcome: Outcome
    pidFile: PidFile
    gate: Gate
    activation: Activation
    activated: ControlAddress | None = None

    def activate(self, default: bool) -> None:
        """
        Have what the supervisor listens on.

        @param default: whether nobody has said where the control endpoint is to be.
        @raise migrate.errors.ControlError: it is not what the supervisor has.
        """
        self.activation = Activation.fromEnvironment(self.reactor)
        self.activated = self.activation.control(self.control, default)

    def privilegedStartService(self) -> None:
        """
        See L{MigrationServer}.
        """
        with self.activation.standing():
            super().privilegedStartService()  # type: ignore[no-untyped-call]

    def listen(self) -> None:
        """
        See L{MigrationServer.listen}.
        """
        if self.activated is not None and self.port is None:
            self.control = self.activated
            self.serve(self.activation.listen(self.activated, self.controlFactory))
        super().listen()

    def startService(self) -> None:
        """
        See L{MigrationServer.startService}.
        """
        appendToLog(self.outcome.options)
        try:
            with self.activation.standing():
                super().startService()
            self.activation.settle()
        except MigrationError as error:
            self.pidFile.remove()
            self.outcome.leave(f"migrate-server: {error}")
        self.outcome.close()
        self.gate.served()


def makeService(options: Options) -> MigrationServer:
    """
    @return: a server that publishes all that was asked for.
    """
    twistd = options.parent
    pidFile = options.pidFile
    # What is typed at a prompt from now on can be made again elsewhere.
    keepEverySource()
    outcome = Outcome(twistd)
    gate = Gate.fromEnvironment()
    try:
        following = follow(options, {}, pidFile)
        if following is not None:
            outcome.close()
            following.gradual.recipes.update(options.recipes())
            return following
        if options["succeeds"]:
            return _replacement(options, outcome, gate)
        server = CommandLineServer(options["control"], **options.common())
        server.activate(options["control"] == DEFAULT)
        server.resources.update(resourcesOf(options))
        options.reloading(server)
        with server.activation.standing():
            for name, make in makersOf(options.recipes(), twistd).items():
                server.publish(name, make())
        server.gradual.recipes.update(options.recipes())
        Spawning(server).install()
        offer(server, options["control"], options["signal"])
    except (MigrationError, ValueError, usage.UsageError) as error:
        outcome.leave(f"migrate-server: {error}")
    server.outcome = outcome
    server.pidFile = pidFile
    server.gate = gate
    server.whenEmpty = pidFile.before(server.whenEmpty)
    return server


def _replacement(options: Options, outcome: Outcome, gate: Gate) -> MigrationServer:
    """
    @return: what takes over from the process that runs.
    """
    gate.preload()
    recipes = options.recipes()
    makers = makersOf(recipes, options.parent)
    held = inherited(os.environ)
    client: Any
    if options["move"] and not held:
        client = MovingReplacement(options["control"], **options.common())
        client.makers = makers
    else:
        client = GradualReplacement(
            options["control"],
            makers=makers,
            drain=options["seconds to drain"],
            held=held,
            **options.common(),
        )
    client.gradual.recipes.update(recipes)
    client.resources.update(resourcesOf(options))
    options.reloading(client)
    made: MigrationServer = equip(client, options, outcome, gate)
    return made
