"""
Telling a supervisor how this process is doing, as systemd's C{sd_notify(3)} has it: one
datagram of C{NAME=VALUE} lines to the socket that C{NOTIFY_SOCKET} names.

It must not know what is going on in this process, nor when there is something to tell.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping

import attrs
from twisted.logger import Logger

SOCKET = "NOTIFY_SOCKET"
"""
The variable of the environment that names the supervisor's socket.
"""

PATIENCE = 5.0
"""
Seconds that a supervisor may take to have room for one more datagram.
"""


def monotonic() -> int:
    """
    @return: microseconds by C{CLOCK_MONOTONIC}, which is what supervisors compare.
    """
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000


@attrs.frozen
class Notifier:
    """
    Speaks to one supervisor; or to none, and then says nothing.

    The kernel tells the supervisor who the sender is.  systemd listens to the main
    process only, unless the unit says C{NotifyAccess=all}: so it is the old main
    process that names the new one.

    @ivar address: the path of a UNIX datagram socket, or C{@} and the name of an
        abstract one; empty for no supervisor.
    @ivar watchdog: microseconds within which the supervisor wants to hear of this
        process again and again; 0 for never.
    @ivar clock: microseconds, as L{monotonic}.
    """

    _log = Logger()

    address: str = ""
    watchdog: int = 0
    clock: Callable[[], int] = monotonic

    @classmethod
    def fromEnvironment(cls, environ: Mapping[str, str] = os.environ) -> Notifier:
        """
        @return: what speaks to the supervisor that has started this process.
        """
        address = environ.get(SOCKET, "")
        if address and address[0] not in "/@":
            cls._log.warn(
                "{variable}={address} is neither an absolute path nor @NAME: nobody is "
                "told how this process is doing",
                variable=SOCKET,
                address=address,
            )
            address = ""
        return cls(address, watchdogOf(environ) if address else 0)

    def __bool__(self) -> bool:
        """
        Whether there is a supervisor.
        """
        return bool(self.address)

    def ready(self, status: str, pid: int | None = None) -> bool:
        """
        The service is served, also after a reload, whether that did anything or not.

        @param status: what a person is shown.
        @param pid: the process that serves it, if not this one: the supervisor is to
            follow it from now on.
        @return: whether the supervisor was told.
        """
        return self.send(
            READY=1, MAINPID=os.getpid() if pid is None else pid, STATUS=status
        )

    def reloading(self, status: str) -> bool:
        """
        A reload has begun; L{ready} ends it.
        """
        return self.send(RELOADING=1, MONOTONIC_USEC=self.clock(), STATUS=status)

    def stopping(self, status: str) -> bool:
        """
        This process ends, and the service with it: never said by one whose service runs
        on elsewhere.
        """
        return self.send(STOPPING=1, STATUS=status)

    def status(self, status: str) -> bool:
        """
        Say something to whoever asks the supervisor how it goes.
        """
        return self.send(STATUS=status)

    def alive(self) -> bool:
        """
        Say what the watchdog waits for.
        """
        return self.send(WATCHDOG=1)

    def extend(self, seconds: float) -> bool:
        """
        Starting or ending takes longer: it will be over, or this be said again, within
        so many seconds.
        """
        return self.send(EXTEND_TIMEOUT_USEC=int(seconds * 1e6))

    def send(self, **assignments: object) -> bool:
        """
        Send one datagram.  That it cannot be sent is logged, and changes nothing: a
        service that runs is worth more than what is said of it.

        @param assignments: what to say; each value becomes one line.
        @return: whether it was sent.
        """
        if not self.address:
            return False
        lines = [f"{k}={' '.join(str(v).split())}" for k, v in assignments.items()]
        address = self.address
        if address.startswith("@"):
            address = "\0" + address[1:]
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(PATIENCE)
                sender.sendto("\n".join(lines).encode(), address)
        except (OSError, ValueError) as error:
            self._log.warn(
                "the supervisor at {address} was not told {lines}: {why}",
                address=self.address,
                lines=", ".join(lines),
                why=str(error),
            )
            return False
        return True


def watchdogOf(environ: Mapping[str, str]) -> int:
    """
    @return: C{WATCHDOG_USEC}, unless C{WATCHDOG_PID} says that another process is
        meant.
    """
    pid = environ.get("WATCHDOG_PID", "")
    interval = environ.get("WATCHDOG_USEC", "")
    if pid and pid != str(os.getpid()):
        return 0
    return int(interval) if interval.isascii() and interval.isdigit() else 0
