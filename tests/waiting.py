"""
Waiting for what comes in pieces, always with a deadline.

It must not know where anything comes from.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import attrs
from twisted.internet.defer import Deferred

#: How long a wait lasts that names no deadline of its own, in seconds.  Far
#: more than anything needs: it ends a test that hangs, it measures nothing.
DEADLINE = 30.0

T = TypeVar("T")


class NeverCame(AssertionError):
    """
    Something did not come before its deadline, or cannot come any more.  The
    message holds all that the process or the peer has said until then.
    """


@attrs.define(eq=False)
class _Expectation(Generic[T]):
    """
    One thing that is waited for.

    @ivar probe: returns what was waited for, or L{None} if it is not there yet.
    """

    probe: Callable[[], T | None]
    what: str
    outcome: Deferred[T]
    timer: Any = None


@attrs.define
class Expectations:
    """
    All that is waited for of one source of output.

    @ivar reactor: has C{callLater}.
    @ivar story: tells what the source has said so far, for a person.
    @ivar closed: why nothing more can come, or L{None} while something can.
    """

    reactor: Any
    story: Callable[[], str]
    closed: str | None = None
    _pending: list[_Expectation[Any]] = attrs.field(factory=list)

    def expect(
        self, probe: Callable[[], T | None], what: str, deadline: float
    ) -> Deferred[T]:
        """
        Wait until C{probe} returns something that is not L{None}.

        @param what: what is waited for, for a person.
        @param deadline: in seconds.
        @return: fires with what C{probe} returned; fails with L{NeverCame}, or
            with what C{probe} raised.
        """
        wanted: _Expectation[T] = _Expectation(
            probe, what, Deferred(lambda _: self._forget(wanted))
        )
        self._pending.append(wanted)
        wanted.timer = self.reactor.callLater(
            deadline, self._giveUp, wanted, f"not within {deadline:g} s"
        )
        self.look()
        if self.closed is not None and wanted in self._pending:
            self._giveUp(wanted, self.closed)
        return wanted.outcome

    def look(self) -> None:
        """
        Something may have come: ask every probe again.
        """
        for wanted in list(self._pending):
            if wanted not in self._pending:
                continue
            self._ask(wanted)

    def close(self, why: str) -> None:
        """
        Nothing more will come: what is still waited for fails.
        """
        self.look()
        self.closed = why
        for wanted in list(self._pending):
            self._giveUp(wanted, why)

    def _ask(self, wanted: _Expectation[Any]) -> None:
        try:
            found = wanted.probe()
        except Exception:
            self._forget(wanted)
            wanted.outcome.errback()
        else:
            if found is not None:
                self._forget(wanted)
                wanted.outcome.callback(found)

    def _giveUp(self, wanted: _Expectation[Any], why: str) -> None:
        self._forget(wanted)
        wanted.outcome.errback(
            NeverCame(f"{wanted.what}: {why}\n{self.story()}".rstrip())
        )

    def _forget(self, wanted: _Expectation[Any]) -> None:
        self._pending.remove(wanted)
        if wanted.timer.active():
            wanted.timer.cancel()
