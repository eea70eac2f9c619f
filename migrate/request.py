"""
What a recipient asks for before anything moves: what is published, what would move
of it, a rehearsal; and how it gets ready for what it claims.

It must not know how a service is taken over.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.descriptors import ensureRoom
from migrate.errors import (
    CannotResolve,
    Forbidden,
    LoadError,
    NotTrusted,
    RemoteProtocolError,
)
from migrate.graph.planner import Planner
from migrate.graph.survey import Survey
from migrate.handover import Event, State
from migrate.headroom import headroom
from migrate.identity import Login, isOwn
from migrate.interfaces import ILoader, ISerializer
from migrate.limits import MANIFEST
from migrate.model import Named
from migrate.progress import Amount, Untold
from migrate.questions import RecipientQuestions
from migrate.resources import Provision
from migrate.wire import (
    MAX_NAMES,
    Check,
    Claim,
    End,
    List,
    Manifest,
    NamesPart,
    Ready,
    Rehearsed,
    Report,
    Services,
    Try,
    Waiting,
)
from migrate.wish import Inquiry, Wish


class RecipientRequest(RecipientQuestions):
    """
    The recipient's end of one conversation, up to its word that it is ready.

    @ivar story: what the origin told of the past with what was claimed last.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        policy: UserPolicy,
        login: Login | None = None,
    ) -> None:
        super().__init__(reactor, deadlines, policy, login)
        self._listing: Deferred[dict[str, str]] | None = None
        self._inquiry: Deferred[Inquiry] | None = None
        self._claimed: Deferred[Any] | None = None
        self._question: Check | None = None
        self._wish: Wish | None = None
        self.story: Mapping[str, object] = {}
        self._names: list[tuple[str, str]] = []
        self._nameLength = 0
        self._expected = Amount()
        self._progress = Untold()
        self._loader: ILoader | None = None
        self._headroom: list[bytes] = []
        self._chunks = self._recordBytes = self._descriptors = 0
        self._end: End | None = None
        self._loading = self._elapsed = 0.0
        self._readyAt = 0.0

    # What a caller asks for.

    def services(self) -> Deferred[dict[str, str]]:
        """
        Ask what the origin publishes.

        @return: the state of each, by name.
        """
        self._listing = Deferred()
        self.happen(Event.ASK)
        return self._listing or succeed({})

    def check(
        self, service: str, serializer: ISerializer, provision: Provision
    ) -> Deferred[Inquiry]:
        """
        Ask what would move, without claiming it.

        @return: fires with an L{Inquiry}, also if the service cannot move; fails
            with a L{MigrationError} if there is no such service.
        """
        done = self._inquiry = Deferred()
        self._question = Check(service, serializer.name, sorted(provision.openers))
        self.happen(Event.INQUIRE)
        return done

    def claim(self, wish: Wish) -> Deferred[Any]:
        """
        Take a service over, or rehearse that.

        @return: fires with the root once it is adopted, or with an L{Inquiry}
            once it was rehearsed; fails with a L{MigrationError} if it stays, or
            could not be moved.
        """
        done = self._claimed = Deferred()
        if wish.rehearsal:
            self._inquiry = done
        self._wish = wish
        self.happen(Event.WANT)
        return done

    def limits(self) -> Mapping[State, float]:
        """
        See L{Conversation.limits}.
        """
        wait = 0.0 if self._wish is None else self._wish.wait
        preparing = self.deadlines.preparing
        return {
            State.GREETING: self.deadlines.greeting,
            State.IDENTIFYING: self.deadlines.greeting,
            State.ATTACHING: self.deadlines.greeting,
            # Only while the origin is to tell what it publishes.
            State.IDLE: preparing,
            State.REPORTING: preparing,
            State.ASKING: preparing,
            # The application there may take its time, and so may the audit.
            State.CLAIMING: 2 * preparing + wait,
            State.PREPARING: preparing,
            State.RECEIVING: self.deadlines.transfer,
        }

    # What is published, and what would move of it.

    def doSendList(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(List())

    def doReportServices(self, message: Services) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        listing, self._listing = self._listing, None
        if listing is not None:
            listing.callback({each.name: each.state for each in message.services})

    def doSendCheck(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._question is not None
        self.send(self._question)

    def doNoteReport(self, message: Report) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        inquiry, self._inquiry, self._claimed = self._inquiry, None, None
        self._wish = None
        found = Inquiry(Survey.fromDictionary(message.survey), message.seconds)
        if inquiry is not None:
            inquiry.callback(found)

    # The claim.

    def doSendClaim(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        wish = self._wish
        assert wish is not None
        # Loading a pickle may run anything: it is for one's own processes.
        if wish.serializer.name == "pickle" and not isOwn(self.transport.getHandle()):
            raise NotTrusted("a pickle is taken only from a process of the same user")
        self.send(
            Claim(
                wish.service,
                wish.serializer.name,
                wait=wish.wait,
                provides=sorted(wish.provision.openers),
                rehearsal=wish.rehearsal,
            )
        )
        self._expectManifest()

    def _expectManifest(self) -> None:
        self._names, self._nameLength = [], 0

    def doNoteWaiting(self, message: Waiting) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._wish is not None
        self._expectManifest()
        self._log.info(
            "{service} will be moved once this has passed: {why}",
            service=self._wish.service,
            why=message.reason,
        )
        self._wish.waits(message.reason)

    def doCollectNames(self, message: NamesPart) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._names += message.names
        self._nameLength += sum(len(m) + len(name) for m, name in message.names)
        if len(self._names) > MAX_NAMES or self._nameLength > MANIFEST:
            raise RemoteProtocolError(
                f"the manifest has over {MAX_NAMES} names, or {MANIFEST} characters"
            )

    def doPrepare(self, message: Manifest) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        wish = self._wish
        assert wish is not None
        ensureRoom(message.descriptors)
        self.story = message.history
        self._expected = Amount(message.objects, message.descriptors, message.bytes)
        missing: list[LoadError] = []
        planner = Planner(wish.environment)
        for module, qualname in [*self._names, *message.names]:
            try:
                planner.learn(Named(module, qualname))
            except (CannotResolve, Forbidden) as error:
                missing.append(error)
        if missing:
            # The first one is likely what the others come from.
            raise CannotResolve("; ".join(map(str, missing))) from missing[0]
        wish.provision.open(message.resources).addBoth(self._prepared, wish)

    def _prepared(self, result: Any, wish: Wish) -> None:
        """
        Everything is ready, or cannot be; perhaps long after the claim was given
        up.
        """
        if self.machine.state is not State.PREPARING or self._wish is not wish:
            return
        if isinstance(result, Failure):
            self.happen(Event.DENY, result.value)
        else:
            self.happen(Event.ADMIT)

    def doSendReady(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        wish = self._wish
        assert wish is not None
        outside = {**wish.environment.externals, **wish.provision.externals()}
        environment = attrs.evolve(wish.environment, externals=outside)
        self._loader = wish.serializer.loader(environment)
        expected = self._expected
        self._headroom = headroom(
            expected.objects, expected.bytes, expected.descriptors
        )
        self._chunks = self._recordBytes = self._descriptors = 0
        self._loading = self._elapsed = 0.0
        self._end = None
        self._readyAt = time.monotonic()
        self._progress = wish.progress
        self._progress.begin(self._expected, self._arrived, wish.rehearsal)
        self.send(Try() if wish.rehearsal else Ready())

    def _arrived(self) -> Amount:
        """
        @return: how much has come of what was claimed.
        """
        objects = 0 if self._loader is None else self._loader.taken
        read = 0 if self._loader is None else self._loader.read
        return Amount(objects, self._descriptors, self._recordBytes + read)

    def doSendRehearsed(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(Rehearsed(self._loading, self._elapsed))
