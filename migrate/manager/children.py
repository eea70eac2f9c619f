"""
The processes that a manager starts, or finds: what each has said, and how it ended.

It must not know what they are for.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReadDescriptor
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from migrate.adapters.exits import statusOf
from migrate.errors import MigrationError
from migrate.filenos import closeAll
from migrate.gate import VARIABLE, Instructions
from migrate.manager.complaints import Complaint
from migrate.manager.renewal import CHECK, STATE
from migrate.manager.settings import Settings
from migrate.notify import SOCKET
from migrate.outcome import STDERR
from migrate.reexec.bootstrap import REASON
from migrate.reexec.bootstrap import VARIABLE as REEXEC
from migrate.takeover.inheritance import VARIABLE as SOCKETS

PREPARED, SERVES = "prepared", "serves"
"""
What a process says of itself: that all is ready for it to take over; that it serves.
"""


WITHHELD = frozenset(
    {
        *(SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"),
        *("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"),
        *(STATE, CHECK, VARIABLE, STDERR, REEXEC, REASON, SOCKETS),
    }
)
"""
What the environment tells one process, and means no other.
"""


def describeEnd(status: int | None) -> str:
    """
    @param status: as C{waitpid} gives it; L{None} if nobody knows.
    @return: how a process ended, for a person.
    """
    if status is None:
        return "ended, nobody can tell how"
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"was ended by {name}"


@implementer(IReadDescriptor)
@attrs.define(eq=False)
class Child:
    """
    One process.

    @ivar reactor: watches it.
    @ivar pid: its process id.
    @ivar since: when it was started, or found, in seconds of the reactor's clock.
    @ivar heeds: whether its program is known to take over only once it is let; one that
        is not may be any command, and signals go to all that this has started.
    @ivar complaint: what it writes to standard error until it serves.
    @ivar alive: whether it has not ended.
    @ivar status: how it ended, as C{waitpid} gives it; L{None} as long as it lives, and
        if nobody can tell.
    @ivar said: what it has said of itself.
    @ivar state: what it does, in its own words.
    """

    _log = Logger()

    reactor: Any
    pid: int
    since: float
    complaint: Complaint | None = None
    heeds: bool = attrs.field(default=True, kw_only=True)
    alive: bool = attrs.field(default=True, init=False)
    status: int | None = attrs.field(default=None, init=False)
    said: set[str] = attrs.field(factory=set, init=False)
    state: str = attrs.field(default="", init=False)
    _gate: int = attrs.field(default=-1, kw_only=True)
    _pidfd: int = attrs.field(init=False)
    _waiting: list[tuple[str, Deferred[bool]]] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        """
        @raise ProcessLookupError: there is no such process.
        """
        self._pidfd = os.pidfd_open(self.pid)
        self.reactor.addReader(self)

    # What it says.

    def hear(self, word: str) -> None:
        """
        It has said something of itself.
        """
        # Who serves has been ready.
        words = {word, PREPARED} if word == SERVES else {word}
        self.said |= words
        for each in [each for each in self._waiting if each[0] in words]:
            self._waiting.remove(each)
            each[1].callback(True)

    def says(self, word: str) -> Deferred[bool]:
        """
        @param word: L{PREPARED} or L{SERVES}.
        @return: fires with whether it has said that, as soon as it has, or has ended.
        """
        done: Deferred[bool] = Deferred(self._forget)
        if word in self.said or not self.alive:
            done.callback(word in self.said)
        else:
            self._waiting.append((word, done))
        return done

    def ends(self) -> Deferred[bool]:
        """
        @return: fires with L{False} once it has ended, and all is read that it wrote to
            standard error.
        """
        return self.says("")

    def _forget(self, done: Deferred[bool]) -> None:
        self._waiting[:] = [each for each in self._waiting if each[1] is not done]

    # What it is told.

    def go(self) -> None:
        """
        Let it take over.
        """
        with suppress(OSError):
            os.write(self._gate, b"!")
        self._closeGate()

    @property
    def isHeld(self) -> bool:
        """
        Whether it cannot own anything, since it has not been let take over.
        """
        return self.heeds and self._gate >= 0 and SERVES not in self.said

    def signal(self, number: int) -> None:
        """
        Send it a signal, unless it has ended.
        """
        if not self.alive:
            return
        with suppress(ProcessLookupError):
            if self.heeds:
                signal.pidfd_send_signal(self._pidfd, number)
            else:
                os.killpg(self.pid, number)

    # How it ends.

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return self._pidfd

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return f"process {self.pid}"

    def doRead(self) -> None:
        """
        It has ended.
        """
        with suppress(OSError):
            self.status = statusOf(self.pid, self._pidfd)
        self.leave()
        self.alive = False
        if self.complaint is None:
            self._ended()
        else:
            self.complaint.rest().addCallback(lambda _: self._ended())

    def _ended(self) -> None:
        waiting, self._waiting = self._waiting, []
        for _, done in waiting:
            done.callback(False)

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.connectionLost}.
        """
        self.leave()

    def leave(self) -> None:
        """
        Watch it no longer.
        """
        pidfd, self._pidfd = self._pidfd, -1
        if pidfd >= 0:
            self.reactor.removeReader(self)
            os.close(pidfd)
        self._closeGate()

    def _closeGate(self) -> None:
        gate, self._gate = self._gate, -1
        if gate >= 0:
            os.close(gate)

    def describe(self) -> str:
        """
        @return: how it ended, for a person.
        """
        return describeEnd(self.status)


