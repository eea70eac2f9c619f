"""
Re-execution in the programs of twistd: an option, what of twistd's own options has been
done already by the image before, and the server that takes over from that.

It must not know what the programs do else.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from twisted.python import usage

from migrate.reexec.arrival import Arrival
from migrate.reexec.bootstrap import REHEARSAL
from migrate.reexec.program import Program
from migrate.reexec.reexecution import Reexecution, guard
from migrate.reexec.sources import Keeper
from migrate.resources import Provision
from migrate.server import MigrationServer

PERMITTED = ("HUP", "USR1", "USR2", "WINCH", "URG", "IO")
"""
The signals that may ask for re-execution; the others have a meaning already.
"""


class ReexecOptions(usage.Options):
    """
    What concerns re-execution.

    @ivar signal: the number of the signal that asks for it, or L{None}.
    """

    optParameters: ClassVar = [
        [
            "reexec-signal",
            None,
            None,
            "A signal (USR2, HUP, ...) on which this process executes its program "
            "anew, as txmigrate reexec has it.",
        ],
    ]

    def signalNumber(self) -> int | None:
        """
        @return: the signal that was asked for.
        @raise usage.UsageError: it cannot be had.
        """
        name = self["reexec-signal"]
        if name is None:
            return None
        bare = name.upper().removeprefix("SIG")
        if bare not in PERMITTED:
            raise usage.UsageError(
                f"--reexec-signal {name}: give one of {', '.join(PERMITTED)}"
            )
        return signal.Signals[f"SIG{bare}"].value


def settle(twistd: Any) -> None:
    """
    Where this image follows another one of the same process, have twistd not do
    again what that process has done for good: become a daemon, change its root and
    its user.

    @param twistd: its options, before it looks at them.
    """
    watching = guard()
    if watching is None or twistd is None:
        return
    if not twistd["nodaemon"]:
        twistd["nodaemon"] = True
        twistd["logfile"] = twistd["logfile"] or "twistd.log"
    if watching.phase == REHEARSAL:
        # Two processes would write over each other's lines.
        twistd["logfile"], twistd["syslog"] = "-", False
    if twistd["chroot"] is not None:
        twistd["chroot"], twistd["rundir"] = None, "."
    if _isUser(twistd["uid"], twistd["gid"]):
        twistd["uid"] = twistd["gid"] = None


def _isUser(uid: int | None, gid: int | None) -> bool:
    """
    @return: whether this process is who it is to become.
    """
    users = uid is None or uid in (os.getuid(), os.geteuid())
    return users and (gid is None or gid in (os.getgid(), os.getegid()))


class ReexecutedServer(MigrationServer):
    """
    A server that has its services from the image before.

    @ivar arrival: how it gets them.
    """

    arrival: Arrival

    def listen(self) -> None:
        """
        The control listener comes, too.
        """

    def startService(self) -> None:
        """
        Begin to take over.
        """
        super().startService()
        self.reactor.callWhenRunning(self.arrival.begin)


def _same(thing: object) -> object:
    return thing


def offer(
    server: Any,
    control: str,
    number: int | None,
    provides: Callable[[], Sequence[str]] = tuple,
) -> Reexecution:
    """
    Let a server's process be executed anew.

    @param control: the control endpoint, as the command line has it.
    @param number: of the signal that asks for it.
    @param provides: tells which resources the program opened by itself.
    """
    keeper = Keeper()
    keeper.start()
    reexecution = Reexecution(
        server, Program.current(), keeper, control, provides, number
    )
    reexecution.install()
    return reexecution


def reexecuted(
    control: str,
    number: int | None,
    openers: Mapping[str, Callable[[], Any]],
    serves: Callable[[], None],
    **options: Any,
) -> MigrationServer | None:
    """
    @param openers: open the resources of this program, by name.
    @param serves: called once all services are here.
    @param options: see L{MigrationServer}.
    @return: the server of an image that follows another one; L{None} if this does not.
    """
    watching = guard()
    if watching is None:
        return None
    server = ReexecutedServer(control, **options)
    provision = Provision(openers)
    reexecution = offer(server, control, number, lambda: list(provision.opened))

    def done() -> None:
        for name, opened in provision.opened.items():
            server.resources.setdefault(name, partial(_same, opened))
        serves()

    server.arrival = Arrival(watching, server, reexecution, provision, done)
    return server
