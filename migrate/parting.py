"""
The claim of a service whose connections follow one at a time: what moves first is
all of it but these.

It must not know how the connections follow.
"""

from __future__ import annotations

import asyncio
import io
import secrets
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import attrs
from twisted.internet.base import DelayedCall
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IListeningPort, IProtocolFactory
from twisted.internet.tcp import Connection as StreamTransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from migrate.apart import apart
from migrate.errors import MigrationError
from migrate.graph.parts import Parts, partsOf, without
from migrate.interfaces import IDump, IIndependentConnections
from migrate.janitor import Janitor
from migrate.resources import below
from migrate.shares import Connection, Share, ShareAdapter, ShareSeeker
from migrate.transfer import Offer, Write

_log = Logger()


def providersOf(service: Any) -> list[Any]:
    """
    @return: those that say of their connections that they are independent: the
        service, services below it, and the factories that these listen with.
    """
    found = {
        id(each): each
        for one in below(service)
        for each in (one, *_factoriesOf(one))
        if IIndependentConnections.providedBy(each)
    }
    return list(found.values())


def _factoriesOf(service: Any) -> Iterator[Any]:
    """
    @return: the factories that a service has, and those that they wrap.
    """
    for value in list(getattr(service, "__dict__", {}).values()):
        for each in value if isinstance(value, (tuple, list)) else (value,):
            while IProtocolFactory.providedBy(each):
                yield each
                each = getattr(each, "wrappedFactory", None)


def connectionsOf(providers: Iterable[Any]) -> list[Connection]:
    """
    @return: the connections that live, each once.
    @raise MigrationError: a provider fails to tell.
    """
    found: dict[int, Connection] = {}
    for provider in providers:
        try:
            those = [Connection.of(provider, each) for each in provider.connections()]
        except Exception as error:
            raise MigrationError(
                f"{type(provider).__qualname__}.connections failed: "
                f"{type(error).__name__}: {error}"
            ) from error
        for each in those:
            if each.isAlive:
                found.setdefault(id(each.transport), each)
    return list(found.values())


def isKept(thing: object) -> bool:
    """
    @return: whether the origin keeps its copy of something while it has
        connections: what they use or could go on with if the recipient died.
    """
    kinds: tuple[type, ...] = (DelayedCall, asyncio.Handle, io.IOBase, ThreadPool)
    databases = sys.modules.get("twisted.enterprise.adbapi")
    if databases is not None:
        kinds = (*kinds, databases.ConnectionPool)
    return isinstance(thing, kinds) or bool(IListeningPort.providedBy(thing))


@attrs.define(eq=False)
class Parting(Janitor):
    """
    The janitor of a shared part.  What the connections that are left could go on
    with stays paused until L{settle}; the rest is let go of at once.

    @ivar kept: the former.
    @ivar gone: transports that were let go of.
    @ivar files: files that were kept, the layers of each from above.
    """

    kept: Janitor
    gone: Sequence[Any] = ()
    files: Sequence[Any] = ()

    @classmethod
    def after(cls, dump: IDump) -> Parting:
        """
        Ask every adapter what there is to do.
        """
        kept = [each for each in dump.live if isKept(each[1])]
        going = [each for each in dump.live if not isKept(each[1])]
        return cls(
            going,
            dump.capture,
            Janitor(kept, dump.capture),
            [thing for _, thing in going if isinstance(thing, StreamTransport)],
            [thing for _, thing in kept if isinstance(thing, io.IOBase)],
        )

    def pause(self) -> None:
        """
        See L{Janitor.pause}.
        """
        self.kept.pause()
        try:
            super().pause()
        except BaseException:
            self.kept.resume()
            raise

    def hold(self) -> None:
        """
        See L{Janitor.hold}.
        """
        self.kept.hold()
        super().hold()

    def release(self) -> None:
        """
        See L{Janitor.release}.  The rest is kept, and stays paused.
        """
        self.kept.hold()
        super().release()

    def resume(self) -> None:
        """
        See L{Janitor.resume}.
        """
        super().resume()
        self.kept.resume()

    def settle(self) -> None:
        """
        Let go of the rest, but for what was written to files meanwhile.
        """
        for file in self.files:
            try:
                if not file.closed:
                    file.flush()
            except OSError:
                _log.failure("{file!r} cannot be written to", file=file)
        self.kept.release()

    def revive(self) -> None:
        """
        The recipient has died: go on with what was kept.  Connections to elsewhere
        have died with it.
        """
        self.kept.resume()
        for transport in self.gone:
            _bereave(transport, Failure(ConnectionLost("with the process that had it")))