@attrs.define
class Nursery:
    """
    Starts processes.

    @ivar reactor: watches them.
    @ivar notify: the path of the socket that they tell of themselves on.
    @ivar output: a descriptor that they write their logs to.
    @ivar environment: what theirs is made from; but for L{WITHHELD}.
    @ivar overhear: called with each line that one writes to standard error before it
        serves.
    @ivar supervises: whether that socket is the one of their supervisor from now on.
    """

    reactor: Any
    notify: str
    output: int
    environment: Mapping[str, str]
    overhear: Callable[[int, str], None]
    supervises: bool = True

    def start(
        self,
        command: Sequence[str],
        settings: Settings,
        imports: Sequence[str] = (),
        heeds: bool = True,
    ) -> Child:
        """
        @param command: the program and its arguments.
        @param imports: dotted names of what a successor is to have before it does
            anything else.
        @param heeds: see L{Child}.
        @raise MigrationError: it cannot be started.
        """
        environment = settings.environment(
            {n: value for n, value in self.environment.items() if n not in WITHHELD}
        )
        environment["PWD"] = settings.directory
        if self.supervises:
            environment[SOCKET] = self.notify
        closed, gate = os.pipe()
        heard, complaints = os.pipe()
        environment[VARIABLE] = Instructions(
            closed, tuple(imports), "" if self.supervises else self.notify
        ).encode()
        try:
            pid = self._spawn(command, settings, environment, closed, complaints)
        except BaseException:
            closeAll([gate, heard])
            raise
        finally:
            closeAll([closed, complaints])
        complaint = Complaint(
            self.reactor, heard, lambda line: self.overhear(pid, line)
        )
        complaint.start()
        now = self.reactor.seconds()
        return Child(self.reactor, pid, now, complaint, heeds=heeds, gate=gate)

    def _spawn(
        self,
        command: Sequence[str],
        settings: Settings,
        environment: Mapping[str, str],
        gate: int,
        complaints: int,
    ) -> int:
        try:
            with settings.limits():
                started = subprocess.Popen(
                    list(command),
                    stdin=subprocess.DEVNULL,
                    stdout=self.output,
                    stderr=complaints,
                    pass_fds=[gate],
                    cwd=settings.directory,
                    env=dict(environment),
                    # What a terminal, or its end, does to the manager is no business of
                    # theirs.
                    start_new_session=True,
                )
        except OSError as error:
            raise MigrationError(f"cannot start {command[0]}: {error}") from error
        # It is reaped here, as one that was found is.
        started.returncode = 0
        return started.pid

    def find(self, pid: int) -> Child:
        """
        @return: a process that runs already.
        @raise ProcessLookupError: there is none.
        """
        child = Child(self.reactor, pid, self.reactor.seconds())
        child.said |= {PREPARED, SERVES}
        return child
