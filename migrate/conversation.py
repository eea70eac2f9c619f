"""
What both sides of a conversation do alike: feed the machine with what comes,
perform its effects one after the other, keep the deadlines.

It must not know what any effect means.
"""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import attrs
from twisted.internet.interfaces import IFileDescriptorReceiver
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from migrate.errors import (
    MigrationError,
    PeerLost,
    PeerRefused,
    PeerTimeout,
    RemoteProtocolError,
)
from migrate.handover import UNFAILING, Effect, Event, Handover, Role, State
from migrate.turn import flush
from migrate.wire import (
    Failed,
    FrameReader,
    FrameWriter,
    Message,
    Refused,
    Rollback,
    explain,
)

DEAF = frozenset({State.IN_DOUBT, State.CLOSED})
"""
The states in which nothing counts that comes on the stream: it has ended, if not
yet for the reactor.
"""

_MESSAGES = {event.value: event for event in Event if not event.isLocal}


def methodOf(effect: Effect) -> str:
    """
    @return: the name of the method that performs C{effect}.
    """
    return "do" + re.sub(r"(?:^|_)(.)(\w*?)(?=_|$)", _capital, effect.name)


def _capital(match: re.Match[str]) -> str:
    return match[1] + match[2].lower()


def errorOf(event: Event, detail: object) -> MigrationError:
    """
    @return: what went wrong, as an error that a person can act on.
    """
    if isinstance(detail, MigrationError):
        return detail
    if isinstance(detail, (Refused, Failed)):
        return PeerRefused(detail.error, detail.reason)
    if isinstance(detail, Rollback):
        return PeerRefused("Rollback", detail.reason)
    if event is Event.TIMEOUT:
        return PeerTimeout("the peer did not answer in time")
    return PeerLost("the peer ended the conversation")


def eventOf(error: MigrationError) -> Event:
    """
    @return: what an error that an effect raised means to the machine.
    """
    if isinstance(error, PeerLost):
        return Event.LOST
    if isinstance(error, PeerTimeout):
        return Event.TIMEOUT
    return Event.DENY


@attrs.define
class Deadlines:
    """
    How long the steps may take, in seconds.

    @ivar greeting: to say hello, and to prove who one is, each.
    @ivar preparing: for the recipient to import and to open what it needs, and
        for the origin to audit.
    @ivar transfer: for the whole of the origin's blocking turn: capture, send,
        load, commit.
    """

    greeting: float = 10.0
    preparing: float = 60.0
    transfer: float = 10.0


