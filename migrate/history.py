"""
What has become of services so far: in how many processes they have been, and every
attempt to move them.  It moves along with them.

It must not know how it travels, nor how it is shown.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

import attrs
import msgspec

from migrate.errors import RemoteProtocolError
from migrate.transfer import Moved

LENGTH = 100
"""
Attempts that are kept; the oldest give way.
"""

SERVICES = 1000
"""
Services of which it is known in how many processes they have been.
"""

LONGEST = 500
"""
Characters of a reason that are kept; a longer one loses its middle.
"""

MOVED, ROLLED_BACK, REFUSED = "moved", "rolled back", "refused"
"""
How an attempt ends: the service is the recipient's; it had been captured, and went on
where it was; or it was not touched.
"""

_Text = Annotated[str, msgspec.Meta(max_length=4096)]
_Count = Annotated[int, msgspec.Meta(ge=0, lt=1 << 48)]
_Time = Annotated[float, msgspec.Meta(ge=0.0, le=1e11)]


@attrs.frozen(kw_only=True)
class Attempt:
    """
    One attempt to move one service.

    @ivar service: its name.
    @ivar outcome: L{MOVED}, L{ROLLED_BACK} or L{REFUSED}.
    @ivar at: when it ended, in seconds since 1970 (UTC).
    @ivar origin: the process that had it.
    @ivar recipient: the process that wanted it, as that said; the same one, if that was
        executed anew.
    @ivar pause: seconds for which it stood still, as the origin measured them; as the
        recipient did, where C{objects} is L{None}; L{None} if it did not move.
    @ivar objects: how many objects moved; L{None} if nobody knows.
    @ivar descriptors: how many descriptors moved.
    @ivar bytes: the size of what was sent.
    @ivar steps: the parts of the pause, in seconds, by name.
    @ivar predicted: the pause that a rehearsal foretold, in seconds.
    @ivar reason: why it did not move; empty if it did.
    """

    service: _Text
    outcome: _Text
    at: _Time
    origin: _Count
    recipient: _Count
    pause: _Time | None = None
    objects: _Count | None = None
    descriptors: _Count | None = None
    bytes: _Count | None = None
    steps: Annotated[dict[_Text, float], msgspec.Meta(max_length=16)] = attrs.field(
        factory=dict
    )
    predicted: _Time | None = None
    reason: _Text = ""

    @property
    def parties(self) -> tuple[str, str, int, int]:
        """
        What two reports of the same move agree in.
        """
        return self.service, self.outcome, self.origin, self.recipient


@attrs.frozen
class Past:
    """
    Where a service has been.

    @ivar generation: how many processes it has had, this one included.
    @ivar first: when it was published first, in seconds since 1970 (UTC).
    @ivar since: since when it has been in the process that has it.
    """

    generation: _Count
    first: _Time
    since: _Time


class _Form(msgspec.Struct):
    """
    How a history travels.
    """

    services: Annotated[dict[_Text, Past], msgspec.Meta(max_length=SERVICES)] = {}
    attempts: Annotated[list[Attempt], msgspec.Meta(max_length=LENGTH)] = []


@attrs.define
class History:
    """
    What one process knows of what has become of its services.

    @ivar now: the time, in seconds since 1970 (UTC).
    @ivar attempts: every attempt, in the order in which they ended; the last
        L{LENGTH} of them.
    @ivar services: where the services of this process have been.
    """

    now: Callable[[], float] = time.time
    attempts: list[Attempt] = attrs.field(factory=list, init=False)
    services: dict[str, Past] = attrs.field(factory=dict, init=False)

    def begin(self, name: str) -> None:
        """
        A service is new.
        """
        now = self.now()
        self._know({name: Past(1, now, now)})

    def arrive(
        self, name: str, told: Mapping[str, Any], origin: int, pause: float
    ) -> None:
        """
        A service has come from another process.

        @param told: what that knows: L{asDictionary}.
        @param origin: that process.
        @param pause: seconds for which the service stood still, as far as can be told
            here.
        @raise RemoteProtocolError: what was told is no history.  Then it begins here.
        """
        now = self.now()
        self._know({name: Past(2, now, now)})
        form = _formOf(told)
        known = form.services.get(name)
        if known is not None:
            self.services[name] = Past(known.generation + 1, known.first, now)
        self._add(form.attempts)
        own = Attempt(
            service=name,
            outcome=MOVED,
            at=now,
            origin=origin,
            recipient=os.getpid(),
            pause=pause,
        )
        self._add([own])

    def resume(self, told: Mapping[str, Any], names: Iterable[str]) -> None:
        """
        This very process, executed anew, goes on with what it knew.

        @param told: what the image before knew: L{asDictionary}.
        @param names: the services that are here.
        @raise RemoteProtocolError: what was told is no history.  Then it begins here.
        """
        for name in names:
            self.begin(name)
        form = _formOf(told)
        self._know(form.services)
        self._add(form.attempts)

    def executed(self, names: Sequence[str], outcome: Mapping[str, Any]) -> None:
        """
        This process was executed anew; or was to be, and the old program has come back.

        @param names: the services that it has.
        @param outcome: see L{migrate.reexec.reexecution.Reexecution}.
        """
        if not outcome["ok"]:
            for name in names:
                self.stayed(name, os.getpid(), True, outcome["reason"])
            return
        # What is counted is all of it together.
        counted = outcome if len(names) == 1 else {}
        own = [
            Attempt(
                service=name,
                outcome=MOVED,
                at=self.now(),
                origin=os.getpid(),
                recipient=os.getpid(),
                pause=outcome["pause"],
                objects=counted.get("objects"),
                descriptors=counted.get("descriptors"),
                bytes=counted.get("bytes"),
                steps=dict(outcome["steps"]),
            )
            for name in names
        ]
        self._add(own)

    def learn(self, told: Mapping[str, Any]) -> None:
        """
        The origin knows more by now: how long the pause of each move was, for one.

        @raise RemoteProtocolError: what was told is no history.  Nothing changes.
        """
        attempts = _formOf(told).attempts
        known = {each.parties for each in attempts if each.objects is not None}
        self.attempts = [
            each
            for each in self.attempts
            if each.objects is not None or each.parties not in known
        ]
        self._add(attempts)

    def moved(self, report: Moved) -> None:
        """
        A service of this process has moved.
        """
        attempt = Attempt(
            service=report.service,
            outcome=MOVED,
            at=self.now(),
            origin=os.getpid(),
            recipient=report.pid,
            pause=report.pause,
            objects=report.objects,
            descriptors=report.descriptors,
            bytes=report.bytes,
            steps=dict(report.steps),
            predicted=report.predicted,
        )
        self._add([attempt])

    def stayed(self, name: str, recipient: int, begun: bool, reason: str) -> None:
        """
        A service was wanted, and has stayed.

        @param recipient: the process that wanted it.
        @param begun: whether it had been captured.
        """
        attempt = Attempt(
            service=name,
            outcome=ROLLED_BACK if begun else REFUSED,
            at=self.now(),
            origin=os.getpid(),
            recipient=recipient,
            reason=_cut(reason),
        )
        self._add([attempt])

    def last(self, service: str | None = None) -> Attempt | None:
        """
        @param service: its name; L{None} for any.
        @return: the last move that came about, if there was one.
        """
        found = [
            each
            for each in self.attempts
            if each.outcome == MOVED and service in (None, each.service)
        ]
        return found[-1] if found else None

    def asDictionary(self) -> dict[str, Any]:
        """
        @return: what can be sent, and is understood by L{arrive} and L{learn}.
        """
        found: dict[str, Any] = msgspec.to_builtins(_Form(self.services, self.attempts))
        return found

    def _know(self, services: Mapping[str, Past]) -> None:
        self.services.update(services)
        for name in list(self.services)[:-SERVICES]:
            del self.services[name]

    def _add(self, attempts: Iterable[Attempt]) -> None:
        """
        Put attempts in, each once.
        """
        fresh = [each for each in attempts if each not in self.attempts]
        every = sorted([*self.attempts, *fresh], key=lambda each: each.at)
        self.attempts = every[-LENGTH:]


def _formOf(told: Mapping[str, Any]) -> _Form:
    """
    @raise RemoteProtocolError: that is no history, or one out of bounds.
    """
    try:
        return msgspec.convert(dict(told), _Form, strict=True)
    except (msgspec.ValidationError, TypeError, ValueError) as error:
        raise RemoteProtocolError(f"what came is no history: {error}") from error


# What msgspec has to find out about the form takes it half a millisecond, which would
# be felt: a history is read before its service is served.
_formOf({})


def _cut(text: str) -> str:
    text = " ".join(text.encode("utf-8", "backslashreplace").decode().split())
    if len(text) <= LONGEST:
        return text
    half = (LONGEST - 5) // 2
    return f"{text[:half]} ... {text[-half:]}"
