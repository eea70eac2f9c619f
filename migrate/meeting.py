"""
How a recipient, or an operator's command, gets to speak with an origin.

It must not know what they have to say to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.protocol import Factory

from migrate.control import ControlAddress
from migrate.conversation import Deadlines
from migrate.credentials import UserPolicy
from migrate.errors import ControlError
from migrate.identity import Login
from migrate.recipient import RecipientConversation


class _Once(Factory):
    """
    Gives the one protocol that there is to the one connection that is made.
    """

    noisy = False

    def __init__(self, protocol: RecipientConversation) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: object) -> RecipientConversation:
        """
        See L{twisted.internet.interfaces.IProtocolFactory}.
        """
        return self._protocol


async def meet(origin: ControlAddress, conversation: RecipientConversation) -> None:
    """
    Connect to an origin.

    @param origin: where it listens.
    @raise migrate.errors.MigrationError: it is not there, or either side does not trust
        the other.
    """
    ready = conversation.ready()
    try:
        await origin.connect(conversation.reactor, _Once(conversation))
    except Exception as error:
        raise ControlError(
            f"nobody answers at {origin}: {error}; is migrate-server running there?"
        ) from error
    await ready


async def ask(
    reactor: Any,
    origin: ControlAddress,
    question: str,
    arguments: Mapping[str, object] | None = None,
    *,
    policy: UserPolicy | None = None,
    login: Login | None = None,
    deadlines: Deadlines | None = None,
) -> dict[str, Any]:
    """
    Ask a running process one question.

    @param policy: whose processes are trusted; see L{MigrationServer}.
    @param login: for an origin that listens on TCP.
    @return: the answer.
    @raise migrate.errors.MigrationError: there is none, or none came in time.
    """
    conversation = RecipientConversation(
        reactor,
        Deadlines() if deadlines is None else deadlines,
        UserPolicy() if policy is None else policy,
        login,
    )
    try:
        await meet(origin, conversation)
        return await conversation.ask(question, arguments)
    finally:
        if conversation.transport is not None:
            await conversation.close()
