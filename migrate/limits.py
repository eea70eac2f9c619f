"""
How much one control endpoint puts up with: how many peers, how much that they
do not read, how many lines in the log.

It must not know what peers say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs

from migrate.errors import MigrationError

UNREAD = 1 << 20
"""
Bytes of answers that a peer may leave unread before it asks for more.
"""

LINGER = 5.0
"""
Seconds that a peer has to read why the conversation ended.
"""

MANIFEST = 64 << 20
"""
Characters that the names of one manifest may have, all together.
"""

GRAPH = 4 << 30
"""
Bytes of records that one service may bring.
"""


@attrs.frozen
class Limits:
    """
    How many peers one server has at a time.

    @ivar strangers: connections of which it is not known whether they are to be
        trusted.  With one more, the oldest is turned away: it has had the
        longest time to say who it is.
    @ivar guests: conversations with peers that are trusted, whatever they do.
        One more is turned away: those that are there may be moving a service.
    """

    strangers: int = 32
    guests: int = 32


@attrs.define(eq=False)
class Complaints:
    """
    What peers did wrong, a line each; but however many there are, the log gets
    few.

    @ivar burst: how many lines of one kind are written in one period.
    @ivar period: seconds.
    """

    _reactor: Any
    _write: Callable[[str], None]
    burst: int = 10
    period: float = 10.0
    _said: dict[str, int] = attrs.field(factory=dict, init=False)
    _turn: Any = attrs.field(default=None, init=False)

    def say(self, error: MigrationError) -> None:
        """
        Write a line, or count it.

        @param error: what the peer did; its class is the kind of complaint.
        """
        kind = type(error).__name__
        said = self._said[kind] = self._said.get(kind, 0) + 1
        if said <= self.burst:
            self._write(str(error))
        if self._turn is None:
            self._turn = self._reactor.callLater(self.period, self._next)

    def _next(self) -> None:
        """
        A period has ended.
        """
        self._turn = None
        said, self._said = self._said, {}
        for kind, count in said.items():
            if count > self.burst:
                self._write(
                    f"{count - self.burst} more like these ({kind}) in "
                    f"{self.period:g} seconds"
                )

    def close(self) -> None:
        """
        Write what is still to be said.
        """
        if self._turn is not None:
            self._turn.cancel()
            self._next()
