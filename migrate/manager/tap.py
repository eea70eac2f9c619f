"""
C{twistd migrate-manager}: the options, and what is made of them.

It must not know what a manager does with it.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from twisted.application.service import MultiService
from twisted.logger import Logger
from twisted.python import usage

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.identity import Login
from migrate.manager.children import Nursery
from migrate.manager.house import House
from migrate.manager.keeper import Keeper, Patience
from migrate.manager.master import Master, Reasons, Signals
from migrate.manager.notices import Notices
from migrate.manager.orders import Orders
from migrate.manager.renewal import CHECK, STATE, Program, takeState
from migrate.manager.settings import Settings
from migrate.manager.units import size, span
from migrate.manager.watching import installedBells
from migrate.manager.witness import Witness
from migrate.notify import Notifier
from migrate.outcome import Outcome, PidFile, exitWith
from migrate.tap import seconds
from migrate.tapserver import Options as ServerOptions

DEFAULT = "unix:manager.sock"
"""
Where orders come from, unless told otherwise.
"""

_WITHHELD = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    STATE,
    CHECK,
)
"""
What a supervisor tells this process, and means no other.
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
        self["origin"] = os.getcwd()
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
            "directory": os.path.abspath(self["directory"]),
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


class CommandLineMaster(MultiService):
    """
    A manager that tells how it went, also across daemonizing.

    @ivar master: the manager.
    @ivar outcome: tells.
    @ivar pidFile: that of this process.
    @ivar signals: what it listens to.
    """

    _log = Logger()

    master: Master
    outcome: Outcome
    pidFile: PidFile
    signals: Signals
    renewed = False

    def privilegedStartService(self) -> None:
        """
        This process is what it is to be: a daemon, or none.
        """
        self.outcome.postpone()
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def startService(self) -> None:
        """
        See L{twisted.application.service.IService}.
        """
        try:
            super().startService()  # type: ignore[no-untyped-call]
        except MigrationError as error:
            self.pidFile.remove()
            self.outcome.leave(f"migrate-manager: {error}")
        self.signals.install()
        if self.renewed:
            self.pidFile.write()

    def stopService(self) -> Any:
        """
        See L{twisted.application.service.IService}.
        """
        self.signals.remove()
        return super().stopService()  # type: ignore[no-untyped-call]

    def began(self) -> None:
        """
        The services are served.
        """
        self.outcome.succeed()

    def failed(self, why: str) -> None:
        """
        They are not, and will not be.
        """
        self.outcome.fail(f"migrate-manager: {why}")
        exitWith(1)
        self.master.reactor.stop()

    def finished(self, status: int, why: str) -> None:
        """
        Nothing is left to keep.
        """
        say = self._log.error if status else self._log.info
        say("{why}", why=why)
        if status:
            with suppress(OSError):
                os.write(2, f"migrate-manager: {' '.join(why.split())}\n".encode())
            exitWith(status)
        self.master.reactor.stop()


def makeService(options: Options) -> CommandLineMaster:
    """
    @return: a manager.
    """
    from twisted.internet import reactor

    twistd = options.parent
    state = takeState(os.environ)
    checking = os.environ.pop(CHECK, "")
    outcome = Outcome(twistd)
    top = CommandLineMaster()  # type: ignore[no-untyped-call]
    top.outcome = outcome
    top.pidFile = options.pidFile
    try:
        master = _master(options, reactor, top.finished)
    except (MigrationError, OSError, ValueError) as error:
        outcome.leave(f"migrate-manager: {error}")
    if checking:
        raise SystemExit(0)
    master.state, top.renewed = state, state is not None
    master.began, master.failed = top.began, top.failed
    master.setServiceParent(top)  # type: ignore[no-untyped-call]
    top.master = master
    top.signals = Signals(
        reactor, {signal.SIGHUP: master.hangUp, signal.SIGUSR2: master.renew}
    )
    return top


def _master(
    options: Options, reactor: Any, finished: Callable[[int, str], object]
) -> Master:
    """
    @raise MigrationError: an option does not do.
    @raise OSError: the file for output cannot be opened.
    """
    reasons = options.reasons()
    control = ControlAddress.parse(options["manager"])
    notices = Notices(reactor, _besides(control), lambda notice: keeper.hear(notice))
    environment = {n: v for n, v in os.environ.items() if n not in _WITHHELD}
    if reasons.bells is not None:
        # Code that is compiled is told from its source by the second and the size, and
        # both may be the same after an edit.
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
    keeper = Keeper(
        reactor,
        options.orders(),
        Nursery(reactor, notices.path, _output(options), environment, _overheard),
        Witness(reactor, options["policy"], options["identity"]),
        options["patience"],
        finished,
    )
    master = Master(
        reactor,
        keeper,
        notices,
        options["address"],
        options["settings"],
        reasons,
        Program.running(_inserted(options), options["origin"]),
    )
    master.notifier = Notifier.fromEnvironment()
    # Its own supervisor waits for the services, not for somebody who takes orders.
    common = {**options.common(), "notifier": Notifier()}
    master.house = House(options["manager"], master.answers, reactor=reactor, **common)
    return master


_overhearing = Logger(namespace="migrate.manager")


def _overheard(pid: int, line: str) -> None:
    """
    What a process waits for is told at once; the rest is told when it is known how that
    ended.
    """
    if line.startswith("migrate-"):
        _overhearing.info("process {pid} says: {line}", pid=pid, line=line)


def _besides(control: ControlAddress) -> str:
    """
    @return: the path of the socket for notices: it is the same for whoever manages the
        same services later.
    """
    if control.kind == "unix":
        return f"{control.path}.notify"
    return os.path.abspath(f"manager.{control.port}.notify")


def _output(options: Options) -> int:
    """
    @return: a descriptor that the logs of processes go to.
    """
    path = options["output"]
    twistd = options.parent
    isDaemon = twistd is not None and not twistd["nodaemon"]
    if path is None and isDaemon:
        path = "services.log"
    if path is None:
        return os.dup(1)
    # Others write to it at the same time.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


def _inserted(options: Options) -> Sequence[str]:
    """
    @return: options of C{twistd} that keep a daemon what it is when it executes its
        program anew: it is one already.
    """
    twistd = options.parent
    if twistd is None or twistd["nodaemon"]:
        return ()
    return (
        "--nodaemon",
        f"--logfile={os.path.abspath(twistd['logfile'] or 'twistd.log')}",
    )
