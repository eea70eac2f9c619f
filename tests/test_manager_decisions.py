"""
What a manager decides, with the clock passed in: sizes and times, when to try again,
what there is an upgrade for, and how many upgrades come of it.
"""

from __future__ import annotations

import os
import resource
from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import MigrationError
from migrate.manager.backoff import Backoff
from migrate.manager.requests import Report, Requests, Wanted
from migrate.manager.settings import Settings, assignments
from migrate.manager.triggers import Interval, MemoryLimit
from migrate.manager.units import size, span

M = 1 << 20


class UnitsTests(SynchronousTestCase):
    """
    L{size} and L{span}
    """

    def test_sizes(self) -> None:
        """
        Sizes have units of powers of 1024, or none.
        """
        for text, expected in {
            "500M": 500 * M,
            "1.5G": 1536 * M,
            " 2 GiB ": 2048 * M,
            "64kb": 1 << 16,
            "1T": 1 << 40,
            "4096": 4096,
        }.items():
            self.assertEqual(size("memory-limit", text), expected, text)

    def test_noSizes(self) -> None:
        """
        Whatever is no size is refused, and told what is one.
        """
        for text in ("", "M", "0", "0.1", "-5M", "5X", "5MM", "lots", "1e3", "\u0665M"):
            error = self.assertRaises(ValueError, size, "memory-limit", text)
            self.assertIn(f"--memory-limit {text}: give a size such as", str(error))

    def test_spans(self) -> None:
        """
        Times have units, more than one perhaps; without one they are seconds.
        """
        for text, expected in {
            "24h": 86_400,
            "1h30m": 5400,
            "1h 30m": 5400,
            "7d": 604_800,
            "2w": 1_209_600,
            "90": 90,
            ".5s": 0.5,
            "1.5m ": 90,
        }.items():
            self.assertEqual(span("every", text), expected, text)

    def test_noSpans(self) -> None:
        """
        Whatever is no time, or none at all, is refused, and told what is one.
        """
        for text in ("", "h", "0", "0s", "-1h", "5y", "1h30", "1hm", "soon", "4000w"):
            error = self.assertRaises(ValueError, span, "every", text)
            self.assertIn(f"--every {text}: give a time such as", str(error))


class BackoffTests(SynchronousTestCase):
    """
    L{Backoff}
    """

    def test_grows(self) -> None:
        """
        Each failure in a row is waited for twice as long, up to a bound, until there
        were too many.
        """
        backoff = Backoff(limit=5, first=0.5, most=3.0)
        waits = [backoff.failed(0.0) for _ in range(6)]
        self.assertEqual(waits, [0.5, 1.0, 2.0, 3.0, 3.0, None])

    def test_settled(self) -> None:
        """
        What has gone well for long enough is the first one to fail again.
        """
        backoff = Backoff(limit=1, settled=60.0)
        self.assertEqual(backoff.failed(59.9), 0.5)
        self.assertIsNone(backoff.failed(59.9))
        self.assertEqual(backoff.failed(60.0), 0.5)

    def test_never(self) -> None:
        """
        With a limit of none, nothing is tried again.
        """
        self.assertIsNone(Backoff(limit=0).failed(1e6))

    def test_forever(self) -> None:
        """
        Without a limit, all of them are put up with.
        """
        backoff = Backoff(limit=None)
        self.assertEqual({backoff.failed(0.0) for _ in range(2000)} & {None}, set())


class MemoryLimitTests(SynchronousTestCase):
    """
    L{MemoryLimit}
    """

    def test_leak(self) -> None:
        """
        A process is replaced once it has more than the limit, and so is the next one.
        """
        limit = MemoryLimit(100 * M)
        self.assertFalse(limit.exceeded(1, 60 * M, 0.0))
        self.assertTrue(limit.exceeded(1, 101 * M, 2.0))
        self.assertFalse(limit.exceeded(2, 60 * M, 4.0))
        self.assertFalse(limit.isPointless())
        self.assertTrue(limit.exceeded(2, 101 * M, 6.0))

    def test_foundLeaking(self) -> None:
        """
        A process that had too much when it was met is replaced.
        """
        self.assertTrue(MemoryLimit(100 * M).exceeded(1, 300 * M, 0.0))

    def test_needed(self) -> None:
        """
        If what is served takes more than the limit by itself, there is no upgrade upon
        upgrade: only once it has grown beyond that.
        """
        limit = MemoryLimit(100 * M)
        self.assertTrue(limit.exceeded(1, 200 * M, 0.0))
        self.assertFalse(limit.exceeded(2, 200 * M, 2.0))
        self.assertTrue(limit.isPointless())
        self.assertFalse(limit.exceeded(2, 249 * M, 4.0))
        self.assertTrue(limit.exceeded(2, 251 * M, 6.0))

    def test_failed(self) -> None:
        """
        What could not be replaced is not tried again at once, and ever more seldom.
        """
        limit = MemoryLimit(100 * M)
        now, tried = 0.0, []
        for _ in range(400):
            if limit.exceeded(1, 200 * M, now):
                tried.append(now)
                limit.failed(now)
            now += 2.0
        self.assertEqual(tried, [0.0, 60.0, 180.0, 420.0])


class IntervalTests(SynchronousTestCase):
    """
    L{Interval}
    """

    def test_time(self) -> None:
        """
        The time counts from when a process was first seen, and anew for the next one,
        whatever there was an upgrade for.
        """
        interval = Interval(10.0)
        self.assertFalse(interval.exceeded(1, 100.0))
        self.assertFalse(interval.exceeded(1, 109.0))
        self.assertFalse(interval.exceeded(2, 110.0))
        self.assertFalse(interval.exceeded(2, 119.0))
        self.assertTrue(interval.exceeded(2, 120.0))
        # That one failed.
        self.assertFalse(interval.exceeded(2, 129.0))
        self.assertTrue(interval.exceeded(2, 130.0))


