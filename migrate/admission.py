"""
How a recipient gets as far as being welcome at the origin: its hello, who it is,
and its secondary connection.

It must not know what can be claimed, nor how a service is moved.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from twisted.cred.checkers import ICredentialsChecker
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.conversation import Conversation, Deadlines
from migrate.credentials import UserPolicy, peerCredentials
from migrate.descriptors import DescriptorSender, closeAll, makeLiveness
from migrate.errors import (
    MigrationError,
    NotTrusted,
    RemoteProtocolError,
)
from migrate.fence import Fence
from migrate.greeting import checkVersions, hello
from migrate.handover import Event, Role, State
from migrate.identity import OriginIdentity
from migrate.interfaces import ISecondarySender, ISerializer
from migrate.limits import LINGER, UNREAD
from migrate.transfer import Moved, Offer
from migrate.turn import unread
from migrate.wire import (
    MAX_FRAME,
    Attach,
    Attached,
    Hello,
    LoginAccepted,
    LoginProof,
    LoginStart,
    Message,
    Welcome,
)

Answering: TypeAlias = "Callable[[Mapping[str, Any]], Any]"
"""
Takes the arguments of an operator's question, and returns the answer, a dictionary of
strings, numbers, lists and such dictionaries, or a L{Deferred} of it; raises a
L{MigrationError}, or has the Deferred fail with one, if it cannot be done.
"""


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

    @property
    def answers(self) -> Mapping[str, Answering]:
        """
        What finds the answers to an operator's questions, by the names of these.
        """

    def states(self) -> Mapping[str, str]:
        """
        What is published, and the state of each.
        """

    def offer(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Say what there is, without claiming it.
        """

    def reserve(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Claim a service.
        """

    def welcome(self, conversation: OriginAdmission) -> None:
        """
        The peer of a conversation is trusted.
        """

    def complain(self, error: MigrationError) -> None:
        """
        A peer did something wrong, or got nothing.
        """

    def expect(self, token: bytes, conversation: OriginAdmission) -> None:
        """
        A secondary connection will come that shows C{token}.
        """

    def attach(self, token: bytes, protocol: OriginAdmission) -> None:
        """
        A secondary connection has come.
        """

    def ended(self, conversation: OriginAdmission) -> None:
        """
        A conversation is over.
        """

    def moved(self, report: Moved) -> None:
        """
        A service is gone.
        """

    def stayed(self, name: str, pid: int, begun: bool, why: str) -> None:
        """
        A service, or a part of one, was claimed and is not gone.
        """

    def story(self, name: str) -> Mapping[str, object]:
        """
        What a recipient is told of the past with what it claims.
        """


class OriginAdmission(Conversation):
    """
    The origin's end of one conversation, or of one secondary connection: the
    first frame tells.  What is here goes as far as the welcome.

    @ivar house: the server that it belongs to.
    @ivar isSecondary: whether it is a secondary connection.
    @ivar peer: what the recipient said of itself.
    @ivar attached: the secondary connection of this conversation.
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
        self.attached: OriginAdmission | None = None
        self._sender: ISecondarySender | None = None
        self._lives: tuple[int, int] | None = None
        self._fence: Fence | None = None
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

    def attach(self, secondary: OriginAdmission) -> None:
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

    def _exchangeLives(self, sender: ISecondarySender) -> None:
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
