"""
Tests for L{migrate.progress}: when it is told how far a transfer has come, and what.
"""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from migrate.progress import (
    MANY,
    PATIENCE,
    Amount,
    IDisplay,
    LogDisplay,
    Progress,
    Status,
    Untold,
)

#: What to wait for another thread at most, in seconds.
DEADLINE = 60.0

ALL = Amount(100, 10)


@implementer(IDisplay)
class Display:
    """
    Keeps what it is to show.
    """

    interval = 0.5

    def __init__(self) -> None:
        self.shown: list[Status | None] = []
        self.changed = threading.Event()

    def show(self, status: Status) -> None:
        """
        See L{IDisplay.show}.
        """
        self.shown.append(status)
        self.changed.set()

    def clear(self) -> None:
        """
        See L{IDisplay.clear}.
        """
        self.shown.append(None)


@implementer(IDisplay)
class Broken(Display):
    """
    Shows nothing, ever.
    """

    def show(self, status: Status) -> None:
        """
        See L{IDisplay.show}.
        """
        super().show(status)
        raise RuntimeError("no terminal")

    def clear(self) -> None:
        """
        See L{IDisplay.clear}.
        """
        super().clear()
        raise RuntimeError("no terminal")


class ProgressTests(SynchronousTestCase):
    """
    L{Progress}
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.display = Display()
        self.here = Amount()
        self.asked = 0

    def measure(self) -> Amount:
        """
        @return: what has come.
        """
        self.asked += 1
        return self.here

    def progress(self, expected: Amount = ALL, service: str = "chat") -> Progress:
        """
        @return: that of a transfer that has begun.
        """
        made = Progress(service, self.display, self.clock)
        made.begin(expected, self.measure)
        self.addCleanup(made.end)
        return made

    def shown(self) -> list[Status]:
        """
        @return: what was shown, as long as nothing was cleared.
        """
        return [status for status in self.display.shown if status is not None]

    def test_interfaces(self) -> None:
        """
        What shows it does so as it should.
        """
        for display in (LogDisplay(), self.display):
            verifyObject(IDisplay, display)

    def test_short(self) -> None:
        """
        Of a transfer that is soon over nothing is shown, nothing is measured, and
        nothing is left.
        """
        threads = threading.active_count()
        progress = self.progress(Amount(MANY - 1, 10))
        self.clock.advance(PATIENCE / 2)
        progress.arrive()
        progress.load()
        self.assertEqual(threading.active_count(), threads)
        progress.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(10 * PATIENCE)
        self.assertEqual((self.display.shown, self.asked), ([], 0))

    def test_long(self) -> None:
        """
        Of one that takes longer it is shown how far it has come, from time to time.
        """
        progress = self.progress()
        self.clock.advance(PATIENCE)
        progress.arrive()
        self.here = Amount(25, 10, 1000)
        self.clock.advance(0.5)
        self.here = Amount(50, 10, 2000)
        self.clock.advance(0.5)
        progress.end()
        self.assertEqual(
            self.display.shown,
            [
                Status("chat", ALL, Amount(), 1.0),
                Status("chat", ALL, Amount(25, 10, 1000), 1.5, 0.5),
                Status("chat", ALL, Amount(50, 10, 2000), 2.0, 1.0),
                None,
            ],
        )
        self.assertEqual([status.left for status in self.shown()], [None, 1.5, 1.0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_over(self) -> None:
        """
        What is over is over, whoever says so how often; and the next one begins anew.
        """
        progress = self.progress()
        self.clock.advance(PATIENCE)
        progress.end()
        progress.end()
        progress.arrive()
        progress.load()
        self.clock.advance(10 * PATIENCE)
        self.assertEqual(len(self.display.shown), 2)
        progress.begin(ALL, self.measure, rehearsal=True)
        self.clock.advance(PATIENCE)
        self.assertEqual(self.shown()[-1].title, "chat (rehearsal)")
        self.assertEqual(self.shown()[-1].elapsed, PATIENCE)

    def test_loading(self) -> None:
        """
        That all is here and being loaded is shown at once, if it took that long.
        """
        progress = self.progress()
        self.clock.advance(PATIENCE)
        progress.load()
        last = self.shown()[-1]
        self.assertTrue(last.loading)
        self.assertEqual(last.fraction, 1.0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_loadingLater(self) -> None:
        """
        If it did not, and there is much to load, it is shown once it does, though
        this thread does nothing but load.
        """
        progress = self.progress(Amount(MANY, 10))
        self.clock.advance(PATIENCE - 0.01)
        progress.load()
        self.assertTrue(self.display.changed.wait(DEADLINE))
        progress.end()
        (status,) = self.shown()
        self.assertTrue(status.loading)
        self.assertIsNone(self.display.shown[-1])

    def test_loadedSoon(self) -> None:
        """
        If it is loaded soon, nothing is shown, and nobody waits any more.
        """
        before = threading.enumerate()
        progress = self.progress(Amount(MANY, 10))
        progress.load()
        started = [each for each in threading.enumerate() if each not in before]
        progress.end()
        for thread in started:
            thread.join(DEADLINE)
            self.assertFalse(thread.is_alive())
        self.assertEqual((len(started), self.display.shown), (1, []))

    def test_broken(self) -> None:
        """
        What cannot be shown does no harm, and is told in the log.
        """
        self.display = Broken()
        progress = self.progress()
        with capturedLogs() as events:
            self.clock.advance(PATIENCE)
            self.clock.advance(LogDisplay.interval)
            progress.load()
            progress.end()
        first, *lines = map(formatEvent, events)
        self.assertIn("progress cannot be shown: RuntimeError('no terminal')", first)
        self.assertEqual(
            lines,
            [
                "chat, after 2 s: 0 of 100 objects, 0 of 10 descriptors",
                "chat, after 2 s: all 100 objects are here, and being loaded",
            ],
        )
        self.assertEqual(len(self.display.shown), 2)

    def test_brokenEnd(self) -> None:
        """
        It may break at the end, too; or what is to be measured may.
        """
        self.display = Broken()
        progress = Progress("chat", self.display, self.clock)

        def fail() -> Amount:
            raise ValueError("no loader")

        progress.begin(ALL, fail)
        self.clock.advance(PATIENCE)
        progress.end()
        self.assertEqual(self.display.shown, [None])

    def test_title(self) -> None:
        """
        Whatever a service is called, nothing but text is shown of it.
        """
        self.progress(service="ch\x1b[2Jat\n")
        self.clock.advance(PATIENCE)
        self.assertEqual(self.shown()[0].title, "ch?[2Jat?")

    def test_untold(self) -> None:
        """
        What nobody waits for is told nobody.
        """
        untold = Untold()
        untold.begin(ALL, self.measure)
        for act in (untold.arrive, untold.load, untold.end):
            act()
        self.assertEqual(self.asked, 0)


_amounts = st.builds(Amount, *[st.integers(0, 1 << 48)] * 3)


class StatusTests(SynchronousTestCase):
    """
    L{Status}
    """

    def said(self, arrived: Amount, expected: Amount = ALL, coming: float = 0.0) -> str:
        """
        @return: what is said of it.
        """
        return str(Status("chat", expected, arrived, 2.0, coming))

    def test_parts(self) -> None:
        """
        It is said what is here of what is expected, as far as that is known.
        """
        sized = Amount(100, 0, 4_000_000)
        for arrived, expected, said in (
            (Amount(), ALL, "0 of 100 objects, 0 of 10 descriptors"),
            (Amount(0, 10), ALL, "0 of 100 objects, 10 of 10 descriptors"),
            (
                Amount(50, 4, 1_230_000),
                ALL,
                "50 of 100 objects, 1.2 MB, 4 of 10 descriptors",
            ),
            (Amount(0, 0, 1_000_000), sized, "1.0 of 4.0 MB"),
            (Amount(3, 0, 1_000_000), sized, "3 of 100 objects, 1.0 of 4.0 MB"),
        ):
            self.assertEqual(self.said(arrived, expected), said)

    def test_left(self) -> None:
        """
        What is left takes as long as what is here did, by size if that is known.
        """
        self.assertIn(", ~6 s left", self.said(Amount(25, 0, 9), coming=2.0))
        sized = Amount(100, 10, 1000)
        found = Status("chat", sized, Amount(1, 0, 500), 3.0, 2.0)
        self.assertEqual((found.fraction, found.left), (0.5, 2.0))

    @given(_amounts, _amounts, st.floats(0, 1e9), st.booleans())
    def test_any(
        self, expected: Amount, arrived: Amount, coming: float, loading: bool
    ) -> None:
        """
        Whatever an origin says and sends, it can be told.
        """
        found = Status("chat", expected, arrived, coming, coming, loading)
        self.assertTrue(0.0 <= found.fraction <= 1.0)
        self.assertTrue(found.left is None or found.left >= 0.0)
        self.assertTrue(str(found))
