"""
The live upgrade that a signal asks for: this process starts its own successor, as it
was started itself, which takes everything over.  What supervisors call a reload is one
then, and the successor is of the same unit, container or session as this process.

It must not know how services move.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
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


FIRST = 4
"""
The first descriptor that a successor has besides those that every process has, and the
standard error that it goes on with.
"""


def startSuccessor(
    server: IReloadable,
    words: Sequence[str],
    settled: Callable[[str], None],
    *,
    environ: Mapping[str, str] | None = None,
    descriptors: Mapping[int, int] | None = None,
) -> Any:
    """
    Start a process that is to take over from this one.

    @param server: whose it is.
    @param words: its command line.
    @param settled: called once it knows how it went, with what went wrong, if anything
        did.
    @param environ: this process's by default.
    @param descriptors: what it inherits: by which number there, L{FIRST} or more, it
        has which one of this process.
    @return: its transport.
    """
    places: dict[int, Any] = {0: 0, 1: 1, 2: "r", 3: 2, **(descriptors or {})}
    return server.reactor.spawnProcess(
        Successor(settled),
        words[0],
        list(words),
        env={**(os.environ if environ is None else environ), STDERR: "3"},
        path=server.started.directory,
        childFDs=places,
    )


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
            self._child = startSuccessor(self.server, command.words, self._settled)
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
