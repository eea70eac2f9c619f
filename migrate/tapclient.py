"""
C{twistd migrate-client}: takes services over from a running process.
"""

from __future__ import annotations

import os
from typing import Any, ClassVar

from twisted.python import usage
from twisted.python.failure import Failure

from migrate.adapters.prompts import keepEverySource
from migrate.client import MigrationClient
from migrate.errors import MigrationError
from migrate.identity import Login
from migrate.policies import Policies
from migrate.tap import CommonOptions, Outcome, PidFile, exitWith


class Options(CommonOptions):
    """
    The options of C{twistd migrate-client}.
    """

    synopsis = "[--control ENDPOINT] (--service NAME ... | --all)"
    longdesc = (
        "Takes services over from a running twistd migrate-server, with all their "
        "connections, and publishes them in turn."
    )

    optFlags: ClassVar = [["all", "a", "Take over every service that is available."]]

    optParameters: ClassVar = [
        [
            "serializer",
            None,
            "table",
            "How the services travel: table, or pickle (same user only).",
        ],
        ["login", None, None, "User to log in as, if the control endpoint is tcp."],
        ["password-file", None, None, "File whose first line is that user's password."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["services"] = []
        self["allow"] = []

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
        try:
            self["policies"] = Policies.fromNames(self["allow"])
        except MigrationError as error:
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

    def _served(self, _: object) -> None:
        if self.inherited or not os.path.exists(self.pidFile.path or os.devnull):
            self.pidFile.write()
        if self.problem is None:
            self.outcome.succeed()
        else:
            self.outcome.fail(
                f"migrate-client: took over {', '.join(self.taken)}; {self.problem}"
            )

    def _failed(self, failure: Failure) -> None:
        self.outcome.fail(f"migrate-client: {failure.getErrorMessage()}")
        exitWith(1)
        self.reactor.stop()


def makeService(options: Options) -> MigrationClient:
    """
    @return: a client that takes over what was asked for.
    """
    wanted: Any = None if options["all"] else options["services"]
    # What is typed at a prompt from now on can be made again elsewhere.
    keepEverySource()
    outcome = Outcome(options.parent)
    try:
        client = CommandLineClient(
            options["control"],
            wanted,
            serializer=options["serializer"],
            login=options["credentials"],
            policies=options["policies"],
            **options.common(),
        )
    except (MigrationError, ValueError) as error:
        outcome.leave(f"migrate-client: {error}")
    client.outcome = outcome
    client.pidFile = options.pidFile
    client.whenEmpty = options.pidFile.before(client.whenEmpty)
    return client
