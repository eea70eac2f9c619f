"""
The services that a process offers, each available, in transit, leaving,
draining or departed.

It must not know how a service travels, nor who claims it.
"""

from __future__ import annotations

import enum
import re

import attrs
from twisted.application.service import IService

from migrate.errors import ServiceDeparted, ServiceInTransit, UnknownService

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


class Availability(enum.Enum):
    """
    What can be had of a published service.
    """

    AVAILABLE = "available"
    IN_TRANSIT = "in transit"
    LEAVING = "leaving"
    """It has been moved away, but for connections that are served here."""
    DRAINING = "draining"
    """Another process listens for it; the clients that it has are served here."""
    DEPARTED = "departed"


@attrs.define
class _Entry:
    service: IService | None
    state: Availability = Availability.AVAILABLE


@attrs.define
class Publication:
    """
    Named services and their states.
    """

    _entries: dict[str, _Entry] = attrs.field(init=False, factory=dict)

    def publish(self, name: str, service: IService) -> None:
        """
        Offer C{service} as C{name}.

        @param name: letters, digits, C{_.-}; at most 64 of them.
        @raise ValueError: no such name can be published, it is taken, or the
            service is published under another name.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name for a service: use at most 64 letters, "
                "digits, '_', '.' and '-'"
            )
        known = self._entries.get(name)
        if known is not None and known.state is not Availability.DEPARTED:
            raise ValueError(f"a service is published as {name!r} already")
        for other, entry in self._entries.items():
            if entry.service is service:
                raise ValueError(f"that service is published as {other!r} already")
        self._entries[name] = _Entry(service)

    def check(self, name: str) -> None:
        """
        Find out whether a service can be had.

        @raise UnknownService: none of that name was published.
        @raise ServiceInTransit: it is being moved already.
        @raise ServiceDeparted: it has been moved away.
        """
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(self.names()) or "none"
            raise UnknownService(
                f"no service {name!r} is published here (published: {known})"
            )
        if entry.state is Availability.IN_TRANSIT:
            raise ServiceInTransit(f"service {name!r} is being moved already")
        if entry.state is Availability.LEAVING:
            raise ServiceInTransit(
                f"service {name!r} has been moved away, but for connections that are "
                "still served here"
            )
        if entry.state is Availability.DRAINING:
            raise ServiceInTransit(
                f"service {name!r} has been handed over, and serves its last clients "
                "here"
            )
        if entry.service is None:
            raise ServiceDeparted(f"service {name!r} has been moved away")

    def reserve(self, name: str) -> IService:
        """
        Put a service in transit, so that nobody else can claim it.

        @raise ServiceUnavailable: see L{check}.
        """
        self.check(name)
        entry = self._entries[name]
        assert entry.service is not None
        entry.state = Availability.IN_TRANSIT
        return entry.service

    def restore(self, name: str) -> None:
        """
        Offer a service in transit again.
        """
        self._entries[name].state = Availability.AVAILABLE

    def leave(self, name: str) -> None:
        """
        A service in transit is another process's, but for connections of it.
        """
        self._entries[name].state = Availability.LEAVING

    def leaving(self) -> list[str]:
        """
        @return: the names of services of which only connections are here.
        """
        return self._in(Availability.LEAVING)

    def drain(self, name: str) -> None:
        """
        A service in transit is listened for by another process.
        """
        self._entries[name].state = Availability.DRAINING

    def draining(self) -> list[str]:
        """
        @return: the names of services that serve their last clients here.
        """
        return self._in(Availability.DRAINING)

    def held(self) -> list[str]:
        """
        @return: the names of what is still this process's: more than connections.
        """
        gone = [*self.leaving(), *self.draining()]
        return [name for name in self.names() if name not in gone]

    def _in(self, state: Availability) -> list[str]:
        return [name for name, entry in self._entries.items() if entry.state is state]

    def depart(self, name: str) -> None:
        """
        Forget a service in transit: it is another process's.
        """
        entry = self._entries[name]
        entry.state = Availability.DEPARTED
        entry.service = None

    def names(self) -> list[str]:
        """
        @return: the names of what is here, in the order of publication.
        """
        return [name for name, entry in self._entries.items() if entry.service]

    def services(self) -> dict[str, IService]:
        """
        @return: what is here, by name.
        """
        return {
            name: entry.service
            for name, entry in self._entries.items()
            if entry.service is not None
        }

    def states(self) -> dict[str, Availability]:
        """
        @return: every service that ever was published, by name.
        """
        return {name: entry.state for name, entry in self._entries.items()}
