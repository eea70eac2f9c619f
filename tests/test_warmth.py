"""
Tests for what a new process has at hand before anybody waits for it.
"""

from __future__ import annotations

import re
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from migrate.warmth import LENGTH, warm, warmth
from tests.processes import CHECKOUT

#: In a process of its own: what this one has loaded and compiled is not asked.
LOADS = """
import re, sys
from migrate.warmth import warm
before = set(sys.modules)
warm({"modules": ["colorsys", "nowhere", "this", "json.tool", "tokenize"],
      "patterns": [("q+z", 2), (b"q+z", 0), ("(", 0), 5]})
import tokenize
names = set(sys.modules) - before
expected = {"colorsys", "json.tool"}
assert expected <= names, names
assert "this" not in names and "nowhere" not in names, names
remembered = {(key[1], key[2]) for key in re._cache}
assert {("q+z", 2), (b"q+z", 0)} <= remembered, remembered
if sys.version_info < (3, 12):
    assert tokenize.PseudoToken in {key[1] for key in re._cache}
"""


class WarmthTests(SynchronousTestCase):
    """
    Tests for L{warmth} and L{warm}.
    """

    def test_patterns(self) -> None:
        """
        What was compiled is told with its flags, text and bytes.
        """
        re.compile("some (pattern)+ of this test", re.I)
        re.compile(b"some [bytes] of this test")
        found = warmth()["patterns"]
        self.assertIn(("some (pattern)+ of this test", re.I), found)
        self.assertIn((b"some [bytes] of this test", 0), found)
        self.assertIs(type(found[0][1]), int)

    def test_bounded(self) -> None:
        """
        What is told has an end, however much was compiled: the latest is told.
        """
        for number in range(3):
            re.compile(f"{number}{'x' * (LENGTH // 2)}")
        found = warmth()["patterns"]
        self.assertLessEqual(sum(len(pattern) for pattern, _ in found), LENGTH)
        self.assertTrue(any(str(pattern).startswith("2xxx") for pattern, _ in found))
        re.purge()

    def test_modules(self) -> None:
        """
        Modules are told whose import nobody notices, and none of a service's own.
        """
        found = warmth()["modules"]
        self.assertIn("subprocess", found)
        self.assertIn("twisted.internet.defer", found)
        self.assertNotIn(__name__, found)
        self.assertNotIn("migrate.warmth", found)

    def test_warm(self) -> None:
        """
        What is not there yet is imported and compiled; what cannot be, or must not
        be, is passed over.
        """
        done = subprocess.run(
            [sys.executable, "-c", LOADS],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_nothing(self) -> None:
        """
        An origin that tells nothing is as good as one that has nothing at hand.
        """
        warm({})
