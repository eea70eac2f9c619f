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
from migrate.graph import Environment
from migrate.graph.survey import Survey
from migrate.interfaces import IDump, ISecondarySender, ISerializer
from migrate.janitor import Janitor
from migrate.wire import End, Message, slices

COPYING = 1.0
"""
Seconds that a recipient has at most to take the descriptors of a copy: the service
stands still for as long.
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
    @ivar told: whether the application is told of what happens to it.
    """

    name: str
    root: object
    environment: Environment
    restore: Callable[[], None]
    depart: Callable[[], None]
    told: bool = True


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
    @ivar predicted: seconds that the pause was to have by its rehearsal; L{None} if
        it was not rehearsed.
    """

    service: str
    pid: int
    pause: float
    objects: int
    descriptors: int
    bytes: int
    steps: Mapping[str, float]
    predicted: float | None = None


@attrs.frozen
class Copied:
    """
    What is remembered of a rehearsal.

    @ivar pause: seconds for which the service would have stood still.
    @ivar serializer: the name of that which wrote it.
    @ivar bytes: the size of all that was sent.
    """

    pause: float
    serializer: str
    bytes: int


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
    _surveying: float = attrs.field(default=0.0, init=False)
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
            return self._serializer.dump(
                self.offer.root, self.offer.name, self.offer.environment
            )
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
        self._janitor = Janitor.of(dump.live, dump.capture)
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
        began = time.monotonic()
        self.survey = dump.survey()
        self._surveying = time.monotonic() - began

    def seconds(self, loading: float, elapsed: float) -> dict[str, float]:
        """
        What a rehearsal took of which a move would have to take the same.  What was
        sent was on its way for longer than it took to write it down: whatever of
        the whole time was neither capture nor loading counts as sending.

        @param loading: for how long the recipient was at work to load what was
            sent, in seconds.
        @param elapsed: how long it took, in seconds, from the recipient's word that
            it was ready until all was loaded.
        @return: seconds, by name: C{"capture"}, C{"send"}, C{"load"}, and all of
            these together: C{"pause"}.
        """
        steps = self._steps()
        rest = elapsed - self._surveying - steps["capture"] - loading
        parts = {**steps, "send": max(steps["send"], rest), "load": loading}
        return {**parts, "pause": sum(parts.values())}

    def remember(self, pause: float) -> Copied:
        """
        @param pause: what L{seconds} says.
        """
        return Copied(pause, self._serializer.name, self._sent)

    def size(self, audit: IDump, earlier: Copied | None) -> int:
        """
        @param audit: a capture that is thrown away.
        @param earlier: what is remembered of a rehearsal of the same service.
        @return: about how many bytes it would send; 0 if nobody knows, since nothing is
            written down only to be measured.
        """
        if isinstance(audit.chunks, list):
            return sum(map(len, audit.chunks))
        if earlier is not None and earlier.serializer == self._serializer.name:
            return earlier.bytes
        return 0

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

    def report(self, pid: int, copied: Copied | None) -> Moved:
        """
        @param pid: the process that has the service now.
        @param copied: what is remembered of its rehearsal, if there was one.
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
            predicted=None if copied is None else copied.pause,
        )
