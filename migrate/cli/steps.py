"""
Telling how far a command has come: on a terminal with the time that each step takes,
elsewhere in plain lines.

It must not know which steps there are.
"""

from __future__ import annotations

import shutil
import sys
import time
from typing import Any, TextIO

from twisted.internet.task import LoopingCall

from migrate.cli.showing import printable

TICK = 0.2
"""
Seconds after which the time is shown anew.
"""


class Steps:
    """
    What a person sees.  Standard error is for what went wrong, unless it is a terminal.
    """

    def __init__(
        self,
        reactor: Any,
        quiet: bool = False,
        out: TextIO | None = None,
        err: TextIO | None = None,
    ) -> None:
        """
        @param reactor: has the clock.
        @param quiet: whether only a terminal is told.
        @param out: standard output, unless said otherwise.
        @param err: standard error, unless said otherwise.
        """
        self._out = sys.stdout if out is None else out
        self._err = sys.stderr if err is None else err
        self._isTerminal = self._err.isatty()
        self._quiet = quiet
        self._step = ""
        self._began = 0.0
        self._ticking = LoopingCall(self._show)
        self._ticking.clock = reactor

    def __call__(self, step: str) -> None:
        """
        Something has begun.
        """
        step = printable(step)
        if not self._isTerminal:
            if not self._quiet:
                print(step, file=self._out, flush=True)
            return
        self.close()
        self._step, self._began = step, time.monotonic()
        self._ticking.start(TICK)

    def _show(self) -> None:
        took = f" ({time.monotonic() - self._began:.1f} s)"
        room = shutil.get_terminal_size().columns - len(took) - 1
        print(f"\r\x1b[K{self._step[:room]}{took}", end="", file=self._err, flush=True)

    def close(self) -> None:
        """
        The step is over.
        """
        if self._ticking.running:
            self._ticking.stop()
            self._show()
            print(file=self._err, flush=True)
