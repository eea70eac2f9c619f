"""
How a recipient gets as far as being allowed to claim: its hello, who the origin
is, and the secondary connection.

It must not know what is claimed, nor how it is loaded.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet.defer import Deferred

from migrate.control import reachable
from migrate.conversation import Conversation, Deadlines
from migrate.credentials import UserPolicy, peerCredentials
from migrate.descriptors import DescriptorReceiver
from migrate.errors import (
    MigrationError,
    PeerLost,
    RemoteProtocolError,
)
from migrate.greeting import checkVersions, hello
from migrate.handover import Role
from migrate.identity import Login, RecipientIdentity, isLocal
from migrate.wire import (
    MAX_FRAME,
    Attach,
    Attached,
    FrameWriter,
    Hello,
    LoginAccepted,
    LoginChallenge,
    Welcome,
)

LIVES = 2
"""
Descriptors that come before any service's: the origin's life, to be watched,
and this side's, to be held.
"""


def _addressOf(secondary: bytes) -> bytes:
    """
    @param secondary: an absolute path, or an abstract address.
    @return: the same, as it fits into a UNIX address.
    """
    if secondary.startswith(b"\0"):
        return secondary
    return os.fsencode(reachable(os.fsdecode(secondary)))


class RecipientIntroduction(Conversation):
    """
    The recipient's end of one conversation, as far as it goes before a claim.

    @ivar policy: whose processes are trusted to be an origin.
    @ivar peer: what the origin said of itself.
    @ivar originIsOwn: whether the kernel says that the origin is a process of this
        user, or of root: one that could do anything to this process anyhow.  It stays
        so when the conversation is over.
    """

    role = Role.RECIPIENT

    def __init__(
        self,
        reactor: Any,
        deadlines: Deadlines,
        policy: UserPolicy,
        login: Login | None = None,
    ) -> None:
        super().__init__(reactor, deadlines)
        self.policy = policy
        self.identity = RecipientIdentity(policy, login, self.reader, self.writer)
        self.peer: Hello | None = None
        self.originIsOwn = False
        self._ready: Deferred[None] | None = Deferred()
        self._receiver: DescriptorReceiver | None = None
        self._lives: list[int] = []

    def ready(self) -> Deferred[None]:
        """
        @return: fires once claims may be made; fails if they never may.
        """
        assert self._ready is not None
        return self._ready

    def connectionMade(self) -> None:
        """
        The origin is there.
        """
        self.send(hello(self.role))
        self._arm()

    # Who is it?

    def doCheckVersions(self, message: Hello) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.peer = message
        checkVersions(message, self.role)

    def doIdentify(self, _: Hello) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        sock = self.transport.getHandle()
        self.originIsOwn = isLocal(sock) and UserPolicy().trusts(peerCredentials(sock))
        start = self.identity.identify(sock)
        if start is not None:
            self.send(start)

    def doProve(self, message: LoginChallenge) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.send(self.identity.prove(message))

    def doVerify(self, message: LoginAccepted) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.receive(self.identity.accept(message))

    def doAttach(self, message: Welcome) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.identity.confirm(self.transport.getHandle())
        self.reader.limit = MAX_FRAME
        self._receiver = DescriptorReceiver(
            self.reactor,
            self._connectSecondary(message),
            onBatch=self.batchCame,
            onError=self.secondaryBroke,
            onClosed=self.secondaryClosed,
        )
        self._receiver.start()

    def _connectSecondary(self, message: Welcome) -> socket.socket:
        """
        @raise MigrationError: it cannot be reached, or somebody else listens.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.deadlines.greeting)
            sock.connect(_addressOf(message.secondary))
            self.policy.check(peerCredentials(sock))
            sock.sendall(FrameWriter().frame(Attach(message.token)))
            sock.setblocking(False)
        except OSError as error:
            sock.close()
            raise PeerLost(
                "the secondary connection for descriptors cannot be made: "
                f"{error}; both processes have to be on one host"
            ) from error
        except MigrationError:
            sock.close()
            raise
        return sock

    def doBegin(self, _: Attached) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._receiver is not None
        # The origin sent them before it said so on the primary stream.
        self._receiver.doRead()
        self._lives = self._receiver.take()
        if len(self._lives) != LIVES:
            raise RemoteProtocolError(
                f"{len(self._lives)} descriptors came where {LIVES} were due"
            )
        ready, self._ready = self._ready, None
        if ready is not None:
            ready.callback(None)

    # What becomes of descriptors is not known here.

    def batchCame(self, batch: list[int]) -> None:
        """
        Some have come.
        """

    def secondaryBroke(self, error: MigrationError) -> None:
        """
        None can be trusted to come any more.
        """

    def secondaryClosed(self) -> None:
        """
        None will come any more.
        """
