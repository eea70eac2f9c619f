"""
C{twistd migrate-manager}: what is made of its options.

It must not know what a manager does with it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Any

from twisted.application.service import MultiService
from twisted.logger import Logger

from migrate.control import MAX_PATH, ControlAddress
from migrate.errors import MigrationError
from migrate.manager.children import Nursery
from migrate.manager.house import House
from migrate.manager.keeper import Keeper
from migrate.manager.master import Master, Signals
from migrate.manager.notices import Notices
from migrate.manager.options import Options
from migrate.manager.renewal import CHECK, Program, takeState
from migrate.manager.witness import Witness
from migrate.notify import Notifier
from migrate.outcome import Outcome, PidFile, exitWith


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
    _onTerminal = False

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
        self._onTerminal = hasTerminal()
        if self.renewed:
            self.pidFile.write()

    def stopService(self) -> Any:
        """
        See L{twisted.application.service.IService}.
        """
        self.signals.remove()
        return super().stopService()  # type: ignore[no-untyped-call]

    def hangUp(self) -> None:
        """
        SIGHUP came: from somebody, or since the terminal is gone that this manager was
        to end with.
        """
        if self._onTerminal and not hasTerminal():
            self._log.info("the terminal is gone")
            self.master.reactor.stop()
        else:
            self.master.hangUp()

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


def hasTerminal() -> bool:
    """
    @return: whether a terminal controls this process.
    """
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
    except OSError:
        return False
    return True


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
        reactor, {signal.SIGHUP: top.hangUp, signal.SIGUSR2: master.renew}
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
    environment = dict(os.environ)
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
        same services later.  One that does not fit into a UNIX address, from whatever
        directory, is an abstract name: C{@} and what is made of the path.
    """
    if control.kind == "unix":
        path = f"{control.path}.notify"
    else:
        path = os.path.abspath(f"manager.{control.port}.notify")
    encoded = os.fsencode(path)
    if len(encoded) <= MAX_PATH or sys.platform != "linux":
        return path
    return f"@txmigrate-{sha256(encoded).hexdigest()}"


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
