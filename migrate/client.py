"""
The migration client: takes services over from a running process, serves them,
and publishes them in turn.

It must not know how a conversation goes.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.control import DEFAULT
from migrate.errors import (
    CannotFollow,
    MalformedTable,
    MigrationError,
    PeerRefused,
    ServiceUnavailable,
    UnknownService,
)
from migrate.following import Following
from migrate.graph.collector import giveBack
from migrate.handover import State
from migrate.heir import ControlHeir
from migrate.identity import Login
from migrate.meeting import meet
from migrate.offers import attach
from migrate.policies import Policies
from migrate.prediction import Budget, Prediction, milliseconds, predict
from migrate.progress import LogDisplay, Progress
from migrate.publication import Availability
from migrate.recipient import RecipientConversation
from migrate.resources import Provision
from migrate.warmth import warm
from migrate.wish import Wish

MEETINGS = 4
"""
How often an origin is met at most while connections follow.
"""


def _same(thing: object) -> object:
    return thing


class MigrationClient(ControlHeir):
    """
    Takes services over when it is started, and is a L{MigrationServer} for
    them from then on::

        client = MigrationClient("unix:migrate.sock", ["chat"])
        client.setServiceParent(application)

    @cvar recipientConversation: what speaks with the origin.
    @ivar done: fires with this client when everything wanted is here and
        published; fails with a L{MigrationError} if nothing could be taken
        over.
    @ivar taken: the names of the services that are here.
    @ivar budget: for how long services may stand still.
    @ivar display: where it is shown how far a transfer has come that takes long: an
        L{migrate.progress.IDisplay}.
    @ivar problem: what kept the others from coming, or L{None}.
    @ivar following: the connections that follow services.
    """

    _log = Logger()

    recipientConversation: type[RecipientConversation] = RecipientConversation

    def __init__(
        self,
        control: str = DEFAULT,
        services: Sequence[str] | None = None,
        *,
        serializer: str = "table",
        login: Login | None = None,
        policies: Policies | None = None,
        wait: float = 0.0,
        maxPause: float | None = None,
        provide: Mapping[str, Callable[[], Any]] | None = None,
        **options: Any,
    ) -> None:
        """
        @param control: where the origin listens.
        @param services: what to take over, in this order; L{None} for all.
        @param serializer: C{"table"}, or C{"pickle"} between processes of one
            user.
        @param login: for an origin that listens on TCP.
        @param policies: what graphs may name; anything, if the origin is a process
            of this user or of root, by default.
        @param wait: seconds that the origin is to wait for an instant at which a
            service can move, if it cannot when it is claimed.
        @param maxPause: seconds for which a service may stand still: one for which a
            rehearsal predicts more is not claimed.  L{None} for as long as it
            takes.
        @param provide: what makes resources of this process ready, by name: each
            returns one, or a L{Deferred} of it.  They take the place of what the
            services call so (L{migrate.interfaces.INamedResources}).
        @param options: see L{MigrationServer}.
        """
        super().__init__(control, **options)
        if serializer not in self.serializers:
            known = ", ".join(self.serializers)
            raise ValueError(f"no serializer {serializer!r}; there are {known}")
        self.wanted = None if services is None else list(services)
        self.serializer = serializer
        self.login = login
        if policies is not None:
            self.policies = policies
        self.wait = wait
        self.budget = Budget(maxPause)
        self.provision = Provision({} if provide is None else provide)
        self.done: Deferred[MigrationClient] = Deferred()
        self.taken: list[str] = []
        self.display: Any = LogDisplay()
        self.problem: MigrationError | None = None
        self.following = Following(self.reactor, self._wish, self._stateOf)
        self._started = False

    def listen(self) -> None:
        """
        Not before there is something to publish.
        """

    def startService(self) -> None:
        """
        Begin to take over.
        """
        super().startService()
        if not self._started:
            self._started = True
            self.reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        Deferred.fromCoroutine(self._takeOver()).addErrback(self._log_)

    def _log_(self, failure: Any) -> None:
        self._log.failure("taking over failed", failure)

    async def _takeOver(self) -> None:
        """
        The whole of it; L{done} tells how it ended.
        """
        conversation = self._conversation()
        await self._attempt(conversation)
        self.problem = self.budget.sumUp(self.problem)
        if self.taken:
            conversation = await self._follow(conversation)
            try:
                await self._publish(conversation)
            except MigrationError as error:
                # What is served is worth more than what it could be moved by.
                self.problem = error
            self._tellSupervisor()
            self.done.callback(self)
            giveBack()
            await self._linger(conversation)
        if conversation.transport is not None:
            conversation.close()
        if not self.taken:
            assert self.problem is not None
            # This process may end with the next step; why is still to be sent.
            await self._breathe()
            self.done.errback(self.problem)

    def _conversation(self) -> RecipientConversation:
        return self.recipientConversation(
            self.reactor, self.deadlines, self.policy, self.login
        )

    async def _follow(
        self, conversation: RecipientConversation
    ) -> RecipientConversation:
        """
        Have connections follow the services that have come.  An origin that is lost
        is met again, if it is there.

        @return: the conversation to go on with.
        """
        for _ in range(MEETINGS):
            problem = await self._attemptTo(self.following.follow(conversation))
            if problem is None:
                break
            conversation.close()
            again = self._conversation()
            if await self._attemptTo(self._meet(again)) is not None:
                self.problem = problem
                break
            conversation = again
        self.following.settle()
        return conversation

    async def _linger(self, conversation: RecipientConversation) -> None:
        """
        Do what is left to be done once all is served here.
        """
        if self.following.isLeft and not self.inherited:
            await self._stay(conversation)

    async def _stay(self, conversation: RecipientConversation) -> None:
        """
        For as long as the origin has connections left, have them follow, and have its
        control endpoint at last.
        """
        try:
            await self.following.stay(conversation)
            await self._inheritLate(conversation)
            self._tellSupervisor()
        except MigrationError as error:
            self._log.info("the origin is left to itself: {why}", why=str(error))
            if conversation.machine.state is State.CLOSED:
                await self._succeed()
                self._tellSupervisor()

    async def _attempt(self, conversation: RecipientConversation) -> None:
        """
        Have the whole conversation, and note what went wrong.
        """
        self.problem = await self._attemptTo(self._converse(conversation))

    async def _attemptTo(self, doing: Awaitable[None]) -> MigrationError | None:
        """
        @return: what went wrong, if anything did.
        """
        try:
            await doing
        except MigrationError as error:
            return error
        except Exception as error:
            self._log.failure("taking over failed")
            return MigrationError(f"{type(error).__name__}: {error}")
        return None

    async def _converse(self, conversation: RecipientConversation) -> None:
        """
        Take over what is wanted, one after the other.
        """
        await self._meet(conversation)
        await self._seekSupervisor(conversation)
        chosen = self._choose(await conversation.services())
        await self._warmUp(conversation)
        for name in chosen:
            await self._deal(name, conversation)
            # Who waited through the pause comes first.
            await self._breathe()
            if conversation.machine.state is State.CLOSED:
                return

    async def _warmUp(self, conversation: RecipientConversation) -> None:
        """
        Have at hand what the origin has, as far as that may be told.
        """
        if not conversation.originIsOwn:
            return
        try:
            warm(await conversation.ask("warmth"))
        except PeerRefused as error:
            self._isOlder(conversation, error)

    def _isOlder(self, conversation: RecipientConversation, error: PeerRefused) -> None:
        """
        An origin of an older release does not know a question; otherwise the
        conversation has ended.

        @raise PeerRefused: it has.
        """
        if conversation.machine.state is State.CLOSED:
            raise error
        self._log.debug("the origin does not tell: {why}", why=str(error))

    async def _breathe(self) -> None:
        """
        Let the reactor look once at what it watches: what is to be called after no
        time at all is called before that.
        """
        for _ in range(2):
            await deferLater(self.reactor, 0)

    async def _seekSupervisor(self, conversation: RecipientConversation) -> None:
        """
        Ask the origin whether its supervisor will follow.

        @raise MigrationError: it would not.
        """
        own = {"pid": os.getpid(), "supervised": bool(self.supervision.notifier)}
        try:
            answer = await conversation.ask("supervisor", own)
        except PeerRefused as error:
            if error.error == CannotFollow.__name__:
                raise
            self._isOlder(conversation, error)
        else:
            self.supervision.succeed(answer)

    def _tellSupervisor(self) -> None:
        """
        The services are here.  While others are left at the origin, the supervisor
        stays with that.
        """
        if self.inherited:
            self.supervision.began()
        elif self.following.isLeft:
            self.supervision.watch()

    async def _meet(self, conversation: RecipientConversation) -> None:
        await meet(self.origin, conversation)

    async def _deal(self, name: str, conversation: RecipientConversation) -> None:
        """
        Do what this client is for, with one service.
        """
        wish = self._wish(name, conversation)
        if self.budget.most is None:
            await conversation.claim(wish)
            return
        expected = await predict(conversation, wish)
        if self.budget.admits(name, expected):
            await conversation.claim(wish)
            self._compare(name, expected, conversation.pause)

    def _compare(self, name: str, expected: Prediction, pause: float) -> None:
        self._log.info(
            "{service} stood still for {pause}; {expected} were predicted",
            service=name,
            pause=milliseconds(pause),
            expected=expected,
        )

    def _choose(self, states: dict[str, str]) -> list[str]:
        """
        @return: the names to claim.
        @raise ServiceUnavailable: one of those wanted cannot be had; nothing
            has been touched.
        """
        available = [
            name
            for name, state in states.items()
            if state == Availability.AVAILABLE.value
        ]
        listing = ", ".join(f"{name} ({state})" for name, state in states.items())
        if self.wanted is None:
            if not available:
                raise ServiceUnavailable(
                    f"nothing is available at {self.origin}: {listing or 'no services'}"
                )
            return available
        for name in self.wanted:
            if name not in states:
                raise UnknownService(
                    f"no service {name!r} at {self.origin}: {listing or 'no services'}"
                )
            if name not in available:
                raise ServiceUnavailable(
                    f"service {name!r} at {self.origin} is {states[name]}"
                )
        return self.wanted

    def _wish(self, name: str, conversation: RecipientConversation) -> Wish:
        arrival = self._arrival(conversation, parent=self)
        registry = self.following.registry(self.registry, name)
        return Wish(
            service=name,
            serializer=self.serializers[self.serializer],
            environment=attrs.evolve(arrival, registry=registry),
            check=self._check,
            adopted=lambda root: self._adopt(name, root, conversation),
            provision=self.provision,
            wait=self.wait,
            waits=lambda why: self.waits(name, why),
            progress=Progress(name, self.display, self.reactor),
        )

    def _stateOf(self, name: str) -> Availability | None:
        return self.publication.states().get(name)

    def waits(self, name: str, why: str) -> None:
        """
        Called with what the origin waits for.
        """

    def _check(self, root: Any) -> None:
        """
        @raise MigrationError: what came cannot be served here.
        """
        if not IService.providedBy(root):
            raise MalformedTable(f"a {type(root).__name__} came, which is no service")
        if root.name is not None and root.name in self.namedServices:
            raise MigrationError(f"a service named {root.name!r} runs here already")

    def _adopt(self, name: str, root: Any, conversation: RecipientConversation) -> None:
        attach(self, root)
        self.publication.publish(name, root)
        self.taken.append(name)
        self._remember(name, conversation)
        for resource, opened in self.provision.opened.items():
            # The next recipient may have its own.
            self.resources.setdefault(resource, partial(_same, opened))
        self._log.info("took over {service}", service=name)

    def _remember(
        self,
        name: str,
        conversation: RecipientConversation,
        story: Mapping[str, Any] | None = None,
    ) -> None:
        """
        Have the service's past here, too.

        @param story: what the origin told of that; with what was claimed last, by
            default.
        """
        assert conversation.peer is not None
        told = conversation.story if story is None else story
        pid = conversation.peer.pid
        try:
            self.history.arrive(name, told, pid, conversation.pause)
        except MigrationError as error:
            self._log.warn("the past is not known: {why}", why=str(error))
