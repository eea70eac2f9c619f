"""
What one process offers of its published services: each with all that a walk over
it has to know.

It must not know who claims them, nor where the control endpoint is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from migrate.errors import UnknownService
from migrate.graph import Environment
from migrate.publication import Publication
from migrate.resources import PREFIX, named
from migrate.transfer import Offer


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
    """

    server: Any
    publication: Publication
    resources: Mapping[str, Callable[[], object]]
    environment: Callable[..., Environment]

    def reserve(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Put a service in transit.

        @param provides: the names of resources that the recipient has of its own.
        @raise ServiceUnavailable: it cannot be had.
        @raise MigrationError: the service cannot say which those are here.
        """
        service = self.publication.reserve(name)
        try:
            return self._offer(name, service, provides)
        except BaseException:
            self.publication.restore(name)
            raise

    def offer(self, name: str, provides: Sequence[str]) -> Offer:
        """
        Say what would be moved, without putting it in transit.

        @raise UnknownService: it is not here.
        @raise MigrationError: as L{reserve}.
        """
        service = self.publication.services().get(name)
        if service is None:
            published = ", ".join(self.publication.names()) or "none"
            raise UnknownService(
                f"no service {name!r} is here (published: {published})"
            )
        return self._offer(name, service, provides)

    def _offer(self, name: str, service: Any, provides: Sequence[str]) -> Offer:
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
