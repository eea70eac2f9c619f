"""
The gradual hand-overs of one process: it answers who asks for one, lets the sockets be
claimed, and keeps the services that serve their last clients.

It must not know where the control endpoint is, nor how a conversation goes.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.errors import (
    CannotAnswer,
    NothingLeft,
    ServiceUnavailable,
    UnknownService,
)
from migrate.gradual.draining import Draining
from migrate.gradual.finding import Search, listening
from migrate.gradual.offer import (
    LIVES,
    PORTS,
    RestOffer,
    SocketsOffer,
    described,
    livesOf,
)
from migrate.gradual.recipes import Recipe
from migrate.graph import Environment
from migrate.listeners import identityOf
from migrate.offers import detach
from migrate.publication import Publication
from migrate.transfer import Offer

_KEY, _REST = "(sockets ", "(rest of "

SLICE = 0.002
"""
Seconds for which services are looked through at a time.
"""

_LATE = "somebody else has asked for its sockets since: try again"

MOST_SECONDS = 1e9
"""
Seconds that clients may stay at most, if that is bounded.
"""


def isKey(name: str) -> bool:
    """
    @return: whether C{name} is a key to sockets, or to what is left of a service.
    """
    return name.startswith((_KEY, _REST))


def _nothing() -> None:
    """
    Nothing has been done to it.
    """


@attrs.define(eq=False)
class Asked:
    """
    What somebody wants to take over gradually.

    @ivar name: what it is published as.
    @ivar ports: what it listens on.
    @ivar used: those that the recipient listens on; until it says so, all.
    @ivar seconds: for how long clients may stay here.
    @ivar rest: the key to what is left then.
    """

    name: str
    ports: list[Any]
    used: list[Any]
    seconds: float | None = None
    rest: str = ""


@attrs.define(eq=False)
class Gradual:
    """
    @ivar publication: what is published.
    @ivar environment: makes what a walk needs to know.
    @ivar offer: says what of this process would be moved, of a service.
    @ivar apart: tells what no service leads to: the server, for one.
    @ivar emptied: called when a service has served its last client.
    @ivar orphaned: called when a service accepts here again.
    @ivar recipes: what services were started from, by their names.
    @ivar draining: the services that serve their last clients, by their names.
    """

    _log = Logger()

    reactor: Any
    publication: Publication
    environment: Callable[..., Environment]
    offer: Callable[[str, Any], Offer]
    apart: Callable[[], Sequence[object]]
    emptied: Callable[[], None]
    orphaned: Callable[[], None]
    recipes: dict[str, Recipe] = attrs.field(factory=dict, init=False)
    draining: dict[str, Draining] = attrs.field(factory=dict, init=False)
    _asked: dict[str, Asked] = attrs.field(factory=dict, init=False)

    # Questions.

    def told(self, _: Mapping[str, object]) -> dict[str, object]:
        """
        @return: what the services here were started from.
        """
        return {name: recipe.told() for name, recipe in self.recipes.items()}

    def answer(self, arguments: Mapping[str, Any]) -> Any:
        """
        Somebody wants the listening sockets of a service.  With the key of an earlier
        answer he says which of them he uses, and how long clients may stay here.

        @param arguments: C{service}; or C{key}, C{used}, the devices and inodes of the
            sockets, and C{drain}, in seconds, if that is bounded.
        @return: the C{key} by which they are claimed, and what the service was started
            from (C{recipe}); or, if clients may not stay forever, the key to what is
            left then, C{rest}.
        @raise ServiceUnavailable: they cannot be had.
        """
        if "key" in arguments:
            return self._settled(arguments)
        name = arguments.get("service")
        return Deferred.fromCoroutine(self._answer(str(name), self._find(name)))

    async def _answer(self, name: str, service: Any) -> dict[str, object]:
        ports = await self.portsOf(service)
        if not ports:
            raise ServiceUnavailable(
                f"service {name!r} listens on nothing, so that there is nothing to "
                "hand over gradually; move it, without --gradual"
            )
        key = f"{_KEY}{name} {secrets.token_hex(16)})"
        self._forget(name)
        self._asked[key] = Asked(name, ports, ports)
        recipe = self.recipes.get(name)
        return {
            "key": key,
            "recipe": None if recipe is None else recipe.told(),
        }

    def _find(self, name: object) -> Any:
        service = self.publication.services().get(str(name))
        if service is None:
            published = ", ".join(self.publication.names()) or "none"
            raise UnknownService(
                f"no service {name!r} is here (published: {published})"
            )
        self.publication.check(str(name))
        return service

    async def portsOf(self, service: Any) -> list[Any]:
        """
        @return: what a service listens on.
        """
        services = self.publication.services().values()
        others = [each for each in services if each is not service]
        apart = self.apart()
        parent = getattr(service, "parent", None)
        strange = set(map(id, apart))
        ports = [each for each in listening(self.reactor) if id(each) not in strange]
        search = Search(service, ports, [*others, *apart, self.reactor, parent])
        while not search.go(SLICE):
            await deferLater(self.reactor, 0)
        return [port for port in search.found() if port.connected]

    def _settled(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        key, used, drain = (arguments.get(n) for n in ("key", "used", "drain"))
        asked = self._asked.get(str(key))
        if asked is None:
            raise ServiceUnavailable(_LATE)
        if not isinstance(used, list):
            raise CannotAnswer("it has to be said which sockets are used")
        if drain is not None and not (
            isinstance(drain, (int, float)) and 0 <= drain <= MOST_SECONDS
        ):
            raise CannotAnswer("the time that clients may stay is no time")
        here = [port for port in asked.ports if port.connected]
        found = [port for port in here if list(identityOf(port.fileno())) in used]
        if not found:
            raise ServiceUnavailable(
                f"service {asked.name!r} listens on none of these sockets"
            )
        asked.used, asked.seconds = found, drain
        if drain is not None:
            asked.rest = f"{_REST}{asked.name} {secrets.token_hex(16)})"
        return {"rest": asked.rest}

    def _forget(self, name: str) -> None:
        """
        Who asked before has not claimed, or is too late.
        """
        for key, asked in list(self._asked.items()):
            if asked.name == name:
                del self._asked[key]

    # Claims.

    def reserve(self, key: str) -> Offer:
        """
        Put a service in transit.

        @raise ServiceUnavailable: it cannot be had.
        """
        if key.startswith(_REST):
            return self._rest(key)
        asked = self._asked.get(key)
        if asked is None:
            raise ServiceUnavailable(_LATE)
        service = self.publication.reserve(asked.name)
        try:
            return self._offer(asked, service)
        except BaseException:
            self.publication.restore(asked.name)
            raise

    def _offer(self, asked: Asked, service: Any) -> Offer:
        mine, given = socket.socketpair()
        ports = [described(port) for port in asked.used]
        lives = [given, *(life.dup() for life in livesOf(asked.used))]

        def close() -> None:
            for each in [*(port["socket"] for port in ports), *lives]:
                each.close()

        def restore() -> None:
            close()
            mine.close()
            self.publication.restore(asked.name)

        def depart() -> None:
            close()
            self._depart(asked, service, mine)

        environment = self.environment()
        return SocketsOffer(
            asked.name,
            {PORTS: ports, LIVES: lives},
            attrs.evolve(environment, registry=environment.registry.withoutSeekers()),
            restore,
            depart,
            told=False,
            ports=asked.used,
            close=close,
        )

    def _depart(self, asked: Asked, service: Any, life: socket.socket) -> None:
        self._forget(asked.name)
        self.publication.drain(asked.name)
        for port in asked.ports:
            if port not in asked.used and port.connected:
                port.stopListening()
        draining = self.draining[asked.name] = Draining(
            self.reactor,
            asked.name,
            service,
            asked.used,
            self._ended,
            asked.seconds,
            life,
            self._orphaned,
            asked.rest,
        )
        draining.start()

    def _rest(self, key: str) -> Offer:
        """
        Somebody wants what is left of a service, with the clients that are.

        @raise NothingLeft: nothing is.
        """
        found = [each for each in self.draining.values() if each.key == key]
        if not found:
            raise NothingLeft("its last client has signed off")
        (draining,) = found
        if not draining.expired:
            draining.awaited = True
            return RestOffer(
                draining.name,
                None,
                self.environment(),
                _nothing,
                _nothing,
                told=False,
                over=lambda: draining.expired,
            )
        draining.hold()

        def depart() -> None:
            draining.stop()
            detach(draining.service)
            self._ended(draining)

        try:
            offer = self.offer(draining.name, draining.service)
        except BaseException:
            draining.close()
            raise
        return attrs.evolve(offer, restore=draining.close, depart=depart)

    def keep(self, name: str, service: Any) -> None:
        """
        Serve the clients that have come with a service which others are not to come to
        any more.

        @param name: what it is published as from now on.
        """
        while name in self.publication.states():
            name += "."
        self.publication.publish(name, service)
        self.publication.drain(name)
        self._look(name, service).addErrback(
            lambda failure: self._log.failure(
                "{name} is not watched", failure, name=name
            )
        )

    def _look(self, name: str, service: Any) -> Deferred[None]:
        async def look() -> None:
            ports = await self.portsOf(service)
            draining = Draining(self.reactor, name, service, ports, self._ended)
            self.draining[name] = draining
            draining.start()

        return Deferred.fromCoroutine(look())

    def _ended(self, draining: Draining) -> None:
        self.draining.pop(draining.name, None)
        self.publication.depart(draining.name)
        self.emptied()

    def _orphaned(self, draining: Draining) -> None:
        del self.draining[draining.name]
        self.publication.restore(draining.name)
        self.orphaned()

    def stop(self) -> None:
        """
        This process ends.
        """
        for each in self.draining.values():
            each.stop()
        self.draining.clear()
