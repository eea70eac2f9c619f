"""
Claims of single connections, of which a recipient says only that it wants one.

It must not know which connections there are.
"""

from __future__ import annotations

from typing import Any

import attrs

from migrate.errors import (
    CannotMigrateYet,
    ConnectionsWait,
    MigrationError,
    Refusal,
    ServiceInTransit,
)
from migrate.interfaces import IDump
from migrate.transfer import Offer, Write


@attrs.define(eq=False)
class ConnectionOffer(Offer):
    """
    One connection that has been claimed.

    @ivar obstacle: what kept it from moving at the last instant.
    """

    obstacle: CannotMigrateYet | None = attrs.field(default=None, init=False)
    _could: bool = attrs.field(default=False, init=False)

    def dump(self, write: Write) -> IDump:
        """
        See L{Offer.dump}.  A connection may end, or become immovable, after it was
        found that it can move: then it is looked at once more, outside of the
        blocking turn, as that must not fail for good.
        """
        self.obstacle = None
        try:
            dump = self._dump(write)
        except CannotMigrateYet as error:
            self.obstacle = error
            raise
        except MigrationError as error:
            if not self._could:
                raise
            self._could = False
            refusal = Refusal(self.name, str(error), over=lambda: True)
            raise CannotMigrateYet([refusal]) from error
        self._could = True
        return dump

    def _dump(self, write: Write) -> IDump:
        connection: Any = self.root
        if not connection.isAlive:
            raise ServiceInTransit(f"{self.name} has ended; claim the next one")
        return super().dump(write)


@attrs.define(eq=False)
class WaitOffer(Offer):
    """
    A claim of any connection while none can move.

    @ivar obstacle: what is in the way; when it is over it has to be claimed again.
    """

    obstacle: ConnectionsWait = attrs.field(kw_only=True)

    def dump(self, write: Write) -> IDump:
        """
        @raise ConnectionsWait: nothing has changed.
        @raise ServiceInTransit: something has.
        """
        if self.obstacle.over():
            raise ServiceInTransit("claim the next connection")
        raise self.obstacle
