"""
Runs twistd with a fault in it: C{python -m tests.faults PLAN twistd's options}.

A plan is C{SIDE:WHEN:EFFECT:FAULT}, such as C{origin:before:SEND_COMMIT:SIGKILL}:
just before, or after, that side performs that effect of L{migrate.handover.Effect}
for the service that is moved, the process sends itself the signal.  C{LOSS} is no
signal, but the end of the stream, with both processes alive.  With C{:2} at its end a
plan comes true when the effect is performed for the second time, for the control
listener.  C{origin:during:SEND_GRAPH:SIGSTOP:3} comes true once three pieces of the
graph have been sent; C{recipient:during:ADVANCE:SIGKILL} once descriptors have come
ahead.  A plan of C{none} does nothing, but C{note:PATH} writes down every effect that
is performed.

However few the connections are, their descriptors go ahead, two at a time.
"""

from __future__ import annotations

import os
import signal
import socket
import sys

from twisted.scripts.twistd import run

from migrate import advance, rights
from migrate.client import MigrationClient
from migrate.conversation import Conversation
from migrate.handover import Effect
from migrate.origin import OriginConversation
from migrate.recipient import RecipientConversation
from migrate.server import MigrationServer
from migrate.wire import Message, Records


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
            self.when, self.effect, self.fault, *time = rest.split(":")
            self.left = int(time[0]) if time else 1

    def at(self, when: str, conversation: Conversation, effect: Effect) -> None:
        """
        The time has come, perhaps.
        """
        side = conversation.role.value
        if self.path and when == "before":
            with open(self.path, "a") as notes:
                notes.write(f"{side} {effect.name}\n")
        if (when, side, effect.name) == (self.when, self.side, self.effect):
            self.left -= 1
            if self.left:
                return
            self.effect = ""
            if self.fault == "LOSS":
                conversation.transport.getHandle().shutdown(socket.SHUT_RDWR)
            else:
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
            plan.at("before", self, effect)
            super().perform(effect, detail)
            plan.at("after", self, effect)

        def sendNow(self, message: Message, deadline: float) -> None:
            """
            See L{Conversation.sendNow}.
            """
            super().sendNow(message, deadline)
            if isinstance(message, Records):
                plan.at("during", self, Effect.SEND_GRAPH)

        def batchCame(self, batch: list[int]) -> None:
            """
            See L{RecipientConversation.batchCame}.
            """
            super().batchCame(batch)
            plan.at("during", self, Effect.ADVANCE)

    return Faulty


def main() -> None:
    """
    Run twistd.
    """
    plan = Plan(sys.argv.pop(1))
    advance.BATCH = rights.BATCH = 2
    MigrationServer.originConversation = faulty(OriginConversation, plan)  # type: ignore[assignment]
    MigrationClient.recipientConversation = faulty(RecipientConversation, plan)  # type: ignore[assignment]
    run()


if __name__ == "__main__":
    main()
