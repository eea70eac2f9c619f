"""
Tests for L{migrate.prediction}.
"""

from __future__ import annotations

import math

from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import PauseTooLong, PeerLost, RemoteProtocolError
from migrate.prediction import Budget, Prediction, milliseconds

SECONDS = {"capture": 0.01, "send": 0.002, "load": 0.03, "pause": 0.042}


class PredictionTests(SynchronousTestCase):
    """
    L{Prediction}
    """

    def test_parts(self) -> None:
        """
        It is told with its parts, and with nothing that an origin makes up.
        """
        found = Prediction.of({**SECONDS, "\x1b[2J": 1.0})
        self.assertEqual(found.pause, 0.042)
        said = "42.0 ms (capture 10.0 ms, send 2.0 ms, load 30.0 ms)"
        self.assertEqual(str(found), said)

    def test_small(self) -> None:
        """
        What is next to nothing is not told as nothing.
        """
        told = [milliseconds(each) for each in (1e-6, 1e-4, 0.25, 60.0)]
        self.assertEqual(told, ["0.001 ms", "0.1 ms", "250.0 ms", "60000.0 ms"])

    def test_none(self) -> None:
        """
        An origin that tells of no pause has predicted nothing.
        """
        self.assertRaises(RemoteProtocolError, Prediction.of, {"audit": 0.01})


class BudgetTests(SynchronousTestCase):
    """
    L{Budget}
    """

    def test_unbounded(self) -> None:
        """
        Without a bound nothing is too long.
        """
        budget = Budget(None)
        self.assertTrue(budget.admits("chat", Prediction(1e9, {})))
        self.assertIsNone(budget.sumUp(None))

    def test_bound(self) -> None:
        """
        The bound itself may be taken, and no more.
        """
        budget = Budget(0.042)
        self.assertTrue(budget.admits("chat", Prediction.of(SECONDS)))
        self.assertEqual(budget.exceeded, [])
        self.assertFalse(budget.admits("chat", Prediction(0.0421, {})))
        (error,) = budget.exceeded
        self.assertIn("chat stays where it is", str(error))
        self.assertIn("may for 42.0 ms", str(error))

    def test_sumUp(self) -> None:
        """
        All that went wrong is told, in one error.
        """
        budget = Budget(0.01)
        lost = PeerLost("it is gone")
        self.assertIs(budget.sumUp(lost), lost)
        for name in ("chat", "game"):
            budget.admits(name, Prediction.of(SECONDS))
        error = budget.sumUp(lost)
        self.assertIsInstance(error, PauseTooLong)
        chat, game, gone = str(error).split(" is smaller; ")
        self.assertTrue(chat.startswith("chat stays"), error)
        self.assertTrue(game.startswith("game stays"), error)
        self.assertEqual(gone, "it is gone")
        self.assertIsInstance(budget.sumUp(None), PauseTooLong)

    def test_nonsense(self) -> None:
        """
        A bound that nothing can keep is refused.
        """
        for most in (0.0, -1.0, math.nan):
            self.assertRaises(ValueError, Budget, most)
