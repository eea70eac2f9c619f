"""
One attempt to execute this process anew: the application is told, the new program is
rehearsed, and then, in one turn, everything is written down and the image replaced.  If
that does not come to pass, everything is as it was.

It must not know who asked for it, nor who is told how it went.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.task import deferLater
from twisted.logger import Logger

from migrate.announcement import Announcement
from migrate.errors import CannotAnswer, CannotMigrateYet, MigrationError
from migrate.filenos import ensureRoom
from migrate.reexec.archive import Archive
from migrate.reexec.bootstrap import NEW, execute, unblock
from migrate.reexec.capture import Capture, offersOf
from migrate.reexec.hindrances import admit, threads
from migrate.reexec.program import Program
from migrate.reexec.rehearsal import rehearse
from migrate.reexec.sources import Keeper

LOOK = 0.02
"""
Seconds between two looks at whether what is in the way has passed.
"""

SIGNALS = (
    signal.SIGHUP,
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGUSR1,
    signal.SIGUSR2,
)
"""
What waits until the new program can take it: to a fresh image most of them are deadly.
"""


@attrs.define(eq=False)
class Departure:
    """
    One attempt.

    @ivar server: what publishes the services.
    @ivar old: the program that runs.
    @ivar new: the program that is to.
    @ivar keeper: has the modules of the old one.
    @ivar state: what the new image is told beside.
    @ivar wait: seconds for which to wait for an instant at which everything can cross.
    @ivar provides: the names of the resources that the program opens by itself.
    """

    _log = Logger()

    server: Any
    old: Program
    new: Program
    keeper: Keeper
    state: dict[str, Any]
    wait: float = 0.0
    provides: Sequence[str] = ()
    _reserved: list[str] = attrs.field(factory=list, init=False)
    _announcement: Announcement | None = attrs.field(default=None, init=False)
    _archive: Archive | None = attrs.field(default=None, init=False)
    _deadline: float = attrs.field(default=0.0, init=False)

    async def prepare(self) -> None:
        """
        Do all that can be done while the services are served.

        @raise MigrationError: it cannot come to pass; everything is as it was.
        """
        self._deadline = time.monotonic() + self.wait
        try:
            await self._patiently(self._reserve)
            await self._announce()
            copy = await self._patiently(self._copy)
            await self._rehearse(*copy)
            self._archive = Archive(self.keeper)
            self._archive.keep()
        except BaseException as error:
            self.stay(error)
            raise

    async def _patiently(self, action: Any) -> Any:
        """
        Do something once nothing is in the way that passes by itself.
        """
        while True:
            try:
                return action()
            except CannotMigrateYet as error:
                obstacle = error
            while not obstacle.over():
                if time.monotonic() >= self._deadline:
                    raise obstacle
                await deferLater(self.server.reactor, LOOK)
            if time.monotonic() >= self._deadline:
                raise obstacle
            await deferLater(self.server.reactor, LOOK)

    def _reserve(self) -> None:
        """
        Let nobody else have the services.
        """
        admit(self.server)
        for name in self.server.publication.names():
            self.server.publication.reserve(name)
            self._reserved.append(name)

    async def _announce(self) -> None:
        listeners = [
            listener
            for _, offer in offersOf(self.server, self.provides)
            for listener in offer.audience()
        ]
        self._announcement = Announcement(listeners)
        await self._announcement.make()
        # Whoever answered is perhaps still on the stack.
        await deferLater(self.server.reactor, 0)

    def _copy(self) -> tuple[Archive, Capture]:
        """
        @return: everything, written down.
        @raise MigrationError: something cannot cross.
        """
        archive = Archive(self.keeper)
        capture = Capture(self.server, archive)
        try:
            capture.write(self.provides)
            archive.finish(self._whole())
        except BaseException:
            capture.undo()
            archive.close()
            raise
        return archive, capture

    async def _rehearse(self, archive: Archive, capture: Capture) -> None:
        """
        @raise MigrationError: the new program cannot serve what was written down.
        """
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            # The new image needs each twice until it serves.
            if self.new.nofile is None:
                ensureRoom(len(archive.filenos))
            running = rehearse(
                self.server.reactor,
                self.new.asDictionary(),
                archive.fileno,
                archive.filenos,
                null,
                self.state["deadline"],
            )
        except OSError as error:
            raise CannotAnswer(f"the new program cannot be run: {error}") from error
        finally:
            os.close(null)
            capture.undo()
            archive.close()
        await running

    def leave(self) -> None:
        """
        Become the new program.  Returns only by an error.

        @raise MigrationError: it did not come to pass; everything is as it was.
        """
        self.state["marks"]["begin"] = time.monotonic()
        archive, self._archive = self._archive, None
        assert archive is not None
        capture = Capture(self.server, archive)
        inherited: list[int] = []
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            self._write(archive, capture)
            self._bequeath([archive.fileno, *archive.filenos], inherited)
            self._execute(archive.fileno)
        except BaseException as error:
            for fileno in inherited:
                os.set_inheritable(fileno, False)
            capture.undo()
            archive.close()
            unblock()
            self.stay(error)
            if isinstance(error, OSError):
                raise CannotAnswer(f"the new program cannot be run: {error}") from error
            raise

    def _write(self, archive: Archive, capture: Capture) -> None:
        """
        Write everything down.
        """
        working = list(threads(self.server.reactor))
        if working:
            raise CannotMigrateYet(working)
        capture.write(self.provides)
        self.state["marks"]["capture"] = time.monotonic()
        capture.pause()
        archive.finish(self._whole())

    def _whole(self) -> dict[str, Any]:
        programs = {"new": self.new, "old": self.old.limited()}
        described = {name: each.asDictionary() for name, each in programs.items()}
        history = self.server.history.asDictionary()
        return {**self.state, "programs": described, "history": history}

    def _bequeath(self, filenos: Sequence[int], inherited: list[int]) -> None:
        """
        Let descriptors cross.

        @param inherited: is given those that would not have.
        """
        for fileno in filenos:
            if not os.get_inheritable(fileno):
                inherited.append(fileno)
                os.set_inheritable(fileno, True)

    def _execute(self, fileno: int) -> None:
        for stream in (sys.__stdout__, sys.__stderr__):
            if stream is not None:
                with suppress(OSError, ValueError):
                    stream.flush()
        self._log.info("{command} is executed", command=" ".join(self.new.command))
        execute(self.new.asDictionary(), fileno, f"{fileno}:{NEW}:0:")

    def stay(self, why: BaseException) -> None:
        """
        It does not come to pass.
        """
        while self._reserved:
            self.server.publication.restore(self._reserved.pop())
        announcement, self._announcement = self._announcement, None
        if announcement is not None:
            error = why
            if not isinstance(error, MigrationError):
                error = CannotAnswer(f"{type(why).__name__}: {why}")
            announcement.withdraw(error)
