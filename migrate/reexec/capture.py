"""
The capture of everything that a process has: each service with its connections, and the
control listener.

It must not know where it goes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs
from twisted.internet.process import Process, PTYProcess

from migrate.adapters.children import ProcessAdapter, TerminalAdapter
from migrate.graph import Environment, Registry
from migrate.interfaces import IDump
from migrate.janitor import Janitor
from migrate.memory import MemoryFiles
from migrate.reexec.archive import Archive
from migrate.server import CONTROL
from migrate.transfer import Offer

SERVICE, LISTENER = "service", "control"
"""
What a graph is of.
"""


def staying(registry: Registry) -> Registry:
    """
    @return: the adapters for a process that stays the same: its children stay its own,
        so that it is told how they end, whatever this kernel tells others.
    """
    twin = registry.copy()
    # What is registered only once it is needed would take the place of these.
    twin.lookup(Process)
    twin.lookup(PTYProcess)
    twin.register(Process, ProcessAdapter("migrate.reexec.Process", _told))
    twin.register(PTYProcess, TerminalAdapter("migrate.reexec.PTYProcess", _told))
    return twin


def _told() -> bool:
    """
    A parent is told.
    """
    return True


def offersOf(server: Any, provides: Sequence[str]) -> Iterator[tuple[str, Offer]]:
    """
    @param server: a L{migrate.server.MigrationServer}.
    @param provides: the names of the resources that the new program has of its own.
    @return: all that is published, and the control listener, each with what it is.
    """
    for name in server.publication.names():
        yield SERVICE, server.offer(name, provides)
    listener = attrs.evolve(
        server.environment(factory=server.controlFactory),
        # The connections that it has accepted end here.
        registry=server.registry.withoutSeekers(),
    )
    yield (
        LISTENER,
        Offer(CONTROL, server.port, listener, _nothing, _nothing, told=False),
    )


def _nothing() -> None:
    """
    What is done of an offer that nobody claims.
    """


@attrs.define(eq=False)
class Capture:
    """
    One capture.

    @ivar archive: what it is written to.
    """

    server: Any
    archive: Archive
    _files: MemoryFiles = attrs.field(factory=MemoryFiles, init=False)
    _taken: list[tuple[IDump, Janitor]] = attrs.field(factory=list, init=False)

    def write(self, provides: Sequence[str]) -> None:
        """
        Write everything down.

        @raise migrate.errors.CannotMigrate: something cannot cross.
        """
        serializer = self.server.serializers["table"]

        def begin(root: object, label: str, environment: Environment) -> IDump:
            changed = attrs.evolve(
                environment,
                large=self._files,
                registry=staying(environment.registry),
            )
            dump: IDump = serializer.stream(root, label, changed)
            return dump

        for kind, offer in offersOf(self.server, provides):
            dump = offer.dump(begin)
            self._taken.append((dump, offer.janitor(dump)))
            self.archive.add(dump, name=offer.name, kind=kind)

    def pause(self) -> None:
        """
        Hand to the kernel what is about to be.
        """
        for _, janitor in self._taken:
            janitor.pause()

    def undo(self) -> None:
        """
        Everything goes on as it was, and nothing of the capture is left.
        """
        while self._taken:
            dump, janitor = self._taken.pop()
            janitor.resume()
            dump.forget()
        self._files.close()
