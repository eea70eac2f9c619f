"""
The origin's side of a conversation: what its blocking turn does beside what the
handover's table says.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.graph.registry import Registry
from migrate.handover import Event
from migrate.origin import OriginConversation
from migrate.server import MigrationServer


class Watched(OriginConversation):
    """
    Waits for two events, each in a call of its own, as for words of the recipient.
    """

    def __init__(self, house: Any, said: list[str]) -> None:
        super().__init__(house)
        self.said = said
        self.left = 2

    def wait(self) -> bool:
        """
        See L{OriginConversation.wait}.
        """
        self.left -= 1
        if self.left >= 0:
            self.happen(Event.TIMEOUT)
        return self.left >= 0

    def _step(self, event: Event, detail: object) -> None:
        self.said.append(event.name)

    def _arm(self) -> None:
        self.said.append("arm")


class Transfer:
    """
    Has something to pause before the reactor runs.
    """

    rehearsal = False

    def __init__(self, said: list[str]) -> None:
        self.said = said

    def hold(self) -> None:
        """
        See L{migrate.transfer.Transfer.hold}.
        """
        self.said.append("hold")


class TurnTests(SynchronousTestCase):
    """
    What is put off until the reactor runs waits for the end of the turn.
    """

    def test_hold(self) -> None:
        """
        It is done once, after all that the turn has waited for: it would cost the
        pause, otherwise, what is known to be done after it as well.
        """
        said: list[str] = []
        reactor: Any = MemoryReactorClock()
        server = MigrationServer("unix:control", reactor=reactor, registry=Registry())
        conversation = Watched(server, said)
        transport: Any = StringTransport()
        conversation.transport = transport
        transfer: Any = Transfer(said)
        conversation.transfer = transfer
        conversation.happen(Event.LATER)
        self.assertEqual(said, ["LATER", "TIMEOUT", "TIMEOUT", "arm", "hold"])
