"""
Tests for L{migrate.transfer}: what it says about the time that a move takes.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.graph import TableSerializer
from migrate.interfaces import ISecondarySender
from migrate.transfer import Offer, Transfer
from migrate.wire import End, Message
from tests.graphs import environment


@implementer(ISecondarySender)
class Sender:
    """
    Takes descriptors and does nothing with them.
    """

    def send(self, filenos: Sequence[int], deadline: float) -> None:
        """
        See L{ISecondarySender.send}.
        """

    def post(self, filenos: Sequence[int]) -> None:
        """
        See L{ISecondarySender.post}.
        """


class PredictionTests(SynchronousTestCase):
    """
    L{Transfer.seconds}
    """

    def setUp(self) -> None:
        offer = Offer("chat", list(range(1000)), environment(), list, list)
        self.sent: list[Message] = []
        began = time.monotonic()
        self.transfer = Transfer(offer, TableSerializer(), Sender(), rehearsal=True)
        self.transfer.capture(10.0)
        self.transfer.copy(self.sent.append)
        self.spent = time.monotonic() - began

    def test_onItsWay(self) -> None:
        """
        All the time that passed is predicted, whatever it was spent on, but for that
        of the survey, which no move makes.
        """
        self.assertIsInstance(self.sent[-1], End)
        found = self.transfer.seconds(2.0, 100.0)
        self.assertEqual(set(found), {"capture", "send", "load", "pause"})
        self.assertEqual(found["load"], 2.0)
        pause = found.pop("pause")
        self.assertAlmostEqual(pause, sum(found.values()))
        self.assertLess(pause, 100.0)
        self.assertGreater(pause, 100.0 - self.spent)

    def test_atLeast(self) -> None:
        """
        What was measured here counts, whatever the recipient says.
        """
        found = self.transfer.seconds(2.0, 0.0)
        self.assertGreater(found["send"], 0.0)
        self.assertGreater(found["capture"], 0.0)
        self.assertGreater(found["pause"], 2.0)
        self.assertLess(found["pause"], 2.0 + self.spent)