def _bereave(transport: Any, reason: Failure) -> None:
    """
    Tell whoever had a transport that it is lost.
    """
    state = transport.__dict__
    for each in (state.get("protocol"), state.get("connector")):
        try:
            if each is not None:
                each.connectionLost(reason)
        except Exception:
            _log.failure("{each!r} failed to take note of a lost connection", each=each)


@attrs.define(eq=False)
class SharedOffer(Offer):
    """
    A service that has been claimed, without its connections.

    @ivar find: tells which connections live.
    @ivar life: the number of the descriptor that L{Share.life} is about.
    @ivar key: by which the connections are claimed afterwards.
    @ivar shares: what the last dump shares with the connections.
    @ivar parting: the janitor of the last dump.
    """

    find: Callable[[], list[Connection]] = attrs.field(kw_only=True)
    life: int = attrs.field(kw_only=True)
    key: str = attrs.field(init=False)
    shares: Sequence[Share] = attrs.field(default=(), init=False)
    parting: Parting | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        """
        Make a key: whoever has got the shared part has it.
        """
        self.key = keyOf(self.name)

    def audience(self) -> list[object]:
        """
        See L{Offer.audience}.
        """
        registry, later = self._apart()
        here = attrs.evolve(self.environment, registry=registry)
        plain = Offer(
            self.name,
            self.root,
            without(here, later.values()),
            self.restore,
            self.depart,
        )
        return plain.audience()

    def dump(self, write: Write) -> IDump:
        """
        See L{Offer.dump}.
        """
        registry, later = self._apart()
        here = attrs.evolve(self.environment, registry=registry)
        parts = partsOf(self.root, self.name, here, later)
        # Seekers keep what they find for one walk after the other.
        registry, later = self._apart(later)
        return self._dump(write, registry, parts, later)

    def _dump(
        self,
        write: Write,
        registry: Any,
        parts: Parts,
        later: dict[int, object],
    ) -> IDump:
        seeker = ShareSeeker(self.key, self.life, parts)
        registry.register(Share, ShareAdapter())
        registry.addSeeker(seeker)
        here = attrs.evolve(self.environment, registry=registry)
        apart_ = without(here, [*later.values(), *parts.private])
        dump = write(self.root, self.name, apart_)
        self.shares = seeker.shares(dump.capture)
        return dump

    def _apart(self, later: Any = None) -> tuple[Any, dict[int, object]]:
        """
        @param later: what moves later, by identity, if that is known.
        @return: adapters for a walk without the connections, and the same.
        """
        if later is None:
            later = {id(each): each for one in self.find() for each in one.objects}
        return apart(self.environment.registry, later, strict=True), later

    def janitor(self, dump: IDump) -> Janitor:
        """
        See L{Offer.janitor}.
        """
        self.parting = Parting.after(dump)
        return self.parting

    @property
    def objects(self) -> list[Any]:
        """
        What the last dump shares with the connections, in the order of its names.
        """
        return [thing for share in self.shares for thing in share.objects]

    @property
    def holders(self) -> list[Any]:
        """
        The containers among them that hold connections.
        """
        return [thing for share in self.shares for thing in share.holders]


_KEY = "(rest "


def keyOf(name: str) -> str:
    """
    @return: by what the connections of a service are claimed; nobody guesses it, and
        no service can be published under this name.
    """
    return f"{_KEY}{name} {secrets.token_hex(16)})"


def isKey(name: str) -> bool:
    """
    @return: whether C{name} is a key to connections.
    """
    return name.startswith(_KEY)
