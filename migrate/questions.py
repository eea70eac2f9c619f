"""
An operator's questions to a running process, from the side that asks.

It must not know which questions there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred

from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.handover import Event
from migrate.identity import Login
from migrate.introduction import RecipientIntroduction
from migrate.wire import Answer, Question


class RecipientQuestions(RecipientIntroduction):
    """
    The recipient's end of one conversation, as far as it is about questions.
    """

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        policy: UserPolicy,
        login: Login | None = None,
    ) -> None:
        super().__init__(reactor, deadlines, policy, login)
        self._answer: Deferred[dict[str, Any]] | None = None
        self._asking = Question("")

    def ask(
        self, question: str, arguments: Mapping[str, object] | None = None
    ) -> Deferred[dict[str, Any]]:
        """
        Ask the process something, or ask it to do something.

        @return: fires with the answer; fails with a L{MigrationError} if there is
            none, or none came in time.
        """
        done = self._answer = Deferred()
        self._asking = Question(question, dict(arguments or {}))
        self.happen(Event.WONDER)
        return done

    def doSendQuestion(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(self._asking)

    def doNoteAnswer(self, message: Answer) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        done, self._answer = self._answer, None
        if done is not None:
            done.callback(message.answer)
