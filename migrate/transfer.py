"""
The origin's blocking turn: one graph is captured, paused, sent, and then either
let go of or resumed.

It must not know the states of the conversation.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from migrate.errors import PeerLost, RemoteProtocolError
from migrate.graph import Environment, audience
from migrate.graph.ahead import Ahead, HasFileno
from migrate.graph.large import Uncopied
from migrate.graph.survey import Survey
from migrate.interfaces import (
    IDump,
    ILargeBytes,
    ILiveAdapter,
    ISecondarySender,
    ISerializer,
)
from migrate.janitor import Janitor
from migrate.memory import MemoryFiles, isAvailable
from migrate.wire import End, Message, slices

COPYING = 1.0
"""
Seconds that a recipient has at most to take the descriptors of a copy: the service
stands still for as long.
"""

MANY = 500
"""
Live objects that take a while to be let go of.
"""

PATIENCE = 0.1
"""
Seconds that are left to a recipient at most, before they are.
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

    @property
    def streams(self) -> bool:
        """
        Whether it can be written while it is sent: what is written is all there is
        to know.
        """
        return type(self).dump is Offer.dump

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
        return Janitor(dump.live, dump.capture)


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
    @ivar ahead: what was sent before the capture.
    """

    offer: Offer
    _serializer: ISerializer
    _sender: ISecondarySender
    rehearsal: bool = False
    deadline: float = attrs.field(default=0.0, init=False)
    spent: float = attrs.field(default=0.0, init=False)
    survey: Survey | None = attrs.field(default=None, init=False)
    ahead: Ahead = attrs.field(factory=Ahead, init=False)
    _live: Sequence[tuple[ILiveAdapter, Any]] = attrs.field(default=(), init=False)
    _passed: int = attrs.field(default=0, init=False)
    _files: MemoryFiles | None = attrs.field(
        factory=lambda: MemoryFiles() if isAvailable() else None, init=False
    )
    _surveying: float = attrs.field(default=0.0, init=False)
    _marks: dict[str, float] = attrs.field(factory=dict, init=False)
    _dump: IDump | None = attrs.field(default=None, init=False)
    _janitor: Janitor | None = attrs.field(default=None, init=False)

    @property
    def begun(self) -> bool:
        """
        Whether the graph has been captured to be moved, if perhaps not all of it.
        """
        return bool(self._marks)

    def audit(self) -> IDump:
        """
        @return: a capture to be thrown away; the service runs on.
        @raise migrate.errors.CannotMigrate: the graph cannot move.
        """
        began = time.monotonic()
        try:
            if self.offer.streams:
                dump = self._write(self._serializer.audit, Uncopied(), Ahead())
                self._live = dump.live
                return dump
            return self.offer.dump(self._serializer.dump)
        finally:
            self.spent = time.monotonic() - began

    def connections(self) -> Iterator[HasFileno]:
        """
        @return: the owners of those descriptors that the recipient may have ahead, of
            what the last audit has found; looked for as they are asked for.
        """
        live, self._live = self._live, ()
        for adapter, obj in live:
            look = getattr(adapter, "ahead", None)
            owner = None if look is None else look(obj)
            if owner is not None and owner.fileno() >= 0:
                yield owner

    def capture(self, limit: float, first: bool) -> None:
        """
        Write the graph down.

        @param limit: seconds that the turn may take from now on.
        @param first: whether to look at all of it before anything is sent; it is
            written while it is sent.
        @raise migrate.errors.CannotMigrate: the graph cannot move any more.
        """
        self._marks = {"begin": time.monotonic()}
        self.deadline = self._marks["begin"] + limit
        if first and self.offer.streams:
            self.audit()
            self._live = ()
        if not self.offer.streams:
            self._dump = self.offer.dump(self._serializer.dump)
            self._mark("capture")
        elif self.rehearsal:
            self._dump = self._write(self._serializer.dump, self._files, self.ahead)
            self._mark("capture")
        else:
            self._dump = self._write(self._serializer.stream, self._files, self.ahead)

    def _write(self, write: Write, large: ILargeBytes | None, ahead: Ahead) -> IDump:
        """
        @return: what a serializer makes of the graph.
        """

        def begin(root: object, label: str, environment: Environment) -> IDump:
            evolved = attrs.evolve(environment, large=large, ahead=ahead)
            return write(root, label, evolved)

        return self.offer.dump(begin)

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
        Take the service out of the reactor's hands: what is known of it so far.
        """
        dump = self._dump
        assert dump is not None
        self._janitor = self.offer.janitor(dump)
        self._janitor.pause()

    def hold(self) -> None:
        """
        The reactor is going to run, perhaps amid the transfer.
        """
        if self._janitor is not None:
            self._janitor.hold()

    def send(self, sendNow: Callable[[Message, float], None]) -> None:
        """
        Send all of it.

        @param sendNow: sends a message by a deadline.
        @raise PeerLost: nobody takes it.
        @raise PeerTimeout: it was not taken in time.
        """
        dump, janitor = self._dump, self._janitor
        assert dump is not None
        assert janitor is not None
        try:
            chunks = self._sendRecords(dump, sendNow)
            self._mark("capture")
            janitor.pause()
            self._mark("pause")
            # That they have arrived is told by what the recipient says next.
            rest = dump.filenos[self._passed :]
            self._sender.send(rest, self.deadline, arrived=False)
        except RemoteProtocolError as error:
            raise PeerLost(f"the secondary connection broke: {error}") from error
        sendNow(End(len(dump.filenos), chunks), self.deadline)
        self._mark("send")

    def _sendRecords(
        self, dump: IDump, sendNow: Callable[[Message, float], None]
    ) -> int:
        """
        Send the records, and the descriptors that they mention as far as the peer
        takes them meanwhile.

        @return: in how many pieces.
        """
        chunks = 0
        self._passed = len(self.ahead.filenos)
        for chunk in dump.chunks:
            for part in slices(chunk):
                sendNow(part, self.deadline)
                chunks += 1
            self._pass(dump.filenos)
        return chunks

    def _pass(self, filenos: Sequence[int]) -> None:
        """
        Send descriptors while the records are still being written: files all at once,
        for they are memory as long as the peer has not read them.
        """
        waiting = filenos[self._passed :]
        if self._files is None or not self._files.open:
            self._passed += self._sender.offer(waiting, self.deadline)
            return
        self._sender.send(waiting, self.deadline)
        self._passed += len(waiting)
        self._files.close()

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
        if self._files is not None:
            self._files.close()
        chunks = 0
        for chunk in dump.chunks:
            for part in slices(chunk):
                send(part)
                chunks += 1
        send(End(len(dump.filenos), chunks))
        self._mark("send")
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

    def end(self) -> float:
        """
        The recipient owns it: the pause is over.

        @return: seconds that it may have the processors for itself: about what it needs
            to begin to serve.  None if letting go takes no time to speak of.
        """
        self._mark("commit")
        if self._dump is None or len(self._dump.live) < MANY:
            return 0.0
        return min(PATIENCE, (time.monotonic() - self._marks["begin"]) / 3)

    def release(self) -> None:
        """
        Let go of this process's copies.
        """
        if self._janitor is not None:
            self._janitor.release()

    def resume(self) -> None:
        """
        The service goes on here, exactly as it was.
        """
        if self._janitor is not None:
            self._janitor.resume()
        if self._dump is not None:
            self._dump.forget()
        self._janitor = self._dump = None
        if self._files is not None:
            self._files.close()

    def report(self, pid: int, predicted: float | None) -> Moved:
        """
        @param pid: the process that has the service now.
        @param predicted: the pause that a rehearsal foretold, if there was one.
        """
        dump = self._dump
        assert dump is not None
        steps = self._steps()
        dump.forget()
        return Moved(
            service=self.offer.name,
            pid=pid,
            pause=sum(steps.values()),
            objects=dump.objects,
            descriptors=len(dump.filenos) - dump.spare,
            bytes=dump.size,
            steps=steps,
            predicted=predicted,
        )
