"""
Re-execution as a process offers it: an operator asks for it, or sends a signal, and is
told afterwards how it went, by whichever image is there then.

It must not know how a service gets from one image to the next.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from migrate.errors import CannotAnswer, MigrationError, ServiceInTransit
from migrate.reexec.bootstrap import GUARD
from migrate.reexec.departure import Departure
from migrate.reexec.program import Changes, Program
from migrate.reexec.sources import Keeper

QUESTION, OUTCOME = "reexec", "reexec-outcome"
"""
What an operator asks for, and how it went.
"""

LONGEST_WAIT = 1e8
"""
Seconds that anybody may wait.
"""


def _none() -> Sequence[str]:
    return ()


@attrs.define(eq=False)
class Reexecution:
    """
    What one process offers.

    @ivar server: what publishes its services.
    @ivar program: what runs.
    @ivar keeper: has the modules of that.
    @ivar control: the control endpoint, as the command line has it.
    @ivar provides: tells the names of the resources that the program opened by itself.
    @ivar number: of the signal that asks for it, or L{None}.
    @ivar generation: how often this process was executed anew.
    @ivar image: unlike that of any other image.
    @ivar outcome: how the last re-execution went: C{"ticket"}, C{"ok"}, C{"reason"}
        and, if another image is here by it, what it was like.
    """

    _log = Logger()

    server: Any
    program: Program
    keeper: Keeper
    control: str
    provides: Callable[[], Sequence[str]] = _none
    number: int | None = None
    generation: int = 0
    image: str = attrs.field(factory=lambda: secrets.token_hex(8))
    outcome: Mapping[str, Any] = attrs.field(factory=dict)
    _underway: str = ""

    def install(self) -> None:
        """
        Offer it.
        """
        self.server.answers[QUESTION] = self.asked
        self.server.answers[OUTCOME] = self.told
        if self.number is not None:
            # From the beginning: it would end a process that is just about to run.
            signal.signal(self.number, self._signalled)

    def _signalled(self, *_: object) -> None:
        self.server.reactor.callFromThread(self._bySignal)

    def _bySignal(self) -> None:
        def failed(failure: Any) -> None:
            self._log.error(
                "this process is not executed anew: {why}",
                why=failure.getErrorMessage(),
            )

        self._log.info("a signal asks for re-execution")
        self.asked({}).addErrback(failed)

    def told(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """
        @return: how it went.
        """
        return {
            "pid": os.getpid(),
            "generation": self.generation,
            "image": self.image,
            "underway": self._underway,
            "outcome": dict(self.outcome),
        }

    def asked(self, arguments: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        """
        Execute this process anew.

        @return: fires as soon as nothing is left but to do it, which is done in one of
            the next turns; fails with a L{MigrationError} if it cannot be done.
        """
        return Deferred.fromCoroutine(self._begin(arguments))

    async def _begin(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        departure, ticket = self._departure(arguments)
        if self._underway:
            raise ServiceInTransit("this process is about to be executed anew already")
        self._underway = ticket
        try:
            await departure.prepare()
        except BaseException as error:
            self._ended(ticket, error)
            raise
        # The answer is sent before.
        reactor = self.server.reactor
        reactor.callLater(0, reactor.callLater, 0, self._leave, departure, ticket)
        return self.told({})

    def _departure(self, arguments: Mapping[str, Any]) -> tuple[Departure, str]:
        """
        @raise CannotAnswer: it is not known what is to be done, or cannot be done.
        """
        ticket, wait = arguments.get("ticket", ""), arguments.get("wait", 0.0)
        if not isinstance(ticket, str):
            raise CannotAnswer("a ticket has to be text")
        if not isinstance(wait, (int, float)) or not 0 <= wait <= LONGEST_WAIT:
            raise CannotAnswer(f"nobody can wait for {wait!r} seconds")
        ticket = ticket or secrets.token_hex(8)
        deadline = self.server.deadlines.preparing
        state = {
            "ticket": ticket,
            "generation": self.generation + 1,
            "image": self.image,
            "pid": os.getpid(),
            "control": self.control,
            "address": attrs.asdict(self.server.control),
            "deadline": deadline,
            "marks": {},
        }
        new = self.program.changed(Changes.of(arguments))
        provides = list(self.provides())
        departure = Departure(
            self.server,
            self.program,
            new,
            self.keeper,
            state,
            float(wait),
            provides,
        )
        return departure, ticket

    def _leave(self, departure: Departure, ticket: str) -> None:
        try:
            departure.leave()
        except MigrationError as error:
            self._log.warn("{why}", why=str(error))
            self._ended(ticket, error)
        except BaseException as error:
            self._log.failure("this process could not be executed anew")
            self._ended(ticket, error)

    def _ended(self, ticket: str, error: BaseException) -> None:
        why = str(error)
        if not isinstance(error, MigrationError):
            why = f"{type(error).__name__}: {error}"
        self._underway = ""
        self.outcome = {"ticket": ticket, "ok": False, "reason": why}
        for name in self.server.publication.names():
            self.server.history.stayed(name, os.getpid(), False, why)

    def arrived(self, state: Mapping[str, Any], reason: str, **about: Any) -> None:
        """
        This image serves what another one of this process left.

        @param reason: why it is the old program that does; empty if it is the new one.
        @param about: what it was like.
        """
        well = not reason
        marks: dict[str, float] = {**state["marks"], "adopt": time.monotonic()}
        times = sorted(marks.items(), key=lambda item: item[1])
        steps = {name: after - before for (_, before), (name, after) in pairwise(times)}
        self.generation = state["generation"] - (0 if well else 1)
        self.outcome = {
            "ticket": state["ticket"],
            "ok": well,
            "reason": reason.partition("\n")[0],
            "when": time.time(),
            "pause": marks["adopt"] - marks["begin"],
            "steps": steps,
            "from": state["image"],
            **about,
        }


def guard() -> Any:
    """
    @return: what watches over this image until it serves; L{None} if this process was
        begun in the ordinary way, or serves already.
    """
    found = sys.modules.get(GUARD)
    return None if found is None or getattr(found, "done", True) else found
