"""
Tests for L{migrate.announcement}.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.announcement import Announcement
from migrate.errors import Objection
from migrate.interfaces import IAboutToMigrate, IMigrationFailed


@implementer(IAboutToMigrate)
@attrs.define(eq=False)
class Listener:
    """
    Answers as it is told.
    """

    answer: Any = None
    told: int = 0

    def aboutToMigrate(self) -> Any:
        """
        See L{IAboutToMigrate.aboutToMigrate}.
        """
        self.told += 1
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@implementer(IMigrationFailed)
@attrs.define(eq=False)
class Loser:
    """
    Keeps why, and perhaps fails.
    """

    failing: bool = False
    reasons: list[Exception] = attrs.field(factory=list)

    def migrationFailed(self, reason: Exception) -> None:
        """
        See L{IMigrationFailed.migrationFailed}.
        """
        self.reasons.append(reason)
        if self.failing:
            raise RuntimeError("no wonder")


class AnnouncementTests(SynchronousTestCase):
    """
    L{Announcement}
    """

    def test_nobody(self) -> None:
        """
        With nobody to tell, it is done.
        """
        self.assertIsNone(self.successResultOf(Announcement([]).make()))

    def test_all(self) -> None:
        """
        Everybody is told at once, once, and all are waited for.
        """
        slow: Deferred[None] = Deferred()
        listeners = [Listener(slow), Loser(), Listener()]
        done = Announcement(listeners).make()
        self.assertEqual([listeners[0].told, listeners[2].told], [1, 1])
        self.assertNoResult(done)
        slow.callback(None)
        self.assertIsNone(self.successResultOf(done))

    def test_objections(self) -> None:
        """
        Whoever objects is named; so are all of them.  Only what is no L{Objection}
        is logged: somebody has to mend that.
        """
        late: Deferred[None] = Deferred()
        listeners = [
            Listener(Objection("in the middle of a game")),
            Listener(late),
            Listener(OSError("disk full")),
        ]
        done = Announcement(listeners).make()
        self.assertNoResult(done)
        late.errback(Objection("too late at night"))
        failure = self.failureResultOf(done, Objection)
        self.assertEqual(
            failure.getErrorMessage(),
            "the application objects: in the middle of a game; too late at night; "
            "OSError: disk full",
        )
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_withdraw(self) -> None:
        """
        Everybody is told that the service stays, whatever one of them does.
        """
        losers = [Loser(failing=True), Loser()]
        reason = Objection("no")
        Announcement([Listener(), *losers]).withdraw(reason)
        self.assertEqual([loser.reasons for loser in losers], [[reason], [reason]])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
