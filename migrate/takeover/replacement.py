"""
One command line for the first process and for every successor: what a running process
serves is taken over from that, and what it does not is begun here.

It must not know in which way a service is taken over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from migrate.client import MigrationClient
from migrate.errors import CannotStart, MigrationError, ServiceUnavailable
from migrate.publication import Availability
from migrate.recipient import RecipientConversation

_GONE = frozenset(
    each.value
    for each in (Availability.DEPARTED, Availability.LEAVING, Availability.DRAINING)
)
"""
The states of services of which at most clients are left.
"""


class Replacement(MigrationClient):
    """
    A client that serves what its command line names, wherever that was before.

    @ivar makers: what makes the services, by their names.
    """

    makers: Mapping[str, Callable[[], Any]]

    def _choose(self, states: dict[str, str]) -> list[str]:
        """
        See L{MigrationClient._choose}.

        @raise ServiceUnavailable: the process that runs has more than was named: it
            would stay, and keep the control endpoint.
        """
        here = [name for name, state in states.items() if state not in _GONE]
        others = [name for name in here if name not in self.makers]
        if others:
            raise ServiceUnavailable(
                f"the process at {self.origin} also serves {', '.join(others)}: name "
                "that too, or take it over with migrate-client first"
            )
        self.wanted = [name for name in self.makers if name in here]
        if not self.wanted:
            raise ServiceUnavailable(f"nothing is served at {self.origin} any more")
        return super()._choose(states)

    async def _converse(self, conversation: RecipientConversation) -> None:
        """
        See L{MigrationClient._converse}.
        """
        await super()._converse(conversation)
        for name, make in self.makers.items():
            if name not in (self.wanted or ()):
                self._beginAnew(name, make)

    def _beginAnew(self, name: str, make: Callable[[], Any]) -> None:
        """
        @raise CannotStart: it does not.
        """
        try:
            self.publish(name, make())
        except MigrationError:
            raise
        except Exception as error:
            self._log.failure("{service} does not start", service=name)
            raise CannotStart(
                f"service {name!r} does not start: {type(error).__name__}: {error}"
            ) from error
        self.taken.append(name)
