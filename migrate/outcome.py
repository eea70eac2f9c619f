"""
How the programs of twistd tell the operator how it went: the pid file, a line on
standard error, the exit status of the launching command.

It must not know what they did.
"""

from __future__ import annotations

import atexit
import fcntl
import logging
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NoReturn

import attrs
from twisted.logger import Logger

STDERR = "TXMIGRATE_STDERR"
"""
The variable of the environment that names the descriptor which is standard error once
there is nothing more to say on the one that is a pipe to whoever started this process.
"""


@attrs.define
class PidFile:
    """
    The pid file of twistd, which always names the process that serves: the
    recipient's takes the place of the origin's in one step.

    @ivar options: those of twistd.
    @ivar path: absolute; empty for none.
    """

    _log = Logger()

    options: Any
    path: str

    @classmethod
    def of(cls, options: Any) -> PidFile:
        """
        @param options: those of twistd, before it looks at them.
        """
        path = options["pidfile"] if options is not None else ""
        return cls(options, os.path.abspath(path) if path else "")

    def withhold(self) -> None:
        """
        Keep twistd from stopping over a live process's file, and from writing
        its own before this process serves.
        """
        if self.path:
            self.options["pidfile"] = ""

    def write(self) -> None:
        """
        Name this process, in one step.
        """
        if not self.path:
            return
        temporary = f"{self.path}.{os.getpid()}"
        try:
            with open(temporary, "w") as file:
                file.write(str(os.getpid()))
            os.replace(temporary, self.path)
        except OSError:
            # A service that runs is worth more than a file about it.
            self._log.failure("cannot write {path}", path=self.path)
            with suppress(OSError):
                os.unlink(temporary)
        else:
            self.options["pidfile"] = self.path

    def remove(self) -> None:
        """
        Leave no file that names this process, which ends without serving.
        """
        if self.path and self._named() == str(os.getpid()):
            with suppress(OSError):
                os.unlink(self.path)

    def before(self, stop: Callable[[], None]) -> Callable[[], None]:
        """
        @return: something that does C{stop}, and has twistd leave the file
            alone if it names another process by then.
        """

        def end() -> None:
            if self.path and self._named() != str(os.getpid()):
                self.options["pidfile"] = ""
            stop()

        return end

    def _named(self) -> str:
        try:
            with open(self.path) as file:
                return file.read().strip()
        except OSError:
            return ""


def appendToLog(options: Any) -> None:
    """
    Have what this process logs go to the end of its file, wherever that is by then.
    Twisted writes where it was when it opened the file: two processes of one service,
    of which each takes over from the other, would write over each other's lines.

    @param options: those of twistd, which has opened the file; L{None} outside of it.
    """
    if options is None:
        return
    name = options["logfile"] or ("" if options["nodaemon"] else "twistd.log")
    if name in ("", "-"):
        return
    with suppress(OSError):
        wanted = os.stat(name)
        for fileno in map(int, os.listdir("/proc/self/fd")):
            with suppress(OSError):
                if os.path.samestat(os.fstat(fileno), wanted):
                    flags = fcntl.fcntl(fileno, fcntl.F_GETFL)
                    fcntl.fcntl(fileno, fcntl.F_SETFL, flags | os.O_APPEND)


def exitWith(status: int) -> None:
    """
    Have this process end with C{status}: twistd knows no other way to end than
    0 or a signal.
    """

    def leave() -> None:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(status)

    atexit.register(leave)


@attrs.define
class Outcome:
    """
    Tells the operator how it went, also across daemonizing: by a line on the
    descriptor that standard error was at first, and by the exit status of the
    launching command.

    @ivar options: those of twistd, or L{None} outside of it.
    """

    options: Any
    _stdout: int = attrs.field(init=False)
    _stderr: int = attrs.field(init=False)
    _pipe: int | None = attrs.field(init=False, default=None)
    _later: int | None = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        """
        Keep standard output and error, which twistd gives to the log, and a
        daemon to nobody.
        """
        self._stdout, self._stderr = os.dup(1), os.dup(2)
        later = os.environ.pop(STDERR, "")
        if later:
            self._later = int(later)
            os.set_inheritable(self._later, False)

    @property
    def stderr(self) -> int:
        """
        The descriptor that standard error was at first; until L{close}.
        """
        return self._stderr

    def postpone(self) -> None:
        """
        Called once a daemon is one: keep twistd from telling the launching
        command that all is well.
        """
        if self.options is not None:
            self._pipe = self.options.get("statusPipe")
            self.options["statusPipe"] = None

    def succeed(self) -> None:
        """
        All is well.
        """
        self._tell(b"0")

    def say(self, lines: Iterable[str]) -> None:
        """
        Write lines to standard output, as far as anybody reads it.
        """
        text = "".join(f"{line}\n" for line in lines).encode()
        with suppress(OSError):
            while text:
                text = text[os.write(self._stdout, text) :]

    def warn(self, message: str) -> None:
        """
        Say something on standard error, in one line.  That nobody is left to read
        it changes nothing.
        """
        with suppress(OSError):
            os.write(self._stderr, (" ".join(message.split()) + "\n").encode())

    def fail(self, message: str) -> None:
        """
        It did not work; say why, in one line.
        """
        self.warn(message)
        self._tell(b"1 see above")

    def leave(self, message: str) -> NoReturn:
        """
        It cannot even begin; say why, in one line, and end with status 1.
        """
        self.postpone()
        self.fail(message)
        raise SystemExit(1)

    def close(self) -> None:
        """
        Nothing more will be said: let go of standard output and error, whose
        reader may wait for their end.
        """
        os.close(self._stdout)
        os.close(self._stderr)
        if self._later is not None:
            os.dup2(self._later, 2)
            os.close(self._later)

    def _tell(self, status: bytes) -> None:
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            # The launching command may have been ended with its terminal.
            with suppress(OSError):
                os.write(pipe, status)
            os.close(pipe)
        self.close()
