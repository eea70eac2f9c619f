"""
What becomes of a conversation when one of its effects fails.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.conversation import Conversation, Deadlines, methodOf
from migrate.events import Effect, Event, Role, State
from migrate.wire import End, Records


class Failing(Conversation):
    """
    One that is receiving, each of whose effects notes its name, and fails with what
    C{failures} has for it.
    """

    role = Role.RECIPIENT

    def __init__(self) -> None:
        super().__init__(Clock(), Deadlines())
        self.machine.state = State.RECEIVING
        self.performed: list[tuple[str, str]] = []
        self.failures: dict[Effect, BaseException] = {}
        for effect in Effect:
            setattr(self, methodOf(effect), self.performer(effect))
        self.makeConnection(StringTransport())

    def performer(self, effect: Effect) -> Any:
        """
        @return: what performs C{effect}.
        """

        def perform(detail: object) -> None:
            self.performed.append((effect.name, str(detail)))
            if effect in self.failures:
                raise self.failures[effect]

        return perform

    def limits(self) -> dict[State, float]:
        """
        See L{Conversation.limits}.
        """
        return {}


class FailureTests(SynchronousTestCase):
    """
    Tests for what an effect may raise.
    """

    def failing(self, effect: Effect, error: BaseException) -> Failing:
        """
        @return: a conversation whose effect failed while more had come already.
        """
        conversation = Failing()
        conversation.failures[effect] = error
        conversation.happen(Event.RECORDS, "one")
        conversation.happen(Event.LOST)
        return conversation

    def test_whatMayFail(self) -> None:
        """
        The failure is what happens next, whatever it was, and ends the
        conversation.
        """
        for error in (RuntimeError("no"), SystemExit(3), KeyboardInterrupt("no")):
            conversation = self.failing(Effect.FEED, error)
            self.flushLoggedErrors(type(error))
            wrapped = f"feed failed: {type(error).__name__}: {error}"
            self.assertEqual(
                conversation.performed,
                [
                    ("FEED", "one"),
                    ("DISCARD", wrapped),
                    ("SEND_FAILED", wrapped),
                    ("REPORT", wrapped),
                    ("CLOSE", wrapped),
                ],
            )

    def test_whatNeverFails(self) -> None:
        """
        An effect that undoes something ends nothing but itself.
        """
        for error in (RuntimeError("no"), SystemExit(3)):
            conversation = self.failing(Effect.DISCARD, error)
            self.assertEqual(len(self.flushLoggedErrors(type(error))), 1)
            self.assertEqual(
                [name for name, _ in conversation.performed],
                ["FEED", "DISCARD", "REPORT", "CLOSE"],
            )
            self.assertIs(conversation.machine.state, State.CLOSED)

    def test_whatCameWithIt(self) -> None:
        """
        What had come already when a piece could not be taken is not looked at: the
        conversation is over.
        """
        conversation = Failing()
        conversation.failures[Effect.FEED] = SystemExit(3)
        conversation.receive([Records(b"one"), Records(b"two"), End(2, 0)])
        self.assertEqual(len(self.flushLoggedErrors(SystemExit)), 1)
        self.assertEqual(
            [name for name, _ in conversation.performed],
            ["FEED", "DISCARD", "SEND_FAILED", "REPORT", "CLOSE"],
        )
