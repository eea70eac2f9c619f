"""
Tests for L{migrate.transfer}: what it says about the time that a move takes, and about
its size.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.graph import TableSerializer
from migrate.interfaces import ISecondarySender, ISerializer
from migrate.transfer import Offer, Transfer
from migrate.wire import End, Message, Records
from tests.graphs import environment


@implementer(ISecondarySender)
class Sender:
    """
    Takes descriptors and does nothing with them.
    """

    pending = 0

    def send(
        self, filenos: Sequence[int], deadline: float, arrived: bool = True
    ) -> None:
        """
        See L{ISecondarySender.send}.
        """

    def offer(self, filenos: Sequence[int], deadline: float) -> int:
        """
        See L{ISecondarySender.offer}.
        """
        return len(filenos)

    def post(self, filenos: Sequence[int]) -> None:
        """
        See L{ISecondarySender.post}.
        """


def transfer(serializer: ISerializer, root: object = None) -> Transfer:
    """
    @return: the transfer of something small, unless it is given.
    """
    root = list(range(1000)) if root is None else root
    offer = Offer("chat", root, environment(), list, list)
    return Transfer(offer, serializer, Sender(), rehearsal=True)


class PredictionTests(SynchronousTestCase):
    """
    L{Transfer.seconds}
    """

    def setUp(self) -> None:
        self.sent: list[Message] = []
        began = time.monotonic()
        self.transfer = transfer(TableSerializer())
        self.transfer.capture(10.0, first=False)
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
    What an audit says of the size, and what is sent.
    """

    def test_size(self) -> None:
        """
        An audit writes everything, and keeps nothing.
        """
        one = transfer(TableSerializer())
        audit = one.audit()
        self.assertEqual(list(audit.chunks), [])
        sent: list[Message] = []
        one.capture(10.0, first=False)
        one.copy(sent.append)
        size = sum(len(each.data) for each in sent if isinstance(each, Records))
        self.assertEqual(audit.size, size)

    def test_large(self) -> None:
        """
        So it does with what goes beside the records.
        """
        one = transfer(TableSerializer(), [bytes(1 << 20), bytes(1 << 20)])
        size = one.audit().size
        self.assertGreater(size, 2 << 20)
        self.assertLess(size, (2 << 20) + 1000)
