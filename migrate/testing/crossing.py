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
    NothingLeft,
    Objection,
    PeerLost,
    PeerRefused,
)
from migrate.graph import Environment, resolve
from migrate.interfaces import IDump, ILoader, ISerializer
from migrate.leaving import Leaving
from migrate.offers import attach, detach
from migrate.parting import SharedOffer
from migrate.shares import Connection
from migrate.testing.pieces import Arrival, finder, nothing
from migrate.testing.processes import FakeProcess
from migrate.testing.rehearsal import load
from migrate.transfer import Offer


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
        offer = self._offer(root)
        arriving = self._recipient.arriving()
        if not isinstance(offer, SharedOffer):
            return self._move(offer, arriving)
        arrival = Arrival(arriving)
        arrived = self._move(offer, arrival.environment)
        self._follow(offer, arrival)
        return arrived

    def _offer(self, root: Any) -> Offer:
        """
        @return: what moves first; of a service with independent connections it is
            the shared part.
        """
        origin = self._origin
        with origin.code.entered():
            leaving = origin.leaving(root, self._recipient.resources)
            find = finder(origin, root)

        def depart() -> None:
            del origin.published[self._name]
            if IService.providedBy(root):
                detach(root)

        if find is None:
            return Offer(self._name, root, leaving, nothing, depart)
        return SharedOffer(
            self._name, root, leaving, nothing, depart, life=-1, find=find
        )

    def _move(self, offer: Offer, arriving: Environment) -> Any:
        """
        Move what is offered.

        @return: what it has become.
        """
        announcement = Announcement(self._code(offer.audience))
        try:
            answeredBy(announcement.make())
            return self._cross(offer, arriving)
        except MigrationError as error:
            announcement.withdraw(error)
            raise

    def _cross(self, offer: Offer, arriving: Environment) -> Any:
        """
        What follows once the application is ready.
        """
        self._prepare(self._code(offer.dump, self._serializer.dump))
        dump = self._code(offer.dump, self._serializer.dump)
        janitor = offer.janitor(dump)
        janitor.pause()
        janitor.hold()
        loader = self._serializer.loader(arriving)
        try:
            arrived = self._loaded(dump, loader)
        except BaseException:
            loader.discard()
            janitor.resume()
            raise
        self._adopt(arrived, loader)
        janitor.release()
        offer.depart()
        return arrived

    def _code(self, function: Any, *arguments: Any) -> Any:
        """
        Call something with the code of the origin.
        """
        with self._origin.code.entered():
            return function(*arguments)

    def _follow(self, offer: SharedOffer, arrival: Arrival) -> None:
        """
        Move the connections, one after the other.

        @raise ConnectionsStay: some cannot be moved.
        @raise ConnectionsWait: some cannot be moved yet.
        """
        leaving = Leaving(self._origin.reactor, offer, -1, nothing, nothing)
        try:
            while True:
                claimed = leaving.reserve()
                try:
                    self._move(claimed, arrival.withShared())
                except BaseException:
                    claimed.restore()
                    raise
        except NothingLeft:
            return
        finally:
            if offer.parting is not None:
                offer.parting.settle()

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
        if isinstance(arrived, Connection):
            arrived.check()
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
            if isinstance(arrived, Connection):
                arrived.arrive()
                return
        if IService.providedBy(arrived):
            attach(recipient.services, arrived)
        recipient.published[self._name] = arrived
