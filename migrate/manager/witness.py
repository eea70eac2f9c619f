"""
Asks processes what they own: only they know for sure.

It must not know what follows from the answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs

from migrate.control import ControlAddress
from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import ControlError
from migrate.identity import Login
from migrate.meeting import ask
from migrate.publication import Availability

_HERE = (Availability.AVAILABLE.value, Availability.IN_TRANSIT.value)


@attrs.frozen
class Owner:
    """
    What a process says that it owns.

    @ivar pid: the process.
    @ivar services: the state of each service that it ever had, by name.
    """

    pid: int
    services: dict[str, str]

    def names(self) -> list[str]:
        """
        @return: the services that it serves.
        """
        return [name for name, state in self.services.items() if state in _HERE]

    def keeps(self, names: Sequence[str]) -> bool:
        """
        @return: whether it serves all of these, and none of them is about to move.
        """
        available = Availability.AVAILABLE.value
        return all(self.services.get(name) == available for name in names)

    def hasLost(self, names: Sequence[str]) -> bool:
        """
        @return: whether any of these has moved away from it.
        """
        return any(self.services.get(name, _HERE[0]) not in _HERE for name in names)


@attrs.define
class Witness:
    """
    Asks, as an operator does.

    @ivar policy: whose processes are trusted.
    @ivar login: for control endpoints on TCP.
    @ivar patience: seconds that an answer may take.
    """

    reactor: Any
    policy: UserPolicy
    login: Login | None = None
    patience: float = 15.0

    async def owner(
        self, control: ControlAddress, patience: float | None = None
    ) -> Owner | None:
        """
        @param patience: seconds that an answer may take, if not as long as usual.
        @return: what the process owns that listens there; L{None} if none does.
        @raise migrate.errors.MigrationError: one does that does not answer, or cannot
            be trusted.
        """
        try:
            answer = await self._ask(control, "status", patience=patience)
        except ControlError:
            return None
        services = {each["name"]: each["state"] for each in answer["services"]}
        return Owner(answer["pid"], services)

    async def sources(
        self, control: ControlAddress, named: Sequence[str]
    ) -> dict[str, Any]:
        """
        @param named: modules that are meant wherever they come from.
        @return: where the code of the process comes from: see
            L{migrate.sources.sources}.
        @raise migrate.errors.MigrationError: it cannot be asked.
        """
        return await self._ask(control, "sources", {"named": list(named)})

    async def _ask(
        self,
        control: ControlAddress,
        question: str,
        arguments: dict[str, object] | None = None,
        patience: float | None = None,
    ) -> dict[str, Any]:
        seconds = self.patience if patience is None else patience
        return await ask(
            self.reactor,
            control,
            question,
            arguments,
            policy=self.policy,
            login=self.login,
            deadlines=Deadlines(greeting=seconds, preparing=seconds),
        )
