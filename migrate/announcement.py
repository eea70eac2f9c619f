"""
Telling the application of one claim: that its service is about to be moved, and
that it was not moved after all.

It must not know who claims the service, nor how it is moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.errors import MigrationError, Objection
from migrate.interfaces import IAboutToMigrate, IMigrationFailed


@attrs.define(eq=False)
class Announcement:
    """
    One announcement.

    @ivar audience: the objects that implement L{IAboutToMigrate} or
        L{IMigrationFailed}.
    """

    _log = Logger()

    audience: Sequence[object]

    def make(self) -> Deferred[None]:
        """
        Tell everybody, one after the other, and wait for all of them.

        @return: fires once the service may be moved; fails with an L{Objection}
            if somebody will not have it, or cannot do what is to be done before.
        """
        told = [
            maybeDeferred(listener.aboutToMigrate)
            for listener in self.audience
            if IAboutToMigrate.providedBy(listener)
        ]
        answers = DeferredList(told, consumeErrors=True)
        return answers.addCallback(self._weigh)

    def _weigh(self, answers: list[tuple[bool, object]]) -> None:
        objections = [answer for agreed, answer in answers if not agreed]
        for failure in objections:
            assert isinstance(failure, Failure)
            # Who means to object says so.
            if not failure.check(Objection):
                self._log.failure("an application's hook failed", failure)
        if objections:
            raise Objection(
                "the application objects: " + "; ".join(map(_spoken, objections))
            )

    def withdraw(self, reason: MigrationError) -> None:
        """
        Tell everybody that the service stays.  Whatever one of them does, the
        next is told.
        """
        for listener in self.audience:
            if not IMigrationFailed.providedBy(listener):
                continue
            try:
                listener.migrationFailed(reason)
            except Exception:
                self._log.failure(
                    "{listener!r} failed to take note that its service stays",
                    listener=listener,
                )


def _spoken(failure: object) -> str:
    """
    @return: what a failure says to a person.
    """
    assert isinstance(failure, Failure)
    if failure.check(Objection):
        return failure.getErrorMessage()
    assert failure.type is not None
    return f"{failure.type.__name__}: {failure.getErrorMessage()}"
