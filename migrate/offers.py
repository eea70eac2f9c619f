"""
What one process offers of its published services: each with all that a walk over
it has to know.

It must not know who claims them, nor where the control endpoint is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from migrate.errors import NothingLeft, ServiceInTransit, UnknownService
from migrate.filenos import closeAll, makeLiveness
from migrate.graph import Environment
from migrate.leaving import Leaving
from migrate.parting import SharedOffer, connectionsOf, isKey, providersOf
from migrate.publication import Publication
from migrate.resources import PREFIX, named
from migrate.transfer import Moved, Offer


def detach(service: Any) -> None:
    """
    Take a service out of its parent without a word to either: it runs on
    elsewhere.
    """
    parent = service.parent
    if parent is None:
        return
    parent.services[:] = [other for other in parent.services if other is not service]
    if service.name is not None:
        parent.namedServices.pop(service.name, None)


def attach(parent: Any, service: Any) -> None:
    """
    Make a service that runs already the child of C{parent}, without starting it
    once more.
    """
    service.parent = parent
    parent.services.append(service)
    if service.name is not None:
        parent.namedServices[service.name] = service


@attrs.define(eq=False)
class Offers:
    """
    The offers of one process.

    @ivar server: the service that publishes the others; no graph may reach it.
    @ivar publication: what is published.
    @ivar resources: what finds an object that a recipient may have of its own,
        by name.
    @ivar environment: makes what a walk needs to know, of what stays outside.
    @ivar emptied: called when the last connection of a service has left that had
        left before.
    @ivar returned: called when a service is here again whose recipient has died.
    """

    server: Any
    publication: Publication
    resources: Mapping[str, Callable[[], object]]
    environment: Callable[..., Environment]
    emptied: Callable[[], None] = lambda: None
    returned: Callable[[], None] = lambda: None
    _leaving: dict[str, Leaving] = attrs.field(factory=dict, init=False)

    def reserve(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Put a service in transit.

        @param name: that of a service; or the key to connections that were left
            behind by one.
        @param provides: the names of resources that the recipient has of its own.
        @raise ServiceUnavailable: it cannot be had.
        @raise MigrationError: the service cannot say which those are here.
        """
        if isKey(name):
            return self._reserveConnection(name)
        service = self.publication.reserve(name)
        try:
            offer = self.of(name, service, provides)
            providers = providersOf(service)
            return self._shared(offer, service, providers) if providers else offer
        except BaseException:
            self.publication.restore(name)
            raise

    def _reserveConnection(self, key: str) -> Offer:
        """
        See L{Leaving.reserve}.
        """
        leaving = self._leaving.get(key)
        if leaving is None:
            raise NothingLeft("nothing is left of that service")
        return leaving.reserve()

    def _shared(
        self, offer: Offer, service: Any, providers: Sequence[Any]
    ) -> SharedOffer:
        """
        @return: a service without its connections.
        """
        held, watched = makeLiveness()

        def restore() -> None:
            closeAll([held, watched])
            offer.restore()

        def depart() -> None:
            closeAll([held])
            self._leave(shared, service, watched)

        shared = SharedOffer(
            offer.name,
            offer.root,
            offer.environment,
            restore,
            depart,
            find=partial(connectionsOf, providers),
            life=held,
        )
        return shared

    def _leave(self, shared: SharedOffer, service: Any, life: int) -> None:
        """
        All of a service has left but its connections.
        """
        parent = service.parent

        def ended(leaving: Leaving) -> None:
            del self._leaving[leaving.key]
            self.publication.depart(shared.name)
            self.emptied()

        def orphaned(leaving: Leaving) -> None:
            del self._leaving[leaving.key]
            if parent is not None:
                attach(parent, service)
            self.publication.restore(shared.name)
            self.returned()

        self.publication.leave(shared.name)
        detach(service)
        reactor = shared.environment.reactor
        leaving = Leaving(reactor, shared, life, ended, orphaned)
        self._leaving[shared.key] = leaving
        leaving.start()

    def note(self, report: Moved) -> bool:
        """
        Something is gone.

        @return: whether it was a connection that a service had left behind.
        """
        for leaving in self._leaving.values():
            if leaving.name == report.service:
                leaving.pid = report.pid
        return any(leaving.note(report) for leaving in self._leaving.values())

    def left(self) -> list[str]:
        """
        @return: what is left of services that have left, for a person.
        """
        return [f"{len(each)} of {each.name}" for each in self._leaving.values()]

    def stop(self) -> None:
        """
        This process ends.
        """
        for leaving in self._leaving.values():
            leaving.stop()

    def offer(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Say what would be moved, without putting it in transit.

        @raise UnknownService: it is not here.
        @raise ServiceInTransit: only connections of it are.
        @raise MigrationError: as L{reserve}.
        """
        service = self.publication.services().get(name)
        if service is None:
            published = ", ".join(self.publication.names()) or "none"
            raise UnknownService(
                f"no service {name!r} is here (published: {published})"
            )
        if name in self.publication.leaving():
            raise ServiceInTransit(f"service {name!r} has left, but for connections")
        if name in self.publication.draining():
            raise ServiceInTransit(f"service {name!r} serves its last clients here")
        return self.of(name, service, provides)

    def of(self, name: str, service: Any, provides: Sequence[str] = ()) -> Offer:
        """
        @return: all of a service, in whichever state it is.
        """
        forbidden = [
            (other, f"it is published on its own, as {label!r}")
            for label, other in self.publication.services().items()
            if other is not service
        ]
        if service.parent is not self.server:
            forbidden.append(
                (self.server, "it is the migration server of this process")
            )
        externals = self._stay(service, provides)
        if service.parent is not None:
            externals["parent"] = service.parent
        return Offer(
            name,
            service,
            attrs.evolve(self.environment(**externals), forbidden=forbidden),
            restore=lambda: self.publication.restore(name),
            depart=lambda: self._depart(name, service),
        )

    def _stay(self, service: Any, provides: Sequence[str]) -> dict[str, object]:
        """
        @return: what stays here since the recipient has its own, by the name
            that graphs have for it.
        """
        if not provides:
            return {}
        found = {name: find() for name, find in self.resources.items()}
        found.update(named(service))
        return {
            f"{PREFIX}{name}": found[name]
            for name in provides
            if found.get(name) is not None
        }

    def _depart(self, name: str, service: Any) -> None:
        self.publication.depart(name)
        detach(service)
