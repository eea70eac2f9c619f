"""
Tests for L{migrate.adapters.numbered}.
"""

from __future__ import annotations

import os
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.numbered import NumberAdapter, closeQuietly
from migrate.interfaces import ILiveAdapter
from tests.processes import CHECKOUT


class CloseTests(SynchronousTestCase):
    """
    L{closeQuietly}
    """

    def test_closed(self) -> None:
        """
        What is closed already, and no descriptor at all.
        """
        read, write = os.pipe()
        closeQuietly(read)
        closeQuietly(read)
        closeQuietly(-1)
        self.assertRaises(OSError, os.fstat, read)
        os.close(write)

    def test_standard(self) -> None:
        """
        A standard descriptor leads nowhere, but no other file gets its number.
        """
        code = (
            "import os; from migrate.adapters.numbered import closeQuietly\n"
            "closeQuietly(0); closeQuietly(1)\n"
            "print('into nowhere', flush=True); number = os.open('/', os.O_RDONLY)\n"
            "assert number > 2, number; assert os.read(0, 10) == b''"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=CHECKOUT,
            input=b"hello",
            capture_output=True,
            timeout=60,
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"", b""))


class NumberTests(SynchronousTestCase):
    """
    L{NumberAdapter}
    """

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, NumberAdapter("x", "fd"))
