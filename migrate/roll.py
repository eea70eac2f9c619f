"""
The connections that a service has left behind: which live, whose turn it is, and
which cannot have theirs yet, or ever.

It must not know how a connection is claimed, nor what becomes of it then.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import attrs

from migrate.errors import (
    CannotMigrateYet,
    ConnectionsStay,
    ConnectionsWait,
    NotMovable,
    Refusal,
)
from migrate.graph.environment import Outside
from migrate.shares import Connection

SPELLS = (0.5, 30.0)
"""
Seconds that a recipient is kept waiting, at first and at most, until all that cannot
move at this instant is looked at again.
"""

TOLD = 3
"""
Connections that a message tells the reasons of.
"""

_OTHER = NotMovable(
    "it is another connection, of which each moves by itself",
    "reach it by way of what they share, or have them moved together",
)


@attrs.define(eq=False)
class Roll:
    """
    The connections of one service.

    @ivar find: tells which connections live.
    @ivar outside: what the walk over any connection must not go into.  All of them
        are added to it; whoever walks over one frees that first.
    @ivar staying: those that cannot move, and why.
    """

    find: Callable[[], list[Connection]]
    outside: Outside
    _now: Callable[[], float] = time.monotonic
    staying: dict[Connection, str] = attrs.field(factory=dict, init=False)
    _known: dict[int, Connection] = attrs.field(factory=dict, init=False)
    _barred: dict[Connection, list[Any]] = attrs.field(factory=dict, init=False)
    _queue: deque[Connection] = attrs.field(factory=deque, init=False)
    _busy: list[tuple[Connection, CannotMigrateYet]] = attrs.field(
        factory=list, init=False
    )
    _spell: float = attrs.field(default=SPELLS[0], init=False)

    def __len__(self) -> int:
        """
        How many are known to live.
        """
        return len(self._known)

    def discover(self) -> None:
        """
        Get to know connections that are not known yet: their turns come last.

        @raise MigrationError: a provider fails to tell.
        """
        for connection in self.find():
            if id(connection.transport) not in self._known:
                self._known[id(connection.transport)] = connection
                self.bar(connection)
                self._queue.append(connection)

    def sweep(self, besides: object) -> None:
        """
        Forget connections that have ended.

        @param besides: one that is not to be forgotten.
        """
        for connection in list(self._known.values()):
            if not connection.isAlive and connection is not besides:
                self.forget(connection)

    def forget(self, connection: Connection) -> None:
        """
        A connection has ended, or moved.
        """
        self._known.pop(id(connection.transport), None)
        self.free(connection)
        self.staying.pop(connection, None)
        self._busy = [each for each in self._busy if each[0] is not connection]

    def bar(self, connection: Connection) -> None:
        """
        Let no walk go over a connection.
        """
        # What it consists of may be something else by the time that it is freed.
        barred = self._barred[connection] = connection.objects
        for each in barred:
            self.outside.add(each, _OTHER)

    def free(self, connection: Connection) -> None:
        """
        Let walks go over a connection.
        """
        for each in self._barred.pop(connection, ()):
            self.outside.things.pop(id(each), None)

    # Whose turn it is.

    def waiting(self) -> Iterator[Connection]:
        """
        @return: the connections that live and have not had their turn, in order;
            whoever takes one says what becomes of it.
        """
        self._recall()
        if not self._queue:
            self.discover()
        while self._queue:
            connection = self._queue.popleft()
            if connection.isAlive:
                yield connection
            else:
                self.forget(connection)
            if not self._queue:
                self.discover()

    def _recall(self) -> None:
        """
        What could not move at an instant that is over has its turn again.
        """
        busy, self._busy = self._busy, []
        for connection, error in busy:
            if error.over():
                self._queue.appendleft(connection)
            else:
                self._busy.append((connection, error))

    def again(self, connection: Connection) -> None:
        """
        A connection did not move, for no reason of its own: its turn comes last.
        """
        self._queue.append(connection)

    def later(self, connection: Connection, error: CannotMigrateYet) -> None:
        """
        A connection cannot move at this instant.
        """
        self._busy.append((connection, error))

    def stays(self, connection: Connection, why: str) -> None:
        """
        A connection can never move.
        """
        self.staying[connection] = why

    def progress(self) -> None:
        """
        One has moved: what cannot yet is looked at again soon.
        """
        self._spell = SPELLS[0]

    def obstacle(self) -> ConnectionsWait | None:
        """
        @return: what is in the way of all that have not moved, if any of them can
            move at another instant.  It is over once one may be able to.
        """
        if not self._queue and not self._busy:
            return None
        until = self._now() + self._spell
        self._spell = min(2 * self._spell, SPELLS[1])

        def over() -> bool:
            busy = any(error.over() for _, error in self._busy)
            return busy or bool(self._queue) or self._now() >= until

        reasons = [str(each) for _, error in self._busy for each in error.refusals]
        count = len(self._busy) + len(self._queue)
        told = counted(count, "not able to move yet", reasons)
        return ConnectionsWait([Refusal("", told, over=over)])

    def complaint(self) -> ConnectionsStay | None:
        """
        @return: why none of those that are left can move, if there are any.
        """
        if not self.staying:
            return None
        reasons = list(self.staying.values())
        return ConnectionsStay(
            counted(len(reasons), "left behind until closed", reasons)
        )


def counted(count: int, what: str, reasons: list[str]) -> str:
    """
    @param reasons: why; not all of them are told.
    @return: what became of so many connections, for a person.
    """
    more = len(reasons) - TOLD
    told = [*reasons[:TOLD], *([f"and {more} more"] if more > 0 else [])]
    return f"{count} {what}: {'; '.join(told)}"
