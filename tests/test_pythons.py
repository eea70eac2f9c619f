"""
Tests for L{tests.pythons}: every Python that is offered works.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.pythons import (
    CHECKOUT,
    CannotUse,
    _fingerprint,
    _run,
    interpreters,
    other,
    unavailable,
)


class PythonsTests(SynchronousTestCase):
    """
    Tests for the Pythons of this machine.
    """

    def test_eachImportsThisCheckout(self) -> None:
        """
        Each is of the version that it is listed with, and imports this
        checkout from wherever it is started.
        """
        code = (
            "import sys, migrate, twisted.conch.manhole;"
            "print('%d.%d' % sys.version_info[:2], migrate.__file__)"
        )
        for interpreter in interpreters():
            said = _run([interpreter.path, "-I", "-c", code], 60).split()
            self.assertEqual(said[0], interpreter.version)
            self.assertEqual(Path(said[1]).parent.parent, CHECKOUT)

    def test_eachFindsThePlugins(self) -> None:
        """
        The twistd of each lists the plugins.
        """
        for interpreter in interpreters():
            twistd = Path(interpreter.path).with_name("twistd")
            said = _run([str(twistd), "--help"], 60)
            self.assertIn("migrate-server", said, interpreter.path)

    def test_runningVersionFirst(self) -> None:
        """
        The running version comes first, and the other one differs.
        """
        versions = [interpreter.version for interpreter in interpreters()]
        self.assertEqual(versions[0], "{}.{}".format(*sys.version_info))
        self.assertEqual(len(set(versions)), len(versions))
        found = other()
        if found is None:
            self.assertEqual(len(versions), 1)
        else:
            self.assertNotEqual(found.version, versions[0])

    def test_reasons(self) -> None:
        """
        What is not offered has a reason, and nothing has one that is.
        """
        offered = {interpreter.version for interpreter in interpreters()}
        self.assertEqual(offered & set(unavailable()), set())
        for version, reason in unavailable().items():
            self.assertIn(version, reason)

    def test_failure(self) -> None:
        """
        A Python that fails is told apart, with its last words.
        """
        command = [sys.executable, "-c", "import sys; sys.exit('no shim for that')"]
        error = self.assertRaises(CannotUse, _run, command, 60)
        self.assertIn("no shim for that", str(error))
        self.assertRaises(CannotUse, _run, ["/nowhere/python"], 60)

    def test_madeAgain(self) -> None:
        """
        What decides whether an environment is made again are the package's
        metadata and the Python, and not the settings of the checks.
        """
        text = (CHECKOUT / "pyproject.toml").read_text(encoding="utf-8")
        before = _fingerprint("3.11.1", text)
        self.assertNotEqual(_fingerprint("3.11.2", text), before)
        dependency = text.replace('"msgspec>=0.19"', '"msgspec>=99"')
        self.assertNotEqual(_fingerprint("3.11.1", dependency), before)
        setting = text.replace("line-length = 88", "line-length = 99")
        self.assertNotEqual(setting, text)
        self.assertEqual(_fingerprint("3.11.1", setting), before)

    def test_asProgram(self) -> None:
        """
        Run as a program it prints the path of the other one, or nothing.
        """
        done = subprocess.run(
            [sys.executable, "-m", "tests.pythons", "--other"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=600,
            check=True,
        )
        found = other()
        self.assertEqual(done.stdout.split(), [found.path] if found else [])
