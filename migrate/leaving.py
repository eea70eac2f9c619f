"""
What is left at the origin of a service whose shared part has moved: its connections,
which follow one at a time, or stay until they end.

It must not know who claims them, nor what is published.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from twisted.logger import Logger

from migrate.apart import apart
from migrate.connectionoffers import ConnectionOffer, WaitOffer
from migrate.errors import (
    CannotMigrate,
    CannotMigrateYet,
    NothingLeft,
    ServiceInTransit,
)
from migrate.filenos import closeAll
from migrate.graph import Environment, audit
from migrate.holders import Place, places, take
from migrate.life import LifeWatch
from migrate.parting import Parting, SharedOffer
from migrate.roll import Roll
from migrate.shares import Connection, ConnectionAdapter, sharedNames
from migrate.transfer import Moved, Offer

LOOK = 0.25
"""
Seconds between two looks at which connections have ended.
"""

AT_ONCE = 4
"""
Connections that are looked at in one turn for one that can move.
"""

TRIES = 3
"""
Times that a recipient may refuse a connection.
"""


def _nothing() -> None:
    """
    There is nothing to be put back.
    """


@attrs.define(eq=False)
class Leaving:
    """
    What is left of one service.

    @ivar offer: its shared part, as it departed.
    @ivar ended: called once nothing is left here.
    @ivar orphaned: called once the recipient has died: all that is left goes on
        here, as a service that can be claimed.
    @ivar moved: how long each connection stood still that has moved, in seconds.
    @ivar pid: the process that the shared part moved to.
    """

    _log = Logger()

    reactor: Any
    offer: SharedOffer
    _life: int
    ended: Callable[[Leaving], None]
    orphaned: Callable[[Leaving], None]
    moved: list[float] = attrs.field(factory=list, init=False)
    pid: int = attrs.field(default=0, init=False)
    _roll: Roll = attrs.field(init=False)
    _environment: Environment = attrs.field(init=False)
    _tries: dict[Connection, int] = attrs.field(factory=dict, init=False)
    _transit: Offer | None = attrs.field(default=None, init=False)
    _departed: str = attrs.field(default="", init=False)
    _timer: Any = attrs.field(default=None, init=False)
    _watch: LifeWatch | None = attrs.field(default=None, init=False)
    _bereft: bool = attrs.field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Work out what stays outside of the graphs of connections.
        """
        base = self.offer.environment
        names = {**base.externals, **sharedNames(self.offer.objects)}
        outside = attrs.evolve(base, externals=names).known()
        registry = apart(base.registry, outside.things)
        registry.register(Connection, ConnectionAdapter(self._placesOf))
        self._roll = Roll(self.offer.find, outside)
        self._environment = attrs.evolve(
            base, registry=registry, externals={}, forbidden=(), outside=outside
        )

    @property
    def name(self) -> str:
        """
        What the service was published as.
        """
        return self.offer.name

    @property
    def key(self) -> str:
        """
        By what its connections are claimed.
        """
        return self.offer.key

    def __len__(self) -> int:
        """
        How many connections are known to be left.
        """
        return len(self._roll)

    def start(self) -> None:
        """
        Begin to keep an eye on the connections, and on the recipient.
        """
        for share in self.offer.shares:
            share.append()
        self._roll.discover()
        self._watch = LifeWatch(self.reactor, self._life, self._lifeSpoke)
        self._watch.start()
        self._timer = self.reactor.callLater(LOOK, self._look)

    def stop(self) -> None:
        """
        Keep an eye on nothing any more.
        """
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
            closeAll([self._life])

    def _look(self) -> None:
        """
        Let go of what has ended, and see whether anything is left.
        """
        self._timer = self.reactor.callLater(LOOK, self._look)
        roll = self._roll
        roll.sweep(None if self._transit is None else self._transit.root)
        if not roll:
            roll.discover()
        if not roll:
            self._end()

    # Claims.

    def reserve(self) -> Offer:
        """
        @return: the next connection that can move, or something to wait for.
        @raise ServiceInTransit: one is being moved.
        @raise ConnectionsStay: none of those that are left can move.
        @raise NothingLeft: none is left.
        """
        if self._transit is not None:
            raise ServiceInTransit(f"a connection of {self.name} is being moved")
        turns = zip(range(AT_ONCE), self._roll.waiting(), strict=False)
        for _, connection in turns:
            if self._canMove(connection):
                return self._claimed(connection)
        return self._none()

    def pieces(self) -> Iterator[Offer]:
        """
        @return: all connections, one after the other, whether they can move or not.
        """
        for connection in self._roll.waiting():
            self._roll.free(connection)
            yield self._claimed(connection)
            self._roll.bar(connection)

    def _canMove(self, connection: Connection) -> bool:
        """
        Find out whether a connection can move at this instant; if so, walks may go
        over it from now on.
        """
        self._roll.free(connection)
        try:
            audit(connection, self._label(connection), self._environment)
        except CannotMigrateYet as error:
            self._roll.later(connection, error)
        except CannotMigrate as error:
            self._stays(connection, str(error))
        else:
            return True
        self._roll.bar(connection)
        return False

    def _label(self, connection: Connection) -> str:
        """
        @return: what paths begin with.
        """
        peer = getattr(connection.transport, "getPeer", lambda: "")()
        host, port = getattr(peer, "host", None), getattr(peer, "port", None)
        where = str(peer) if host is None else f"{host}:{port}"
        return f"{self.name}<{where}>"

    def _stays(self, connection: Connection, why: str) -> None:
        """
        A connection is served here until it ends.
        """
        self._roll.stays(connection, why)
        self._log.warn(
            "a connection of {service} stays here until it ends, as it cannot be "
            "moved: {why}",
            service=self.name,
            why=why,
        )

    def _claimed(self, connection: Connection) -> Offer:
        offer = ConnectionOffer(
            self._label(connection),
            connection,
            self._environment,
            restore=lambda: self._restored(offer, connection),
            depart=lambda: self._moved(offer, connection),
        )
        self._transit = offer
        return offer

    def _none(self) -> Offer:
        """
        @return: what to do if no connection was found that can move.
        """
        obstacle = self._roll.obstacle()
        if obstacle is not None:
            return WaitOffer(
                self.name,
                None,
                self._environment,
                restore=_nothing,
                depart=_nothing,
                told=False,
                obstacle=obstacle,
            )
        complaint = self._roll.complaint()
        if complaint is not None:
            raise complaint
        self._end()
        raise NothingLeft(f"nothing is left of {self.name}")

    def _restored(self, offer: ConnectionOffer, connection: Connection) -> None:
        """
        A connection was not moved.
        """
        self._transit = None
        self._roll.bar(connection)
        if offer.obstacle is not None:
            self._roll.later(connection, offer.obstacle)
        else:
            tries = self._tries[connection] = self._tries.get(connection, 0) + 1
            if tries < TRIES:
                self._roll.again(connection)
            else:
                self._stays(connection, f"{offer.name}: the recipient refuses it")
        self._goOnAlone()

    def _moved(self, offer: ConnectionOffer, connection: Connection) -> None:
        """
        A connection is another process's.
        """
        self._transit = None
        self._departed = offer.name
        members = {id(each) for each in connection.objects}
        for holder in self.offer.holders:
            take(holder, lambda member: id(member) in members)
        self._roll.forget(connection)
        self._roll.progress()
        self._tries.pop(connection, None)
        self._goOnAlone()

    def note(self, report: Moved) -> bool:
        """
        Something is gone.

        @return: whether it was one of these connections.
        """
        if report.service != self._departed:
            return False
        self._departed = ""
        self.moved.append(report.pause)
        return True

    def _placesOf(self, connection: Connection) -> list[Place]:
        """
        @return: where the containers of the shared part have a connection now.
        """
        members = {id(each) for each in connection.objects}
        holders = self.offer.holders
        return [place for holder in holders for place in places(holder, members)]

    # How it ends.

    @property
    def _parting(self) -> Parting:
        assert self.offer.parting is not None
        return self.offer.parting

    def _lifeSpoke(self, said: bytes) -> None:
        """
        The recipient has said that nothing need be kept for it; or it has died
        before that.
        """
        self._watch = None
        closeAll([self._life])
        if said:
            self.tell()
            self._parting.settle()
        else:
            self._bereft = True
            self._goOnAlone()

    def _goOnAlone(self) -> None:
        """
        If the recipient is dead, and it is known what it has got, be a service again.
        """
        if self._bereft and self._transit is None:
            self._bereft = False
            self.tell()
            self.stop()
            for share in self.offer.shares:
                share.appendNoMore()
            self._parting.revive()
            self._log.warn("{service} goes on here: {pid} is dead", **self._story)
            self.orphaned(self)

    def _end(self) -> None:
        """
        Nothing is left.
        """
        isSettled = self._watch is None
        self.stop()
        if not isSettled:
            self.tell()
            self._parting.settle()
        self.ended(self)

    def tell(self) -> None:
        """
        Write down what has become of the connections until now.
        """
        self._log.info(
            "moved {count} connections of {service} to process {pid}, one at a time: "
            "{median:.2f} ms each and {longest:.2f} ms at most; {left} are left here",
            **self._story,
        )

    @property
    def _story(self) -> dict[str, Any]:
        pauses = sorted(self.moved) or [0.0]
        return {
            "service": self.name,
            "pid": self.pid,
            "count": len(self.moved),
            "median": statistics.median(pauses) * 1000,
            "longest": pauses[-1] * 1000,
            "left": len(self),
        }
