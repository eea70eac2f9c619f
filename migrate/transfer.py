"""
The origin's blocking turn: one graph is captured, paused, sent, and then either
let go of or resumed.

It must not know the states of the conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import attrs

from migrate.errors import PeerLost, RemoteProtocolError
from migrate.graph import Environment, audience
from migrate.graph.survey import Survey
from migrate.interfaces import IDump, ISecondarySender, ISerializer
from migrate.janitor import Janitor
from migrate.wire import End, Message, slices

COPYING = 1.0
"""
Seconds that a recipient has at most to take the descriptors of a copy: the service
stands still for as long.
"""


Write = Callable[[object, str, Environment], IDump]
"""
Writes a graph down: takes its root, what paths begin with, and what the walk needs to
know.
"""


@attrs.define(eq=False)
class Offer:
    """
    Something that has been claimed: a service, or a part of one.

    @ivar name: what it is published as.
    @ivar root: the root of its graph.
    @ivar environment: what the walk needs to know.
    @ivar restore: call it if the service stays.
    @ivar depart: call it if the service is another process's.
    @ivar told: whether the application is told of what happens to it.
    """

    name: str
    root: object
    environment: Environment
    restore: Callable[[], None]
    depart: Callable[[], None]
    told: bool = True

    def audience(self) -> list[object]:
        """
        @return: who is to be told.
        """
        return audience(self.root, self.environment) if self.told else []

    def dump(self, write: Write) -> IDump:
        """
        Write it down, without doing anything to it.

        @raise migrate.errors.CannotMigrate: it cannot move.
        """
        return write(self.root, self.name, self.environment)

    def janitor(self, dump: IDump) -> Janitor:
        """
        @return: what pauses, resumes and lets go of what was written down.
        """
        return Janitor.of(dump.live, dump.capture)


@attrs.frozen
class Moved:
    """
    What a finished move was like.

    @ivar service: its name.
    @ivar pid: the process that it moved to, as that says.
    @ivar pause: seconds from the beginning of the capture to the recipient's
        word that it owns the service.
    @ivar objects: how many objects moved.
    @ivar descriptors: how many descriptors moved.
    @ivar bytes: the size of all that was sent of the graph.
    @ivar steps: the parts of the pause, in seconds, by name, in their order:
        C{"capture"}, C{"pause"} (taking everything out of the reactor's hands),
        C{"send"}, C{"load"} (from the end of what was sent to the recipient's word
        that it could own it) and C{"commit"}.
    """

    service: str
    pid: int
    pause: float
    objects: int
    descriptors: int
    bytes: int
    steps: Mapping[str, float]


@attrs.define(eq=False)
class Transfer:
    """
    The transfer of one claimed service.

    @ivar offer: what was claimed.
    @ivar rehearsal: whether a copy is all that is wanted.
    @ivar deadline: C{time.monotonic()} seconds by which the turn has to end;
        set by L{capture}.
    @ivar spent: seconds that the last walk over the graph took.
    @ivar survey: what was copied, if anything was.
    """

    offer: Offer
    _serializer: ISerializer
    _sender: ISecondarySender
    rehearsal: bool = False
    deadline: float = attrs.field(default=0.0, init=False)
    spent: float = attrs.field(default=0.0, init=False)
    survey: Survey | None = attrs.field(default=None, init=False)
    _sent: int = attrs.field(default=0, init=False)
    _marks: dict[str, float] = attrs.field(factory=dict, init=False)
    _dump: IDump | None = attrs.field(default=None, init=False)
    _janitor: Janitor | None = attrs.field(default=None, init=False)

    def audit(self) -> IDump:
        """
        @return: a capture to be thrown away; the service runs on.
        @raise migrate.errors.CannotMigrate: the graph cannot move.
        """
        began = time.monotonic()
        try:
            return self.offer.dump(self._serializer.dump)
        finally:
            self.spent = time.monotonic() - began

    def capture(self, limit: float) -> None:
        """
        Write the graph down.

        @param limit: seconds that the turn may take from now on.
        @raise migrate.errors.CannotMigrate: the graph cannot move any more.
        """
        self._marks = {"begin": time.monotonic()}
        self.deadline = self._marks["begin"] + limit
        self._dump = self.audit()
        self._mark("capture")

    def _mark(self, step: str) -> None:
        """
        A step is done.
        """
        self._marks[step] = time.monotonic()

    def _steps(self) -> dict[str, float]:
        """
        @return: how long each step took that is done, in seconds.
        """
        names, times = list(self._marks), list(self._marks.values())
        return {
            name: after - before
            for name, before, after in zip(names[1:], times, times[1:], strict=False)
        }

    def extend(self, limit: float) -> float:
        """
        The recipient has loaded everything.

        @param limit: seconds that the turn may take from now on.
        @return: the new deadline.
        """
        self._mark("load")
        self.deadline = self._marks["load"] + limit
        return self.deadline

    def pause(self) -> None:
        """
        Take the service out of the reactor's hands.
        """
        dump = self._dump
        assert dump is not None
        self._janitor = self.offer.janitor(dump)
        self._janitor.pause()
        self._mark("pause")

    def send(self, sendNow: Callable[[Message, float], None]) -> None:
        """
        Send all of it.

        @param sendNow: sends a message by a deadline.
        @raise PeerLost: nobody takes it.
        @raise PeerTimeout: it was not taken in time.
        """
        dump = self._dump
        assert dump is not None
        try:
            self._sender.send(dump.filenos, self.deadline)
        except RemoteProtocolError as error:
            raise PeerLost(f"the secondary connection broke: {error}") from error
        self._sendRecords(dump, lambda message: sendNow(message, self.deadline))

    def _sendRecords(self, dump: IDump, send: Callable[[Message], None]) -> None:
        """
        Send the records, and say that they end.
        """
        chunks = self._sent = 0
        for chunk in dump.chunks:
            for part in slices(chunk):
                send(part)
                chunks += 1
            self._sent += len(chunk)
        send(End(len(dump.filenos), chunks))
        self._mark("send")

    def copy(self, send: Callable[[Message], None]) -> None:
        """
        Send all of it while the service runs on.  Only the descriptors are
        waited for, and not for long.

        @param send: sends a message when the reactor comes to it.
        @raise PeerLost: nobody takes it.
        @raise PeerTimeout: the descriptors were not taken in time.
        """
        dump, self._dump = self._dump, None
        assert dump is not None
        deadline = min(self.deadline, time.monotonic() + COPYING)
        self._sender.send(dump.filenos, deadline)
        self._sendRecords(dump, send)
        # Later the objects are not any more what they were at the capture.
        self.survey = dump.survey()

    def seconds(self, loading: float) -> dict[str, float]:
        """
        @param loading: how long the recipient took to load what was sent, in
            seconds.
        @return: how long each step took, and how long all of them would keep a
            service from running: C{"pause"}.
        """
        steps = {**self._steps(), "load": loading}
        return {**steps, "pause": sum(steps.values())}

    def release(self) -> None:
        """
        Let go of this process's copies.
        """
        self._mark("commit")
        if self._janitor is not None:
            self._janitor.release()

    def resume(self) -> None:
        """
        The service goes on here, exactly as it was.
        """
        if self._janitor is not None:
            self._janitor.resume()
        self._janitor = self._dump = None

    def report(self, pid: int) -> Moved:
        """
        @param pid: the process that has the service now.
        """
        dump = self._dump
        assert dump is not None
        steps = self._steps()
        return Moved(
            service=self.offer.name,
            pid=pid,
            pause=sum(steps.values()),
            objects=dump.objects,
            descriptors=len(dump.filenos),
            bytes=self._sent,
            steps=steps,
        )
