"""
What else than a service keeps a process from being executed anew: what would be lost
with its memory although no graph reaches it.

It must not know how it is executed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

from twisted.application.service import MultiService

from migrate.errors import CannotMigrate, Refusal, ServiceInTransit
from migrate.publication import Availability
from migrate.server import MigrationServer

POOLED = "PoolThread-"
"""
What the names of threads begin with that wait for work in a pool of Twisted.
"""


def admit(server: Any) -> None:
    """
    @raise ServiceInTransit: something is being moved.
    @raise CannotMigrate: there is nothing, or something that would be lost.
    """
    states = server.publication.states()
    moving = [name for name, state in states.items() if state in _MOVING]
    following = getattr(server, "following", None)
    if moving or (following is not None and following.isLeft):
        what = ", ".join(moving) or "the connections of a service"
        raise ServiceInTransit(f"{what}: being moved; try again once that is done")
    refusals = [*_services(server), *threads(server.reactor)]
    if server.port is None or not server.publication.names():
        refusals.append(Refusal("services", "none is published here (yet)"))
    if refusals:
        raise CannotMigrate.of(refusals)


_MOVING = (Availability.IN_TRANSIT, Availability.LEAVING)


def _services(server: Any) -> Iterator[Refusal]:
    """
    @return: why services of the application would be lost.
    """
    top = server
    while getattr(top, "parent", None) is not None:
        top = top.parent
    known = {id(each) for each in server.publication.services().values()}
    for each in _unpublished(top, known):
        yield Refusal(
            f"application.{getattr(each, 'name', None) or type(each).__name__}",
            "a service that is not published",
            "publish it, so that it is known what becomes of it",
        )


def _unpublished(service: Any, known: set[int]) -> Iterator[Any]:
    """
    @return: the services below C{service}, or itself, that nobody published.
    """
    if id(service) in known:
        return
    if isinstance(service, MultiService):
        for child in service:
            yield from _unpublished(child, known)
    if not isinstance(service, MigrationServer) and type(service) is not MultiService:
        yield service


def threads(reactor: Any) -> Iterator[Refusal]:
    """
    @return: the threads that work: they would end in the middle of that.
    """
    pool = getattr(reactor, "threadpool", None)
    if pool is not None and _isBusy(pool):
        yield Refusal(
            "reactor.threadpool",
            "its threads work, and would end in the middle of that",
            "try again once they are idle",
            over=lambda: not _isBusy(pool),
        )
    for thread in threading.enumerate():
        if thread is threading.main_thread() or thread.name.startswith(POOLED):
            continue
        yield Refusal(
            f"thread {thread.name!r}",
            "it would end in the middle of what it does",
            "end it before",
            over=lambda thread=thread: not thread.is_alive(),  # type: ignore[misc]
        )


def _isBusy(pool: Any) -> bool:
    statistics = pool._team.statistics()
    return bool(statistics.busyWorkerCount or statistics.backloggedWorkCount)
