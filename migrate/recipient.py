"""
The side that takes a service over: one conversation with one origin.

It must not know what becomes of the service, nor which ones are wanted.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, succeed
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.conversation import Deadlines, errorOf
from migrate.credentials import UserPolicy
from migrate.descriptors import closeAll, ensureRoom
from migrate.errors import (
    CannotResolve,
    Forbidden,
    MalformedTable,
    MigrationError,
    NotTrusted,
    PeerLost,
    RemoteProtocolError,
)
from migrate.graph import Environment
from migrate.graph.names import resolve
from migrate.handover import Event, State
from migrate.identity import Login, isOwn
from migrate.interfaces import ILoader, ISerializer
from migrate.introduction import RecipientIntroduction
from migrate.life import ADOPTED, COMMITTED, LifeWatch
from migrate.limits import GRAPH, MANIFEST
from migrate.model import Named
from migrate.wire import (
    MAX_NAMES,
    Adopted,
    Claim,
    End,
    Failed,
    List,
    Manifest,
    NamesPart,
    Prepared,
    Ready,
    Records,
    Refused,
    Services,
)


@attrs.frozen
class Wish:
    """
    What to do with a claimed service.

    @ivar service: what it is published as.
    @ivar serializer: in which way it is to come.
    @ivar environment: what the loading needs to know.
    @ivar check: called with the root before anything is owned; may refuse by a
        L{MigrationError}.
    @ivar adopted: called with the root once it is owned and started.
    """

    service: str
    serializer: ISerializer
    environment: Environment
    check: Callable[[Any], None]
    adopted: Callable[[Any], None]


class RecipientConversation(RecipientIntroduction):
    """
    The whole of the recipient's end of one conversation.
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
        self._claimed: Deferred[Any] | None = None
        self._closed: Deferred[None] = Deferred()
        self._wish: Wish | None = None
        self._names: list[tuple[str, str]] = []
        self._secondaryOver = False
        self._watch: LifeWatch | None = None
        self._loader: ILoader | None = None
        self._root: Any = None
        self._nameLength = 0
        self._recordBytes = 0
        self._chunks = 0
        self._end: End | None = None

    # What a caller asks for.

    def services(self) -> Deferred[dict[str, str]]:
        """
        Ask what the origin publishes.

        @return: the state of each, by name.
        """
        self._listing = Deferred()
        self.happen(Event.ASK)
        return self._listing or succeed({})

    def claim(self, wish: Wish) -> Deferred[Any]:
        """
        Take a service over.

        @return: fires with the root once it is adopted; fails with a
            L{MigrationError} if it stays.
        """
        done = self._claimed = Deferred()
        self._wish = wish
        self.happen(Event.WANT)
        return done

    def close(self) -> Deferred[None]:
        """
        End the conversation.  Never call this during a claim.

        @return: fires when it has ended.
        """
        self.transport.loseConnection()
        return self._closed

    # Deadlines.

    def limits(self) -> Mapping[State, float]:
        """
        See L{Conversation.limits}.
        """
        return {
            State.GREETING: self.deadlines.greeting,
            State.IDENTIFYING: self.deadlines.greeting,
            State.ATTACHING: self.deadlines.greeting,
            # Only while the origin is to tell what it publishes.
            State.IDLE: self.deadlines.preparing,
            State.CLAIMING: self.deadlines.preparing,
            State.RECEIVING: self.deadlines.transfer,
        }

    def batchCame(self, batch: list[int]) -> None:
        """
        See L{RecipientIntroduction.batchCame}.
        """
        self._checkComplete()

    def secondaryBroke(self, error: MigrationError) -> None:
        """
        See L{RecipientIntroduction.secondaryBroke}.
        """
        if self.machine.state is State.RECEIVING:
            self.happen(Event.DENY, error)

    def secondaryClosed(self) -> None:
        """
        See L{RecipientIntroduction.secondaryClosed}.  Those that have come may
        be all.
        """
        self._secondaryOver = True
        self._checkComplete()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Conversation.connectionLost}.  What was sent before the end may
        still be on its way from the other socket.
        """
        receiver, before = self._receiver, -1
        while self._end is not None and receiver is not None:
            if self._secondaryOver or len(receiver.inbox) == before:
                break
            before = len(receiver.inbox)
            receiver.doRead()
        super().connectionLost(reason)

    # The claim.

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

    def doSendClaim(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._wish is not None
        # Loading a pickle may run anything: it is for one's own processes.
        if self._wish.serializer.name == "pickle" and not isOwn(
            self.transport.getHandle()
        ):
            raise NotTrusted("a pickle is taken only from a process of the same user")
        self._names, self._nameLength = [], 0
        self.send(Claim(self._wish.service, self._wish.serializer.name))

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
        assert self._wish is not None
        ensureRoom(message.descriptors)
        missing = []
        policy = self._wish.environment.policy
        for module, qualname in [*self._names, *message.names]:
            try:
                resolve(Named(module, qualname), policy)
            except (CannotResolve, Forbidden) as error:
                missing.append(str(error))
        if missing:
            raise CannotResolve("; ".join(missing))
        self.happen(Event.ADMIT)

    def doSendReady(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._wish is not None
        self._loader = self._wish.serializer.loader(self._wish.environment)
        self._chunks = self._recordBytes = 0
        self._end = None
        self.send(Ready())

    # The transfer.

    def doFeed(self, message: Records) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._loader is not None
        self._chunks += 1
        self._recordBytes += len(message.data)
        if self._recordBytes > GRAPH:
            raise MalformedTable(f"a service brings over {GRAPH} bytes of records")
        self._loader.feed(message.data)

    def doNoteEnd(self, message: End) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if message.chunks != self._chunks:
            raise MalformedTable(
                f"{self._chunks} pieces came where {message.chunks} were sent"
            )
        self._end = message
        self._checkComplete()

    def _checkComplete(self) -> None:
        """
        Records and descriptors come by different ways, in any order.
        """
        end, receiver = self._end, self._receiver
        if end is None or receiver is None:
            return
        if len(receiver.inbox) >= end.descriptors:
            self._end = None
            self.happen(Event.COMPLETE)
        elif self._secondaryOver:
            self._end = None
            self.happen(Event.DENY, PeerLost("the secondary connection has ended"))

    def doLoad(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._loader is not None
        assert self._receiver is not None
        assert self._wish is not None
        self._root = self._loader.finish(self._receiver.take())
        self._wish.check(self._root)
        self.happen(Event.ADMIT)

    def doSendPrepared(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.sendNow(Prepared(), self._soon())

    def _soon(self) -> float:
        return time.monotonic() + self.deadlines.transfer

    def doSayAdopted(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.  Nobody may be left to hear it.
        """
        with contextlib.suppress(BrokenPipeError):
            os.write(self._lives[1], ADOPTED)

    def doSendAdopted(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.  That it cannot be told does not change
        that it is so: the origin is dead, or finds it on this side's life.
        """
        with contextlib.suppress(MigrationError):
            self.sendNow(Adopted(), self._soon())

    def doAdopt(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        loader, root, wish = self._loader, self._root, self._wish
        self._loader = self._root = self._wish = None
        assert loader is not None
        assert wish is not None
        try:
            loader.adopt()
            wish.adopted(root)
        finally:
            claimed, self._claimed = self._claimed, None
            if claimed is not None:
                claimed.callback(root)

    def doDiscard(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        loader, self._loader = self._loader, None
        self._root = self._end = None
        if self._receiver is not None:
            closeAll(self._receiver.take())
        if loader is not None:
            loader.discard()

    # When it goes wrong.

    def doSendRefused(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.complain(Refused, detail)

    def doSendFailed(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.complain(Failed, detail)

    def doReport(self, detail: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._give(errorOf(self.event, detail))

    def _give(self, error: MigrationError) -> None:
        """
        Tell whoever waits that it will not be.
        """
        waiting = [self._ready, self._listing, self._claimed]
        if self.machine.state is not State.CLOSED:
            waiting = [self._claimed]
        else:
            self._ready = self._listing = None
        self._claimed = self._wish = None
        for each in waiting:
            if each is not None and not each.called:
                each.errback(error)

    def doWatch(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._watch = LifeWatch(self.reactor, self._lives[0], self._lifeSpoke)
        self._watch.start()

    def _lifeSpoke(self, said: bytes) -> None:
        if said == COMMITTED:
            self.happen(Event.COMMITTED)
        elif said:
            error = PeerLost("the stream was lost, and the origin serves on")
            self.happen(Event.RESUMED, error)
        else:
            self.happen(Event.GONE)

    def doClose(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        if self._watch is not None:
            self._watch.stop()
        if self._receiver is not None:
            self._receiver.close()
        # The end of this side's life tells the origin that nothing is held
        # here, or no longer.
        lives, self._lives = self._lives, []
        closeAll(lives)
        self.transport.loseConnection()
        if not self._closed.called:
            self._closed.callback(None)
