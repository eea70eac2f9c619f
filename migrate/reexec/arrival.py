"""
The image that follows: it finds the memory file, and serves what is in it in place of
building services anew.

It must not know which program it is of, nor who watches over it.
"""

from __future__ import annotations

import fcntl
import os
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from migrate.control import ControlAddress
from migrate.errors import (
    ControlError,
    IncompatiblePeer,
    MalformedTable,
    MigrationError,
)
from migrate.filenos import closeAll, ensureRoom
from migrate.interfaces import ILoader
from migrate.offers import attach
from migrate.reexec.archive import FORMAT
from migrate.reexec.bootstrap import OLD, REHEARSAL
from migrate.reexec.capture import LISTENER, staying
from migrate.reexec.reexecution import Reexecution
from migrate.resources import PREFIX, Provision
from migrate.server import MigrationServer


@attrs.define(eq=False)
class Loaded:
    """
    One graph that is here.
    """

    name: str
    kind: str
    root: Any
    loader: ILoader


@attrs.define(eq=False)
class Arrival:
    """
    One arrival.

    @ivar guard: what watches over it: a L{migrate.reexec.bootstrap.Guard}.
    @ivar server: what is to publish the services.
    @ivar reexecution: what this image offers and tells of it.
    @ivar provision: the resources that take the place of the services' own.
    @ivar serves: called once the services are this image's.
    """

    _log = Logger()

    guard: Any
    server: MigrationServer
    reexecution: Reexecution
    provision: Provision
    serves: Callable[[], None]
    _loaded: list[Loaded] = attrs.field(factory=list, init=False)

    def begin(self) -> None:
        """
        Take everything over, or have the old program do so.
        """
        Deferred.fromCoroutine(self._arrive()).addErrback(self._failed)

    def _failed(self, failure: Any) -> None:
        for each in self._loaded:
            each.loader.discard()
        why = failure.getErrorMessage()
        if not failure.check(MigrationError):
            why = f"{failure.type.__name__}: {why}"
        self.guard.fail(why, failure.getTraceback())

    async def _arrive(self) -> None:
        state = self.guard.state
        began = time.monotonic()
        state["marks"]["import"] = began
        self._check(state)
        await self._open(state)
        self._load(state)
        if self.guard.phase == REHEARSAL:
            for each in self._loaded:
                each.loader.discard()
            seconds = time.monotonic() - began
            self.guard.tell({"ok": True, "seconds": seconds}, 0)
        state["marks"]["load"] = time.monotonic()
        try:
            self._adopt(state)
        except Exception:
            # There is no way back, and most of it serves.
            self._log.failure("not all that was taken over is in order")
        self._settle(state)

    def _check(self, state: Mapping[str, Any]) -> None:
        """
        @raise MigrationError: this image is not made for what was left.
        """
        if state["format"] != FORMAT:
            raise IncompatiblePeer(
                f"the memory file is of format {state['format']}, and this release of "
                f"the library knows format {FORMAT}"
            )
        given = ControlAddress.parse(self.reexecution.control)
        if given != ControlAddress.parse(state["control"]):
            raise ControlError(
                f"the control endpoint cannot change from {state['control']} to "
                f"{self.reexecution.control} by re-execution"
            )

    async def _open(self, state: Mapping[str, Any]) -> None:
        """
        @raise MigrationError: a resource cannot be opened.
        """
        names = {name for graph in state["graphs"] for name in graph["externals"]}
        needed = [
            name.removeprefix(PREFIX) for name in names if name.startswith(PREFIX)
        ]
        await self.provision.open(sorted(needed))

    def _load(self, state: Mapping[str, Any]) -> None:
        """
        Make everything again, of copies of the descriptors: the old program may need
        them yet.

        @raise MigrationError: it cannot be made.
        """
        ensureRoom(sum(len(graph["filenos"]) for graph in state["graphs"]))
        with zipfile.ZipFile(self.guard.archive) as archive:
            for graph in state["graphs"]:
                self._loaded.append(self._graph(archive, graph))

    def _graph(self, archive: zipfile.ZipFile, graph: Mapping[str, Any]) -> Loaded:
        loader = self._loader(graph["kind"])
        with archive.open(graph["entry"]) as file:
            for length in graph["chunks"]:
                loader.feed(file.read(length))
        root = loader.finish(_copies(graph["filenos"]))
        found = Loaded(graph["name"], graph["kind"], root, loader)
        try:
            self._suits(found)
        except BaseException:
            loader.discard()
            raise
        return found

    def _loader(self, kind: str) -> ILoader:
        server = self.server
        outside: dict[str, object] = {"parent": server, **self.provision.externals()}
        if kind == LISTENER:
            outside = {"factory": server.controlFactory}
        environment = server.environment(**outside)
        registry = staying(environment.registry)
        serializer = server.serializers["table"]
        loader: ILoader = serializer.loader(
            attrs.evolve(environment, registry=registry)
        )
        return loader

    def _suits(self, found: Loaded) -> None:
        """
        @raise MigrationError: it cannot be served here.
        """
        if found.kind == LISTENER:
            return
        name = getattr(found.root, "name", None)
        if name is not None and name in self.server.namedServices:
            raise MalformedTable(f"two services are named {name!r}")

    def _adopt(self, state: Mapping[str, Any]) -> None:
        """
        From here on this image serves.
        """
        for each in self._loaded:
            if each.kind != LISTENER:
                attach(self.server, each.root)
                self.server.publication.publish(each.name, each.root)
            each.loader.adopt()
        self.server.control = ControlAddress(**state["address"])
        for each in self._loaded:
            if each.kind == LISTENER:
                self.server.serve(each.root)

    def _settle(self, state: Mapping[str, Any]) -> None:
        """
        Let go of what only the old program would have needed.
        """
        for graph in state["graphs"]:
            # Standard input and outputs are the process's own.
            closeAll(each for each in set(graph["filenos"]) if each > 2)
        self._tell(state)
        self.guard.adopted()
        self._loaded = []
        self.serves()

    def _tell(self, state: Mapping[str, Any]) -> None:
        reason = self.guard.reason if self.guard.phase == OLD else ""
        graphs: Sequence[Mapping[str, Any]] = state["graphs"]
        self.reexecution.arrived(
            state,
            reason,
            services=[each.name for each in self._loaded if each.kind != LISTENER],
            objects=sum(graph["objects"] for graph in graphs),
            bytes=sum(graph["bytes"] for graph in graphs),
            descriptors=sum(len(graph["filenos"]) for graph in graphs),
        )
        outcome = self.reexecution.outcome
        self._remember(state, outcome)
        milliseconds = outcome["pause"] * 1000
        if reason:
            self._log.error(
                "the old program is back after {ms:.0f} ms: {why}",
                ms=milliseconds,
                why=reason,
            )
            return
        self._log.info(
            "process {pid} was executed anew, generation {generation}: {services} "
            "stood still for {ms:.0f} ms: {objects} objects, {descriptors} "
            "descriptors, {bytes} bytes ({steps})",
            pid=os.getpid(),
            generation=self.reexecution.generation,
            ms=milliseconds,
            **{
                **outcome,
                "services": ", ".join(outcome["services"]),
                "steps": ", ".join(
                    f"{name} {took * 1000:.0f} ms"
                    for name, took in outcome["steps"].items()
                ),
            },
        )

    def _remember(self, state: Mapping[str, Any], outcome: Mapping[str, Any]) -> None:
        """
        Know what the image before knew, and how this one came to be.
        """
        history, names = self.server.history, outcome["services"]
        try:
            history.resume(state.get("history", {}), names)
        except MigrationError as error:
            self._log.warn("the past is not known: {why}", why=str(error))
        history.executed(names, outcome)


def _copies(filenos: Sequence[int]) -> list[int]:
    """
    @return: more of the same descriptors.
    @raise OSError: there is no room for them.
    """
    made: list[int] = []
    try:
        for fileno in filenos:
            made += [fcntl.fcntl(fileno, fcntl.F_DUPFD_CLOEXEC, 3)]
    except OSError:
        closeAll(made)
        raise
    return made