@implementer(IFileDescriptorReceiver)
class Conversation(Protocol):
    """
    One end of a primary stream.

    @ivar machine: says what to do.
    @ivar reactor: keeps the deadlines.
    @ivar unasked: how many descriptors came on the primary stream, where none
        is due; they were closed at once.
    """

    _log = Logger()

    role: Role
    transport: Any

    def __init__(self, reactor: Any, deadlines: Deadlines) -> None:
        self.reactor = reactor
        self.deadlines = deadlines
        self.machine = Handover(self.role)
        self.reader = FrameReader()
        self.writer = FrameWriter()
        self.event = Event.LOST
        self.unasked = 0
        self._events: deque[tuple[Event, object]] = deque()
        self._consequences: deque[tuple[Event, object]] = deque()
        self._busy = False
        self._deadline: Any = None

    # What comes in.

    def dataReceived(self, data: bytes) -> None:
        """
        Bytes came on the primary stream.
        """
        if self.machine.state in DEAF:
            return
        try:
            messages = self.reader.feed(data)
        except MigrationError as error:
            self.happen(Event.DENY, error)
            return
        self.receive(messages)

    def receive(self, messages: list[Message]) -> None:
        """
        Messages came on the primary stream.
        """
        for message in messages:
            event = _MESSAGES.get(type(message).__name__)
            if event is None:
                error = RemoteProtocolError(
                    f"{type(message).__name__} has no place in a conversation"
                )
                self._events.append((Event.DENY, error))
            else:
                self._events.append((event, message))
        self._run()

    def fileDescriptorReceived(self, descriptor: int) -> None:
        """
        See L{IFileDescriptorReceiver}.  Descriptors come by the secondary
        transport only.
        """
        os.close(descriptor)
        self.unasked += 1
        self.happen(
            Event.DENY,
            RemoteProtocolError("a descriptor came where only messages may"),
        )

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        The primary stream has ended.
        """
        self.happen(Event.LOST)

    def happen(self, event: Event, detail: object = None) -> None:
        """
        Let an event happen, once those before it are done with.  What comes of
        an effect is one of them: it is ahead of messages that have come since.
        But a stream has ended only once all that was said on it was heard.
        """
        ahead = self._busy and event is not Event.LOST
        queue = self._consequences if ahead else self._events
        queue.append((event, detail))
        self._run()

    # What is done about it.

    def wait(self) -> bool:
        """
        Called when there is no event left.

        @return: whether there are new ones.
        """
        return False

    def _run(self) -> None:
        if self._busy:
            return
        self._busy = True
        try:
            happened = False
            while self._consequences or self._events or self.wait():
                happened = True
                self._step(*(self._consequences or self._events).popleft())
        finally:
            self._busy = False
        # A byte now and then is no progress.
        if happened:
            self._arm()

    def _step(self, event: Event, detail: object) -> None:
        """
        One event and its effects.  An effect that fails ends the step, and its
        failure is the next event.
        """
        if self.machine.state in DEAF and not event.isLocal:
            return
        try:
            effects = self.machine.handle(event)
        except RemoteProtocolError as error:
            self._consequences.appendleft((Event.DENY, error))
            return
        self.event = event
        try:
            for effect in effects:
                self.perform(effect, detail)
        except MigrationError as error:
            self._consequences.appendleft((self.eventOf(error), error))

    def eventOf(self, error: MigrationError) -> Event:
        """
        @return: what an error that an effect raised means to the machine.
        """
        return eventOf(error)

    def perform(self, effect: Effect, detail: object) -> None:
        """
        Carry out one effect.

        @raise MigrationError: it failed, and is one that may; what else it
            raises is wrapped.  An exit is, too: the reactor would log it and go
            on, and events would wait here for ever.
        """
        method: Callable[[Any], None] = getattr(self, methodOf(effect))
        try:
            method(detail)
        except BaseException as error:
            if effect in UNFAILING:
                self._log.failure("{effect} failed", effect=effect.name)
            elif isinstance(error, MigrationError):
                raise
            else:
                self._log.failure("{effect} failed", effect=effect.name)
                raise MigrationError(
                    f"{effect.name.lower()} failed: {type(error).__name__}: {error}"
                ) from error

    def limits(self) -> Mapping[State, float]:
        """
        @return: the states that must not last, and how long they may, in
            seconds.
        """
        raise NotImplementedError

    def _arm(self) -> None:
        """
        Begin to count anew for the state that holds now.
        """
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self._deadline = None
        limit = self.limits().get(self.machine.state)
        if limit is not None:
            self._deadline = self.reactor.callLater(limit, self._expire)

    def _expire(self) -> None:
        self._deadline = None
        state = self.machine.state.value
        error = PeerTimeout(f"the peer did not answer in time ({state})")
        self.happen(Event.TIMEOUT, error)

    def doHangUp(self, _: object) -> None:
        """
        See L{migrate.handover.Effect}.
        """
        self.transport.abortConnection()

    # What goes out.

    def send(self, message: Message) -> None:
        """
        Send when the reactor comes to it.
        """
        self.transport.write(self.writer.frame(message))

    def sendNow(self, message: Message, deadline: float) -> None:
        """
        Send before anything else happens, waiting as long as it takes.

        @param deadline: C{time.monotonic()} seconds.
        @raise PeerLost: nobody reads it any more.
        @raise PeerTimeout: it could not be sent in time.
        """
        self.send(message)
        flush(self.transport, deadline)

    def complain(self, kind: Callable[[str, str], Message], error: object) -> None:
        """
        Tell the peer what went wrong, if it still listens.
        """
        problem = errorOf(self.event, error)
        name = (
            problem.error
            if isinstance(problem, PeerRefused)
            else type(problem).__name__
        )
        self.send(kind(name, explain(str(problem))))
