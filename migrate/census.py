"""
What a server tells an operator about itself: its process, what that has open, and how
its services are doing.

It must not know how it is asked, nor how the answer is shown.
"""

from __future__ import annotations

import os
import platform
import resource
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol

import msgspec
from twisted.internet.tcp import Connection, Port
from twisted.internet.udp import Port as DatagramPort

import twisted
from migrate import __version__
from migrate.control import ControlAddress
from migrate.history import Attempt, History


class ICounted(Protocol):
    """
    What is reported on: a server.
    """

    reactor: Any
    control: ControlAddress
    history: History
    controlFactory: Any

    def states(self) -> Mapping[str, str]:
        """
        What is published, and the state of each.
        """


def census(server: ICounted) -> dict[str, Any]:
    """
    @return: the process, and every service that it ever had.
    """
    return {
        "pid": os.getpid(),
        "control": str(server.control),
        "versions": {
            "python": platform.python_version(),
            "twisted": twisted.__version__,
            "txmigrate": __version__,
        },
        "uptime": uptime(),
        **watched(server),
        **opened(),
        "memory": resident(os.getpid()) or None,
        "services": [service(server, *each) for each in server.states().items()],
    }


def service(server: ICounted, name: str, state: str) -> dict[str, Any]:
    """
    @return: how one service is doing.
    """
    past = server.history.services.get(name)
    return {
        "name": name,
        "state": state,
        "generation": None if past is None else past.generation,
        "first": None if past is None else past.first,
        "since": None if past is None else past.since,
        "last": _last(server.history.attempts, name),
    }


def _last(attempts: list[Attempt], name: str) -> dict[str, Any] | None:
    found = [attempt for attempt in attempts if attempt.service == name]
    told: dict[str, Any] | None = msgspec.to_builtins(found[-1]) if found else None
    return told


def watched(server: ICounted) -> dict[str, int]:
    """
    @return: what the reactor has to do, but for the control endpoint: the connections
        that it reads from or writes to, the sockets that listen or take datagrams, and
        the calls that are still to happen.
    """
    every = _selectables(server.reactor)
    found = [each for each in every if not _isOf(server.controlFactory, each)]
    return {
        "connections": sum(isinstance(each, Connection) for each in found),
        "ports": sum(isinstance(each, (Port, DatagramPort)) for each in found),
        "timers": len(server.reactor.getDelayedCalls()),
    }


def _isOf(factory: object, selectable: object) -> bool:
    protocol = getattr(selectable, "protocol", None)
    return factory in (
        getattr(selectable, "factory", None),
        getattr(protocol, "factory", None),
    )


def _selectables(reactor: Any) -> Iterator[object]:
    every = {
        id(each): each
        for method in ("getReaders", "getWriters")
        for each in getattr(reactor, method, list)()
    }
    return iter(every.values())


def opened() -> dict[str, int | None]:
    """
    @return: how many descriptors are open, and how many may be; L{None} for what
        nobody can tell, or does not bound.
    """
    count: int | None = None
    with suppress(OSError):
        # One of them is that of the directory.
        count = len(os.listdir("/proc/self/fd")) - 1
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    bounded = most != resource.RLIM_INFINITY
    return {"descriptors": count, "descriptorLimit": most if bounded else None}


def resident(pid: int) -> int:
    """
    @return: the memory that a process has in use, in bytes; 0 if it is no more.
    """
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0


def uptime() -> float | None:
    """
    @return: seconds since this process was started; L{None} if nobody can tell.
    """
    try:
        with open("/proc/self/stat") as file:
            # The name of the program is in parentheses, and may have any in it.
            fields = file.read().rpartition(")")[2].split()
        began = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - began)
    except (OSError, IndexError, ValueError, AttributeError):
        return None
