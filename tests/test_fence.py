"""
Ending a process for good, and only if it has nothing to say.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from migrate.fence import CannotFence, Fence
from tests.processes import Processes


class FenceTests(TestCase):
    """
    L{Fence} around a process of this user.
    """

    timeout = 60

    @inlineCallbacks
    def child(self) -> Any:
        """
        @return: a process that does nothing, and a fence around it.
        """
        processes = Processes(self)
        child = processes.python(
            ["-c", "import sys; print('here'); sys.stdin.read()"], self.mktemp()
        )
        yield child.line("here")
        fence = Fence.around(child.pid)
        self.addCleanup(fence.close)
        return child, fence

    @inlineCallbacks
    def test_silent(self) -> Any:
        """
        Who has said nothing by the time it stands still is ended.
        """
        child, fence = yield self.child()
        states = []

        def spoke() -> bool:
            stat = Path(f"/proc/{child.pid}/stat").read_text()
            states.append(stat.rpartition(")")[2].split()[0])
            return False

        self.assertTrue(fence.fall(spoke))
        self.assertEqual(states, ["T"])
        ended = yield child.ended()
        self.assertEqual(ended.signal, signal.SIGKILL)

    @inlineCallbacks
    def test_spoke(self) -> Any:
        """
        Who has said something goes on.
        """
        child, fence = yield self.child()
        self.assertFalse(fence.fall(lambda: True))
        child.closeInput()
        ended = yield child.ended()
        self.assertEqual(ended.status, 0)

    @inlineCallbacks
    def test_over(self) -> Any:
        """
        A process that has ended by itself need not be ended, even if its
        number means another one by now.
        """
        child, fence = yield self.child()
        child.closeInput()
        yield child.ended()
        self.assertTrue(fence.fall(lambda: False))

    def test_unknown(self) -> None:
        """
        Nothing is ended that could not be held on to.
        """
        fence = Fence(os.getpid())
        self.assertRaises(CannotFence, fence.fall, lambda: False)
