"""
Runs twistd with a fault in it: C{python -m tests.faults PLAN twistd's options}.

A plan is C{SIDE:WHEN:EFFECT:FAULT}, such as C{origin:before:SEND_COMMIT:SIGKILL}:
just before, or after, that side performs that effect of L{migrate.handover.Effect}
for the service that is moved, the process sends itself the signal.  A plan of C{none}
does nothing, but C{note:PATH} writes down every effect that is performed.
"""

from __future__ import annotations

import os
import signal
import sys

from twisted.scripts.twistd import run

from migrate.client import MigrationClient
from migrate.conversation import Conversation
from migrate.handover import Effect
from migrate.origin import OriginConversation
from migrate.recipient import RecipientConversation
from migrate.server import MigrationServer


class Plan:
    """
    What is to happen, and when.
    """

    def __init__(self, text: str) -> None:
        kind, _, rest = text.partition(":")
        self.side = self.when = self.effect = ""
        self.path = rest if kind == "note" else ""
        if kind in ("origin", "recipient"):
            self.side = kind
            self.when, self.effect, self.fault = rest.split(":")

    def at(self, when: str, side: str, effect: Effect) -> None:
        """
        The time has come, perhaps.
        """
        if self.path and when == "before":
            with open(self.path, "a") as notes:
                notes.write(f"{side} {effect.name}\n")
        if (when, side, effect.name) == (self.when, self.side, self.effect):
            self.effect = ""
            os.kill(os.getpid(), getattr(signal, self.fault))


def faulty(base: type[Conversation], plan: Plan) -> type[Conversation]:
    """
    @return: a conversation in which the plan comes true.
    """

    class Faulty(base):  # type: ignore[misc, valid-type]
        """
        A conversation of the same side.
        """

        def perform(self, effect: Effect, detail: object) -> None:
            """
            See L{Conversation.perform}.
            """
            plan.at("before", self.role.value, effect)
            super().perform(effect, detail)
            plan.at("after", self.role.value, effect)

    return Faulty


def main() -> None:
    """
    Run twistd.
    """
    plan = Plan(sys.argv.pop(1))
    MigrationServer.originConversation = faulty(OriginConversation, plan)  # type: ignore[assignment]
    MigrationClient.recipientConversation = faulty(RecipientConversation, plan)  # type: ignore[assignment]
    run()


if __name__ == "__main__":
    main()
