"""
What the origin does about an operator's question.

It must not know which questions there are: the server that the conversation belongs
to tells it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.admission import IHouse, OriginAdmission
from migrate.errors import CannotAnswer, MigrationError
from migrate.handover import Event, State
from migrate.wire import Answer, Question


class OriginAnswers(OriginAdmission):
    """
    One conversation, as far as it is about questions.
    """

    _log = Logger()

    def __init__(self, house: IHouse) -> None:
        super().__init__(house)
        self._asked: Question | None = None

    def doFindAnswer(self, message: Question) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        answering = self.house.answers.get(message.question)
        if answering is None:
            known = ", ".join(sorted(self.house.answers)) or "none"
            raise CannotAnswer(
                f"this process knows no question {message.question!r} (it knows: "
                f"{known}): it runs another release of this library, or was not "
                "started for that"
            )
        self._asked = message
        found = maybeDeferred(answering, message.arguments)
        found.addBoth(self._found, message)

    def _found(self, result: Any, message: Question) -> None:
        """
        The answer is there, perhaps long after nobody waits for it any more.
        """
        if self._asked is not message or self.machine.state is not State.ANSWERING:
            return
        self._asked = None
        if not isinstance(result, Failure):
            self.happen(Event.ADMIT, result)
            return
        if not result.check(MigrationError):
            self._log.failure("a question could not be answered", result)
        self.happen(Event.DENY, _spoken(result))

    def doSendAnswer(self, answer: dict[str, object]) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(Answer(answer))


def _spoken(failure: Failure) -> MigrationError:
    """
    @return: why there is no answer, for whoever asked.
    """
    error = failure.value
    if isinstance(error, MigrationError):
        return error
    return CannotAnswer(f"{type(error).__name__}: {error}")
