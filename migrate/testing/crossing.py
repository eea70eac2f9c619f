"""
One migration between two processes of a test.

The steps are those of a real one, in their order; what is sent by the way, and
waited for, is left out.

It must not know which processes there are.
"""

from __future__ import annotations

import enum
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from migrate.announcement import Announcement
from migrate.errors import (
    CannotResolve,
    LoadError,
    MigrationError,
    Objection,
    PeerLost,
    PeerRefused,
)
from migrate.graph import audience, resolve
from migrate.interfaces import IDump, ILoader, ISerializer
from migrate.janitor import Janitor
from migrate.offers import attach, detach
from migrate.testing.processes import FakeProcess
from migrate.testing.rehearsal import load


class Failing(enum.Enum):
    """
    What can go wrong with a migration.  Whatever it is, the service runs on
    where it was.

    @cvar REFUSING: the recipient refuses when it hears what it will need.
        Nothing has been paused by then.
    @cvar LOADING: the recipient cannot load the service.  By then it is paused.
    @cvar DYING: the recipient has loaded the service, and dies before it is the
        owner.
    """

    REFUSING = "refusing"
    LOADING = "loading"
    DYING = "dying"


def answeredBy(done: Deferred[None]) -> None:
    """
    Nothing else happens in a test while it waits.

    @raise Objection: the application will not have it, or has not answered.
    """
    outcome: list[object] = []
    done.addBoth(outcome.append)
    if not outcome:
        raise Objection(
            "the application did not get ready to be moved: in a test the Deferred of "
            "aboutToMigrate has to have fired"
        )
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()


@attrs.define(eq=False)
class Crossing:
    """
    One migration.
    """

    _origin: FakeProcess
    _recipient: FakeProcess
    _serializer: ISerializer
    _name: str
    _failing: Failing | None

    def run(self) -> Any:
        """
        See L{migrate.testing.ProcessPair.migrate}.
        """
        root = self._origin.published[self._name]
        announcement = self._announcement(root)
        try:
            answeredBy(announcement.make())
            return self._move(root)
        except MigrationError as error:
            announcement.withdraw(error)
            raise

    def _announcement(self, root: Any) -> Announcement:
        """
        @return: how the application is told.
        """
        origin = self._origin
        with origin.code.entered():
            leaving = origin.leaving(root, self._recipient.resources)
            return Announcement(audience(root, leaving))

    def _move(self, root: Any) -> Any:
        """
        What follows once the application is ready.
        """
        origin = self._origin
        self._prepare(self._dump(root))
        dump = self._dump(root)
        janitor = Janitor(dump.live, dump.capture)
        janitor.pause()
        janitor.settle()
        loader = self._serializer.loader(self._recipient.arriving())
        try:
            arrived = self._loaded(dump, loader)
        except BaseException:
            loader.discard()
            janitor.resume()
            raise
        self._adopt(arrived, loader)
        janitor.release()
        del origin.published[self._name]
        if IService.providedBy(root):
            detach(root)
        return arrived

    def _dump(self, root: Any) -> IDump:
        """
        @return: what there is to move.
        @raise CannotMigrate: it cannot be moved.
        """
        origin = self._origin
        with origin.code.entered():
            leaving = origin.leaving(root, self._recipient.resources)
            return self._serializer.dump(root, self._name, leaving)

    def _prepare(self, dump: IDump) -> None:
        """
        The recipient hears what it will need.

        @raise PeerRefused: it has not got all of that.
        """
        missing = []
        with self._recipient.code.entered():
            policy = self._recipient.arriving().policy
            for named in dump.names:
                try:
                    resolve(named, policy)
                except CannotResolve as error:
                    missing.append(str(error))
        if missing:
            raise PeerRefused("CannotResolve", "; ".join(missing))
        if self._failing is Failing.REFUSING:
            raise PeerRefused("MigrationError", "the recipient was told to refuse")

    def _loaded(self, dump: IDump, loader: ILoader) -> Any:
        """
        @return: what the recipient makes of it.
        @raise PeerRefused: it cannot make it.
        @raise PeerLost: it has died over it.
        """
        try:
            with self._recipient.code.entered():
                arrived = load(dump, loader)
            self._check(arrived)
        except MigrationError as error:
            raise PeerRefused(type(error).__name__, str(error)) from error
        if self._failing is Failing.DYING:
            raise PeerLost("the recipient is gone")
        return arrived

    def _check(self, arrived: Any) -> None:
        """
        @raise MigrationError: what came cannot be run here.
        """
        if self._failing is Failing.LOADING:
            raise LoadError("the recipient was told that it cannot load this")
        name = getattr(arrived, "name", None) if IService.providedBy(arrived) else None
        if name is not None and name in self._recipient.services.namedServices:
            raise MigrationError(f"a service named {name!r} runs here already")

    def _adopt(self, arrived: Any, loader: ILoader) -> None:
        """
        The recipient is the owner.
        """
        recipient = self._recipient
        with recipient.code.entered():
            loader.adopt()
        if IService.providedBy(arrived):
            attach(recipient.services, arrived)
        recipient.published[self._name] = arrived
