"""
The janitor's order, and what it does when an action fails.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from migrate.janitor import Janitor
from migrate.model import Actions


class Acting:
    """
    An adapter of numbers, whose actions are noted.
    """

    postponable = False

    def __init__(self, note: Callable[[str], None]) -> None:
        self.note = note

    def actions(self, number: int, capture: object) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        return Actions(
            *(
                partial(self.note, f"{verb} {number}")
                for verb in ("pause", "resume", "release")
            )
        )


class JanitorTests(SynchronousTestCase):
    """
    L{Janitor} pauses and releases in order, and resumes in reverse.
    """

    def setUp(self) -> None:
        """
        Three things to do, and a note of what was done.
        """
        self.done: list[str] = []
        self.failing: set[str] = set()
        self.postponing = False

    def janitor(self) -> Janitor:
        """
        A janitor of the things 1, 2 and 3.
        """

        def note(what: str) -> None:
            self.done.append(what)
            if what in self.failing:
                raise RuntimeError(what)

        now, later = Acting(note), Acting(note)
        later.postponable = True
        things = (
            {1: now, 2: later, 3: now}
            if self.postponing
            else dict.fromkeys((1, 2, 3), now)
        )
        return Janitor([(things[n], n) for n in (1, 2, 3)], None)

    def test_pauseAndResume(self) -> None:
        """
        What was paused last is resumed first, and once.
        """
        janitor = self.janitor()
        janitor.pause()
        self.assertEqual(self.done, ["pause 1", "pause 2", "pause 3"])
        self.done.clear()
        janitor.resume()
        janitor.resume()
        self.assertEqual(self.done, ["resume 3", "resume 2", "resume 1"])

    def test_postponed(self) -> None:
        """
        What means nothing as long as the reactor does not run is paused before it
        does, or not at all.
        """
        self.postponing = True
        janitor = self.janitor()
        janitor.hold()
        janitor.pause()
        self.assertEqual(self.done, ["pause 1", "pause 3"])
        janitor.resume()
        self.assertEqual(self.done[2:], ["resume 3", "resume 1"])
        self.done.clear()
        janitor.pause()
        janitor.hold()
        janitor.hold()
        self.assertEqual(self.done, ["pause 1", "pause 3", "pause 2"])
        janitor.resume()
        self.assertEqual(self.done[3:], ["resume 2", "resume 3", "resume 1"])

    def test_postponedRelease(self) -> None:
        """
        What was put off is paused before it is released, and released in order.
        """
        self.postponing = True
        self.failing = {"pause 2"}
        janitor = self.janitor()
        janitor.pause()
        janitor.release()
        self.assertEqual(
            self.done[2:], ["pause 2", "release 1", "release 2", "release 3"]
        )
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

    def test_release(self) -> None:
        """
        What is released can neither be resumed nor released again.
        """
        janitor = self.janitor()
        janitor.pause()
        self.done.clear()
        janitor.release()
        janitor.release()
        janitor.resume()
        self.assertEqual(self.done, ["release 1", "release 2", "release 3"])

    def test_nothingPaused(self) -> None:
        """
        Nothing is resumed or released that was never paused.
        """
        janitor = self.janitor()
        janitor.resume()
        janitor.release()
        self.assertEqual(self.done, [])

    def test_failingPause(self) -> None:
        """
        A pause that fails half-way is undone, its own half included, and the
        failure is told.
        """
        self.failing = {"pause 2"}
        janitor = self.janitor()
        error = self.assertRaises(RuntimeError, janitor.pause)
        self.assertEqual(str(error), "pause 2")
        self.assertEqual(self.done, ["pause 1", "pause 2", "resume 2", "resume 1"])

    def test_failingResume(self) -> None:
        """
        A resume that fails does not keep the others from being resumed, and
        is logged.
        """
        self.failing = {"resume 3"}
        janitor = self.janitor()
        janitor.pause()
        self.done.clear()
        janitor.resume()
        self.assertEqual(self.done, ["resume 3", "resume 2", "resume 1"])
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
