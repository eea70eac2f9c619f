"""
C{twistd migrate-client}: takes services over from a running process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from twisted.python import usage
from twisted.python.failure import Failure

from migrate.adapters.prompts import keepEverySource
from migrate.client import MigrationClient
from migrate.errors import CannotMigrateYet, MigrationError, PeerRefused
from migrate.identity import Login
from migrate.inquirer import Inquirer
from migrate.outcome import Outcome, PidFile, exitWith
from migrate.policies import Policies
from migrate.request import Inquiry
from migrate.tap import (
    CommonOptions,
    namedBy,
    resourcesOf,
    seconds,
    split,
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
        ["login", None, None, "User to log in as, if the control endpoint is tcp."],
        ["password-file", None, None, "File whose first line is that user's password."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["services"] = []
        self["allow"] = []
        self["provide"] = []

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
        than once.
        """
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
        provided = [name for name, _ in self["provide"]]
        if len(set(provided)) != len(provided):
            raise usage.UsageError("a resource is provided twice")
        try:
            self["policies"] = Policies.fromNames(self["allow"])
        except MigrationError as error:
            raise usage.UsageError(str(error)) from error
        try:
            self["seconds"] = seconds("wait", self["wait"], least=0.0)
        except ValueError as error:
            raise usage.UsageError(str(error)) from error
        self["credentials"] = self._credentials()
        self.pidFile = PidFile.of(self.parent)
        self.pidFile.withhold()

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


class CommandLineClient(MigrationClient):
    """
    A client that ends its process, with status 1 and a reason, if it could not
    take over, and lets the launching command of a daemon know.
    """

    outcome: Outcome
    pidFile: PidFile

    def privilegedStartService(self) -> None:
        """
        This process is what it is to be: a daemon, or none.
        """
        self.outcome.postpone()
        self.done.addCallbacks(self._served, self._failed)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def waits(self, name: str, why: str) -> None:
        """
        See L{MigrationClient.waits}.
        """
        self.outcome.warn(f"migrate-client: {name} waits: {why}")

    def _served(self, _: object) -> None:
        if self.inherited or not os.path.exists(self.pidFile.path or os.devnull):
            self.pidFile.write()
        unused = [n for n in self.provision.openers if n not in self.provision.opened]
        if unused:
            self.outcome.warn(
                "migrate-client: nothing that came has a resource named "
                f"{', '.join(unused)}"
            )
        self.outcome.say(each.describe() for each in self.following.arrived)
        if self.problem is None:
            self.outcome.succeed()
        else:
            self.outcome.fail(
                f"migrate-client: took over {', '.join(self.taken)}; {self.problem}"
            )

    def inheritedLate(self) -> None:
        """
        See L{MigrationClient.inheritedLate}.
        """
        self.pidFile.write()

    def _failed(self, failure: Failure) -> None:
        why = failure.getErrorMessage()
        error = failure.value
        if isinstance(error, PeerRefused) and error.error == CannotMigrateYet.__name__:
            why += " (it passes by itself: --wait SECONDS waits for that)"
        self.outcome.fail(f"migrate-client: {why}")
        exitWith(1)
        self.reactor.stop()


class CommandLineInquirer(Inquirer):
    """
    An inquirer that tells on standard output what it found out, and ends its
    process, with status 1 if something could not move.
    """

    outcome: Outcome

    def privilegedStartService(self) -> None:
        """
        See L{CommandLineClient.privilegedStartService}.
        """
        self.outcome.postpone()
        self.done.addCallbacks(self._answered, self._failed)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def waits(self, name: str, why: str) -> None:
        """
        See L{MigrationClient.waits}.
        """
        self.outcome.warn(f"migrate-client: {name} waits: {why}")

    def _answered(self, _: object) -> None:
        hindered = []
        for name, inquiry in self.inquiries.items():
            self.outcome.say([f"{name}:", *(f"  {each}" for each in told(inquiry))])
            if inquiry.survey.refusals:
                hindered.append(name)
        if hindered:
            self._end(f"{', '.join(hindered)} cannot move as it is now")
        else:
            self.outcome.succeed()
            self.reactor.stop()

    def _failed(self, failure: Failure) -> None:
        self._end(failure.getErrorMessage())

    def _end(self, why: str) -> None:
        self.outcome.fail(f"migrate-client: {why}")
        exitWith(1)
        self.reactor.stop()


def told(inquiry: Inquiry) -> list[str]:
    """
    @return: lines for a terminal.
    """
    steps = {name: f"{took * 1000:.1f} ms" for name, took in inquiry.seconds.items()}
    pause = steps.pop("pause", None)
    lines = inquiry.survey.describe()
    if steps:
        lines.append(", ".join(f"{name} {took}" for name, took in steps.items()))
    if pause is not None:
        lines.append(f"expected pause: {pause}")
    return lines


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


def makeService(options: Options) -> MigrationClient:
    """
    @return: a client that takes over, or asks about, what was given.
    """
    wanted: Any = None if options["all"] else options["services"]
    # What is typed at a prompt from now on can be made again elsewhere.
    keepEverySource()
    outcome = Outcome(options.parent)
    asking = options["check"] or options["rehearse"]
    make: Any = CommandLineClient
    if asking:
        make = partial(CommandLineInquirer, rehearse=bool(options["rehearse"]))
    try:
        client = make(
            options["control"],
            wanted,
            serializer=options["serializer"],
            login=options["credentials"],
            policies=options["policies"],
            wait=options["seconds"],
            provide={name: openerOf(dotted) for name, dotted in options["provide"]},
            **options.common(),
        )
        client.resources.update(resourcesOf(options))
    except (MigrationError, ValueError, usage.UsageError) as error:
        outcome.leave(f"migrate-client: {error}")
    client.outcome = outcome
    if not asking:
        client.pidFile = options.pidFile
        client.whenEmpty = options.pidFile.before(client.whenEmpty)
    made: MigrationClient = client
    return made
