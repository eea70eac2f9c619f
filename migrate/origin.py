"""
The side that gives a service up: one conversation with one recipient, and the turn
in which the service moves.

It must not know what is published, nor where the control endpoint is: the
server that it belongs to tells it.
"""

from __future__ import annotations

import contextlib
import os
import select
import time

from twisted.logger import Logger

from migrate.admission import IHouse
from migrate.conversation import errorOf, eventOf
from migrate.descriptors import closeAll
from migrate.errors import (
    CannotMigrate,
    CannotMigrateYet,
    MigrationError,
    PeerLost,
    PeerTimeout,
    RemoteProtocolError,
)
from migrate.grant import OriginGrant
from migrate.graph.collector import uncollected
from migrate.handover import Event, State
from migrate.life import COMMITTED, RESUMED, LifeWatch
from migrate.turn import await_, flush, isReady, receiveSome
from migrate.wire import Commit, Failed, Refused, Rollback, explain


class OriginConversation(OriginGrant):
    """
    The whole of the origin's end of one conversation.
    """

    _log = Logger()

    def __init__(self, house: IHouse) -> None:
        super().__init__(house)
        self._watch: LifeWatch | None = None
        self._given = False

    def _run(self) -> None:
        """
        See L{Conversation._run}.  The collector would go through the whole
        graph again and again while the service stands still.
        """
        if self._busy:
            # Whoever runs already is not done.
            return
        with uncollected():
            try:
                super()._run()
            finally:
                if self.transfer is not None:
                    self.transfer.hold()

    # The blocking turn.

    def doCapture(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer = self._claimed()
        if transfer.rehearsal is (self.machine.state is State.TRANSFERRING):
            raise RemoteProtocolError("it was claimed for something else")
        # What passes is waited for: then nothing must be under way.
        first = time.monotonic() < self._patience
        transfer.capture(self.deadlines.transfer, first)

    def doPause(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self._claimed().pause()

    def doSendGraph(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.  What is in the way now is found too late to be
        waited for, even if it passes: part of the graph has been sent.
        """
        try:
            self._claimed().send(self.sendNow)
        except CannotMigrateYet as error:
            raise CannotMigrate(error.refusals) from error

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
        transfer = self._claimed()
        self._giveWay(transfer.end())
        transfer.release()
        # Its life has said the same: that must not be taken for word of the next
        # service.
        if self._lives is not None and isReady(self._lives[1]):
            os.read(self._lives[1], 1)

    def _giveWay(self, seconds: float) -> None:
        """
        Leave the processors to the recipient while it begins to serve: what is left to
        do here is felt by nobody, unless it keeps that waiting.
        """
        with contextlib.suppress(PeerTimeout):
            if seconds:
                deadline = time.monotonic() + seconds
                await_(self.transport.getHandle(), select.POLLIN, deadline)

    def doDepart(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        transfer, self.transfer = self._claimed(), None
        assert self.peer is not None
        transfer.offer.depart()
        self._given = True
        self.forget()
        predicted = self._predicted.get(transfer.offer.name)
        self.house.moved(transfer.report(self.peer.pid, predicted))

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
        problem = self.why(detail)
        self.doReport(problem)
        self.complain(Refused, problem)

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
