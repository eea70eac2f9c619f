"""
Pairs of processes for tests, and what test cases need of them.

It must not know how a graph gets from one to the other.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.application.service import IService
from twisted.internet.defer import Deferred, gatherResults, maybeDeferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from migrate.adapters import defaultRegistry
from migrate.errors import UnknownService
from migrate.graph import Registry, TableSerializer
from migrate.interfaces import ISerializer
from migrate.offers import attach
from migrate.testing.crossing import Crossing, Failing
from migrate.testing.processes import Client, FakeProcess
from migrate.testing.rehearsal import assertMigratable


@attrs.define(eq=False)
class ProcessPair:
    """
    Two processes for a test, in one: an origin, and a recipient.

    With memory reactors (the default) nothing happens unless the test makes it:
    time passes by C{pair.advance}, somebody connects by
    C{pair.origin.connect}.  With a real reactor, which then is that of both,
    sockets are real, and each is moved as a copy of its descriptor.

    @ivar origin: where the service is that was published or moved last, before
        it is moved: the two change their roles when a migration begins that
        goes the other way.
    @ivar recipient: the other one.
    @ivar serializer: in which way services are written down.
    """

    origin: FakeProcess
    recipient: FakeProcess
    serializer: ISerializer = attrs.field(factory=TableSerializer)

    @classmethod
    def on(
        cls,
        origin: Any = None,
        recipient: Any = None,
        *,
        registry: Registry | None = None,
        serializer: ISerializer | None = None,
    ) -> ProcessPair:
        """
        @param origin: the origin's reactor; a memory reactor by default.
        @param recipient: the recipient's.  By default one more of the kind, of a
            clock or a memory reactor; otherwise the origin's.
        @param registry: the adapters of both; those of this package by default.
        @param serializer: in which way services are written down; as a table by
            default.
        @return: a new pair.
        """
        if origin is None:
            origin = MemoryReactorClock()
        if recipient is None:
            recipient = type(origin)() if isinstance(origin, Clock) else origin
        registry = defaultRegistry() if registry is None else registry
        clients: list[Client] = []
        pair = cls(
            FakeProcess(origin, registry.copy(), clients=clients),
            FakeProcess(recipient, registry.copy(), clients=clients),
            serializer or TableSerializer(),
        )
        for process in (pair.origin, pair.recipient):
            process.services.startService()
        return pair

    def publish(self, name: str, root: Any) -> Any:
        """
        Have the origin run something that can be moved.

        @param root: a service, which is started unless it runs; or any other
            object.
        @return: C{root}.
        """
        if name in {**self.origin.published, **self.recipient.published}:
            raise ValueError(f"{name!r} is published already")
        self.origin.published[name] = root
        if IService.providedBy(root) and root.parent is None:
            if root.running:
                attach(self.origin.services, root)
            else:
                root.setServiceParent(self.origin.services)
        return root

    def advance(self, seconds: float) -> None:
        """
        Let time pass, for both.
        """
        self._sameTime()
        for process in (self.origin, self.recipient):
            process.reactor.advance(seconds)

    def migrate(self, name: str, *, failing: Failing | None = None) -> Any:
        """
        Move what is published from the process that has it to the other one.

        @param failing: what is to go wrong.
        @return: what has become of it.
        @raise CannotMigrate: something of it cannot move.
        @raise PeerRefused: the recipient cannot take it, for the reason that an
            operator would read.
        @raise PeerLost: the recipient died.
        """
        if name in self.recipient.published:
            self.origin, self.recipient = self.recipient, self.origin
        if name not in self.origin.published:
            raise UnknownService(f"nothing is published as {name!r}")
        self._sameTime()
        return Crossing(
            self.origin, self.recipient, self.serializer, name, failing
        ).run()

    def stop(self) -> Deferred[Any]:
        """
        Stop all that is published, and all else that these processes run.
        """
        processes = (self.origin, self.recipient)
        return gatherResults(
            [maybeDeferred(process.services.stopService) for process in processes]
        )

    def _sameTime(self) -> None:
        """
        Processes share the time: let it pass for the one that is behind.
        """
        one, other = self.origin.reactor, self.recipient.reactor
        if isinstance(one, Clock) and isinstance(other, Clock):
            now = max(one.seconds(), other.seconds())
            for clock in (one, other):
                if clock.seconds() < now:
                    clock.advance(now - clock.seconds())


class MigrationTestCaseMixin:
    """
    For test cases of trial, or of C{unittest} where nothing is asynchronous.
    """

    def assertMigratable(self, root: object, **options: Any) -> None:
        """
        See L{assertMigratable}.
        """
        assertMigratable(root, **options)

    def processPair(self, *reactors: Any, **options: Any) -> ProcessPair:
        """
        @return: a pair as L{ProcessPair.on} makes it, that is stopped when the
            test is over.
        """
        pair = ProcessPair.on(*reactors, **options)
        self.addCleanup(pair.stop)  # type: ignore[attr-defined]
        return pair
