"""
Tests for L{migrate.transfer}: what it says about the time that a move takes, and about
its size.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.graph import PickleSerializer, TableSerializer
from migrate.interfaces import ISecondarySender, ISerializer
from migrate.transfer import Copied, Offer, Transfer
from migrate.wire import End, Message, Records
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


def transfer(serializer: ISerializer) -> Transfer:
    """
    @return: the transfer of something small.
    """
    offer = Offer("chat", list(range(1000)), environment(), list, list)
    return Transfer(offer, serializer, Sender(), rehearsal=True)


class PredictionTests(SynchronousTestCase):
    """
    L{Transfer.seconds}
    """

    def setUp(self) -> None:
        self.sent: list[Message] = []
        began = time.monotonic()
        self.transfer = transfer(TableSerializer())
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


class SizeTests(SynchronousTestCase):
    """
    L{Transfer.size}
    """

    def test_unknown(self) -> None:
        """
        Nothing is written down to be measured.
        """
        one = transfer(TableSerializer())
        self.assertEqual(one.size(one.audit(), None), 0)

    def test_written(self) -> None:
        """
        What the audit has written already is measured.
        """
        one = transfer(PickleSerializer())
        audit = one.audit()
        size = sum(map(len, audit.chunks))
        self.assertGreater(size, 1000)
        self.assertEqual(one.size(audit, Copied(0.1, "pickle", 7)), size)

    def test_copied(self) -> None:
        """
        What was sent in a rehearsal is remembered, if it was written in the same way.
        """
        one = transfer(TableSerializer())
        sent: list[Message] = []
        one.capture(10.0)
        one.copy(sent.append)
        copied = one.remember(0.1)
        size = sum(len(each.data) for each in sent if isinstance(each, Records))
        self.assertEqual(copied, Copied(0.1, "table", size))
        two = transfer(TableSerializer())
        self.assertEqual(two.size(two.audit(), copied), size)
        self.assertEqual(two.size(two.audit(), Copied(0.1, "pickle", size)), 0)
