"""
The stream is lost at every step of a transfer while both processes live.

What was to be said on it last is said on the lives: one of them serves in the end.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from migrate.handover import Effect
from tests.test_crashes import ORIGINS, PATIENCE, RECIPIENTS, FaultTestCase


class LossTests(FaultTestCase):
    """
    A stream that ends before an effect.
    """

    @inlineCallbacks
    def lose(self, side: str, effect: Effect, moved: bool) -> Any:
        """
        @param moved: whether the recipient serves in the end.
        """
        plan = f"{side}:before:{effect.name}:LOSS"
        plans = {"origin": "none", "recipient": "none", side: plan}
        server, connection = yield self.server(plans["origin"])
        client = self.twistd(plans["recipient"], "migrate-client", "--service", "lines")
        if moved:
            ended = yield server.ended(PATIENCE)
            self.assertEqual(ended.status, 0, ended.out + ended.err)
            yield client.line("recipients are let in", PATIENCE)
            yield self.serves(client, connection)
            yield self.movesOn(connection, client)
        else:
            ended = yield client.ended(PATIENCE)
            self.assertEqual(ended.status, 1, ended.out + ended.err)
            yield self.serves(server, connection)
            yield self.movesOn(connection, server)


def _add(side: str, effect: Effect, moved: bool) -> None:
    name = "".join(part.capitalize() for part in effect.name.split("_"))

    def test(self: Any) -> Any:
        return self.lose(side, effect, moved)

    test.__doc__ = f"The stream is lost before {side}'s {effect.name}."
    setattr(LossTests, f"test_{side}Before{name}", test)


def _generate() -> None:
    paused = ORIGINS.index(Effect.PAUSE)
    committed = ORIGINS.index(Effect.SEND_COMMIT)
    for at, effect in enumerate(ORIGINS[paused:], paused):
        _add("origin", effect, at >= committed)
    loading = RECIPIENTS.index(Effect.LOAD)
    adopted = RECIPIENTS.index(Effect.SAY_ADOPTED)
    for at, effect in enumerate(RECIPIENTS[loading:], loading):
        _add("recipient", effect, at >= adopted)


_generate()
