"""
What the documents say is so: the tests, modules, targets and files that they
name are there.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

from twisted.python.reflect import namedAny
from twisted.trial.unittest import SynchronousTestCase, TestCase

from tests.processes import CHECKOUT

DOCUMENTS = (
    *sorted(CHECKOUT.glob("*.rst")),
    *sorted(CHECKOUT.glob("docs/**/*.rst")),
    *sorted(CHECKOUT.glob("examples/**/*.rst")),
)

#: An example in Python.
CODE = r"(?m)^\.\. code-block:: python\n\n((?:(?: {4}.*)?\n)+)"


def every(pattern: str) -> list[tuple[Path, str]]:
    """
    @return: what a pattern finds in all documents, each with its document.
    """
    return [
        (document, found)
        for document in DOCUMENTS
        for found in re.findall(pattern, document.read_text(encoding="utf-8"))
    ]


class DocumentsTests(SynchronousTestCase):
    """
    Tests for what the documents name.
    """

    def test_names(self) -> None:
        """
        Every test, and everything of C{migrate}, can be imported.
        """
        found = every(r"``((?:tests|migrate)\.[\w.]+)``")
        for _, name in found:
            namedAny(name)
        self.assertGreater(len(found), 5)

    def test_tried(self) -> None:
        """
        Every row of what was tried names a test.
        """
        text = (CHECKOUT / "docs/tried.rst").read_text(encoding="utf-8")
        found = re.findall(r'(?m), "``([\w.]+)``"$', text)
        for name in found:
            namedAny(f"tests.test_{name}")
        self.assertGreater(len(found), 50)

    def test_promises(self) -> None:
        """
        Every promise of the README names a test case, or one test of one.
        """
        text = (CHECKOUT / "README.rst").read_text(encoding="utf-8")
        section = text.partition("What is promised\n----------------\n")[2]
        items = re.split(r"(?m)^- ", section.partition("\n---")[0])[1:]
        self.assertGreater(len(items), 3)
        for item in items:
            named = re.findall(r"``(tests\.\w+\.\w+)[\w.]*``", item)
            self.assertNotEqual(named, [], item)
            for name in named:
                self.assertTrue(
                    issubclass(namedAny(name), (SynchronousTestCase, TestCase)), name
                )

    def test_code(self) -> None:
        """
        Every example can be parsed, and what it imports of C{migrate} is there.
        """
        blocks = every(CODE)
        self.assertGreater(len(blocks), 2)
        for _, block in blocks:
            tree = ast.parse("if True:\n" + block)
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and node.module:
                    for alias in node.names:
                        namedAny(f"{node.module}.{alias.name}")

    def test_examplesOfTests(self) -> None:
        """
        The tests that are shown pass, run as an application's own.
        """
        text = (CHECKOUT / "docs/how-to/test-that-it-moves.rst").read_text("utf-8")
        where = Path(self.mktemp())
        where.mkdir()
        source = "\n".join(map(textwrap.dedent, re.findall(CODE, text)))
        (where / "example.py").write_text(source)
        done = subprocess.run(
            [sys.executable, "-m", "twisted.trial", "example"],
            cwd=where,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("PASSED (successes=6)", done.stdout)

    def test_targets(self) -> None:
        """
        Every C{make} target is one of the Makefile.
        """
        makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"(?m)^([a-z-]+):", makefile))
        found = every(r"(?m)^ {4}make ([a-z-]+)|``make ([a-z -]+)")
        named = {word for _, pair in found for group in pair for word in group.split()}
        self.assertIn("demo", named)
        self.assertEqual(named - targets, set())

    def test_links(self) -> None:
        """
        Every link to a file leads to one.
        """
        for document, target in every(r"`[^`<]*<([^>:]+)>`_"):
            self.assertTrue((document.parent / target).is_file(), (document, target))

    def test_length(self) -> None:
        """
        The README is read to its end: it has at most 150 lines.
        """
        lines = (CHECKOUT / "README.rst").read_text(encoding="utf-8").splitlines()
        self.assertLessEqual(len(lines), 150)
