"""
Descriptors as numbers: closing them, how many more this process may open, and
a pipe that tells whether another process lives.

It must not know how descriptors get from one process to another.
"""

from __future__ import annotations

import errno
import os
import resource
import select
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from migrate.errors import DescriptorLimit, LocalProtocolError

RESERVE = 32
"""
Descriptors that a process needs beside those that a service brings: for logs,
imports, a reactor's own, and the connections that come right after.
"""

_LISTINGS = ("/proc/self/fd", "/dev/fd")


def closeAll(filenos: Iterable[int]) -> None:
    """
    Close descriptors; one that is closed already is passed over.
    """
    for fileno in filenos:
        # The kernel has let go of the number whatever close() answered, and
        # there is nobody who could make more of the answer.
        with suppress(OSError):
            os.close(fileno)


class OpenFiles(NamedTuple):
    """
    What a process has open and may open.

    @ivar used: descriptors that are open.
    @ivar soft: how many may be, C{resource.RLIM_INFINITY} for no limit.
    @ivar hard: up to where the process may raise that by itself.
    """

    used: int
    soft: int
    hard: int


def _listed(listing: str, soft: int) -> int | None:
    """
    @return: how many descriptors are open, or L{None} if C{listing} is no
        list of them.
    """
    try:
        # The listing itself is one of those that it lists.
        return len(os.listdir(listing)) - 1
    except OSError as error:
        # Every number below the limit is taken, or it could be opened.
        return soft if error.errno == errno.EMFILE else None


def openFileLimit() -> OpenFiles:
    """
    Count this process's descriptors.

    @raise DescriptorLimit: the platform does not list them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for listing in _LISTINGS:
        used = _listed(listing, soft)
        if used is not None:
            return OpenFiles(used, soft, hard)
    raise DescriptorLimit(
        f"this process cannot tell what it has open: none of "
        f"{', '.join(_LISTINGS)} can be read"
    )


def ensureRoom(count: int, reserve: int = RESERVE) -> OpenFiles:
    """
    Make sure that C{count} more descriptors can be opened, before any of them
    is sent: at the limit the kernel drops what comes.

    The soft limit is raised if need be, since it is there for programs to
    raise and the origin holds as many already; but no further than needed.
    Child processes inherit it, and some walk over every number below it.

    @param count: descriptors that will come.
    @param reserve: descriptors that have to be left after that.
    @return: the state of things from now on.
    @raise DescriptorLimit: the hard limit is in the way.
    """
    used, soft, hard = openFileLimit()
    needed = used + count + reserve
    if soft == resource.RLIM_INFINITY or needed <= soft:
        return OpenFiles(used, soft, hard)
    if hard == resource.RLIM_INFINITY or needed <= hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
        return OpenFiles(used, needed, hard)
    raise DescriptorLimit(
        f"{count} descriptors would come to the {used} that are open, and "
        f"{reserve} have to be left; this process may have {hard}: "
        f"raise its hard limit (ulimit -Hn, LimitNOFILE=) to {needed} at least"
    )


def makeLiveness() -> tuple[int, int]:
    """
    Make a pipe that nobody writes to.  One process keeps one end, the other is
    given the other end, and closes nothing else of it.  From then on
    L{isAlive} of an end turns false by the kernel's doing alone: when the last
    process that holds the opposite end has died, or has closed it on purpose.

    Whoever keeps an end must close its copy of the end that it gave, once that
    has arrived; else it watches itself.

    @return: the end to keep and the end to give; neither is inheritable.
    """
    give, keep = os.pipe()
    return keep, give


def isAlive(fileno: int) -> bool:
    """
    @param fileno: either end of a pipe of L{makeLiveness}.
    @return: whether the opposite end is held.  Does not wait.
    @raise LocalProtocolError: C{fileno} is not open.
    """
    poller = select.poll()
    poller.register(fileno, 0)
    events = dict(poller.poll(0)).get(fileno, 0)
    if events & select.POLLNVAL:
        raise LocalProtocolError(f"descriptor {fileno} is not open")
    return not events & (select.POLLHUP | select.POLLERR)
