"""
Tests for L{migrate.adapters.triggers}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.triggers import TriggerAdapter, TriggerSeeker
from migrate.interfaces import ILiveAdapter, ISeeker
from tests.adapting import Capture
from tests.inprocess import Move
from tests.reactors import freshReactor


class Owner:
    """
    Wants to tidy up.
    """

    def __init__(self) -> None:
        self.tidied: list[Any] = []
        self.handle: Any = None

    def tidy(self, *what: object, **how: object) -> None:
        """
        Note it.
        """
        self.tidied.append((what, how))


class TriggerTests(SynchronousTestCase):
    """
    L{TriggerAdapter} and L{TriggerSeeker}
    """

    def setUp(self) -> None:
        """
        Make two reactors, and somebody who waits for the end of one.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.owner, self.stranger = Owner(), Owner()
        self.owner.handle = self.origin.addSystemEventTrigger(
            "before", "end of days", self.owner.tidy, 1, two=2
        )
        self.origin.addSystemEventTrigger("after", "end of days", self.stranger.tidy)

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        verifyObject(ILiveAdapter, TriggerAdapter("x"))
        verifyObject(ISeeker, TriggerSeeker())

    def test_move(self) -> None:
        """
        The recipient's end concerns what has moved, the origin's what has not.
        """
        made = Move(self.owner, self.origin, self.recipient).go()
        self.origin.fireSystemEvent("end of days")
        self.assertEqual((self.owner.tidied, made.tidied), ([], []))
        self.assertEqual(self.stranger.tidied, [((), {})])
        self.recipient.fireSystemEvent("end of days")
        self.assertEqual((self.owner.tidied, made.tidied), ([], [((1,), {"two": 2})]))

    def test_handle(self) -> None:
        """
        What the application keeps in order to remove it still does.
        """
        made = Move(self.owner, self.origin, self.recipient).go()
        self.recipient.removeSystemEventTrigger(made.handle)
        self.recipient.fireSystemEvent("end of days")
        self.assertEqual(made.tidied, [])

    def test_rollBack(self) -> None:
        """
        Nothing has happened.
        """
        move = Move(self.owner, self.origin, self.recipient)
        move.prepare()
        move.rollBack()
        self.recipient.fireSystemEvent("end of days")
        self.origin.fireSystemEvent("end of days")
        self.assertEqual(len(self.owner.tidied), 1)

    def test_again(self) -> None:
        """
        A walk that asks again meets the same triggers; the seeker keeps none
        of a walk that is over.
        """
        seeker = TriggerSeeker()
        capture = Capture(self.origin, [self.owner])
        first, second = list(seeker.seek(capture)), list(seeker.seek(capture))
        self.assertEqual(len(first), 1)
        self.assertIs(first[0], second[0])
        del capture
        self.assertEqual(len(seeker._met), 0)

    def test_none(self) -> None:
        """
        What only keeps time has no triggers.
        """
        self.assertEqual(list(TriggerSeeker().seek(Capture(Clock()))), [])
