"""
The migration server: publishes services of this process and lets recipients
claim them over a control endpoint.

It must not know how a conversation goes.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.application.service import IService, MultiService
from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IListeningPort
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.adapters import installedRegistry
from migrate.admission import Answering, OriginAdmission
from migrate.census import census
from migrate.control import DEFAULT, ControlAddress
from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import (
    CannotMigrateYet,
    ConnectionsStay,
    ConnectionsWait,
    ControlError,
    MigrationError,
    NothingLeft,
    NotTrusted,
    Refusal,
    ServiceInTransit,
    ServiceUnavailable,
    TooManyPeers,
)
from migrate.gradual.house import Gradual, isKey
from migrate.graph import Environment, PickleSerializer, Registry, TableSerializer
from migrate.handover import Event
from migrate.history import History
from migrate.interfaces import IDump, ISerializer
from migrate.limits import Complaints, Limits
from migrate.notify import Notifier
from migrate.offers import Offers
from migrate.origin import OriginConversation
from migrate.publication import Publication
from migrate.sources import sources
from migrate.started import Started
from migrate.supervision import Supervision
from migrate.transfer import Moved, Offer, Write
from migrate.warmth import warmth

CONTROL = "(control)"
"""
What a recipient claims to inherit the control listener, when nothing else is
left.  No service can be published under this name.
"""


ORPHAN_PATIENCE = 2.0
"""
Seconds that a dead origin's control endpoint may take to become free.
"""

ORPHAN_RETRY = 0.05
"""
Seconds between two attempts to listen on it.
"""


@attrs.define(eq=False)
class ControlOffer(Offer):
    """
    The control listener.

    @ivar left: tells which connections are left of services that have moved.
    """

    left: Callable[[], Sequence[str]] = attrs.field(kw_only=True)

    def dump(self, write: Write) -> IDump:
        """
        See L{Offer.dump}.

        @raise CannotMigrateYet: there are connections left.
        """
        left = self.left()
        if left:
            reason = f"connections are still served here: {', '.join(left)}"
            raise CannotMigrateYet(
                [Refusal(CONTROL, reason, over=lambda: not self.left())]
            )
        return super().dump(write)


class ControlFactory(ServerFactory):
    """
    Makes the origin's ends of conversations.
    """

    noisy = False

    def __init__(self, server: MigrationServer) -> None:
        self.server = server

    def buildProtocol(self, addr: object) -> OriginConversation:
        """
        See L{twisted.internet.interfaces.IProtocolFactory}.
        """
        conversation = self.server.originConversation(self.server)
        conversation.factory = self
        self.server.met(conversation)
        return conversation


class MigrationServer(MultiService):
    """
    Publishes services of this process.

    Add it to an application, give it services, and they can be moved to
    another process while they run::

        server = MigrationServer("unix:migrate.sock")
        server.publish("chat", chatService)
        server.setServiceParent(application)

    @cvar originConversation: what speaks with one recipient.
    @cvar opening: what the log says when others are let in.
    @ivar publication: what is published.
    @ivar resources: what finds the objects that a recipient may have of its own,
        by name, beside those that a service names
        (L{migrate.interfaces.INamedResources}).
    @ivar started: how this process was started: what its successor goes by.
    @ivar history: what has become of what is published.
    @ivar answers: what finds the answers to an operator's questions, by the names of
        these.
    @ivar supervision: what is said to this process's supervisor.
    @ivar unasked: how many descriptors came where only messages may; they were
        closed at once.
    @ivar whenEmpty: called once everything published is gone, and the control
        listener too.  Unless told otherwise it stops the reactor, if nothing
        else is served in this application.
    """

    _log = Logger()

    originConversation: type[OriginConversation] = OriginConversation
    opening = "recipients are let in at {control}"

    def __init__(
        self,
        control: str = DEFAULT,
        *,
        reactor: Any = None,
        registry: Registry | None = None,
        policy: UserPolicy | None = None,
        checkers: Sequence[ICredentialsChecker] = (),
        deadlines: Deadlines | None = None,
        fence: bool = True,
        limits: Limits | None = None,
        notifier: Notifier | None = None,
        whenEmpty: Callable[[], None] | None = None,
    ) -> None:
        """
        @param control: an endpoint string, C{unix:PATH[:mode=600]} or
            C{tcp:...}.
        @param fence: whether a recipient that hangs after the commit point may
            be killed, so that its services can go on here; otherwise they wait
            for it.
        @param limits: how many peers there may be at a time.
        @param notifier: what speaks to this process's supervisor; none by default.
        @param policy: whose processes may take services over by the kernel's
            word; this user's own and root's by default.
        @param checkers: who may over TCP, as C{strcred} makes them.
        @raise migrate.errors.ControlError: C{control} is no such endpoint.
        """
        super().__init__()  # type: ignore[no-untyped-call]
        if reactor is None:
            from twisted.internet import reactor
        self.reactor = reactor
        self.control = ControlAddress.parse(control)
        self.registry = installedRegistry() if registry is None else registry
        self.policy = UserPolicy() if policy is None else policy
        self.checkers = tuple(checkers)
        self.deadlines = Deadlines() if deadlines is None else deadlines
        self.fence = fence
        self.limits = Limits() if limits is None else limits
        self.whenEmpty = self._stopIfAlone if whenEmpty is None else whenEmpty
        self.publication = Publication()
        self.serializers: Mapping[str, ISerializer] = {
            each.name: each for each in (TableSerializer(), PickleSerializer())
        }
        self.resources: dict[str, Callable[[], object]] = {}
        self.supervision = Supervision(self, notifier or Notifier())
        self.started = Started.here()
        self.history = History()
        self.answers: dict[str, Answering] = {
            "status": lambda _: census(self),
            "warmth": lambda _: warmth(),
            "started": lambda _: self.started.asDictionary(),
            "history": lambda _: self.history.asDictionary(),
            "sources": lambda given: sources(given.get("named", ())),
            "supervisor": self.supervision.admit,
        }
        self._offers = Offers(
            self,
            self.publication,
            self.resources,
            self.environment,
            self._endIfEmpty,
            self.supervision.returned,
        )
        self.gradual = Gradual(
            reactor,
            self.publication,
            self.environment,
            self._offers.of,
            lambda: [self, self.port, self._secondaryPort],
            self._endIfEmpty,
            self._listenAgain,
        )
        self.answers["recipes"] = self.gradual.told
        self.answers["gradual"] = self.gradual.answer
        self.conversations: set[OriginAdmission] = set()
        self.unasked = 0
        self._strangers: dict[OriginAdmission, None] = {}
        self._guests: set[OriginAdmission] = set()
        self._complaints = Complaints(reactor, self._complain)
        self.controlFactory = ControlFactory(self)
        self.port: IListeningPort | None = None
        self.secondary = b""
        self._secondaryPort: Any = None
        self._directory: str | None = None
        self._expected: dict[bytes, OriginAdmission] = {}
        self._controlInTransit = False
        self._controlDeparted = False

    # For applications.

    def publish(self, name: str, service: Any) -> None:
        """
        Offer a service to recipients as C{name}.  One without a parent
        becomes a child of this server, and is started and stopped with it.

        @param service: anything that adapts to L{IService}.
        @raise ValueError: the name or the service is taken.
        """
        adapted = IService(service)
        self.publication.publish(name, adapted)
        self.history.begin(name)
        if getattr(adapted, "parent", None) is None:
            adapted.setServiceParent(self)

    # The control endpoint.

    def startService(self) -> None:
        """
        Start what is published, then let recipients in.

        @raise migrate.errors.ControlError: the control endpoint cannot be
            listened on.
        """
        super().startService()  # type: ignore[no-untyped-call]
        self.listen()
        if self.port is not None:
            self.reactor.callWhenRunning(self.supervision.began)

    def listen(self) -> None:
        """
        Listen on the control endpoint, unless that is done already.

        @raise migrate.errors.ControlError: it cannot be listened on.
        """
        if self.port is None:
            self.serve(self.control.listen(self.reactor, self.controlFactory))

    async def listenPatiently(self, patience: float) -> None:
        """
        Listen on the control endpoint.

        @param patience: seconds that it may take to become free.
        @raise ControlError: it did not.
        """
        while True:
            try:
                MigrationServer.listen(self)
            except ControlError:
                if patience <= 0:
                    raise
            else:
                return
            patience -= ORPHAN_RETRY
            await deferLater(self.reactor, ORPHAN_RETRY)

    def serve(self, port: IListeningPort) -> None:
        """
        Let recipients in by a port that listens already.
        """
        self.port = port
        if self.control.kind == "unix":
            self.secondary = os.fsencode(self.control.path)
        else:
            self._listenForSecondaries()
        self._log.info(self.opening, control=str(self.control))

    def _listenForSecondaries(self) -> None:
        """
        Descriptors need a UNIX socket, whatever the primary stream is.  What
        guards it is the kernel's word on the peer, and the token.
        """
        if sys.platform == "linux":
            self.secondary = b"\0migrate-" + secrets.token_hex(16).encode()
        else:
            self._directory = tempfile.mkdtemp(prefix="migrate-")
            self.secondary = os.fsencode(os.path.join(self._directory, "secondary"))
        self._secondaryPort = self.reactor.listenUNIX(
            self.secondary.decode(), self.controlFactory, mode=0o600
        )

    def stopService(self) -> Any:
        """
        See L{IService}.
        """
        self.supervision.ending()
        port, self.port = self.port, None
        if port is not None:
            port.stopListening()
        self._stopSecondary()
        self._offers.stop()
        self.gradual.stop()
        for conversation in list(self.conversations):
            conversation.transport.loseConnection()
        self._complaints.close()
        return super().stopService()  # type: ignore[no-untyped-call]

    def _stopSecondary(self) -> None:
        if self._secondaryPort is not None:
            self._secondaryPort.stopListening()
            self._secondaryPort = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    # For conversations.

    def states(self) -> Mapping[str, str]:
        """
        @return: what is published, and the state of each.
        """
        return {name: state.value for name, state in self.publication.states().items()}

    def environment(self, **externals: object) -> Environment:
        """
        @return: what a walk or a loading needs to know of this process.
        """
        return Environment(
            registry=self.registry, reactor=self.reactor, externals=externals
        )

    def reserve(self, name: str, provides: Sequence[str] = ()) -> Offer:
        """
        See L{Offers.reserve}.
        """
        if name == CONTROL:
            return self._reserveControl()
        if isKey(name):
            return self.gradual.reserve(name)
        return self._offers.reserve(name, provides)

    def offer(self, name: str, provides: Sequence[str] = ()) -> Offer:
        """
        See L{Offers.offer}.
        """
        return self._offers.offer(name, provides)

    def _reserveControl(self) -> Offer:
        left = self.publication.held()
        if left:
            raise ServiceUnavailable(
                f"the control endpoint stays: {', '.join(left)} is still published here"
            )
        if self._controlInTransit or self.port is None:
            raise ServiceInTransit("the control endpoint is being moved already")
        self._controlInTransit = True
        return ControlOffer(
            CONTROL,
            self.port,
            # The connections that it has accepted are conversations, this one
            # among them: they end here.
            attrs.evolve(
                self.environment(factory=self.controlFactory),
                registry=self.registry.withoutSeekers(),
            ),
            restore=self._restoreControl,
            depart=self._departControl,
            told=False,
            left=self._offers.left,
        )

    def _restoreControl(self) -> None:
        self._controlInTransit = False

    def _departControl(self) -> None:
        self.port = None
        self._controlDeparted = True

    def _listenAgain(self) -> None:
        """
        A service accepts here again whose successor is dead, and with that perhaps
        the control endpoint.
        """
        if self._controlDeparted:
            self._controlDeparted = self._controlInTransit = False
            Deferred.fromCoroutine(self.listenPatiently(ORPHAN_PATIENCE)).addErrback(
                lambda failure: self._log.failure("no control endpoint", failure)
            )

    # Who is there?

    def met(self, conversation: OriginAdmission) -> None:
        """
        Somebody has connected.
        """
        self.conversations.add(conversation)
        self._strangers[conversation] = None
        if len(self._strangers) > self.limits.strangers:
            oldest = next(iter(self._strangers))
            oldest.happen(
                Event.DENY,
                TooManyPeers(
                    f"over {self.limits.strangers} peers have not said who they "
                    "are; try again"
                ),
            )

    def welcome(self, conversation: OriginAdmission) -> None:
        """
        Somebody is trusted.

        @raise TooManyPeers: so are others already.
        """
        if len(self._guests) >= self.limits.guests:
            raise TooManyPeers(
                f"this process is in conversation with {len(self._guests)} "
                "recipients, which is as many as it may be; end some of them"
            )
        self._strangers.pop(conversation, None)
        self._guests.add(conversation)

    def complain(self, error: MigrationError) -> None:
        """
        A peer did something wrong, or got nothing.
        """
        # This is how it ends when connections follow one after the other.
        if not isinstance(error, (NothingLeft, ConnectionsStay, ConnectionsWait)):
            self._complaints.say(error)

    def _complain(self, why: str) -> None:
        self._log.warn("a recipient got nothing: {why}", why=why)

    def expect(self, token: bytes, conversation: OriginAdmission) -> None:
        """
        A secondary connection will come that shows C{token}.
        """
        self._expected[token] = conversation

    def attach(self, token: bytes, protocol: OriginAdmission) -> None:
        """
        A secondary connection has come.

        @raise NotTrusted: nobody was told that token.
        """
        conversation = self._expected.pop(token, None)
        if conversation is None:
            raise NotTrusted("its token was given to nobody")
        conversation.attach(protocol)
        self._strangers.pop(protocol, None)

    def moved(self, report: Moved) -> None:
        """
        Something is gone.
        """
        if self._offers.note(report):
            return
        if report.service != CONTROL:
            self.history.moved(report)
        self.supervision.moved(report.pid)
        if report.service in self.publication.draining():
            self._log.info(
                "process {pid} accepts for {service}",
                pid=report.pid,
                service=report.service,
            )
            return
        self._log.info(
            "moved {service} to process {pid} in {ms:.2f} ms: {objects} objects, "
            "{descriptors} descriptors, {bytes} bytes ({steps}){predicted}",
            service=report.service,
            pid=report.pid,
            ms=report.pause * 1000,
            objects=report.objects,
            descriptors=report.descriptors,
            bytes=report.bytes,
            steps=", ".join(
                f"{step} {took * 1000:.2f} ms" for step, took in report.steps.items()
            ),
            predicted=""
            if report.predicted is None
            else f"; {report.predicted * 1000:.2f} ms were predicted",
        )

    def stayed(self, name: str, pid: int, begun: bool, why: str) -> None:
        """
        A service was wanted, and has stayed; whatever else stays is not told of.
        """
        if name in self.publication.states():
            self.history.stayed(name, pid, begun, why)

    def story(self, name: str) -> Mapping[str, object]:
        """
        See L{migrate.admission.IHouse.story}: once for each service, and at last for
        all of them, but not for every single connection.
        """
        if name == CONTROL or name in self.publication.states():
            return self.history.asDictionary()
        return {}

    def ended(self, conversation: OriginAdmission) -> None:
        """
        A conversation is over.
        """
        self.conversations.discard(conversation)
        self._strangers.pop(conversation, None)
        self._guests.discard(conversation)
        for token, expected in list(self._expected.items()):
            if expected is conversation:
                del self._expected[token]
        self._endIfEmpty()

    def _endIfEmpty(self) -> None:
        """
        With nothing left to publish, and nobody in conversation who might
        claim the control endpoint, this process has done its work.
        """
        states = self.publication.states()
        if not states or self.publication.names():
            return
        waited = any(not each.isSecondary for each in self.conversations)
        if waited and not self._controlDeparted:
            return
        whenEmpty, self.whenEmpty = self.whenEmpty, _nothing
        whenEmpty()

    def _stopIfAlone(self) -> None:
        """
        This process has done its work, unless its application has services
        that were never published.
        """
        top: Any = self
        while getattr(top, "parent", None) is not None:
            top = top.parent
        if any(not isinstance(each, MigrationServer) for each in leaves(top)):
            self._log.info("nothing published is left here; other services run on")
        else:
            self.reactor.stop()


def leaves(service: Any) -> Iterator[Any]:
    """
    @return: the services below C{service}, or itself, that are more than a
        collection of others.
    """
    if isinstance(service, MultiService):
        for child in service:
            yield from leaves(child)
    if type(service) is not MultiService:
        yield service


def _nothing() -> None:
    """
    It has been called already.
    """
