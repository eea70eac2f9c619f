"""
The live upgrade that a signal asks for: this process starts its own successor, as it
was started itself, which takes everything over.  What supervisors call a reload is one
then, and the successor is of the same unit, container or session as this process.

It must not know how services move.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import attrs
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure

from migrate.outcome import STDERR
from migrate.publication import Publication
from migrate.started import Started
from migrate.successor import successor
from migrate.supervision import Supervision

SIGNALS = ("HUP", "USR1", "USR2")
"""
The signals that may ask for it: no others are free.
"""

MOST = 1 << 16
"""
Bytes of what a successor says that are looked at, the last ones.
"""


class IReloadable(Protocol):
    """
    What is upgraded: a server.
    """

    publication: Publication
    supervision: Supervision
    started: Started
    control: Any
    reactor: Any


def signalOf(text: str) -> int:
    """
    @param text: the name of a signal, such as C{HUP} or C{SIGHUP}.
    @raise ValueError: it is none of L{SIGNALS}.
    """
    name = text.upper().removeprefix("SIG")
    if name not in SIGNALS:
        raise ValueError(f"--reload-signal {text}: give one of {', '.join(SIGNALS)}")
    return int(getattr(signal, f"SIG{name}"))


class Successor(ProcessProtocol):
    """
    What this process hears of its successor, which gives its standard error, a pipe to
    here, up once it knows how it went.

    @ivar said: what it has said there so far.
    """

    def __init__(self, settled: Callable[[str], None]) -> None:
        """
        @param settled: called once, with what went wrong, if anything did.
        """
        self.said = b""
        self._settled: Callable[[str], None] | None = settled

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        See L{twisted.internet.interfaces.IProcessProtocol}.
        """
        self.said = (self.said + data)[-MOST:]
        with suppress(OSError):
            os.write(2, data)

    def childConnectionLost(self, childFD: int) -> None:
        """
        See L{twisted.internet.interfaces.IProcessProtocol}.
        """
        lines = self.said.decode("utf-8", "replace").splitlines()
        self._settle(next((line for line in reversed(lines) if line.strip()), ""))

    def processEnded(self, reason: Failure) -> None:
        """
        See L{twisted.internet.interfaces.IProcessProtocol}.
        """
        self._settle("its successor could not be started")

    def _settle(self, why: str) -> None:
        settled, self._settled = self._settled, None
        if settled is not None:
            settled(why)


@attrs.define(eq=False)
class Reload:
    """
    The upgrades of one process by a signal.

    @ivar server: what is upgraded.
    @ivar number: the signal.
    """

    _log = Logger()

    server: IReloadable
    number: int
    _child: Any = attrs.field(default=None, init=False)

    def check(self) -> None:
        """
        @raise migrate.errors.UnknownStart: this process cannot know what its successor
            is.
        """
        successor(self.server.started)

    def install(self) -> None:
        """
        Heed the signal from now on.
        """
        signal.signal(
            self.number,
            lambda *_: self.server.reactor.callFromThread(self.begin),
        )

    def begin(self) -> None:
        """
        Start a successor, unless there is one.
        """
        supervision = self.server.supervision
        if self._child is not None:
            self._log.warn("process {pid} is taking over already", pid=self._child.pid)
        elif supervision.successor or not self.server.publication.names():
            self._log.warn("nothing is served here that a successor could take over")
        else:
            supervision.notifier.reloading("starting a successor")
            self._start()

    def _start(self) -> None:
        started = self.server.started
        try:
            command = successor(started, control=str(self.server.control))
            self._child = self.server.reactor.spawnProcess(
                Successor(self._settled),
                command.words[0],
                command.words,
                env={**os.environ, STDERR: "3"},
                path=started.directory,
                childFDs={0: 0, 1: 1, 2: "r", 3: 2},
            )
        except Exception as error:
            self._log.failure("no successor could be started")
            self._settled(f"{type(error).__name__}: {error}")
        else:
            self._log.info("process {pid} is to take over", pid=self._child.pid)

    def _settled(self, why: str) -> None:
        """
        The successor knows how it went.
        """
        self._child = None
        supervision = self.server.supervision
        if supervision.successor:
            return
        why = why or "its successor has not taken everything over"
        self._log.error("the upgrade failed: {why}", why=why)
        supervision.stays(f"the upgrade failed: {why}")
