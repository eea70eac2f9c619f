"""
How a recipient comes to listen where the origin did.

It must not know which services there are, nor how a conversation goes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger

from migrate.control import DEFAULT, ControlAddress
from migrate.errors import ControlError, MalformedTable, MigrationError, PeerRefused
from migrate.graph import Environment
from migrate.handover import State
from migrate.policies import Policies
from migrate.recipient import RecipientConversation
from migrate.server import CONTROL, ORPHAN_PATIENCE, MigrationServer
from migrate.wish import Wish

FOREVER = 1e8
"""
Seconds that the origin's last connections may take to end.
"""


class ControlHeir(MigrationServer):
    """
    A server that comes to listen on the control endpoint of another process.

    @ivar origin: where that listens.
    @ivar policies: what graphs may name.
    @ivar inherited: whether its control endpoint is here.
    """

    _log = Logger()

    def __init__(self, control: str = DEFAULT, **options: Any) -> None:
        """
        @param control: where the origin listens.
        @param options: see L{MigrationServer}.
        """
        super().__init__(control, **options)
        self.origin = ControlAddress.parse(control)
        self.policies = Policies()
        self.inherited = False

    def _arrival(
        self, conversation: RecipientConversation, **externals: object
    ) -> Environment:
        """
        @return: what a loading needs to know, of what this origin sends.
        """
        policy = self.policies.forOrigin(conversation.originIsOwn)
        return attrs.evolve(self.environment(**externals), policy=policy)

    async def _publish(self, conversation: RecipientConversation) -> None:
        """
        Publish what was taken: where the origin did, once it has nothing left.
        """
        try:
            if conversation.machine.state is not State.CLOSED:
                await conversation.claim(self._wishForControl(conversation))
        except PeerRefused:
            self.control = self.control.beside(str(os.getpid()))
        except MigrationError as error:
            self._log.warn(
                "the control endpoint was not handed over: {why}", why=str(error)
            )
        if not self.inherited:
            await self._publishAnew(conversation.machine.state is State.CLOSED)

    async def _publishAnew(self, orphaned: bool) -> None:
        """
        Listen, and not on what the origin had.

        @param orphaned: whether the conversation has ended: if that is because
            the origin died, its control endpoint is free as soon as the kernel
            is done with it.
        """
        try:
            await self.listenPatiently(ORPHAN_PATIENCE if orphaned else 0.0)
        except ControlError as error:
            if not orphaned:
                raise
            self._log.warn("{why}", why=str(error))
            self.control = self.control.beside(str(os.getpid()))
            super().listen()
        else:
            self.inherited = orphaned

    def _wishForControl(self, conversation: RecipientConversation) -> Wish:
        return Wish(
            service=CONTROL,
            serializer=self.serializers["table"],
            environment=self._arrival(conversation, factory=self.controlFactory),
            check=self._checkControl,
            adopted=lambda root: self._inherit(root, conversation.story),
        )

    def _checkControl(self, root: Any) -> None:
        if not IListeningPort.providedBy(root):
            raise MalformedTable(
                f"a {type(root).__name__} came, which is no listening port"
            )

    def _inherit(self, root: Any, story: Mapping[str, Any]) -> None:
        beside, self.control = self.port, self.origin
        self.inherited = True
        self.serve(root)
        try:
            self.history.learn(story)
        except MigrationError as error:
            self._log.warn("the past is not known: {why}", why=str(error))
        if beside is not None:
            beside.stopListening()

    async def _inheritLate(self, conversation: RecipientConversation) -> None:
        """
        Have the control endpoint of the origin once that has nothing left, whenever
        that is.

        @raise MigrationError: it cannot be had.
        """
        wish = attrs.evolve(self._wishForControl(conversation), wait=FOREVER)
        await conversation.claim(wish)
        self.inheritedLate()

    def inheritedLate(self) -> None:
        """
        The control endpoint of the origin has come, when its last connection had left
        it.
        """

    async def _succeed(self) -> None:
        """
        Listen where an origin did that died.
        """
        port, control = self.port, self.control
        self.port, self.control = None, self.origin
        try:
            await self.listenPatiently(ORPHAN_PATIENCE)
        except ControlError as error:
            self._log.warn("{why}", why=str(error))
            self.port, self.control = port, control
        else:
            self.inherited = True
            if port is not None:
                port.stopListening()
            self.inheritedLate()