class RequestsTests(SynchronousTestCase):
    """
    L{Requests}
    """

    def setUp(self) -> None:
        """
        Upgrades that are over when the test says so.
        """
        self.begun: list[Wanted] = []
        self.ending: list[Deferred[Report]] = []
        self.requests = Requests(self.begin)
        self.requests.release()

    def begin(self, wanted: Wanted) -> Deferred[Report]:
        """
        Begin one.
        """
        self.begun.append(wanted)
        self.ending.append(Deferred())
        return self.ending[-1]

    def end(self, report: Report) -> None:
        """
        End the one that is under way.
        """
        self.ending[-1].callback(report)

    def test_atOnce(self) -> None:
        """
        With nothing under way, an upgrade begins at once.
        """
        done = self.requests.ask("SIGHUP")
        self.assertEqual([each.reasons for each in self.begun], [["SIGHUP"]])
        self.assertNoResult(done)
        self.end({"upgraded": True})
        self.assertEqual(self.successResultOf(done), {"upgraded": True})
        self.assertFalse(self.requests.busy)

    def test_together(self) -> None:
        """
        All that asks while one is under way is met by one more, never by two at a time;
        and not by the one that has begun already.
        """
        first = self.requests.ask("time")
        asked = ["code", "SIGHUP", "code", "memory"]
        later = [self.requests.ask(reason) for reason in asked]
        self.assertEqual(len(self.begun), 1)
        self.end({"number": 1})
        self.assertEqual(self.successResultOf(first), {"number": 1})
        self.assertEqual(self.begun[1].reasons, ["code", "SIGHUP", "memory"])
        for done in later:
            self.assertNoResult(done)
        self.end({"number": 2})
        for done in later:
            self.assertEqual(self.successResultOf(done), {"number": 2})
        self.assertEqual(len(self.begun), 2)

    def test_changes(self) -> None:
        """
        What is to be different is gathered, too; the last word counts.
        """
        self.requests.hold()
        self.requests.ask("one", {"nofile": 1, "directory": "/a"})
        self.requests.ask("two", {"nofile": 2})
        self.assertEqual(self.begun, [])
        self.requests.release()
        self.assertEqual(self.begun[0].changes, {"nofile": 2, "directory": "/a"})

    def test_held(self) -> None:
        """
        While there is nothing to be upgraded none begins, not even once one is over;
        those who wait can be told that there will be none.
        """
        self.requests.ask("code")
        later = self.requests.ask("time")
        self.requests.hold()
        self.end({})
        self.assertEqual(len(self.begun), 1)
        self.requests.settle({"upgraded": False})
        self.assertEqual(self.successResultOf(later), {"upgraded": False})
        self.requests.release()
        self.assertEqual(len(self.begun), 1)


class SettingsTests(SynchronousTestCase):
    """
    L{Settings}
    """

    def setUp(self) -> None:
        """
        Settings that do.
        """
        self.directory = os.path.abspath(self.mktemp())
        os.mkdir(self.directory)
        self.settings = Settings(self.directory)

    def refused(self, **changes: Any) -> str:
        """
        @return: why there are no such settings.
        """
        return str(self.assertRaises(MigrationError, self.settings.changed, changes))

    def test_changed(self) -> None:
        """
        What is given is changed, and nothing else.
        """
        self.assertEqual(self.settings.changed({"nofile": None}), self.settings)
        changed = self.settings.changed({"nofile": 10})
        self.assertEqual((changed.nofile, changed.directory), (10, self.directory))

    def test_refused(self) -> None:
        """
        What no process could start with is refused, and why.
        """
        self.assertIn("no directory", self.refused(directory="/nowhere"))
        self.assertIn("cannot be read", self.refused(environmentFile="/nowhere"))
        self.assertIn("give a positive number", self.refused(nofile=-1))
        self.assertIn("is no int", self.refused(nofile="many"))
        self.assertIn("no program that can be run", self.refused(python="/nowhere"))
        self.assertIn("there is no setting colour", self.refused(colour="red"))

    def test_limits(self) -> None:
        """
        The limit of open files is another one within, and the same as before after.
        """
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        with self.settings.changed({"nofile": 99}).limits():
            within = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.assertEqual(within, (99, before[1]))
        self.assertEqual(resource.getrlimit(resource.RLIMIT_NOFILE), before)

    def test_environment(self) -> None:
        """
        The file adds to the environment, and is read whenever that is asked for.
        """
        path = os.path.join(self.directory, "file")
        with open(path, "w") as file:
            file.write("A=1\n")
        settings = self.settings.changed({"environmentFile": path})
        base = {"A": "0", "B": "2"}
        self.assertEqual(settings.environment(base), {"A": "1", "B": "2"})
        with open(path, "w") as file:
            file.write("A=3\n")
        self.assertEqual(settings.environment(base), {"A": "3", "B": "2"})

    def test_assignments(self) -> None:
        """
        Lines are as a shell has them, or simpler.
        """
        text = "\n# c\n;c\nA=1\nexport B='two words'\nC=a b\nD=\nE=\"x=y\"\n F = \n"
        error = self.assertRaises(MigrationError, assignments, text, "file")
        self.assertIn("file, line 9: it has to be NAME=VALUE", str(error))
        self.assertEqual(
            assignments(text.replace(" F = ", ""), "file"),
            {"A": "1", "B": "two words", "C": "a b", "D": "", "E": "x=y"},
        )
        for bad in ("A='", "A='b' c", "1A=2"):
            self.assertRaises(MigrationError, assignments, bad, "file")
