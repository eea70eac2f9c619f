"""
Tests for L{migrate.appending}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from migrate.appending import append, appendNoMore, isAtEnd, isWritten


class AppendingTests(SynchronousTestCase):
    """
    Several writers of one file.
    """

    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.path.write_bytes(b"0123")

    def test_written(self) -> None:
        """
        What is open to be written to, on disk and not to append, has a place of its
        own.
        """
        for mode, expected in (("rb+", True), ("rb", False), ("ab", False)):
            with open(self.path, mode, 0) as file:
                self.assertIs(isWritten(file), expected, mode)
        self.assertFalse(isWritten(file))
        with open(os.devnull, "wb", 0) as nowhere, open(self.path, "rb+") as layered:
            self.assertFalse(isWritten(nowhere))
            self.assertFalse(isWritten(layered))
            self.assertTrue(isWritten(layered.raw))  # type: ignore[attr-defined]
        self.assertFalse(isWritten(None))

    def test_end(self) -> None:
        """
        It may be at the end, or not.
        """
        with open(self.path, "rb+", 0) as file:
            self.assertFalse(isAtEnd(file))
            file.seek(0, os.SEEK_END)
            self.assertTrue(isAtEnd(file))

    def test_append(self) -> None:
        """
        Nothing is written over.
        """
        with open(self.path, "rb+", 0) as one, open(self.path, "rb+", 0) as other:
            for file in (one, other):
                file.seek(0, os.SEEK_END)
                append(file)
            for file, text in ((one, b"a"), (other, b"b"), (one, b"c")):
                file.write(text)
            self.assertEqual(self.path.read_bytes(), b"0123abc")
            appendNoMore(other)
            other.write(b"d")
            self.assertEqual(self.path.read_bytes(), b"0123abcd")
            other.seek(0)
            other.write(b"e")
            self.assertEqual(self.path.read_bytes(), b"e123abcd")

    def test_closed(self) -> None:
        """
        What has been closed is left alone.
        """
        with open(self.path, "rb+", 0) as file:
            append(file)
        appendNoMore(file)
