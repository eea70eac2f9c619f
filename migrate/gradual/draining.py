"""
One service whose listening sockets are another process's: it serves the clients that
it has until they sign off, is stopped, and is gone.

If that process dies meanwhile, the service listens again here: the sockets were never
closed, so nobody who waits in their queues has noticed.

It must not know who has the sockets, nor what else is published.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from typing import Any

import attrs
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from migrate.adoption import isListening, takeBack
from migrate.gradual.finding import connectionsOf
from migrate.gradual.offer import isStream
from migrate.life import LifeWatch

LOOK = 0.25
"""
Seconds between two looks at which connections have ended.
"""

CLOSING = 5.0
"""
Seconds that a connection has to take what was written to it, once it is to be closed.
"""


GRACE = 10.0
"""
Seconds that whoever waits for the clients has to claim them once they may not stay.
"""


def _ignore(_: object) -> None:
    """
    That cannot happen.
    """


@attrs.define(eq=False)
class Draining:
    """
    The last that a process does for a service.

    @ivar name: what it is published as.
    @ivar service: it; it runs.
    @ivar ports: those of its ports whose sockets another process has.
    @ivar ended: called when the service has been stopped.
    @ivar seconds: for how long its clients may stay; L{None} for as long as they will.
    @ivar life: ends once nobody has the sockets any more but this process; L{None} if
        they are this process's.
    @ivar orphaned: called when it listens here again.
    @ivar key: by what the clients that are left then may be claimed, with all of the
        service.
    @ivar expired: whether they may not stay any longer.
    @ivar awaited: whether somebody waits for them.
    @ivar connections: those that are left.
    """

    _log = Logger()

    reactor: Any
    name: str
    service: Any
    ports: Sequence[Any]
    ended: Callable[[Draining], None]
    seconds: float | None = None
    life: socket.socket | None = None
    orphaned: Callable[[Draining], None] = _ignore
    key: str = ""
    expired: bool = attrs.field(default=False, init=False)
    awaited: bool = attrs.field(default=False, init=False)
    connections: list[Any] = attrs.field(factory=list, init=False)
    _watch: LifeWatch | None = attrs.field(default=None, init=False)
    _timers: dict[Callable[[], None], Any] = attrs.field(factory=dict, init=False)

    def start(self) -> None:
        """
        Begin to wait for the clients.
        """
        if self.life is not None:
            self._watch = LifeWatch(self.reactor, self.life.fileno(), self._lifeSpoke)
            self._watch.start()
        # Not now: the recipient waits for the end of this turn.
        self._later(0, self._find)
        if self.seconds is not None:
            self._later(self.seconds, self._expire)

    def _find(self) -> None:
        """
        Find out who is to be waited for.
        """
        self.connections = connectionsOf(self.ports)
        self._log.info(
            "{service} accepts nobody here any more; connections left: {count}",
            service=self.name,
            count=len(self.connections),
        )
        self._later(LOOK, self._look)

    def stop(self) -> None:
        """
        Wait for nothing any more.
        """
        self.hold()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        if self.life is not None:
            self.life.close()

    def hold(self) -> None:
        """
        Do nothing to the service for now: it is in transit.
        """
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        def run() -> None:
            del self._timers[action]
            action()

        self._timers[action] = self.reactor.callLater(seconds, run)

    def left(self) -> int:
        """
        @return: how many connections are left.
        """
        self.connections = [each for each in self.connections if each.connected]
        return len(self.connections)

    def _look(self) -> None:
        if self.left():
            self._later(LOOK, self._look)
        else:
            self._end()

    def _expire(self) -> None:
        """
        The clients had time enough.
        """
        self.expired = True
        if self.awaited:
            self._later(GRACE, self.close)
        else:
            self.close()

    def close(self) -> None:
        """
        Have nobody stay any longer.
        """
        self.hold()
        self._log.info(
            "the time is over; connections of {service} that are closed: {count}",
            service=self.name,
            count=self.left(),
        )
        for each in self.connections:
            each.loseConnection()
        self._later(LOOK, self._look)
        self._later(CLOSING, self._abort)

    def _abort(self) -> None:
        self.left()
        for each in self.connections:
            each.abortConnection()

    def _end(self) -> None:
        """
        Nobody is left.
        """
        self.stop()
        stopped = maybeDeferred(self.service.disownServiceParent)
        stopped.addErrback(
            lambda failure: self._log.failure(
                "{service} failed to stop", failure, service=self.name
            )
        )
        stopped.addBoth(lambda _: self.ended(self))

    def _lifeSpoke(self, said: bytes) -> None:
        """
        Nobody else has the sockets any more.  If they were shut down, nobody is to
        come any more.
        """
        self._watch = None
        if not self._isWanted():
            self._log.info("{service} is not listened for any more", service=self.name)
            return
        self.stop()
        self._log.warn(
            "{service} accepts here again: its successor is dead", service=self.name
        )
        for port in self.ports:
            if port.connected and isListening(port.socket):
                takeBack(port)
        self.orphaned(self)

    def _isWanted(self) -> bool:
        streams = [port for port in self.ports if isStream(port)]
        return any(
            port.connected and isListening(port.socket)
            for port in streams or self.ports
        )
