"""
When a process has had its time, or more memory than it may have.

It must not know how either is found out, nor what is done about it.
"""

from __future__ import annotations

import attrs

from migrate.manager.backoff import Backoff

ROOM = 1.25
"""
By how much a process has to grow beyond what it needed at first, where that was near
the limit already: its services take so much, and one more process changes nothing.
"""


@attrs.define
class MemoryLimit:
    """
    Judges the memory of the processes that serve, one after the other.

    @ivar most: bytes that one may have in use.
    @ivar pid: the process that was looked at last.
    @ivar allowed: bytes that this one may have.
    """

    most: int
    pid: int = attrs.field(default=0, init=False)
    allowed: int = attrs.field(default=0, init=False)
    _wait: float = attrs.field(default=0.0, init=False)
    _backoff: Backoff = attrs.field(
        factory=lambda: Backoff(limit=None, first=60.0, most=3600.0), init=False
    )

    def exceeded(self, pid: int, resident: int, now: float) -> bool:
        """
        @param resident: bytes that the process has in use.
        @param now: seconds, by any clock.
        @return: whether it is to be replaced.
        """
        if pid != self.pid:
            # Of the first one nobody knows what it needs, and what it has leaked.
            isFirst, self.pid = not self.pid, pid
            self.allowed = self.most
            if not isFirst:
                self.allowed = max(self.most, int(resident * ROOM))
            self._wait = 0.0
            self._backoff.reset()
        return resident > self.allowed and now >= self._wait

    def isPointless(self) -> bool:
        """
        @return: whether what is served takes more than the limit by itself.
        """
        return self.allowed > self.most

    def failed(self, now: float) -> None:
        """
        It could not be replaced: that is not tried again at once.
        """
        wait = self._backoff.failed(0.0)
        assert wait is not None
        self._wait = now + wait


@attrs.define
class Interval:
    """
    Judges the time for which a process has served.

    @ivar seconds: for how long it may.
    """

    seconds: float
    _pid: int = attrs.field(default=0, init=False)
    _since: float = attrs.field(default=0.0, init=False)

    def exceeded(self, pid: int, now: float) -> bool:
        """
        @param now: seconds, by any clock.
        @return: whether it is to be replaced; if that fails, then after as much time
            again.
        """
        if pid != self._pid:
            self._pid, self._since = pid, now
        if now - self._since < self.seconds:
            return False
        self._since = now
        return True
