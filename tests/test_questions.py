"""
Tests for an operator's questions to a running process, over its control socket.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import TestCase

from migrate.control import ControlAddress
from migrate.conversation import Deadlines
from migrate.errors import CannotAnswer, ControlError, PeerRefused, PeerTimeout
from migrate.meeting import ask
from migrate.server import MigrationServer


class QuestionsTests(TestCase):
    """
    Tests for L{migrate.meeting.ask} and what answers it.
    """

    def setUp(self) -> None:
        """
        A server in this process, whose answers are given here.
        """
        path = os.path.relpath(self.mktemp())
        self.control = ControlAddress.parse(f"unix:{path}")
        self.server = MigrationServer(f"unix:{path}", whenEmpty=lambda: None)
        self.server.startService()
        self.addCleanup(self.server.stopService)

    def ask(self, question: str, **arguments: object) -> Deferred[Any]:
        """
        @return: fires with the answer.
        """
        return Deferred.fromCoroutine(ask(reactor, self.control, question, arguments))

    @inlineCallbacks
    def test_answer(self) -> Any:
        """
        An answer has what was found, by the arguments of the question.
        """
        self.server.answers["double"] = lambda given: {"number": 2 * given["number"]}
        answer = yield self.ask("double", number=21)
        self.assertEqual(answer, {"number": 42})

    @inlineCallbacks
    def test_later(self) -> Any:
        """
        An answer may take its time.
        """
        finding: Deferred[dict[str, object]] = Deferred()
        asked: Deferred[None] = Deferred()

        def find(_: object) -> Deferred[dict[str, object]]:
            asked.callback(None)
            return finding

        self.server.answers["slow"] = find
        answered = self.ask("slow")
        yield asked
        self.assertNoResult(answered)
        finding.callback({"found": True})
        answer = yield answered
        self.assertEqual(answer, {"found": True})

    @inlineCallbacks
    def test_unknown(self) -> Any:
        """
        A question that the process does not know is refused, with those it knows.
        """
        refused = yield self.assertFailure(self.ask("riddle"), PeerRefused)
        self.assertEqual(refused.error, CannotAnswer.__name__)
        self.assertIn("'riddle'", str(refused))
        self.assertIn("status", str(refused))

    @inlineCallbacks
    def test_fails(self) -> Any:
        """
        What cannot be answered is refused with the reason, and the next question is
        answered.
        """

        def find(_: object) -> None:
            raise CannotAnswer("there is nobody to ask")

        def crash(_: object) -> None:
            raise KeyError("lost")

        self.server.answers.update(hard=find, broken=crash)
        refused = yield self.assertFailure(self.ask("hard"), PeerRefused)
        self.assertIn("there is nobody to ask", str(refused))
        refused = yield self.assertFailure(self.ask("broken"), PeerRefused)
        self.assertIn("KeyError: 'lost'", str(refused))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        answer = yield self.ask("status")
        self.assertEqual(answer["pid"], os.getpid())

    @inlineCallbacks
    def test_timeout(self) -> Any:
        """
        An answer that does not come in time is given up, and one that comes too
        late is nobody's.
        """
        finding: Deferred[dict[str, object]] = Deferred()
        self.server.answers["never"] = lambda _: finding
        asked = Deferred.fromCoroutine(
            ask(
                reactor,
                self.control,
                "never",
                deadlines=Deadlines(preparing=0.1),
            )
        )
        yield self.assertFailure(asked, PeerTimeout)
        finding.callback({})
        answer = yield self.ask("status")
        self.assertEqual(answer["services"], [])

    @inlineCallbacks
    def test_nobody(self) -> Any:
        """
        Where nobody listens, that is said.
        """
        nobody = ControlAddress.parse("unix:nobody.sock")
        asked = Deferred.fromCoroutine(ask(reactor, nobody, "status"))
        error = yield self.assertFailure(asked, ControlError)
        self.assertIn("nobody answers", str(error))
