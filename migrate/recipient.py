"""
The side that takes a service over: one conversation with one origin.

It must not know what becomes of the service, nor which ones are wanted.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.conversation import Deadlines, errorOf
from migrate.credentials import UserPolicy
from migrate.descriptors import closeAll
from migrate.errors import (
    MalformedTable,
    MigrationError,
    PeerLost,
)
from migrate.graph.collector import promote, uncollected
from migrate.handover import Event, State
from migrate.identity import Login
from migrate.life import ADOPTED, COMMITTED, LifeWatch
from migrate.limits import GRAPH
from migrate.request import RecipientRequest
from migrate.wire import (
    Adopted,
    End,
    Failed,
    Prepared,
    Records,
    Refused,
)


class RecipientConversation(RecipientRequest):
    """
    The whole of the recipient's end of one conversation.

    @ivar pause: seconds from this side's word that it was ready for what it claimed
        last, or from the last descriptors that came ahead of that, until it owned it.
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
        self._closed: Deferred[None] = Deferred()
        self._secondaryOver = False
        self._watch: LifeWatch | None = None
        self._root: Any = None
        self._still = contextlib.ExitStack()
        self.pause = 0.0

    # What a caller asks for.

    def close(self) -> Deferred[None]:
        """
        End the conversation.  Never call this during a claim.

        @return: fires when it has ended.
        """
        self.transport.loseConnection()
        return self._closed

    # Descriptors.

    def batchCame(self, batch: list[int]) -> None:
        """
        See L{RecipientIntroduction.batchCame}.
        """
        if self._loader is not None and self._receiver is not None:
            assert self._wish is not None
            ahead = not self._chunks and not self._wish.rehearsal
            self._descriptors += len(self._receiver.inbox)
            self._loader.receive(self._receiver.take(), ahead)
            if ahead:
                self._readyAt = time.monotonic()
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

    # The transfer.

    def doFeed(self, message: Records) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        assert self._loader is not None
        if not self._chunks:
            # Until it is adopted or discarded: a collection after every piece would
            # go through all that has come so far.
            self._still.enter_context(uncollected())
            self._progress.arrive()
        self._chunks += 1
        self._recordBytes += len(message.data)
        if self._recordBytes > GRAPH:
            raise MalformedTable(f"a service brings over {GRAPH} bytes of records")
        began = time.monotonic()
        self._loader.feed(message.data)
        self._loading += time.monotonic() - began

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
        if self._descriptors + len(receiver.inbox) >= end.descriptors:
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
        self._progress.load()
        began = time.monotonic()
        try:
            self._root = self._loader.finish(self._receiver.take())
        finally:
            self._progress.end()
        self._wish.check(self._root)
        ended = time.monotonic()
        self._loading += ended - began
        self._elapsed = ended - self._readyAt
        self.happen(Event.TRIED if self._wish.rehearsal else Event.ADMIT)

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
        self.pause = time.monotonic() - self._readyAt
        try:
            loader.adopt()
            wish.adopted(root)
        finally:
            promote()
            self._still.close()
            self._headroom = []
            claimed, self._claimed = self._claimed, None
            if claimed is not None:
                claimed.callback(root)

    def doDiscard(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._progress.end()
        loader, self._loader = self._loader, None
        self._root = self._end = None
        self._still.close()
        self._headroom = []
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
        waiting: list[Deferred[Any] | None] = [
            self._claimed,
            self._inquiry,
            self._answer,
        ]
        if self.machine.state is State.CLOSED:
            waiting += [self._ready, self._listing]
            self._ready = self._listing = None
        self._claimed = self._inquiry = self._answer = self._wish = None
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
