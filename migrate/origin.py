"""
The side that gives a service up: one conversation with one recipient.

It must not know what is published, nor where the control endpoint is: the
server that it belongs to tells it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Mapping
from typing import Any, Protocol

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.conversation import Conversation, Deadlines, errorOf, eventOf
from migrate.credentials import UserPolicy, peerCredentials
from migrate.descriptors import DescriptorSender, closeAll, makeLiveness
from migrate.errors import (
    MigrationError,
    NotTrusted,
    PeerLost,
    RemoteProtocolError,
    ServiceUnavailable,
)
from migrate.fence import Fence
from migrate.graph.collector import uncollected
from migrate.greeting import checkVersions, hello
from migrate.handover import Event, Role, State
from migrate.identity import OriginIdentity, isOwn
from migrate.interfaces import ISerializer
from migrate.life import COMMITTED, RESUMED, LifeWatch
from migrate.limits import LINGER, UNREAD
from migrate.transfer import Moved, Offer, Transfer
from migrate.turn import flush, isReady, receiveSome, unread
from migrate.wire import (
    MAX_FRAME,
    Attach,
    Attached,
    Claim,
    Commit,
    Failed,
    Hello,
    LoginAccepted,
    LoginProof,
    LoginStart,
    Message,
    Refused,
    Rollback,
    Services,
    ServiceStatus,
    Welcome,
    explain,
    manifest,
)


class IHouse(Protocol):
    """
    What a conversation needs of the server that it belongs to.
    """

    reactor: Any
    deadlines: Deadlines
    fence: bool
    policy: UserPolicy
    checkers: tuple[ICredentialsChecker, ...]
    serializers: Mapping[str, ISerializer]
    secondary: bytes
    unasked: int

    def states(self) -> Mapping[str, str]:
        """
        What is published, and the state of each.
        """

    def reserve(self, name: str) -> Offer:
        """
        Claim a service.
        """

    def welcome(self, conversation: OriginConversation) -> None:
        """
        The peer of a conversation is trusted.
        """

    def complain(self, error: MigrationError) -> None:
        """
        A peer did something wrong, or got nothing.
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
        self.identity = OriginIdentity(
            house.policy, house.checkers, self.reader, self.writer
        )
        self.isSecondary = False
        self.peer: Hello | None = None
        self.attached: OriginConversation | None = None
        self.transfer: Transfer | None = None
        self._sender: DescriptorSender | None = None
        self._lives: tuple[int, int] | None = None
        self._watch: LifeWatch | None = None
        self._fence: Fence | None = None
        self._given = False
        self._linger: Any = None
        self._over = False

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

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Conversation.dataReceived}.  Who asks on and on without reading
        the answers is not answered.
        """
        trusted = self.machine.state is State.TRUSTED
        if trusted and unread(self.transport) > UNREAD:
            error = RemoteProtocolError("the peer asks, and does not read the answers")
            self.happen(Event.DENY, error)
        else:
            super().dataReceived(data)

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """
        See L{Conversation.fileDescriptorReceived}.
        """
        self.house.unasked += 1
        super().fileDescriptorReceived(descriptor)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Conversation.connectionLost}.
        """
        self._over = True
        if self._linger is not None:
            self._linger.cancel()
            self._linger = None
        if self.machine.state is not State.CLOSED and self.reader.partial:
            self.house.complain(RemoteProtocolError("a stream ended amid a frame"))
        super().connectionLost(reason)

    def _hangUp(self) -> None:
        """
        End the connection once the peer has read everything, or has had the
        time to.
        """
        self.transport.loseConnection()
        if not self._over and self._linger is None:
            self._linger = self.reactor.callLater(LINGER, self._giveUp)

    def _giveUp(self) -> None:
        self._linger = None
        self.transport.abortConnection()

    def _run(self) -> None:
        """
        See L{Conversation._run}.  The collector would go through the whole
        graph again and again while the service stands still.
        """
        with uncollected():
            super()._run()

    # The secondary connection.

    def receive(self, messages: list[Message]) -> None:
        """
        See L{Conversation.receive}.
        """
        first = messages[0] if messages else None
        if isinstance(first, Attach) and self.machine.state is State.GREETING:
            self._becomeSecondary(first, alone=len(messages) == 1)
        else:
            super().receive(messages)

    def _becomeSecondary(self, message: Attach, alone: bool) -> None:
        """
        From here on the socket is used directly, and only by the conversation
        that it belongs to.
        """
        try:
            if not alone or self.reader.partial:
                raise RemoteProtocolError("something came right behind Attach")
            self.house.policy.check(peerCredentials(self.transport.getHandle()))
            self.house.attach(message.token, self)
        except MigrationError as error:
            self.happen(Event.DENY, error)
        else:
            self.isSecondary = True
            self.transport.stopReading()
            self._arm()

    def attach(self, secondary: OriginConversation) -> None:
        """
        The secondary connection of this conversation has come.  Give the
        recipient a life to watch and one to hold; nobody else has that end.

        @raise NotTrusted: it has come already.
        @raise MigrationError: they cannot be given.
        """
        if self.attached is not None or self.machine.state is not State.TRUSTED:
            raise NotTrusted("the conversation has a secondary connection already")
        self.attached = secondary
        peer = peerCredentials(secondary.transport.getHandle())
        self._fence = Fence.around(peer.pid)
        self._sender = DescriptorSender(secondary.transport.getHandle())
        try:
            self._exchangeLives(self._sender)
        except (MigrationError, OSError) as error:
            problem = MigrationError(
                f"the origin cannot pass descriptors: {error}; it, or its user, has "
                "as many as it may"
            )
            # The peer waits for word of it here.
            self.happen(Event.DENY, problem)
            raise problem from error
        self.send(Attached())

    def _exchangeLives(self, sender: DescriptorSender) -> None:
        """
        @raise OSError: this process may open no more.
        @raise MigrationError: the kernel takes no more from this user.
        """
        ours, watched = makeLiveness()
        try:
            held, theirs = makeLiveness()
        except OSError:
            closeAll([ours, watched])
            raise
        self._lives = (ours, theirs)
        try:
            sender.post([watched, held])
        finally:
            closeAll([watched, held])

    # Who is it?

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
        if self.identity.identify(self.transport.getHandle()):
            self.happen(Event.TRUST)

    def doChallenge(self, message: LoginStart) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(self.identity.challenge(message))

    def doVerify(self, message: LoginProof) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        done = self.identity.verify(message)
        done.addCallbacks(self._accepted, self._rejected)

    def _accepted(self, result: Any) -> None:
        if self.machine.state is not State.IDENTIFYING:
            return
        self.send(LoginAccepted(result.serverFinal))
        try:
            behind = self.identity.secure(result)
        except RemoteProtocolError as error:
            self.happen(Event.DENY, error)
            return
        self.happen(Event.TRUST)
        self.receive(behind)

    def _rejected(self, failure: Any) -> None:
        if failure.value.__cause__ is not None:
            self._log.failure("a login could not be checked", failure)
        self.happen(Event.DENY, failure.value)

    def doSendWelcome(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.house.welcome(self)
        self.reader.limit = MAX_FRAME
        token = secrets.token_bytes(32)
        self.house.expect(token, self)
        self.send(Welcome(self.identity.loggedIn, self.house.secondary, token))

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
        serializer = self._serializer(message.serializer)
        offer = self.house.reserve(message.service)
        self.transfer = Transfer(offer, serializer, self._sender)

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

    def doAudit(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        audit = self._claimed().audit()
        names = [(name.module, name.qualname) for name in audit.names]
        self.happen(Event.ADMIT, (names, len(audit.filenos), audit.objects))

    def doSendManifest(self, needs: tuple[list[tuple[str, str]], int, int]) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        for message in manifest(self._claimed().offer.name, *needs):
            self.send(message)

    def doUnreserve(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer, self.transfer = self.transfer, None
        if transfer is not None:
            transfer.offer.restore()

    # The blocking turn.

    def doCapture(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().capture(self.deadlines.transfer)

    def doPause(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().pause()

    def doSendGraph(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().send(self.sendNow)

    def wait(self) -> bool:
        """
        Between the capture and the recipient's last word nothing else may run:
        wait for it here, and not in the reactor.
        """
        if self.machine.state not in (State.TRANSFERRING, State.COMMITTED):
            return False
        if self.machine.state is State.COMMITTED and self.event is Event.TIMEOUT:
            # The service stays paused, and the rest of this process goes on.
            return False
        deadline = self._claimed().deadline
        try:
            flush(self.transport, deadline)
            messages = self.reader.feed(
                receiveSome(self.transport.getHandle(), deadline)
            )
        except MigrationError as error:
            self.happen(eventOf(error), error)
        else:
            self.receive(messages)
        return True

    def doSendCommit(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        # However late it is: from here on the recipient may own the service,
        # and has all the time of a step to say so.
        deadline = self._claimed().extend(self.deadlines.transfer)
        self.sendNow(Commit(), deadline)

    def doRelease(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().release()
        # Its life has said the same: that must not be taken for word of the next
        # service.
        if self._lives is not None and isReady(self._lives[1]):
            os.read(self._lives[1], 1)

    def doDepart(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer, self.transfer = self._claimed(), None
        assert self.peer is not None
        transfer.offer.depart()
        self._given = True
        self.house.moved(transfer.report(self.peer.pid))

    def doResume(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self.transfer is not None:
            self.transfer.resume()

    # When it goes wrong.

    def doSendRefused(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.doReport(detail)
        self.complain(Refused, detail)

    def doSendFailed(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.doReport(detail)
        self.complain(Failed, detail)

    def doSendRollback(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(Rollback(explain(str(errorOf(self.event, detail)))))

    def doReport(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.house.complain(errorOf(self.event, detail))

    def doSayResumed(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._sayOnLife(RESUMED)

    def doSayCommitted(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._sayOnLife(COMMITTED)

    def _sayOnLife(self, word: bytes) -> None:
        """
        Say something to whoever watches this side's life; nobody may be left.
        """
        if self._lives is not None:
            with contextlib.suppress(BrokenPipeError):
                os.write(self._lives[0], word)

    def doWatch(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._lives is not None
        self._watch = LifeWatch(self.reactor, self._lives[1], self._lifeSpoke)
        self._watch.start()

    def doFence(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.  It cannot be resumed beside: only the
        kernel can say that it will not serve after all.
        """
        if not self.house.fence or self._fence is None:
            self._log.warn("it is waited for, and the service stands still")
            return
        if self._given:
            self._log.warn("it is waited for: it has what was moved before")
            return
        try:
            ended = self._fence.fall(self._hasSpoken)
        except MigrationError as error:
            self._log.warn(
                "it cannot be ended ({why}), so it is waited for", why=str(error)
            )
        else:
            self._log.warn("it is ended" if ended else "it has spoken after all")

    def _hasSpoken(self) -> bool:
        """
        @return: whether the recipient has said anything, by whatever way.
        """
        assert self._lives is not None
        return isReady(self.transport.getHandle()) or isReady(self._lives[1])

    def _lifeSpoke(self, said: bytes) -> None:
        if said:
            self.happen(Event.TAKEN)
        else:
            self.happen(Event.GONE, PeerLost("the recipient is gone"))

    def doClose(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._watch is not None:
            self._watch.stop()
        if self._lives is not None:
            closeAll(self._lives)
            self._lives = None
        if self._fence is not None:
            self._fence.close()
        if self.attached is not None:
            self.attached.transport.abortConnection()
        self._hangUp()
        self.house.ended(self)
