"""
Tests of L{migrate.adapters.newlines}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters.newlines import newlineOf


def _untouched(file: Any) -> None:
    pass


def _read(file: Any) -> None:
    file.read(1)


def _readAll(file: Any) -> None:
    file.read()


def _readLine(file: Any) -> None:
    file.readline()


def _sought(file: Any) -> None:
    file.seek(0)


def _wrote(text: str) -> Any:
    def write(file: Any) -> None:
        file.write(text)

    return write


READ = (_untouched, _read, _readLine, _readAll, _sought)
WRITTEN = (
    _untouched,
    *map(_wrote, ("", "\n", "\r\n", "a", "a\n", "\xe4", "\xe4\n", "x" * 9000)),
)


class NewlineTests(SynchronousTestCase):
    """
    Whatever a file has done, its newline is found.
    """

    def check(self, mode: str, acts: Any) -> None:
        """
        Open files with each newline, and let them act.
        """
        for newline in (None, "", "\n", "\r", "\r\n"):
            for content in ("", "\n", "\r\n", "a\nb\n", "a\r\n" * 9000):
                for act in acts:
                    path = self.mktemp()
                    with open(path, "wb") as file:
                        file.write(content.encode())
                    with open(path, mode, newline=newline, encoding="utf-8") as file:
                        act(file)
                        if "+" in mode:
                            file.tell()
                        found = newlineOf(file)
                    self.assertEqual(
                        (found, newlineOf(file)), (newline, newline), (act, content)
                    )

    def test_read(self) -> None:
        """
        Of a file that is read.
        """
        self.check("r", READ)

    def test_written(self) -> None:
        """
        Of a file that is written.
        """
        self.check("w", WRITTEN)

    def test_both(self) -> None:
        """
        Of a file that is read and written, once it was flushed.
        """
        self.check("r+", (*READ, *WRITTEN))
