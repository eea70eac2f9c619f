"""
Every type of the table moves exactly, or is refused beforehand and with its
reason: by both serializers, and from every Python to every other one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate
from migrate.graph import Environment, PickleSerializer, TableSerializer
from tests import pythons
from tests.processes import importPath
from tests.typetable import ROWS, Row, judged, written

#: How long one Python may take for the whole table, in seconds.
DEADLINE = 120


class _Rows:
    """
    What holds of every serializer.
    """

    serializer: Any

    def check(self: Any, row: Row) -> None:
        """
        Move one row, or have it refused.
        """
        if row.refusal is None:
            chunks = written(row, self.serializer)
            self.assertEqual(judged(row, chunks, self.serializer), "")
            return
        refused = self.assertRaises(CannotMigrate, written, row, self.serializer)
        (refusal, *_) = refused.refusals
        self.assertIn(row.refusal, str(refusal))
        self.assertTrue(refusal.path.startswith(row.name), refusal.path)


def _test(row: Row) -> Any:
    """
    @return: a test method for one row.
    """

    def test(self: Any) -> None:
        self.check(row)

    test.__doc__ = f"{row.name}: {row.refusal or 'moves'}."
    return test


_TESTS = {
    f"test_{''.join(c if c.isalnum() else '_' for c in row.name)}": _test(row)
    for row in ROWS
}

TableTests = type(
    "TableTests",
    (_Rows, SynchronousTestCase),
    {**_TESTS, "__module__": __name__, "serializer": TableSerializer()},
)
PickleTests = type(
    "PickleTests",
    (_Rows, SynchronousTestCase),
    {**_TESTS, "__module__": __name__, "serializer": PickleSerializer()},
)


class CheckTests(SynchronousTestCase):
    """
    The table itself.
    """

    def test_names(self) -> None:
        """
        No row hides another.
        """
        self.assertEqual(len(_TESTS), len(ROWS))
        self.assertEqual(len({row.name for row in ROWS}), len(ROWS))

    def test_checksCanFail(self) -> None:
        """
        No check takes just anything for what it wants.
        """
        for row in ROWS:
            for wrong in (None, object(), [], {}, lambda *a: None, type):
                try:
                    passed = row.check(wrong)
                except Exception:
                    continue
                self.assertFalse(passed, f"{row.name} takes {wrong!r}")

    def test_sourceUntouched(self) -> None:
        """
        Describing an object leaves it as it was: a second description of it
        arrives as well as the first.
        """
        serializer = TableSerializer()
        for row in ROWS:
            if row.refusal is not None:
                continue
            made = row.make()
            environment = Environment(defaultRegistry(), Clock())
            for _ in range(2):
                dump = serializer.dump([made, made], row.name, environment)
                chunks = list(dump.chunks)
            self.assertEqual(judged(row, chunks), "", row.name)


class VersionTests(SynchronousTestCase):
    """
    What one Python wrote another one reads.
    """

    def run_(self, python: str, *arguments: str) -> list[str]:
        """
        @return: the lines that the table, run as a program, prints.
        """
        command = [python, "-W", "ignore", "-m", "tests.typetable", *arguments]
        done = subprocess.run(
            command,
            cwd=pythons.CHECKOUT,
            env={**os.environ, "PYTHONPATH": importPath()},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def test_versions(self) -> None:
        """
        From the running Python to each of the others, and back, by both
        serializers.
        """
        paths = {found.version: found.path for found in pythons.interpreters()}
        running = f"{sys.version_info[0]}.{sys.version_info[1]}"
        paths[running] = sys.executable
        files = {}
        for version, python in paths.items():
            files[version] = os.path.abspath(self.mktemp())
            self.run_(python, "dump", files[version])
        for version, python in paths.items():
            pairs = [running] if version != running else list(paths)
            for origin in pairs:
                *wrong, count = self.run_(python, "load", files[origin])
                self.assertEqual(wrong, [], f"from {origin} to {version}")
                self.assertGreater(int(count.split()[0]), 200)
