"""
What came of an upgrade, judged by what the processes say that may serve now.

It must not know how they were asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from migrate.control import ControlAddress
from migrate.manager.witness import Owner

MOVED, STAYED, UNCLEAR = "moved", "stayed", "unclear"
"""
Another process serves all; the old one serves all; neither.
"""


@attrs.frozen
class Found:
    """
    A process that answers.

    @ivar control: where.
    @ivar owner: what it says.
    """

    control: ControlAddress
    owner: Owner


@attrs.frozen
class Verdict:
    """
    What came of an upgrade.

    @ivar outcome: L{MOVED}, L{STAYED} or L{UNCLEAR}.
    @ivar origin: the old process.
    @ivar pid: the process that serves all of it; L{None} if none does.
    @ivar control: where that answers.
    @ivar services: the names of what was to move.
    @ivar serving: the processes that serve, by the names of the services.
    @ivar attempts: how each service moved: see L{migrate.history.Attempt}.
    @ivar took: seconds for all of it.
    @ivar reason: why they have not moved.
    @ivar details: all that the new process wrote about that.
    """

    outcome: str
    origin: int
    pid: int | None
    control: ControlAddress
    services: list[str]
    serving: dict[str, int]
    attempts: list[dict[str, Any]] = attrs.field(factory=list)
    took: float = 0.0
    reason: str = ""
    details: str = ""

    @classmethod
    def unclear(
        cls,
        origin: Owner,
        names: Sequence[str],
        found: Sequence[Found],
        reason: str,
        details: str = "",
    ) -> Verdict:
        """
        @return: that nobody serves all of it.
        """
        serving = _serving(found)
        parts = [
            f"{name} is served by "
            + (f"process {serving[name]}" if name in serving else "nobody that answers")
            for name in names
        ]
        told = "; ".join([*parts, *([reason] if reason else [])])
        return cls(
            UNCLEAR,
            origin.pid,
            None,
            found[0].control if found else ControlAddress("unix"),
            list(names),
            {name: pid for name, pid in serving.items() if name in names},
            reason=told,
            details=details,
        )

    @property
    def moved(self) -> bool:
        """
        Whether another process serves all of it.
        """
        return self.outcome == MOVED

    @property
    def pause(self) -> float | None:
        """
        The longest time for which a service stood still, in seconds.
        """
        known = [each["pause"] for each in self.attempts if each["pause"] is not None]
        return max(known, default=None)

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: what a program is told.
        """
        return {
            "outcome": self.outcome,
            "from": self.origin,
            "pid": self.pid,
            "control": str(self.control) if self.pid is not None else None,
            "services": self.services,
            "serving": self.serving,
            "pause": self.pause,
            "attempts": self.attempts,
            "took": self.took,
            "reason": self.reason,
            "details": self.details,
        }


def judge(
    origin: Owner,
    names: Sequence[str],
    found: Sequence[Found],
    reason: str,
    details: str = "",
) -> Verdict | None:
    """
    @param origin: what the old process said before.
    @param names: what was to move.
    @param found: everybody who answers now.
    @param reason: what went wrong, as far as is known.
    @param details: all that the new process wrote about it.
    @return: what came of it; L{None} if that is not clear, perhaps not yet.
    """
    for each in found:
        owner = each.owner
        if not owner.keeps(names):
            continue
        if owner.pid == origin.pid:
            why = reason or "the new process says that it serves, and does not"
            outcome = STAYED
        else:
            why, outcome = "", MOVED
        return Verdict(
            outcome,
            origin.pid,
            owner.pid,
            each.control,
            list(names),
            dict.fromkeys(names, owner.pid),
            reason=why,
            details=details if why else "",
        )
    return None


def _serving(found: Sequence[Found]) -> dict[str, int]:
    return {name: each.owner.pid for each in found for name in each.owner.names()}
