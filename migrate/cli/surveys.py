"""
What would move, and what would not, as the process says that serves it.

It must not know who wants to know, nor how it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrate.cli.running import Operator
from migrate.conversation import Deadlines
from migrate.errors import ServiceUnavailable, UnknownService
from migrate.graph import TableSerializer
from migrate.meeting import meet
from migrate.publication import Availability
from migrate.recipient import RecipientConversation
from migrate.resources import Provision
from migrate.wish import Inquiry


async def survey(
    operator: Operator, services: Sequence[str] = (), provided: Sequence[str] = ()
) -> dict[str, Inquiry]:
    """
    Ask what would move.  Nothing is touched.

    @param services: of which; all that are available by default.
    @param provided: the names of the resources that the next process has of its own.
    @return: what was found out, by the names of the services.
    @raise migrate.errors.MigrationError: it cannot be asked, or a service is not to be
        had there.
    """
    conversation = RecipientConversation(
        operator.reactor, Deadlines(), operator.policy, operator.login
    )
    provision = Provision(dict.fromkeys(provided, _unused))
    found: dict[str, Inquiry] = {}
    try:
        await meet(operator.origin, conversation)
        states = await conversation.services()
        for name in chosen(states, services):
            found[name] = await conversation.check(name, TableSerializer(), provision)
    finally:
        if conversation.transport is not None:
            await conversation.close()
    return found


def _unused() -> None:
    """
    Only the name of the resource is told.
    """


def chosen(states: dict[str, str], services: Sequence[str]) -> list[str]:
    """
    @param states: of all services that the process ever had, by name.
    @return: the names of those to ask about.
    @raise UnknownService: there never was one of that name.
    @raise ServiceUnavailable: it is not there, or is about to move.
    """
    listing = ", ".join(f"{name} ({state})" for name, state in states.items())
    for name in services:
        if name not in states:
            raise UnknownService(
                f"no service {name!r} is published there: {listing or 'there are none'}"
            )
        if states[name] != Availability.AVAILABLE.value:
            raise ServiceUnavailable(f"service {name!r} is {states[name]}")
    available = Availability.AVAILABLE.value
    found = [*services] or [n for n, state in states.items() if state == available]
    if not found:
        raise ServiceUnavailable(f"nothing is available: {listing or 'no services'}")
    return found
