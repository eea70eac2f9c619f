"""
Every process that has to do with one service, whoever started it: how many there are,
and how much memory they take together, looked at again and again.

It must not know what they do.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.meters import proportional

#: Seconds between two looks: the kernel walks over all pages for each.
INTERVAL = 0.05

#: Seconds between two looks at whether those that were killed have ended.
_SHORT = 0.005


def _pids() -> set[int]:
    return {int(name) for name in os.listdir("/proc") if name.isdigit()}


class Crew:
    """
    Looks on while it is entered, as a context manager.

    @ivar begin: how many processes there were at the first look.
    @ivar most: how many there ever were at once.
    @ivar end: how many there were at the last look.
    @ivar memory: what they took together at the first look, in bytes; of what
        processes share each has its part.
    @ivar peak: the most that they ever took together.
    """

    def __init__(self, sign: str, aside: str) -> None:
        """
        @param sign: C{NAME=VALUE}, which only these processes have in their
            environment, none of which has been started yet.
        @param aside: what those have there as well that do not belong to them.
        """
        self._sign, self._aside = sign.encode(), aside.encode()
        self._others = _pids()
        self._halt = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.begin = self.most = self.end = 0
        self.memory = self.peak = 0

    def members(self) -> list[int]:
        """
        @return: the processes that there are now.
        """
        return [pid for pid in _pids() - self._others if self._belongs(pid)]

    def _belongs(self, pid: int) -> bool:
        with suppress(OSError):
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            return self._sign in environment and self._aside not in environment
        return False

    def __enter__(self) -> Crew:
        self._look()
        self.begin, self.memory = self.end, self.peak
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._halt.set()
        self._thread.join()
        self._look()

    def _run(self) -> None:
        while not self._halt.wait(INTERVAL):
            self._look()

    def _look(self) -> None:
        found = []
        for pid in self.members():
            # It may end meanwhile, or be none yet that has any memory.
            with suppress(OSError, AssertionError):
                found.append(proportional(pid))
        self.end = len(found)
        self.most = max(self.most, self.end)
        self.peak = max(self.peak, sum(found))

    def kill(self) -> None:
        """
        Kill all of them, and wait until there are none.
        """
        while members := self.members():
            for pid in members:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_SHORT)
