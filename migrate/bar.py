"""
A progress bar on a terminal.

It must not know what is transferred, nor how.
"""

from __future__ import annotations

import locale
import os
import threading
from contextlib import suppress
from typing import Any, ClassVar

from tqdm.std import tqdm
from zope.interface import implementer

from migrate.progress import IDisplay, Status

FORMAT = "{desc} |{bar}| {percentage:3.0f}%{postfix}"
"""
How a bar looks, as C{tqdm} has it.
"""


COLUMNS, LINES = 79, 24
"""
The size of a terminal that does not tell its own.
"""


class Terminal:
    """
    A terminal as a file to write to, which never waits and never fails: what it does
    not take at once is left out, as it is when this process is in the background of a
    shell, whose line it is not.

    @ivar encoding: that of the terminal's text.
    """

    def __init__(self, descriptor: int) -> None:
        """
        @param descriptor: of a terminal; it stays the caller's.
        @raise OSError: it cannot be opened once more.
        """
        self.encoding = locale.getpreferredencoding(False)
        # Others have the descriptor too, and expect it to wait.
        flags = os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC
        self._descriptor = os.open(f"/proc/self/fd/{descriptor}", flags)

    def fileno(self) -> int:
        """
        @return: the descriptor, for whoever asks how wide the terminal is.
        """
        return self._descriptor

    def size(self) -> dict[str, Any]:
        """
        @return: how C{tqdm} is told how large the terminal is: it is asked each time,
            unless it does not know.
        """
        columns, lines = os.get_terminal_size(self._descriptor)
        if columns and lines:
            return {"dynamic_ncols": True}
        return {"ncols": COLUMNS, "nrows": LINES}

    def write(self, text: str) -> None:
        """
        Write, if it can be written.
        """
        if self._isElsewhere():
            return
        with suppress(OSError):
            os.write(self._descriptor, text.encode(self.encoding, "replace"))

    def _isElsewhere(self) -> bool:
        """
        @return: whether the terminal has another foreground than this process; a
            daemon has none to be in.
        """
        try:
            return os.tcgetpgrp(self._descriptor) != os.getpgrp()
        except OSError:
            return False

    def flush(self) -> None:
        """
        Nothing is kept back.
        """

    def close(self) -> None:
        """
        Let go of the terminal.
        """
        os.close(self._descriptor)


class Bar(tqdm):  # type: ignore[misc]
    """
    A bar that needs neither a thread that watches it nor a lock between processes.
    """

    monitor_interval: ClassVar = 0
    _lock: ClassVar = threading.RLock()


@implementer(IDisplay)
class TerminalDisplay:
    """
    A bar for one transfer after the other.
    """

    interval = 0.2

    def __init__(self, descriptor: int) -> None:
        """
        @param descriptor: of a terminal; it stays the caller's.
        """
        self._descriptor = descriptor
        self._terminal: Terminal | None = None
        self._bar: Any = None

    def show(self, status: Status) -> None:
        """
        See L{IDisplay.show}.
        """
        if self._terminal is None:
            self._terminal = Terminal(self._descriptor)
        text = status.text("/")
        if self._bar is None:
            self._bar = Bar(
                desc=status.title,
                initial=status.fraction,
                total=1.0,
                postfix=text,
                file=self._terminal,
                leave=False,
                bar_format=FORMAT,
                **self._terminal.size(),
            )
        self._bar.n = status.fraction
        self._bar.set_postfix_str(text)

    def clear(self) -> None:
        """
        See L{IDisplay.clear}.
        """
        bar, self._bar = self._bar, None
        terminal, self._terminal = self._terminal, None
        if bar is not None:
            bar.close()
        if terminal is not None:
            terminal.close()
