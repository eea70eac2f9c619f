"""
Ending a process that hangs while it may own what this one would like to resume.

It must not know what that is.
"""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path

import attrs

from migrate.errors import MigrationError
from migrate.filenos import closeAll

STOP_PATIENCE = 1.0
"""
Seconds that a process may take to be stopped.
"""

_STOPPED = frozenset("Tt")
_OVER = frozenset("ZX")


class CannotFence(MigrationError):
    """
    The process cannot be ended from here.
    """


@attrs.define(eq=False)
class Fence:
    """
    Holds on to one process, so that its number cannot come to mean another.

    @ivar pid: its number.
    """

    pid: int
    _process: int | None = None

    @classmethod
    def around(cls, pid: int) -> Fence:
        """
        @param pid: a process that lives.
        @return: a fence; one that never ends anything where the kernel has no
            descriptors of processes (pidfd_open(2)).
        """
        try:
            return cls(pid, os.pidfd_open(pid))
        except (AttributeError, OSError):
            return cls(pid)

    def close(self) -> None:
        """
        Let go of the process.
        """
        if self._process is not None:
            closeAll([self._process])
            self._process = None

    def fall(self, spoke: Callable[[], bool]) -> bool:
        """
        End the process, unless it turns out to have said something after all.
        It is stopped first: then it can neither say nor do anything more, and
        what it has said can be trusted to be all.

        @param spoke: whether there is something to be read from it.
        @return: whether it was ended; if not, it goes on.
        @raise CannotFence: it is another user's, or cannot be stopped.
        """
        self._send(signal.SIGSTOP)
        if self._isStill() and not spoke():
            self._send(signal.SIGKILL)
            return True
        self._send(signal.SIGCONT)
        return False

    def _send(self, number: signal.Signals) -> None:
        if self._process is None:
            raise CannotFence("this platform has no descriptors of processes")
        try:
            signal.pidfd_send_signal(self._process, number)
        except ProcessLookupError:
            # It has ended, which is as good.
            return
        except OSError as error:
            raise CannotFence(f"process {self.pid}: {error.strerror}") from error

    def _isStill(self) -> bool:
        """
        @return: whether it has stopped, or ended.
        """
        deadline = time.monotonic() + STOP_PATIENCE
        while time.monotonic() < deadline:
            if self._state() in _STOPPED | _OVER:
                return True
            # Nothing announces a stop to anybody but the parent.
            select.select([], [], [], 0.001)
        return False

    def _state(self) -> str:
        """
        @return: the letter that proc(5) has for it.
        """
        try:
            stat = Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            return "X"
        return stat.rpartition(")")[2].split()[0]
