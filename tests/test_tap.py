"""
Tests for L{migrate.tap} and for the options of C{twistd migrate-client}.
"""

from __future__ import annotations

from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from migrate.tap import duration
from migrate.tapclient import Options

TIMES = {
    "50ms": 0.05,
    "50 ms": 0.05,
    "0.2s": 0.2,
    "1.5 s": 1.5,
    "2": 2.0,
    " .5 ": 0.5,
    "1.ms": 0.001,
    "1e-3": 0.001,
    "2e3ms": 2.0,
}

NO_TIMES = (
    "", "soon", "ms", "s", "0", "0ms", "-1", "-5ms", "nan", "inf", "1e400", "1e-400",
    "1e10", "50m", "50 m s", "5s ms", "0x10", "1_000", "50MS", "\u0665\u0660ms",
)  # fmt: skip


class DurationTests(SynchronousTestCase):
    """
    L{duration}
    """

    def test_units(self) -> None:
        """
        Times may have a unit; without one they are in seconds.
        """
        for text, expected in TIMES.items():
            self.assertAlmostEqual(duration("max-pause", text), expected, msg=text)

    def test_nonsense(self) -> None:
        """
        Whatever is no time, or no time at all, is refused, and told what is one.
        """
        for text in NO_TIMES:
            error = self.assertRaises(ValueError, duration, "max-pause", text)
            said = str(error)
            self.assertIn(f"--max-pause {text}: ", said)
            self.assertIn("50ms or 0.2s; a number alone is in seconds", said)


class MaxPauseTests(SynchronousTestCase):
    """
    C{migrate-client --max-pause}
    """

    def options(self, *words: str) -> Options:
        """
        @return: the options that a command line gives.
        """
        found = Options()
        found.parseOptions(["--all", *words])
        return found

    def test_given(self) -> None:
        """
        It is taken, with or without a rehearsal; without it a pause has no bound.
        """
        self.assertIsNone(self.options()["pause"])
        for more in ([], ["--rehearse"], ["--wait", "5"]):
            found = self.options("--max-pause", "50ms", *more)
            self.assertEqual(found["pause"], 0.05)

    def test_nonsense(self) -> None:
        """
        What is no time is an error of usage.
        """
        for text in NO_TIMES:
            error = self.assertRaises(UsageError, self.options, f"--max-pause={text}")
            self.assertIn("give a time such as 50ms", str(error))

    def test_check(self) -> None:
        """
        A check predicts nothing, so there is nothing to judge.
        """
        error = self.assertRaises(
            UsageError, self.options, "--check", "--max-pause", "50ms"
        )
        self.assertIn("--rehearse", str(error))
