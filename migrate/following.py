"""
What a recipient does about services whose connections follow one at a time: it
claims them, one after the other, until all have come that can.

It must not know how a conversation goes, nor what is published.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.errors import (
    ConnectionsStay,
    MalformedTable,
    MigrationError,
    NothingLeft,
    PeerLost,
    PeerRefused,
    ServiceInTransit,
    ServiceUnavailable,
)
from migrate.graph import Environment, Registry
from migrate.handover import State
from migrate.publication import Availability
from migrate.recipient import RecipientConversation
from migrate.shares import (
    Connection,
    ConnectionAdapter,
    Share,
    ShareAdapter,
    say,
    sharedNames,
)
from migrate.wish import Wish

SETTLED = b"S"
"""
What a recipient says on the life of a share when the origin need keep nothing for it
any more.
"""

PATIENCE = 5.0
"""
Seconds that connections which cannot move at an instant are waited for at least, from
the last one on that moved.
"""

CLAIM = 60.0
"""
Seconds that one claim of a connection may be waited upon.
"""

PAUSE = 0.02
"""
Seconds between two claims of which the first brought nothing.
"""

_OVER = (NothingLeft.__name__, ConnectionsStay.__name__)


@attrs.define(eq=False)
class Arrived:
    """
    A service whose shared part is here.

    @ivar name: what it is published as.
    @ivar count: how many connections have followed.
    @ivar left: what is known of those that have not; empty if there are none.
    @ivar over: whether no more can follow.
    """

    name: str
    count: int = 0
    left: str = "what has become of the others is not known"
    over: bool = False
    _shares: list[Share] = attrs.field(factory=list, init=False)

    def add(self, share: Share) -> None:
        """
        A part of what it shares has come.
        """
        self._shares.append(share)
        self._shares.sort(key=lambda each: each.first)

    @property
    def key(self) -> str:
        """
        By which its connections are claimed; empty if there never will be any.
        """
        return self._shares[0].key if self._shares else ""

    def names(self) -> dict[str, object]:
        """
        @return: what the connections refer to.
        """
        return sharedNames(each for share in self._shares for each in share.objects)

    def alone(self) -> None:
        """
        Nobody else uses any more what has come.
        """
        for share in self._shares:
            share.appendNoMore()

    def settle(self) -> None:
        """
        Have the origin keep nothing for this process any more.
        """
        for share in self._shares:
            life, share.life = share.life, -1
            if life >= 0:
                say(life, SETTLED)

    def describe(self) -> str:
        """
        @return: how it went, for a person.
        """
        noun = "connection" if self.count == 1 else "connections"
        told = f"{self.name}: {self.count} {noun} moved, one at a time"
        return f"{told}; {self.left}" if self.left else told


@attrs.define(eq=False)
class Following:
    """
    All that follows the services of one recipient.

    @ivar arrived: the services whose connections follow, in the order of their
        arrival.
    """

    _log = Logger()

    _reactor: Any
    _wish: Callable[[str, RecipientConversation], Wish]
    _stateOf: Callable[[str], Availability | None]
    _now: Callable[[], float] = time.monotonic
    arrived: list[Arrived] = attrs.field(factory=list, init=False)

    def registry(self, registry: Registry, name: str) -> Registry:
        """
        @return: adapters for the arrival of a service.
        """
        twin = registry.copy()
        twin.register(Share, ShareAdapter(lambda share: self._note(name, share)))
        twin.register(Connection, ConnectionAdapter())
        return twin

    def _note(self, name: str, share: Share) -> None:
        """
        A service has come of which connections follow.
        """
        for each in self.arrived:
            if each.name == name:
                break
        else:
            each = Arrived(name)
            self.arrived.append(each)
        each.add(share)

    async def follow(self, conversation: RecipientConversation) -> None:
        """
        Have everything follow that can, and does so soon.

        @raise MigrationError: the conversation has ended.
        """
        for arrived in self.arrived:
            patience = max(PATIENCE, self._wish(arrived.name, conversation).wait)
            await self._claim(arrived, conversation, patience)

    def settle(self) -> None:
        """
        From here on what has come does not go back if this process dies.
        """
        for arrived in self.arrived:
            arrived.settle()

    @property
    def isLeft(self) -> bool:
        """
        Whether connections are left at the origin.
        """
        return any(each.left for each in self.arrived)

    async def stay(self, conversation: RecipientConversation) -> None:
        """
        Have follow what can do so later, however late.

        @raise MigrationError: the conversation has ended.
        """
        while any(not each.over for each in self.arrived):
            for arrived in self.arrived:
                await self._claim(arrived, conversation, 0.0)

    async def _claim(
        self, arrived: Arrived, conversation: RecipientConversation, patience: float
    ) -> None:
        """
        Claim the connections of one service, until nothing more comes.

        @param patience: seconds to wait, from the last one that came.
        @raise MigrationError: the conversation has ended.
        """
        wish = self._wishFor(arrived, conversation)
        last = self._now()
        while not arrived.over:
            if await self._claimOne(arrived, wish, conversation):
                last = self._now()
                arrived.count += 1
            elif not arrived.over:
                if self._now() - last >= patience:
                    return
                await deferLater(self._reactor, PAUSE)

    async def _claimOne(
        self, arrived: Arrived, wish: Wish, conversation: RecipientConversation
    ) -> bool:
        """
        @return: whether a connection came.
        @raise MigrationError: the conversation has ended.
        """
        if _isOver(conversation):
            raise PeerLost("the origin is gone, or the stream to it")
        if self._stateOf(arrived.name) is not Availability.AVAILABLE:
            arrived.over = not self._isHere(arrived.name)
            return False
        try:
            await conversation.claim(wish)
        except MigrationError as error:
            if _isOver(conversation):
                arrived.left = f"the others are not here: {error}"
                raise
            self._refused(arrived, error)
            return False
        return True

    def _refused(self, arrived: Arrived, error: MigrationError) -> None:
        """
        No connection came.
        """
        kind = error.error if isinstance(error, PeerRefused) else ""
        if kind == NothingLeft.__name__:
            arrived.left = ""
            arrived.alone()
        elif kind != ServiceInTransit.__name__:
            arrived.left = str(error)
        arrived.over = kind in _OVER or not self._isHere(arrived.name)

    def _isHere(self, name: str) -> bool:
        """
        @return: whether connections can still follow a service.
        """
        return self._stateOf(name) in (Availability.AVAILABLE, Availability.IN_TRANSIT)

    def _wishFor(self, arrived: Arrived, conversation: RecipientConversation) -> Wish:
        """
        @return: what to claim, whichever connection it is.
        """
        wish = self._wish(arrived.name, conversation)
        known = wish.environment
        environment = Environment(
            known.registry,
            known.reactor,
            {**known.externals, **arrived.names()},
            policy=known.policy,
        )

        def check(root: Any) -> None:
            if not isinstance(root, Connection):
                raise MalformedTable(f"a {type(root).__name__} came for a connection")
            root.check()
            if self._stateOf(arrived.name) is not Availability.AVAILABLE:
                raise ServiceUnavailable(f"{arrived.name} is being moved on")

        return attrs.evolve(
            wish,
            service=arrived.key,
            environment=environment,
            check=check,
            adopted=lambda root: root.arrive(),
            wait=CLAIM,
            waits=lambda why: setattr(arrived, "left", why),
        )


def _isOver(conversation: RecipientConversation) -> bool:
    return conversation.machine.state is State.CLOSED
