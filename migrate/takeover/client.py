"""
The recipient of a gradual hand-over: it starts services of its own on the sockets that
those of a running process listen on, and accepts in its place from then on; that one
serves the clients that it has until they sign off.

It must not know what the services are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.application.service import IService

from migrate.client import MigrationClient
from migrate.control import DEFAULT
from migrate.errors import (
    CannotStart,
    MalformedTable,
    PeerRefused,
    ServiceInTransit,
)
from migrate.gradual.recipes import Recipe
from migrate.handover import State
from migrate.heir import FOREVER
from migrate.inherited import InheritedSockets
from migrate.listeners import InheritedSocket
from migrate.offers import attach
from migrate.progress import Progress, Untold
from migrate.recipient import RecipientConversation
from migrate.takeover.starting import Start, inheritedFrom, isOffer
from migrate.wish import Wish

PATIENCE = 5.0
"""
Seconds for which what cannot move at an instant is waited for.
"""

Make = Callable[[], Any]
"""
Makes a service.
"""


class GradualClient(MigrationClient):
    """
    Takes the listening sockets of services over, one service after the other::

        client = GradualClient("unix:migrate.sock", ["echo"], makers={"echo": makeEcho})
        client.setServiceParent(application)

    @ivar makers: what makes the services of this process, by their names.
    @ivar maker: what makes them where the origin has to say what they are made of.
    @ivar drain: for how many seconds clients may stay at the origin; L{None} for as
        long as they will.
    @ivar held: sockets that this process has inherited, by services' names.
    """

    def __init__(
        self,
        control: str = DEFAULT,
        services: Sequence[str] | None = None,
        *,
        makers: Mapping[str, Make] | None = None,
        maker: Callable[[Recipe], Make] | None = None,
        drain: float | None = None,
        held: Mapping[str, list[InheritedSocket]] | None = None,
        **options: Any,
    ) -> None:
        """
        @param services: what is to be taken over; L{None} for all.
        @param options: see L{MigrationClient}.
        """
        super().__init__(control, services, **options)
        self.makers: Mapping[str, Make] = dict(makers or {})
        self.maker = maker
        self.drain = drain
        self.held = dict(held or {})
        self._rests: dict[str, str] = {}

    async def _deal(self, name: str, conversation: RecipientConversation) -> None:
        """
        See L{MigrationClient._deal}.
        """
        past = await self._pastOf(conversation)
        answer = await conversation.ask("gradual", {"service": name})
        key, recipe = str(answer.get("key")), Recipe.of(answer.get("recipe"))
        make = self._makerOf(name, recipe, conversation)
        start = await self._start(name, key, make, conversation)
        try:
            # Whoever has started this process may want to say when it is time.
            await self.provision.open(())
            settled = {
                "key": key,
                "used": start.identities(),
                "drain": self.drain,
            }
            answer = await conversation.ask("gradual", settled)
            await conversation.claim(
                self._wishFor(
                    name, key, conversation, lambda root: self._settle(start, root)
                )
            )
        except BaseException:
            start.undo()
            raise
        self._remember(name, conversation, past)
        if answer.get("rest"):
            self._rests[name] = str(answer["rest"])
        if recipe is not None:
            self.gradual.recipes.setdefault(name, recipe)

    async def _pastOf(self, conversation: RecipientConversation) -> Mapping[str, Any]:
        """
        @return: what the origin tells of its services' past.
        """
        try:
            return await conversation.ask("history")
        except PeerRefused as error:
            self._log.debug("the past is not told: {why}", why=str(error))
            return {}

    async def _linger(self, conversation: RecipientConversation) -> None:
        """
        See L{MigrationClient._linger}.  Once clients may not stay at the origin any
        longer, those that are left are served here, by the service that they have had,
        if that can move.
        """
        await super()._linger(conversation)
        for name, key in self._rests.items():
            problem = await self._attemptTo(self._takeRest(name, key, conversation))
            if conversation.machine.state is State.CLOSED:
                # They have signed off, or the origin is dead.
                break
            if problem is not None:
                self._log.info(
                    "the last clients of {service} do not come: {why}",
                    service=name,
                    why=str(problem),
                )

    async def _takeRest(
        self, name: str, key: str, conversation: RecipientConversation
    ) -> None:
        wish = Wish(
            service=key,
            serializer=self.serializers[self.serializer],
            environment=self._arrival(conversation, parent=self),
            check=self._checkRest,
            adopted=lambda root: self._keep(name, root),
            wait=FOREVER,
            progress=Progress(name, self.display, self.reactor),
        )
        try:
            await conversation.claim(wish)
        except PeerRefused as error:
            if error.error != ServiceInTransit.__name__:
                raise
            # It is time.
            await conversation.claim(attrs.evolve(wish, wait=PATIENCE))

    def _checkRest(self, root: Any) -> None:
        """
        @raise MalformedTable: what came is no service.
        """
        if not IService.providedBy(root):
            raise MalformedTable(f"a {type(root).__name__} came, which is no service")

    def _keep(self, name: str, root: Any) -> None:
        # There is another one of that name.
        root.name = None
        attach(self, root)
        self.gradual.keep(f"{name[:48]}.before", root)

    def _makerOf(
        self, name: str, recipe: Recipe | None, conversation: RecipientConversation
    ) -> Make:
        """
        @raise CannotStart: nobody knows what this service is made of, or nobody who is
            trusted does.
        """
        if name in self.makers:
            return self.makers[name]
        if recipe is None or self.maker is None:
            raise CannotStart(
                f"the origin does not know what service {name!r} is made of: say so, "
                "--service NAME=CALLABLE"
            )
        if not conversation.originIsOwn:
            raise CannotStart(
                f"service {name!r} would be made of what another user's process says: "
                "say what it is made of, --service NAME=CALLABLE"
            )
        return self.maker(recipe)

    async def _start(
        self, name: str, key: str, make: Make, conversation: RecipientConversation
    ) -> Start:
        """
        Start a service, while that of the origin serves.
        """
        inherited = self.held.pop(name, None)
        if inherited is None:
            came: list[InheritedSocket] = []
            wish = self._wishFor(name, key, conversation, lambda _: None)
            copy = attrs.evolve(
                wish,
                rehearsal=True,
                check=lambda root: came.extend(_copied(root)),
            )
            await conversation.claim(copy)
            sockets = InheritedSockets(came, self.reactor, held=True)
        else:
            # Both accept from now on.
            sockets = InheritedSockets(inherited, self.reactor, owned=False)
        start = Start(self, name, make, sockets)
        start.begin()
        return start

    def _settle(self, start: Start, root: Any) -> None:
        """
        This process accepts.
        """
        start.settle(root)
        self.publication.publish(start.name, start.service)
        self.taken.append(start.name)
        self._log.info("{service} accepts here", service=start.name)

    def _wishFor(
        self,
        name: str,
        key: str,
        conversation: RecipientConversation,
        adopted: Callable[[Any], None],
    ) -> Wish:
        return Wish(
            service=key,
            serializer=self.serializers["table"],
            environment=self._arrival(conversation),
            check=isOffer,
            adopted=adopted,
            progress=Untold(),
            waits=lambda why: self.waits(name, why),
        )


def _copied(root: Any) -> list[InheritedSocket]:
    isOffer(root)
    return inheritedFrom(root)
