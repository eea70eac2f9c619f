"""
How far a transfer has come, told from time to time to whoever waits for it: only of
one that takes long, and never so that it could do the transfer any harm.

It must not know what is transferred, by what way, nor where it is shown.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
from twisted.logger import Logger
from zope.interface import Attribute, Interface, implementer

PATIENCE = 1.0
"""
Seconds for which nothing is told: most transfers are over by then.
"""

MANY = 1000
"""
With so many objects at least it can take long to load what has come.
"""


@attrs.frozen
class Amount:
    """
    How much of a transfer is, or was.

    @ivar objects: how many objects; of those that have come 0, as long as nobody can
        tell.
    @ivar descriptors: how many descriptors.
    @ivar bytes: bytes of records; of those that are expected 0, if nobody knows.
    """

    objects: int = 0
    descriptors: int = 0
    bytes: int = 0


@attrs.frozen
class Status:
    """
    How far one transfer has come.

    @ivar title: what it is a transfer of, in printable characters.
    @ivar expected: all of it.
    @ivar arrived: what is here.
    @ivar elapsed: seconds since it began.
    @ivar coming: seconds since the first of it was here; 0 before that.
    @ivar loading: whether all has come, and is being loaded.
    """

    title: str
    expected: Amount
    arrived: Amount
    elapsed: float
    coming: float = 0.0
    loading: bool = False

    @property
    def fraction(self) -> float:
        """
        How much of it is here, from 0 to 1: by its size if that is known, else by the
        number of its objects.
        """
        if self.loading:
            return 1.0
        if self.expected.bytes:
            return min(1.0, self.arrived.bytes / self.expected.bytes)
        return min(1.0, self.arrived.objects / max(1, self.expected.objects))

    @property
    def left(self) -> float | None:
        """
        Seconds until all is here, if it goes on as it did; L{None} if that cannot be
        told yet.
        """
        fraction = self.fraction
        if not fraction or not self.coming:
            return None
        return self.coming * (1.0 - fraction) / fraction

    def __str__(self) -> str:
        return self.text(" of ")

    def text(self, of: str) -> str:
        """
        @param of: what stands between what has come and what is expected.
        @return: all of it, for a person.
        """
        expected, arrived = self.expected, self.arrived
        if self.loading:
            return f"all {expected.objects} objects are here, and being loaded"
        parts = []
        if arrived.objects or not arrived.bytes:
            parts.append(f"{arrived.objects}{of}{expected.objects} objects")
        if expected.bytes:
            parts.append(f"{_mega(arrived.bytes)}{of}{_mega(expected.bytes)} MB")
        elif arrived.bytes:
            parts.append(f"{_mega(arrived.bytes)} MB")
        if expected.descriptors:
            parts.append(f"{arrived.descriptors}{of}{expected.descriptors} descriptors")
        if self.left is not None:
            parts.append(f"~{self.left:.0f} s left")
        return ", ".join(parts)


def _mega(count: int) -> str:
    return f"{count / 1e6:.1f}"


class IDisplay(Interface):
    """
    Where it is shown how far a transfer has come.  May fail in any way.
    """

    interval: float = Attribute("Seconds between two looks.")

    def show(status: Status) -> None:
        """
        Show it, in place of what was shown before.  Called from any thread, by one
        at a time.
        """

    def clear() -> None:
        """
        There is nothing more to show of this transfer.  Called after every one of
        which something was shown.
        """


@implementer(IDisplay)
class LogDisplay:
    """
    Lines in the log.
    """

    _log = Logger()

    interval = 1.0

    def show(self, status: Status) -> None:
        """
        See L{IDisplay.show}.
        """
        self._log.info(
            "{title}, after {elapsed:.0f} s: {status}",
            title=status.title,
            elapsed=status.elapsed,
            status=str(status),
        )

    def clear(self) -> None:
        """
        See L{IDisplay.clear}.
        """


class Untold:
    """
    The progress of what nobody waits for.
    """

    def begin(
        self, expected: Amount, measure: Callable[[], Amount], rehearsal: bool = False
    ) -> None:
        """
        The transfer begins.

        @param expected: how much is to come.
        @param measure: tells how much has come; asked only of a transfer that takes
            long.
        @param rehearsal: whether it is a copy that comes.
        """

    def arrive(self) -> None:
        """
        The first of it is here.
        """

    def load(self) -> None:
        """
        All is here, and is going to be loaded; the reactor does not run meanwhile.
        """

    def end(self) -> None:
        """
        It is over, whatever came of it.  May be called more than once.
        """


class Progress(Untold):
    """
    The progress of the transfers of one service, one after the other.  It looks at
    them when its time has come, and asks them for nothing in between.
    """

    _log = Logger()

    def __init__(self, service: str, display: Any, clock: Any) -> None:
        """
        @param service: what it is published as.
        @param display: an L{IDisplay}.
        @param clock: a reactor.
        """
        self._service = "".join(c if c.isprintable() else "?" for c in service)
        self._display = display
        self._clock = clock
        self._lock = threading.Lock()
        self._expected = Amount()
        self._measure: Callable[[], Amount] = Amount
        self._title = self._service
        self._began = 0.0
        self._arrived: float | None = None
        self._running = self._shown = False
        self._due: Any = None
        self._timer: threading.Timer | None = None

    def begin(
        self, expected: Amount, measure: Callable[[], Amount], rehearsal: bool = False
    ) -> None:
        """
        See L{Untold.begin}.
        """
        self._expected, self._measure = expected, measure
        self._title = f"{self._service} (rehearsal)" if rehearsal else self._service
        self._began = self._clock.seconds()
        self._arrived = None
        self._running, self._shown = True, False
        self._due = self._clock.callLater(PATIENCE, self._look)

    def arrive(self) -> None:
        """
        See L{Untold.arrive}.
        """
        if self._running:
            self._arrived = self._clock.seconds()

    def load(self) -> None:
        """
        See L{Untold.load}.
        """
        if not self._running:
            return
        self._cancel()
        left = self._began + PATIENCE - self._clock.seconds()
        if left <= 0:
            self._tell(loading=True)
        elif self._expected.objects >= MANY:
            self._wait(left)

    def _wait(self, seconds: float) -> None:
        """
        Nobody but another thread can tell, while this one loads.
        """
        self._timer = threading.Timer(seconds, self._tell, kwargs={"loading": True})
        self._timer.daemon = True
        try:
            self._timer.start()
        except RuntimeError:
            # There are as many threads as there may be.
            self._timer = None

    def end(self) -> None:
        """
        See L{Untold.end}.
        """
        if not self._running:
            return
        self._cancel()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with self._lock:
            self._running = False
            if self._shown:
                self._safely(self._display.clear)

    def _cancel(self) -> None:
        due, self._due = self._due, None
        if due is not None and due.active():
            due.cancel()

    def _look(self) -> None:
        self._tell()
        self._due = self._clock.callLater(self._display.interval, self._look)

    def _tell(self, loading: bool = False) -> None:
        with self._lock:
            if self._running:
                self._shown = True
                self._safely(lambda: self._display.show(self._status(loading)))

    def _status(self, loading: bool) -> Status:
        now = self._clock.seconds()
        return Status(
            self._title,
            self._expected,
            self._expected if loading else self._measure(),
            now - self._began,
            0.0 if self._arrived is None else now - self._arrived,
            loading,
        )

    def _safely(self, act: Callable[[], None]) -> None:
        """
        What cannot be shown is written to the log from now on; and what cannot even
        be written there is of no account.
        """
        try:
            act()
        except Exception as error:
            broken, self._display = self._display, LogDisplay()
            with suppress(Exception):
                broken.clear()
            self._log.info("progress cannot be shown: {why!r}", why=error)
