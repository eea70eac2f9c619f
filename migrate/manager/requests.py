"""
What asks for an upgrade, gathered into as few upgrades as will do: never two at a
time, and one for all that has asked while another one was under way.

It must not know how a service is upgraded, nor who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs
from twisted.internet.defer import Deferred

Report: TypeAlias = "dict[str, Any]"
"""
How an upgrade went, for whoever asked for it.
"""


@attrs.define
class Wanted:
    """
    One upgrade to come.

    @ivar reasons: why, for a person; each once.
    @ivar changes: what is to be different in the new process, by the name of the
        setting; of two that differ the later one holds.
    """

    reasons: list[str] = attrs.field(factory=list)
    changes: dict[str, Any] = attrs.field(factory=dict)
    _waiting: list[Deferred[Report]] = attrs.field(factory=list)

    def add(self, reason: str, changes: Mapping[str, Any]) -> Deferred[Report]:
        """
        One more asks for it.

        @return: fires with how it went.
        """
        if reason not in self.reasons:
            self.reasons.append(reason)
        self.changes.update(changes)
        done: Deferred[Report] = Deferred()
        self._waiting.append(done)
        return done

    def tell(self, report: Report) -> None:
        """
        It is over.
        """
        waiting, self._waiting = self._waiting, []
        for done in waiting:
            done.callback(report)


@attrs.define(eq=False)
class Requests:
    """
    All that asks.

    @ivar begin: carries one out, and returns a Deferred that fires with how it went,
        and never fails.
    @ivar busy: whether one is under way.
    @ivar pending: the next one, if anything asks for it.
    """

    begin: Callable[[Wanted], Deferred[Report]]
    busy: bool = attrs.field(default=False, init=False)
    pending: Wanted | None = attrs.field(default=None, init=False)
    _held: bool = attrs.field(default=True, init=False)

    def ask(
        self, reason: str, changes: Mapping[str, Any] | None = None
    ) -> Deferred[Report]:
        """
        Ask for an upgrade.  One that is under way already will not do: what it runs may
        have been read before the reason came up.

        @return: fires with how it went.
        """
        if self.pending is None:
            self.pending = Wanted()
        done = self.pending.add(reason, changes or {})
        self._look()
        return done

    def hold(self) -> None:
        """
        Begin none for now.
        """
        self._held = True

    def release(self) -> None:
        """
        Begin what has been asked for.
        """
        self._held = False
        self._look()

    def settle(self, report: Report) -> None:
        """
        Whatever has been asked for has come about in another way, or never will.
        """
        pending, self.pending = self.pending, None
        if pending is not None:
            pending.tell(report)

    def _look(self) -> None:
        if self.busy or self._held or self.pending is None:
            return
        wanted, self.pending = self.pending, None
        self.busy = True
        self.begin(wanted).addCallback(self._over, wanted)

    def _over(self, report: Report, wanted: Wanted) -> None:
        self.busy = False
        wanted.tell(report)
        self._look()
