"""
How a process ended that is perhaps no child of this one.

A parent is told by C{waitpid}.  Whoever else holds a descriptor of the process
is told by Linux since 6.15, once the process has been reaped
(C{PIDFD_GET_INFO} of C{linux/pidfd.h}); until then, who might debug the process
finds it in C{/proc}.

It must not know Twisted's objects for processes.
"""

from __future__ import annotations

import fcntl
import os
import select
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import attrs
from twisted.python.failure import Failure

#: C{_IOWR(0xFF, 11, struct pidfd_info)}, and the first version of that
#: structure: the mask of what is in it comes first, the exit code last.
_GET_INFO = 0xC040FF0B
_SIZE = 64
_MASK = struct.Struct("=Q")
_CODE = struct.Struct("=i")
_EXIT = 1 << 3

#: The first Linux that answers.
_SINCE = (6, 15)

#: How often a process is looked at that has ended and that its parent has not
#: reaped yet, in seconds: at first, and at last.
_SOON, _SELDOM = 0.02, 1.0


def _information(pidfd: int) -> tuple[int, int]:
    """
    @return: what is in the information, and the exit code.
    @raise OSError: this kernel has none.
    """
    buffer = bytearray(_SIZE)
    _MASK.pack_into(buffer, 0, _EXIT)
    fcntl.ioctl(pidfd, _GET_INFO, buffer)
    return _MASK.unpack_from(buffer)[0], _CODE.unpack_from(buffer, _SIZE - 4)[0]


@lru_cache(maxsize=1)
def answers() -> bool:
    """
    @return: whether this kernel tells others than the parent.
    """
    release = os.uname().release.split(".")
    numbers = [int(part) for part in release[:2] if part.isdigit()]
    if not hasattr(os, "pidfd_open") or tuple(numbers) < _SINCE:
        return False
    try:
        pidfd = os.pidfd_open(os.getpid())
    except OSError:
        return False
    try:
        _information(pidfd)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(pidfd)


def namespace() -> str:
    """
    @return: within what process ids mean what they mean here; empty where the
        system does not say.
    """
    try:
        return os.readlink("/proc/self/ns/pid")
    except OSError:
        return ""


def statusOf(pid: int, pidfd: int) -> int | None:
    """
    @param pid: a process that has ended.
    @param pidfd: its descriptor.
    @return: how it ended, as C{waitpid} says it; L{None} if that is not known
        yet.
    """
    with suppress(ChildProcessError):
        # This process may be the parent after all.
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            return status
    mask, code = _information(pidfd)
    if mask & _EXIT:
        return code
    return _statusOfZombie(pid)


def _statusOfZombie(pid: int) -> int | None:
    """
    @return: how a process ended that has not been reaped; L{None} if it has,
        or if that is not for this process to know.
    """
    folder = Path(f"/proc/{pid}")
    with suppress(OSError):
        lines = (folder / "status").read_text().splitlines()
        users = {n for line in lines if line[:4] == "Uid:" for n in line.split()[1:]}
        groups = {n for line in lines if line[:4] == "Gid:" for n in line.split()[1:]}
        ours = {str(os.geteuid())}, {str(os.getegid())}
        # To others the kernel shows a 0, which would pass for a good end.
        if os.geteuid() != 0 and (users, groups) != ours:
            return None
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
        if fields[0] == "Z":
            return int(fields[-1])
    return None


@attrs.define(eq=False)
class Watch:
    """
    Waits for the end of one process.

    @ivar pid: its id, in the namespace of this process.
    @ivar tell: called with how it ended, as C{waitpid} says it.
    @ivar process: what stands for it in this process.
    """

    reactor: Any
    pid: int
    tell: Callable[[int], None]
    process: Any
    _pidfd: int = -1
    _again: Any = None
    _delay: float = _SOON

    def open(self) -> None:
        """
        Get hold of the process, so that its id is not another one's.

        @raise OSError: there is none.
        """
        self._pidfd = os.pidfd_open(self.pid)

    def start(self) -> None:
        """
        Wait.
        """
        if self._pidfd >= 0:
            self.reactor.addReader(self)

    def stop(self) -> None:
        """
        Wait no longer.
        """
        if self._pidfd >= 0:
            self.reactor.removeReader(self)
        if self._again is not None:
            self._again.cancel()
            self._again = None

    def close(self) -> None:
        """
        Let go of the process.
        """
        if self._pidfd >= 0:
            self.stop()
            os.close(self._pidfd)
            self._pidfd = -1

    def look(self) -> None:
        """
        Tell, if it has ended.
        """
        if self._pidfd < 0:
            return
        status = statusOf(self.pid, self._pidfd) if self._hasEnded() else None
        if status is not None:
            self.close()
            self.tell(status)

    def _hasEnded(self) -> bool:
        """
        @return: whether the kernel says so.
        """
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    # IReadDescriptor

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return self._pidfd

    def doRead(self) -> None:
        """
        The process has ended; if nobody knows how, yet, ask again later.
        """
        self.look()
        if self._pidfd >= 0:
            self.reactor.removeReader(self)
            self._again = self.reactor.callLater(self._delay, self._askAgain)
            self._delay = min(2 * self._delay, _SELDOM)

    def _askAgain(self) -> None:
        self._again = None
        self.doRead()

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return f"process {self.pid}"

    def connectionLost(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.connectionLost}.
        """
        self.close()
