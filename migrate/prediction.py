"""
For how long a service would stand still while it moves, as a rehearsal found out, and
whether that is longer than it may.

It must not know how a conversation goes, nor what is done about it.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping

import attrs

from migrate.errors import (
    MigrationError,
    PauseTooLong,
    PeerRefused,
    RemoteProtocolError,
)
from migrate.recipient import RecipientConversation
from migrate.wish import Wish

PARTS = ("capture", "send", "load")
"""
What a pause is made of, as far as a rehearsal can tell.
"""


def milliseconds(seconds: float) -> str:
    """
    @return: a time, for a person.
    """
    count = seconds * 1000
    return f"{count:.1f} ms" if count >= 0.1 else f"{count:.3g} ms"


@attrs.frozen
class Prediction:
    """
    What a rehearsal says of a pause.

    @ivar pause: how long it would be, in seconds.
    @ivar parts: how long each part of it would be, in seconds, by name.
    """

    pause: float
    parts: Mapping[str, float]

    @classmethod
    def of(cls, seconds: Mapping[str, float]) -> Prediction:
        """
        @param seconds: those of an L{migrate.wish.Inquiry}.
        @raise RemoteProtocolError: they are of no rehearsal.
        """
        if "pause" not in seconds:
            raise RemoteProtocolError("the origin did not tell what a rehearsal took")
        parts = {name: seconds[name] for name in PARTS if name in seconds}
        return cls(seconds["pause"], parts)

    def __str__(self) -> str:
        parts = ", ".join(
            f"{name} {milliseconds(took)}" for name, took in self.parts.items()
        )
        return f"{milliseconds(self.pause)} ({parts})"


@attrs.define
class Budget:
    """
    For how long each service may stand still.

    @ivar most: seconds; L{None} for as long as it takes.
    @ivar exceeded: why services were left where they are.
    """

    most: float | None = attrs.field()
    exceeded: list[PauseTooLong] = attrs.field(factory=list, init=False)

    @most.validator
    def _isTime(self, _: object, most: float | None) -> None:
        if most is not None and not most > 0.0:
            raise ValueError(f"a pause of {most} seconds is none")

    def admits(self, service: str, expected: Prediction) -> bool:
        """
        Judge one service.

        @param service: what it is published as.
        @return: whether it may stand still for so long; why not is noted.
        """
        if self.most is None or expected.pause <= self.most:
            return True
        error = PauseTooLong(
            f"{service} stays where it is: it would stand still for {expected}, and "
            f"may for {milliseconds(self.most)}; allow it a longer pause, or move it "
            "when it is smaller"
        )
        self.exceeded.append(error)
        return False

    def sumUp(self, problem: MigrationError | None) -> MigrationError | None:
        """
        @param problem: what else went wrong, if anything.
        @return: all that went wrong.
        """
        if not self.exceeded:
            return problem
        problems = [*self.exceeded, *([problem] if problem else [])]
        return PauseTooLong("; ".join(map(str, problems)))


async def predict(conversation: RecipientConversation, wish: Wish) -> Prediction:
    """
    Have a move rehearsed, the service running on.

    @param wish: what is to be done with the service if it is claimed.
    @raise MigrationError: it could not be moved at all.
    """
    try:
        found = await conversation.claim(attrs.evolve(wish, rehearsal=True))
    except PeerRefused as error:
        raise PeerRefused(
            error.error,
            f"{error} (found out by rehearsing it, of which the application is told "
            "nothing)",
        ) from error
    # What was thrown away is not to be looked for while the service stands still.
    gc.collect()
    return Prediction.of(found.seconds)
