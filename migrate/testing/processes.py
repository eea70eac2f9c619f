"""
Processes for tests that are none: several of them in one process, each with a
reactor of its own, and whoever is connected to them in memory.

It must not know how anything is moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs
from twisted.application.service import IService, MultiService
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IProtocolFactory
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from migrate.graph import Environment, Registry
from migrate.resources import PREFIX
from migrate.resources import named as resourcesOf
from migrate.testing.notes import NOTES, Note, NoteAdapter, NoteSeeker
from migrate.testing.release import Release


@attrs.define(eq=False, repr=False)
class Client:
    """
    The far end of a connection in memory.  It stays where it is, while that
    which it is connected to moves from process to process.

    @ivar protocol: what it is connected to, wherever that is at present.
    @ivar transport: the transport of that protocol.
    """

    _end: Note
    _process: FakeProcess

    @property
    def protocol(self) -> Any:
        """
        The protocol at the other end, in the process that has it.
        """
        return self._end.entry[0]

    @property
    def transport(self) -> Any:
        """
        Its transport.
        """
        return self._end.entry[1]

    def send(self, data: bytes) -> None:
        """
        Have the protocol receive something.
        """
        self.protocol.dataReceived(data)

    def received(self) -> bytes:
        """
        @return: all that the protocol has written, before every move and after.
        """
        value: bytes = self.transport.value()
        return value

    def hangUp(self) -> None:
        """
        Have the protocol lose its connection.
        """
        self.transport.connected = False
        self.protocol.connectionLost(Failure(ConnectionDone()))


@attrs.define(eq=False, repr=False)
class FakeProcess:
    """
    What one process has, and another one has not.  Both run the same code,
    unless C{code} makes a difference; what modules and classes hold is the same
    for both.

    @ivar reactor: its reactor.
    @ivar registry: its adapters.
    @ivar resources: what it provides, by name: objects that graphs refer to and
        that do not move; those of the recipient take the place of what a service
        names so (L{migrate.interfaces.INamedResources}).
    @ivar code: what differs in the code that it runs.
    @ivar services: the parent of the services that it runs.
    @ivar published: what can be moved, by name.
    """

    reactor: Any
    registry: Registry
    resources: dict[str, object] = attrs.field(factory=dict)
    code: Release = attrs.field(factory=Release)
    services: MultiService = attrs.field(factory=MultiService)
    published: dict[str, Any] = attrs.field(factory=dict)
    _clients: list[Client] = attrs.field(factory=list)

    def connect(self, factory: Any, transport: Any = None) -> Client:
        """
        Have somebody connect, in memory.

        @param factory: a protocol factory; or the number of a port on which the
            memory reactor of this process listens.
        @param transport: what the protocol gets; a L{StringTransport} by
            default.
        """
        if isinstance(factory, int):
            factory = self._listening(factory)
        protocol = factory.buildProtocol(IPv4Address("TCP", "192.168.1.1", 54321))
        transport = StringTransport() if transport is None else transport
        # What fakes losing a connection has to know whose it is.
        transport.protocol = protocol
        client = Client(Note(len(self._clients), (protocol, transport)), self)
        self._clients.append(client)
        protocol.makeConnection(transport)
        return client

    def _listening(self, port: int) -> Any:
        """
        @return: the factory for a port.
        @raise ValueError: this process does not listen there.
        """
        for number, factory, *_ in self.reactor.tcpServers:
            if number == port:
                return IProtocolFactory(factory)
        raise ValueError(f"nobody listens on port {port}")

    # What moves.

    def leaving(self, root: Any, provided: Iterable[str] = ()) -> Environment:
        """
        @param provided: the names of what the recipient provides.
        @return: what one walk over C{root} needs to know of this process.
        """
        forbidden = [
            (other, f"it is published on its own, as {label!r}")
            for label, other in self.published.items()
            if other is not root
        ]
        parent = getattr(root, "parent", None)
        if parent is not self.services:
            forbidden.append((self.services, "it is the parent of other services"))
        known = resourcesOf(root) if IService.providedBy(root) else {}
        stays = {name: known[name] for name in provided if known.get(name) is not None}
        return self._environment(parent, forbidden, stays)

    def arriving(self) -> Environment:
        """
        @return: what one loading needs to know of this process.
        """
        return self._environment(self.services, (), self.resources)

    def _environment(
        self,
        parent: object,
        forbidden: Sequence[tuple[object, str]],
        named: Mapping[str, object],
    ) -> Environment:
        registry = self.registry.copy()
        registry.register(Note, NoteAdapter(self))
        registry.addSeeker(NoteSeeker(self))
        return Environment(
            registry=registry,
            reactor=self.reactor,
            externals={
                **self.resources,
                **{f"{PREFIX}{name}": thing for name, thing in named.items()},
                **({} if parent is None else {"parent": parent}),
            },
            forbidden=forbidden,
        )

    def notes(self) -> Iterator[tuple[str | int, Any]]:
        """
        @return: place and entry of all that is noted beside graphs.
        """
        for place in NOTES:
            for entry in getattr(self.reactor, place, ()):
                yield place, entry
        for number, client in enumerate(self._clients):
            if client._process is self:
                yield number, client._end.entry

    def clients(self) -> list[Client]:
        """
        @return: those that are connected to this process.
        """
        return [client for client in self._clients if client._process is self]

    def note(self, note: Note) -> None:
        """
        Something that was noted elsewhere has come here.
        """
        if isinstance(note.place, int):
            client = self._clients[note.place]
            client._end, client._process = note, self
        else:
            getattr(self.reactor, note.place).append(note.entry)

    def forget(self, note: Note) -> None:
        """
        Something has left.  A client knows already.
        """
        if isinstance(note.place, str):
            entries = getattr(self.reactor, note.place)
            entries[:] = [entry for entry in entries if entry is not note.entry]
