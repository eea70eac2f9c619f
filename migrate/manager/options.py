"""
The options of C{twistd migrate-manager}, and what they stand for.

It must not know what a manager does with it.
"""

from __future__ import annotations

import os
import shlex
from typing import ClassVar

from twisted.python import usage

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.identity import Login
from migrate.manager.lookout import Reasons
from migrate.manager.orders import Orders
from migrate.manager.renewal import CHECK, STATE
from migrate.manager.roster import Patience
from migrate.manager.settings import Settings
from migrate.manager.units import size, span
from migrate.manager.watching import installedBells
from migrate.outcome import PidFile
from migrate.started import Started
from migrate.tap import seconds
from migrate.tapserver import Options as ServerOptions

DEFAULT = "unix:manager.sock"
"""
Where orders come from, unless told otherwise.
"""

_PASSED = ("deadline", "greeting-deadline", "preparing-deadline")

_PARAMETERS = (
    ("manager", "m", DEFAULT, "Endpoint for orders: see txmigrate manager."),
    ("output", None, None, "File that the services' processes write their log to."),
    ("directory", None, ".", "Working directory of the services' processes."),
    (
        "environment-file",
        None,
        None,
        "File of NAME=VALUE lines for their environment, read whenever one starts.",
    ),
    ("nofile", None, "0", "How many files each of them may have open (ulimit -n)."),
    ("python", None, None, "The Python that runs them."),
    (
        "successor-options",
        None,
        "",
        "More options for twistd migrate-client: '--wait 60 --max-pause 50ms'.",
    ),
    ("memory-limit", None, None, "Upgrade a process that has more in use: 500M."),
    ("every", None, None, "Upgrade a process that has served for so long: 24h."),
    ("ready-deadline", None, "120", "Seconds a process may take to get ready."),
    ("stop-deadline", None, "30", "Seconds a process may take to end."),
    ("restarts", None, "10", "How often a process may crash in a row."),
    ("login", None, None, "User to log in as, if the control endpoint is tcp."),
    ("password-file", None, None, "File whose first line is that user's password."),
)


class Options(ServerOptions):
    """
    The options of C{twistd migrate-manager}.
    """

    synopsis = (
        "[--manager ENDPOINT] [--control ENDPOINT] --service NAME=CALLABLE ... "
        "--plugin 'NAME=TAP OPTIONS' ..."
    )
    longdesc = (
        "Runs services in a process of their own and has a new process take them over "
        "whenever there is a reason to; starts them anew if they crash."
    )

    optParameters: ClassVar = [list(each) for each in _PARAMETERS]

    optFlags: ClassVar = [
        ["watch", "w", "Upgrade when Python files change that the services come from."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["auths"] = []
        self["watched"] = []

    def opt_auth(self, description: str) -> None:
        """
        Specify an authentication method for the server.
        """
        self["auths"].append(description)
        super().opt_auth(description)  # type: ignore[no-untyped-call]

    def opt_watch_path(self, path: str) -> None:
        """
        Upgrade when Python files change in or below this directory, instead of where
        the services come from.  May be given more than once.
        """
        self["watched"].append(os.path.realpath(path))

    def postOptions(self) -> None:
        """
        See L{ServerOptions.postOptions}.
        """
        super().postOptions()
        # By the name that it has for whoever has started this: a symbolic link to a
        # release leads to the next one later.
        self["origin"] = Started.here().directory
        self.pidFile = PidFile.of(self.parent)
        if STATE in os.environ or CHECK in os.environ:
            # It names this process, and is no other one's.
            self.pidFile.withhold()
        try:
            self._convert()
        except (MigrationError, ValueError, OSError) as error:
            raise usage.UsageError(str(error)) from error

    def _convert(self) -> None:
        """
        @raise ValueError: an option is not what it has to be.
        @raise MigrationError: the same.
        """
        self["address"] = ControlAddress.parse(self["control"])
        if ControlAddress.parse(self["manager"]) == self["address"]:
            raise ValueError("--manager and --control are different endpoints")
        self["bytes"] = size("memory-limit", self["memory-limit"] or "1T")
        self["interval"] = span("every", self["every"] or "1w")
        self["patience"] = Patience(
            seconds("ready-deadline", self["ready-deadline"]),
            seconds("stop-deadline", self["stop-deadline"]),
            _count("restarts", self["restarts"]),
        )
        self["settings"] = self._settings()
        self["successor"] = tuple(shlex.split(self["successor-options"]))
        self["identity"] = self._identity()

    def _settings(self) -> Settings:
        path = self["environment-file"]
        given = {
            "directory": os.path.normpath(
                os.path.join(self["origin"], self["directory"])
            ),
            "environmentFile": os.path.abspath(path) if path else None,
            "nofile": _count("nofile", self["nofile"]),
            "python": self["python"] and os.path.abspath(self["python"]),
        }
        return Settings(given["directory"]).changed(given)

    def _identity(self) -> Login | None:
        user, path = self["login"], self["password-file"]
        if (user is None) != (path is None):
            raise ValueError("--login and --password-file go together")
        if user is None:
            return None
        with open(path) as file:
            return Login(user, file.readline().rstrip("\r\n"))

    def orders(self) -> Orders:
        """
        @return: how processes are started.
        """
        common = [f"--{name}={self[name]}" for name in _PASSED]
        common += ["--no-fence"] if self["no-fence"] else []
        for option, values in (("peer", self["peers"]), ("auth", self["auths"])):
            common += [f"--{option}={value}" for value in values]
        common += [f"--resource={name}={what}" for name, what in self["resources"]]
        login = []
        if self["identity"] is not None:
            path = os.path.abspath(self["password-file"])
            login = [f"--login={self['login']}", f"--password-file={path}"]
        reactor = None if self.parent is None else self.parent.get("reactor")
        return Orders(
            twistd=(f"--reactor={reactor}",) if reactor else (),
            common=tuple(common),
            server=(),
            successor=(*login, *self["successor"]),
            services=dict(self["services"]),
            plugins=dict(self["plugins"]),
        )

    def reasons(self) -> Reasons:
        """
        @return: what there is an upgrade for.
        @raise MigrationError: nobody can tell.
        """
        watch = self["watch"] or self["watched"]
        return Reasons(
            memory=self["bytes"] if self["memory-limit"] else 0,
            every=self["interval"] if self["every"] else 0.0,
            bells=installedBells() if watch else None,
            trees=tuple(self["watched"]),
        )


def _count(option: str, text: str) -> int:
    """
    @raise ValueError: it is no number, or less than none.
    """
    value = int(text) if text.isascii() and text.isdigit() else -1
    if value < 0:
        raise ValueError(f"--{option} {text}: give a number, or 0")
    return value
