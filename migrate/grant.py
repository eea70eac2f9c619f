"""
What the origin does about a claim before it gives anything up: it asks the
application, finds out whether the service can move, waits until it can, and has a
rehearsal.  All the while the service is served.

It must not know what is published, nor how a service is given up.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.admission import IHouse
from migrate.advance import Advance
from migrate.announcement import Announcement
from migrate.answers import OriginAnswers
from migrate.conversation import errorOf, eventOf
from migrate.errors import (
    CannotMigrateYet,
    MigrationError,
    NotTrusted,
    Objection,
    RemoteProtocolError,
    ServiceUnavailable,
)
from migrate.graph.ahead import Ahead
from migrate.handover import Event, State
from migrate.identity import isOwn
from migrate.interfaces import ISerializer
from migrate.resources import PREFIX
from migrate.transfer import Transfer
from migrate.wire import (
    Check,
    Claim,
    Rehearsed,
    Report,
    Services,
    ServiceStatus,
    Waiting,
    explain,
    manifest,
)

LOOK = 0.02
"""
Seconds between two looks at whether what is in the way is gone.
"""

SPARING = 4
"""
How many times as long as it takes to walk over a graph it is served between two
walks.
"""


class OriginGrant(OriginAnswers):
    """
    One conversation up to the recipient's word that it is ready.

    @ivar transfer: that of the service which is claimed.
    """

    _log = Logger()

    def __init__(self, house: IHouse) -> None:
        super().__init__(house)
        self.transfer: Transfer | None = None
        self._announcement: Announcement | None = None
        self._obstacle: CannotMigrateYet | None = None
        self._patience = 0.0
        self._looking: Any = None
        self._advance: Advance | None = None
        self._rehearsed: Transfer | None = None
        self._predicted: dict[str, float] = {}

    def limits(self) -> Mapping[State, float]:
        """
        See L{Conversation.limits}.
        """
        return {
            **super().limits(),
            State.ANNOUNCING: self.deadlines.preparing,
            State.WAITING: max(0.0, self._patience - time.monotonic()),
            State.ADVANCING: self.deadlines.transfer,
            State.REHEARSING: self.deadlines.transfer,
        }

    def eventOf(self, error: MigrationError) -> Event:
        """
        See L{Conversation.eventOf}.  What passes is waited for, where that was
        asked for.
        """
        patient = time.monotonic() < self._patience
        if patient and isinstance(error, CannotMigrateYet):
            return Event.LATER
        return super().eventOf(error)

    def why(self, detail: object) -> MigrationError:
        """
        @return: why a claim is refused.
        """
        problem = errorOf(self.event, detail)
        if self.event is Event.TIMEOUT:
            return self._obstacle or Objection(
                "the application did not get ready to be moved within "
                f"{self.deadlines.preparing:g} seconds"
            )
        return problem

    # The claim.

    def doSendServices(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        states = self.house.states()
        self.send(Services([ServiceStatus(*item) for item in states.items()]))

    def doReserve(self, message: Claim) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._obstacle = None
        self._patience = time.monotonic() + message.wait
        if self._sender is None:
            raise RemoteProtocolError("a claim came before the secondary connection")
        serializer = self._serializer(message.serializer)
        offer = self.house.reserve(message.service, message.provides)
        self.transfer = Transfer(
            offer, serializer, self._sender, rehearsal=message.rehearsal
        )

    def _serializer(self, name: str) -> ISerializer:
        serializer = self.house.serializers.get(name)
        if serializer is None:
            known = ", ".join(self.house.serializers)
            raise ServiceUnavailable(f"no serializer {name!r} here; there are {known}")
        # Loading a pickle may run anything: it is for one's own processes.
        if name == "pickle" and not isOwn(self.transport.getHandle()):
            raise NotTrusted(
                "the pickle serializer is for processes of the same user, over a "
                "UNIX control socket"
            )
        return serializer

    def _claimed(self) -> Transfer:
        assert self.transfer is not None
        return self.transfer

    def doAnnounce(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer = self._claimed()
        listeners = [] if transfer.rehearsal else transfer.offer.audience()
        if not listeners:
            self.happen(Event.ADMIT)
            return
        self._announcement = Announcement(listeners)
        self._announcement.make().addBoth(self._answered, transfer)

    def _answered(self, result: Any, transfer: Transfer) -> None:
        # Whoever answered is perhaps still on the stack, in the middle of what
        # cannot be moved.
        self.reactor.callLater(0, self._goOn, result, transfer)

    def _goOn(self, result: Any, transfer: Transfer) -> None:
        if self.machine.state is not State.ANNOUNCING or self.transfer is not transfer:
            return
        if isinstance(result, Failure):
            self.happen(Event.DENY, result.value)
        else:
            self.happen(Event.ADMIT)

    def doAudit(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer = self._claimed()
        audit = transfer.audit()
        names = [(name.module, name.qualname) for name in audit.names]
        resources = sorted(
            name.removeprefix(PREFIX)
            for name in audit.externals
            if name.startswith(PREFIX)
        )
        needs = (names, len(audit.filenos), audit.objects, resources, audit.size)
        self.happen(Event.ADMIT, needs)

    def doSendManifest(
        self, needs: tuple[list[tuple[str, str]], int, int, list[str], int]
    ) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        name = self._claimed().offer.name
        for message in manifest(name, *needs, self.house.story(name)):
            self.send(message)

    def doUnreserve(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer, self.transfer = self.transfer, None
        announcement = self.forget()
        if transfer is not None:
            transfer.offer.restore()
            if not transfer.rehearsal:
                self._noteStay(transfer, self.why(detail))
            self._rehearsed = transfer if transfer.rehearsal else None
        if announcement is not None:
            announcement.withdraw(self.why(detail))

    def _noteStay(self, transfer: Transfer, why: MigrationError) -> None:
        assert self.peer is not None
        self.house.stayed(transfer.offer.name, self.peer.pid, transfer.begun, str(why))

    def forget(self) -> Announcement | None:
        """
        The claim is done with.

        @return: what the application was told.
        """
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._advance is not None:
            self._advance.stop()
            self._advance = None
        announcement, self._announcement = self._announcement, None
        return announcement

    # What is in the way, and passes.

    def doSendWaiting(self, error: CannotMigrateYet) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._obstacle = error
        self._log.info(
            "{service} is to be moved once this has passed: {why}",
            service=self._claimed().offer.name,
            why=str(error),
        )
        self.send(Waiting(explain(str(error))))

    def doAwait(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.  However short-lived the obstacles are,
        most of the time is for the service.
        """
        rest = max(LOOK, SPARING * self._claimed().spent)
        self._looking = self.reactor.callLater(rest, self._look)

    def _look(self) -> None:
        self._looking = None
        if self._isOver():
            self.happen(Event.AGAIN)
        else:
            self._looking = self.reactor.callLater(LOOK, self._look)

    def _isOver(self) -> bool:
        assert self._obstacle is not None
        try:
            return self._obstacle.over()
        except Exception:
            self._log.failure("an adapter cannot tell whether something has passed")
            return True

    # What can be sent before the service stands still.

    def doAdvance(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer = self._claimed()
        assert self._sender is not None
        assert self.attached is not None
        transfer.ahead = Ahead()
        self._advance = Advance(
            *(self.reactor, self.attached.transport.getHandle(), self._sender),
            *(transfer.connections(), transfer.ahead, self._advanced),
        )
        self._advance.start()

    def _advanced(self, error: MigrationError | None) -> None:
        self._advance = None
        if error is None:
            self.happen(Event.ADMIT)
        else:
            self.happen(eventOf(error), error)

    # What would move.

    def doSurvey(self, message: Check) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        serializer = self._serializer(message.serializer)
        offer = self.house.offer(message.service, message.provides)
        began = time.monotonic()
        survey = serializer.survey(offer.root, offer.name, offer.environment)
        spent = time.monotonic() - began
        self.send(Report(survey.asDictionary(), {"audit": spent}))

    def doSendCopy(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().copy(self.send)

    def doSendReport(self, message: Rehearsed) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        rehearsed, self._rehearsed = self._rehearsed, None
        assert rehearsed is not None
        assert rehearsed.survey is not None
        seconds = rehearsed.seconds(message.seconds, message.elapsed)
        self._predicted[rehearsed.offer.name] = seconds["pause"]
        self.send(Report(rehearsed.survey.asDictionary(), seconds))
