"""
Tests for L{migrate.history}.
"""

from __future__ import annotations

import json
import os

from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import RemoteProtocolError
from migrate.history import LENGTH, LONGEST, MOVED, History
from migrate.transfer import Moved


class Time:
    """
    A clock that goes on by a second whenever somebody looks at it.
    """

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        self.seconds += 1
        return self.seconds


def report(service: str = "chat", pid: int = 7) -> Moved:
    """
    @return: what a move was like.
    """
    return Moved(service, pid, 0.25, 10, 3, 500, {"capture": 0.2, "load": 0.05}, 0.3)


class HistoryTests(SynchronousTestCase):
    """
    Tests for L{History}.
    """

    def setUp(self) -> None:
        """
        An origin, and a recipient.
        """
        time = Time()
        self.origin, self.recipient = History(time), History(time)

    def test_generations(self) -> None:
        """
        A service knows in how many processes it has been, and since when it is.
        """
        self.origin.begin("chat")
        self.assertEqual(self.origin.services["chat"].generation, 1)
        first = self.origin.services["chat"].first
        self.recipient.arrive("chat", self.origin.asDictionary(), 5, 0.1)
        third = History(Time())
        third.arrive("chat", self.recipient.asDictionary(), 6, 0.1)
        self.assertEqual(third.services["chat"].generation, 3)
        self.assertEqual(third.services["chat"].first, first)

    def test_provisional(self) -> None:
        """
        A recipient has its own word of a move until it has that of the origin, which
        takes its place.
        """
        self.origin.begin("chat")
        self.recipient.arrive("chat", self.origin.asDictionary(), os.getpid(), 0.1)
        (own,) = self.recipient.attempts
        self.assertEqual((own.outcome, own.pause, own.objects), (MOVED, 0.1, None))
        self.origin.moved(report(pid=os.getpid()))
        self.recipient.learn(self.origin.asDictionary())
        (known,) = self.recipient.attempts
        self.assertEqual(known, self.origin.last())
        self.assertEqual((known.pause, known.objects), (0.25, 10))
        self.assertEqual(known.steps, {"capture": 0.2, "load": 0.05})

    def test_failures(self) -> None:
        """
        Attempts that failed travel as well, with why, and whether anything had been
        begun.
        """
        self.origin.begin("chat")
        self.origin.stayed("chat", 8, False, "a lock\nis held")
        self.origin.stayed("chat", 9, True, "x" * 10_000)
        self.assertIsNone(self.origin.last())
        self.recipient.arrive("chat", self.origin.asDictionary(), 5, 0.1)
        refused, rolledBack, moved = self.recipient.attempts
        self.assertEqual((refused.outcome, refused.recipient), ("refused", 8))
        self.assertEqual(refused.reason, "a lock is held")
        self.assertEqual(rolledBack.outcome, "rolled back")
        self.assertLessEqual(len(rolledBack.reason), LONGEST)
        self.assertEqual(self.recipient.last("chat"), moved)
        self.assertIsNone(self.recipient.last("other"))

    def test_bounded(self) -> None:
        """
        The oldest give way, and what is sent is taken by the other side.
        """
        self.origin.begin("chat")
        for pid in range(LENGTH + 5):
            self.origin.moved(report(pid=pid))
        self.assertEqual(len(self.origin.attempts), LENGTH)
        self.assertEqual(self.origin.attempts[0].recipient, 5)
        told = json.loads(json.dumps(self.origin.asDictionary()))
        self.recipient.learn(told)
        self.assertEqual(self.recipient.attempts, self.origin.attempts)
        self.recipient.learn(told)
        self.assertEqual(self.recipient.attempts, self.origin.attempts)

    def test_executed(self) -> None:
        """
        A process that is executed anew knows what it knew, and is no further
        generation.
        """
        self.origin.begin("chat")
        self.recipient.arrive("chat", self.origin.asDictionary(), 5, 0.1)
        again = History(Time())
        again.resume(self.recipient.asDictionary(), ["chat", "mail"])
        self.assertEqual(again.services["chat"], self.recipient.services["chat"])
        self.assertEqual(again.services["mail"].generation, 1)
        self.assertEqual(again.attempts, self.recipient.attempts)
        outcome = {"ok": True, "reason": "", "pause": 0.5, "steps": {"load": 0.1}}
        counts = {"objects": 3, "descriptors": 2, "bytes": 100}
        again.executed(["chat"], {**outcome, **counts})
        last = again.attempts[-1]
        self.assertEqual((last.outcome, last.origin), (MOVED, os.getpid()))
        self.assertEqual((last.recipient, last.objects), (os.getpid(), 3))
        again.executed(["chat"], {**outcome, "ok": False, "reason": "no such class"})
        last = again.attempts[-1]
        self.assertEqual((last.outcome, last.reason), ("rolled back", "no such class"))

    def test_untold(self) -> None:
        """
        From a process that tells nothing of it a service comes all the same, in what
        is its second process at least.
        """
        self.recipient.arrive("chat", {}, 5, 0.1)
        self.assertEqual(self.recipient.services["chat"].generation, 2)

    def test_malformed(self) -> None:
        """
        What is no history is refused, and the service has come all the same.
        """
        attempt = self.asAttempt()
        for told in (
            {"attempts": [{**attempt, "pause": -1.0}]},
            {"attempts": [{**attempt, "at": "now"}]},
            {"attempts": [attempt] * (LENGTH + 1)},
            {"services": {"chat": {"generation": 1}}},
            {"services": 3},
        ):
            with self.assertRaises(RemoteProtocolError):
                self.recipient.arrive("chat", told, 5, 0.1)
            self.assertEqual(self.recipient.services["chat"].generation, 2)
            with self.assertRaises(RemoteProtocolError):
                self.recipient.learn(told)
        self.assertEqual(self.recipient.attempts, [])

    def asAttempt(self) -> dict[str, object]:
        """
        @return: an attempt as it travels.
        """
        self.origin.moved(report())
        attempt: dict[str, object] = self.origin.asDictionary()["attempts"][0]
        return attempt
