"""
Finds out what would move, and for how long it would stand still, without moving
anything.

It must not know how a conversation goes, nor how what it found out is shown.
"""

from __future__ import annotations

from typing import Any

import attrs

from migrate.client import MigrationClient
from migrate.prediction import Prediction
from migrate.recipient import RecipientConversation
from migrate.wish import Inquiry


class Inquirer(MigrationClient):
    """
    Asks what would move, and perhaps has it rehearsed, when it is started.  The
    services run on where they are.

    @ivar done: fires with this inquirer once everything wanted was asked about;
        fails with a L{MigrationError} if that could not be done.
    @ivar rehearse: whether a copy of each service is made here, and thrown away.
    @ivar inquiries: what was found out, by the names of the services.
    """

    def __init__(self, *arguments: Any, rehearse: bool = False, **options: Any) -> None:
        """
        @param arguments: see L{MigrationClient}.
        @param options: see L{MigrationClient}.
        """
        super().__init__(*arguments, **options)
        self.rehearse = rehearse
        self.inquiries: dict[str, Inquiry] = {}

    async def _takeOver(self) -> None:
        """
        Take nothing over, but ask.
        """
        conversation = self.recipientConversation(
            self.reactor, self.deadlines, self.policy, self.login
        )
        await self._attempt(conversation)
        if conversation.transport is not None:
            conversation.close()
        if self.problem is None:
            self.done.callback(self)
        else:
            self.done.errback(self.problem)

    async def _deal(self, name: str, conversation: RecipientConversation) -> None:
        """
        See L{MigrationClient}.  What cannot move, whatever is waited for, need not
        be rehearsed.
        """
        serializer = self.serializers[self.serializer]
        found = await conversation.check(name, serializer, self.provision)
        refusals = found.survey.refusals
        passing = self.wait > 0 and all(each.over is not None for each in refusals)
        if self.rehearse and (passing or not refusals):
            wish = attrs.evolve(self._wish(name, conversation), rehearsal=True)
            found = await conversation.claim(wish)
            self.budget.admits(name, Prediction.of(found.seconds))
        self.inquiries[name] = found
