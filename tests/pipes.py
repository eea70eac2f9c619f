"""
Programs that download, and get no further than a test lets them.

It must not know what serves them.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from tests.processes import DEADLINE, POLL_INTERVAL
from tests.services import ServiceTestCase

#: How much a pipe holds, in bytes, if the system permits it: it is emptied that
#: often only, and a download has to come to its end.
CAPACITY = 1 << 20


class Pipe:
    """
    A named pipe that some program writes what it downloads to.  The test reads
    no more than it allows, so that program, kernel and server are full before
    long, and the server is in the middle of something as long as that lasts::

        pipe = Pipe(self, "got")
        curl = self.program("curl", "-so", pipe.path, url)
        yield pipe.allow(100_000)
        yield self.move()
        yield pipe.rest()
        self.assertEqual(pipe.received, ...)

    @ivar path: where it is.
    @ivar received: all that has come.
    """

    def __init__(self, testCase: ServiceTestCase, name: str) -> None:
        """
        @param name: what it is called in the directory of the test.
        """
        self.path: Path = testCase.directory / name
        self.received = bytearray()
        self._processes = testCase.processes
        self._allowed: float = 0
        self._ended = False
        os.mkfifo(self.path)
        self._fileno = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        with suppress(OSError):
            fcntl.fcntl(self._fileno, fcntl.F_SETPIPE_SZ, CAPACITY)
        self._reading = LoopingCall(self._read)
        self._reading.clock = self._processes.reactor
        self._reading.start(POLL_INTERVAL)
        testCase.addCleanup(self._close)

    def allow(self, count: float, deadline: float = DEADLINE) -> Deferred[Any]:
        """
        Read further.

        @param count: how many bytes more.
        @return: fires once they have come.
        """
        self._allowed += count
        wanted = self._allowed
        return self._processes.until(
            lambda: len(self.received) >= wanted,
            f"{wanted} bytes in {self.path}",
            deadline,
        )

    def flow(self) -> None:
        """
        Read whatever comes.
        """
        self._allowed = float("inf")

    def hold(self) -> None:
        """
        Read no further for the time being.
        """
        self._allowed = len(self.received)

    def rest(self, deadline: float = DEADLINE) -> Deferred[Any]:
        """
        Read until the program closes it.
        """
        self.flow()
        return self._processes.until(
            lambda: self._ended, f"the end of {self.path}", deadline
        )

    def _read(self) -> None:
        """
        Read what is there and allowed.
        """
        # Not more at a time, so that whoever waits can say when it is enough.
        end = min(self._allowed, len(self.received) + CAPACITY)
        while (left := int(end - len(self.received))) > 0:
            try:
                data = os.read(self._fileno, left)
            except BlockingIOError:
                return
            if not data:
                # Nobody has opened it yet, or the last one has closed it.
                self._ended = bool(self.received)
                return
            self.received += data

    def _close(self) -> None:
        """
        The test is over.
        """
        self._reading.stop()
        os.close(self._fileno)
