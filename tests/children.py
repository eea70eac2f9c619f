"""
The processes that tests wait for and send signals to.

It must not know who starts them, nor who ends them.
"""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.waiting import DEADLINE, Expectations


@attrs.frozen
class Ended:
    """
    How a process ended.

    @ivar status: its exit status, or L{None} if a signal ended it.
    @ivar signal: the signal that ended it, or L{None}.
    @ivar out: all it wrote to standard output.
    @ivar err: all it wrote to standard error.
    """

    status: int | None
    signal: int | None
    out: str
    err: str


@attrs.define
class _Stream:
    """
    What one descriptor of a child has said, cut into lines.
    """

    text: str = ""
    _held: bytes = b""

    def take(self, data: bytes) -> list[str]:
        """
        @return: the lines that C{data} completes, without their ends.
        """
        *whole, self._held = (self._held + data).split(b"\n")
        lines = [line.decode("utf-8", "replace").rstrip("\r") for line in whole]
        self.text += "".join(f"{line}\n" for line in lines)
        return lines

    @property
    def all(self) -> str:
        """
        All that was said, cut or not.
        """
        return self.text + self._held.decode("utf-8", "replace")

    def finish(self) -> list[str]:
        """
        @return: the last line, if it had no end.
        """
        rest, self._held = self._held.decode("utf-8", "replace"), b""
        self.text += rest
        return [rest] if rest else []


class Child(ProcessProtocol):
    """
    A process that a test has started.

    @ivar lines: every whole line that it has written, to standard output or
        standard error, in the order of arrival.
    @ivar pid: its process id.
    """

    pid: int

    def __init__(self, reactor: Any, command: str) -> None:
        self.lines: list[str] = []
        self.command = command
        self._streams = {1: _Stream(), 2: _Stream()}
        self._expectations = Expectations(reactor, self._story)
        self._end: Ended | None = None
        self._exit: Ended | None = None

    def _story(self) -> str:
        said = "\n".join(f"  | {line}" for line in self.lines)
        return f"{self.command} (pid {self.pid}) said:\n{said}"

    def connectionMade(self) -> None:
        """
        See L{ProcessProtocol.connectionMade}.
        """
        self.pid = self.transport.pid

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        See L{ProcessProtocol.childDataReceived}.
        """
        self.lines += self._streams[childFD].take(data)
        self._expectations.look()

    def processExited(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol.processExited}.
        """
        how: Any = reason.value
        out, err = (stream.text for stream in self._streams.values())
        self._exit = Ended(how.exitCode, how.signal, out, err)
        self._expectations.look()

    def processEnded(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol.processEnded}.
        """
        for stream in self._streams.values():
            self.lines += stream.finish()
        how: Any = reason.value
        out, err = (stream.text for stream in self._streams.values())
        self._end = Ended(how.exitCode, how.signal, out, err)
        cause = f"signal {how.signal}" if how.signal else f"status {how.exitCode}"
        self._expectations.close(f"it has ended with {cause}")

    @property
    def running(self) -> bool:
        """
        Whether the process has not ended yet, as far as the reactor knows.
        """
        return self._end is None

    @property
    def written(self) -> str:
        """
        All that it has written, to standard output and then to standard error, also
        what is not a whole line yet.
        """
        return "".join(stream.all for stream in self._streams.values())

    def line(
        self, pattern: str, deadline: float = DEADLINE, after: int = 0
    ) -> Deferred[re.Match[str]]:
        """
        Wait for a line of output.

        @param pattern: a regular expression, searched in whole lines of
            standard output and standard error.
        @param deadline: in seconds.
        @param after: how many lines to pass over.  C{len(child.lines)} before
            an act, given here, finds only what came of the act.
        @return: fires with the match; fails with L{NeverCame} at the deadline
            or as soon as the process has ended without such a line.
        """
        wanted = re.compile(pattern)

        def probe() -> re.Match[str] | None:
            matches = (wanted.search(line) for line in self.lines[after:])
            return next(filter(None, matches), None)

        return self._expectations.expect(probe, f"a line like {pattern!r}", deadline)

    def ended(self, deadline: float = DEADLINE) -> Deferred[Ended]:
        """
        Wait for the process's end, and for the end of its output: a daemon
        that holds on to its parent's output holds this up.

        @param deadline: in seconds.
        @return: fires with how it ended; fails with L{NeverCame}.
        """
        return self._expectations.expect(lambda: self._end, "its end", deadline)

    def exited(self, deadline: float = DEADLINE) -> Deferred[Ended]:
        """
        Wait for the process's end, whoever holds on to its output.

        @param deadline: in seconds.
        @return: fires with how it ended, and what it had written that was read by
            then; fails with L{NeverCame}.
        """
        return self._expectations.expect(lambda: self._exit, "its exit", deadline)

    def signal(self, number: int) -> None:
        """
        Send it a signal; nothing happens if it has ended.  Between fork and
        exec a signal is lost: wait for a line of output first.
        """
        with suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)

    def write(self, data: bytes) -> None:
        """
        Write to its standard input.
        """
        self.transport.write(data)

    def closeInput(self) -> None:
        """
        Let its standard input end, once all is written.
        """
        self.transport.closeStdin()


class Daemon:
    """
    A process that is no child of this one, known by its process id: one that
    has daemonised itself, or a successor that another process has started.
    Its exit status belongs to its own parent.

    @ivar pid: its process id.
    """

    def __init__(self, reactor: Any, pid: int) -> None:
        self.pid = pid
        self._pidfd = os.pidfd_open(pid)
        self._reactor = reactor
        self._expectations = Expectations(reactor, lambda: f"daemon {pid}")
        reactor.addReader(self)

    def fileno(self) -> int:
        """
        See L{twisted.internet.interfaces.IFileDescriptor.fileno}.
        """
        return self._pidfd

    def logPrefix(self) -> str:
        """
        See L{twisted.internet.interfaces.ILoggingContext.logPrefix}.
        """
        return f"daemon {self.pid}"

    def doRead(self) -> None:
        """
        The kernel says that the process has ended.
        """
        self.forget()
        self._expectations.look()

    def connectionLost(self, reason: Failure) -> None:
        """
        The reactor lets go of the descriptor.
        """
        self.forget()

    def forget(self) -> None:
        """
        Watch it no longer.
        """
        if self._pidfd >= 0:
            self._reactor.removeReader(self)
            os.close(self._pidfd)
            self._pidfd = -1

    @property
    def running(self) -> bool:
        """
        Whether the kernel has not yet said that it ended.
        """
        return self._pidfd >= 0

    def signal(self, number: int) -> None:
        """
        Send it a signal; nothing happens if it has ended.
        """
        if self.running:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def ended(self, deadline: float = DEADLINE) -> Deferred[bool]:
        """
        Wait for its end.

        @param deadline: in seconds.
        @return: fires with True; fails with L{NeverCame}.
        """
        return self._expectations.expect(
            lambda: None if self.running else True, "its end", deadline
        )
