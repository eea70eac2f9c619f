"""
The side that gives a service up: one conversation with one recipient.

It must not know what is published, nor where the control endpoint is: a
L{migrate.server.MigrationServer} tells it.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import attrs
from twisted.cred.checkers import ICredentialsChecker
from twisted.logger import Logger

from migrate.conversation import (
    Conversation,
    Deadlines,
    LifeWatch,
    errorOf,
    eventOf,
    flush,
    receiveSome,
)
from migrate.credentials import ScramServer, UserPolicy, peerCredentials
from migrate.descriptors import DescriptorSender, closeAll, makeLiveness
from migrate.errors import (
    MigrationError,
    NotTrusted,
    PeerLost,
    RemoteProtocolError,
    ServiceUnavailable,
)
from migrate.graph import Environment
from migrate.greeting import checkVersions, hello
from migrate.handover import Event, Role, State
from migrate.interfaces import IDump, ISerializer
from migrate.janitor import Janitor
from migrate.wire import (
    MAX_FRAME,
    Attach,
    Attached,
    Claim,
    Commit,
    End,
    Failed,
    Hello,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
    LoginStart,
    Message,
    Refused,
    Rollback,
    Services,
    ServiceStatus,
    Welcome,
    manifest,
    slices,
)

RESUMED = b"R"
"""
What the origin says on its life when it resumed without the stream.
"""


@attrs.frozen
class Offer:
    """
    A service that has been claimed.

    @ivar name: what it is published as.
    @ivar root: the root of its graph.
    @ivar environment: what the walk needs to know.
    @ivar restore: call it if the service stays.
    @ivar depart: call it if the service is another process's.
    """

    name: str
    root: object
    environment: Environment
    restore: Callable[[], None]
    depart: Callable[[], None]


@attrs.frozen
class Moved:
    """
    What a finished move was like.

    @ivar service: its name.
    @ivar pid: the process that it moved to.
    @ivar pause: seconds from the beginning of the capture to the recipient's
        word that it owns the service.
    @ivar objects: how many objects moved.
    @ivar descriptors: how many descriptors moved.
    """

    service: str
    pid: int
    pause: float
    objects: int
    descriptors: int


class IHouse(Protocol):
    """
    What a conversation needs of the server that it belongs to.
    """

    reactor: Any
    deadlines: Deadlines
    policy: UserPolicy
    checkers: Sequence[ICredentialsChecker]
    serializers: Mapping[str, ISerializer]
    secondary: bytes

    def states(self) -> Mapping[str, str]:
        """
        What is published, and the state of each.
        """

    def reserve(self, name: str) -> Offer:
        """
        Claim a service.
        """

    def expect(self, token: bytes, conversation: OriginConversation) -> None:
        """
        A secondary connection will come that shows C{token}.
        """

    def attach(self, token: bytes, protocol: OriginConversation) -> None:
        """
        A secondary connection has come.
        """

    def ended(self, conversation: OriginConversation) -> None:
        """
        A conversation is over.
        """

    def moved(self, report: Moved) -> None:
        """
        A service is gone.
        """


class OriginConversation(Conversation):
    """
    The origin's end of one conversation, or of one secondary connection: the
    first frame tells.
    """

    _log = Logger()

    role = Role.ORIGIN
    factory: Any

    def __init__(self, house: IHouse) -> None:
        super().__init__(house.reactor, house.deadlines)
        self.house = house
        self.isSecondary = False
        self.peer: Hello | None = None
        self.attached: OriginConversation | None = None
        self.offer: Offer | None = None
        self.janitor: Janitor | None = None
        self._scram: Any = None
        self._sender: DescriptorSender | None = None
        self._lives: tuple[int, int] | None = None
        self._watch: LifeWatch | None = None
        self._dump: IDump | None = None
        self._serializer: ISerializer | None = None
        self._began = 0.0

    def limits(self) -> Mapping[State, float]:
        """
        See L{Conversation.limits}.
        """
        if self.isSecondary:
            return {}
        return {
            State.GREETING: self.deadlines.greeting,
            State.IDENTIFYING: self.deadlines.greeting,
            State.CLAIMED: self.deadlines.preparing,
        }

    def connectionMade(self) -> None:
        """
        A peer has connected, and has to speak first.
        """
        self._arm()

    # The secondary connection.

    def receive(self, messages: list[Message]) -> None:
        """
        See L{Conversation.receive}.
        """
        if (
            messages
            and isinstance(messages[0], Attach)
            and self.machine.state is State.GREETING
        ):
            self._becomeSecondary(messages[0])
        else:
            super().receive(messages)

    def _becomeSecondary(self, message: Attach) -> None:
        """
        From here on the socket is used directly, and only by the conversation
        that it belongs to.
        """
        self.isSecondary = True
        self.transport.stopReading()
        self._arm()
        try:
            self._checkPeer()
            self.house.attach(message.token, self)
        except MigrationError as error:
            self._log.warn("a secondary connection is refused: {why}", why=str(error))
            self.transport.abortConnection()

    def attach(self, secondary: OriginConversation) -> None:
        """
        The secondary connection of this conversation has come.  Give the
        recipient a life to watch and one to hold; nobody else has that end.
        """
        if self.attached is not None or self.machine.state is not State.TRUSTED:
            raise NotTrusted("this conversation has a secondary connection already")
        self.attached = secondary
        self._sender = DescriptorSender(secondary.transport.getHandle())
        keepOurs, giveOurs = makeLiveness()
        try:
            giveTheirs, keepTheirs = makeLiveness()
        except BaseException:
            closeAll([keepOurs, giveOurs])
            raise
        self._lives = (keepOurs, keepTheirs)
        try:
            self._sender.post([giveOurs, giveTheirs])
        finally:
            closeAll([giveOurs, giveTheirs])
        self.send(Attached())

    # Who is it?

    def _checkPeer(self) -> None:
        self.house.policy.check(peerCredentials(self.transport.getHandle()))

    def _isLocal(self) -> bool:
        family: int = self.transport.getHandle().family
        return family == socket.AF_UNIX

    def doGreet(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(hello(self.role))

    def doCheckVersions(self, message: Hello) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.peer = message
        checkVersions(message, self.role)

    def doIdentify(self, message: Hello) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._isLocal():
            self._checkPeer()
            self.happen(Event.TRUST)
        elif not self.house.checkers:
            raise NotTrusted(
                "a login is compulsory over TCP: start migrate-server with --auth"
            )

    def doChallenge(self, message: LoginStart) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._scram is not None or self._isLocal():
            raise RemoteProtocolError("a login is not expected here")
        assert self.reader.greeting is not None
        assert self.writer.greeting is not None
        self._scram = ScramServer(
            self.house.checkers,
            binding=self.reader.greeting + self.writer.greeting,
        )
        self.send(LoginChallenge(self._scram.challenge(message.user, message.clientFirst)))

    def doVerify(self, message: LoginProof) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._scram is None:
            raise RemoteProtocolError("a proof came without a login")
        done = self._scram.verify(message.clientFinal)
        done.addCallbacks(self._accepted, self._rejected)

    def _accepted(self, result: Any) -> None:
        if self.machine.state is not State.IDENTIFYING:
            return
        self.send(LoginAccepted(result.serverFinal))
        self.writer.secure(result.toClient)
        try:
            behind = self.reader.secure(result.toServer)
        except RemoteProtocolError as error:
            self.happen(Event.DENY, error)
            return
        self.happen(Event.TRUST)
        self.receive(behind)

    def _rejected(self, failure: Any) -> None:
        error = failure.value
        if not isinstance(error, MigrationError):
            self._log.failure("the login could not be checked", failure)
            error = NotTrusted("the login could not be checked; see the origin's log")
        self.happen(Event.DENY, error)

    def doSendWelcome(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.reader.limit = MAX_FRAME
        token = secrets.token_bytes(32)
        self.house.expect(token, self)
        self.send(Welcome(self._scram is not None, self.house.secondary, token))

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
        if self._sender is None:
            raise RemoteProtocolError("a claim came before the secondary connection")
        self._serializer = self._chosen(message.serializer)
        self.offer = self.house.reserve(message.service)

    def _chosen(self, name: str) -> ISerializer:
        serializer = self.house.serializers.get(name)
        if serializer is None:
            known = ", ".join(self.house.serializers)
            raise ServiceUnavailable(f"no serializer {name!r} here; there are {known}")
        if name == "pickle":
            self._checkSameUser()
        return serializer

    def _checkSameUser(self) -> None:
        """
        Loading a pickle may run anything: it is for one's own processes only.
        """
        handle = self.transport.getHandle()
        if not self._isLocal() or peerCredentials(handle).uid != os.geteuid():
            raise NotTrusted(
                "the pickle serializer is for processes of the same user, over a "
                "UNIX control socket"
            )

    def doAudit(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._dump = self._capture()
        self.happen(Event.ADMIT)

    def _capture(self) -> IDump:
        offer, serializer = self.offer, self._serializer
        assert offer is not None
        assert serializer is not None
        return serializer.dump(offer.root, offer.name, offer.environment)

    def doSendManifest(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        audit, self._dump = self._dump, None
        assert audit is not None
        assert self.offer is not None
        names = ((name.module, name.qualname) for name in audit.names)
        for message in manifest(
            self.offer.name, names, len(audit.filenos), audit.objects
        ):
            self.send(message)

    def doUnreserve(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        offer, self.offer = self.offer, None
        if offer is not None:
            offer.restore()

    # The blocking turn.

    def doCapture(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._began = time.monotonic()
        self._turn = self._began + self.deadlines.transfer
        self._dump = self._capture()

    def doPause(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._dump is not None
        self.janitor = Janitor.of(self._dump.live, self._dump.capture)
        self.janitor.pause()

    def doSendGraph(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        dump, sender = self._dump, self._sender
        assert dump is not None
        assert sender is not None
        try:
            sender.send(dump.filenos, self._turn)
        except RemoteProtocolError as error:
            raise PeerLost(f"the secondary connection broke: {error}") from error
        chunks = 0
        for chunk in dump.chunks:
            for part in slices(chunk):
                self.sendNow(part, self._turn)
                chunks += 1
        self.sendNow(End(len(dump.filenos), chunks), self._turn)

    def wait(self) -> bool:
        """
        Between the capture and the recipient's last word nothing else may run:
        wait for it here, and not in the reactor.
        """
        if self.machine.state not in (State.TRANSFERRING, State.COMMITTED):
            return False
        if self.machine.state is State.COMMITTED and self.event is Event.TIMEOUT:
            return False
        try:
            flush(self.transport, self._turn)
            data = receiveSome(self.transport.getHandle(), self._turn)
            messages = self.reader.feed(data)
        except MigrationError as error:
            self._events.append((eventOf(error), error))
            return True
        self.receive(messages)
        return True

    def doSendCommit(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.sendNow(Commit(), self._turn)

    def doRelease(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._pause = time.monotonic() - self._began
        if self.janitor is not None:
            self.janitor.release()

    def doDepart(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        offer, dump, peer = self.offer, self._dump, self.peer
        assert offer is not None
        assert dump is not None
        assert peer is not None
        self.offer = self._dump = self.janitor = None
        offer.depart()
        self.house.moved(
            Moved(offer.name, peer.pid, self._pause, dump.objects, len(dump.filenos))
        )

    def doResume(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        janitor, self.janitor = self.janitor, None
        self._dump = None
        if janitor is not None:
            janitor.resume()

    # When it goes wrong.

    def doSendRefused(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.report(detail)
        self.complain(Refused, detail)

    def doSendFailed(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.report(detail)
        self.complain(Failed, detail)

    def doSendRollback(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(Rollback(str(errorOf(self.event, detail))))

    def doReport(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.report(detail)

    def report(self, detail: object) -> None:
        """
        One line for the log of this side.
        """
        self._log.warn(
            "{service} is not moved: {why}",
            service="service " + self.offer.name if self.offer else "nothing",
            why=str(errorOf(self.event, detail)),
        )

    def doSayResumed(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._lives is not None:
            os.write(self._lives[0], RESUMED)

    def doWatch(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._lives is not None
        self._watch = LifeWatch(self.reactor, self._lives[1], self._lifeEnded)
        self._watch.start()

    def _lifeEnded(self, said: bytes) -> None:
        error = PeerLost("the recipient is gone")
        self.happen(Event.GONE, error)

    def doClose(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._watch is not None:
            self._watch.stop()
        if self._lives is not None:
            closeAll(self._lives)
            self._lives = None
        if self.attached is not None:
            self.attached.transport.abortConnection()
        self.transport.loseConnection()
        self.house.ended(self)
