"""
The clients of C{twistd migrate-client}: they tell the operator how it went, and end
their process if there is nothing more to do.

It must not know which options there are.
"""

from __future__ import annotations

import os

from twisted.python.failure import Failure

from migrate.client import MigrationClient
from migrate.errors import (
    CannotMigrateYet,
    MigrationError,
    PauseTooLong,
    PeerRefused,
)
from migrate.inquirer import Inquirer
from migrate.outcome import Outcome, PidFile, appendToLog, exitWith
from migrate.prediction import milliseconds
from migrate.wish import Inquiry


class CommandLineClient(MigrationClient):
    """
    A client that ends its process, with status 1 and a reason, if it could not
    take over, and lets the launching command of a daemon know.
    """

    outcome: Outcome
    pidFile: PidFile
    program = "migrate-client"

    def privilegedStartService(self) -> None:
        """
        This process is what it is to be: a daemon, or none.
        """
        self.outcome.postpone()
        appendToLog(self.outcome.options)
        self.done.addCallbacks(self._served, self._failed)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def waits(self, name: str, why: str) -> None:
        """
        See L{MigrationClient.waits}.
        """
        self.outcome.warn(f"{self.program}: {name} waits: {why}")

    def _served(self, _: object) -> None:
        if self.inherited or not os.path.exists(self.pidFile.path or os.devnull):
            self.pidFile.write()
        unused = [n for n in self.provision.openers if n not in self.provision.opened]
        if unused:
            self.outcome.warn(
                f"{self.program}: nothing that came has a resource named "
                f"{', '.join(unused)}"
            )
        self.outcome.say(each.describe() for each in self.following.arrived)
        if self.problem is None:
            self.outcome.succeed()
        else:
            taken, why = ", ".join(self.taken), explained(self.problem)
            self.outcome.fail(f"{self.program}: took over {taken}; {why}")

    def inheritedLate(self) -> None:
        """
        See L{MigrationClient.inheritedLate}.
        """
        self.pidFile.write()

    def _failed(self, failure: Failure) -> None:
        self.outcome.fail(f"{self.program}: {explained(failure.value)}")
        exitWith(1)
        self.reactor.stop()


class CommandLineInquirer(Inquirer):
    """
    An inquirer that tells on standard output what it found out, and ends its
    process, with status 1 if something could not move.
    """

    outcome: Outcome

    def privilegedStartService(self) -> None:
        """
        See L{CommandLineClient.privilegedStartService}.
        """
        self.outcome.postpone()
        self.done.addCallbacks(self._answered, self._failed)
        super().privilegedStartService()  # type: ignore[no-untyped-call]

    def waits(self, name: str, why: str) -> None:
        """
        See L{MigrationClient.waits}.
        """
        self.outcome.warn(f"migrate-client: {name} waits: {why}")

    def _answered(self, _: object) -> None:
        hindered = []
        for name, inquiry in self.inquiries.items():
            lines = told(inquiry, self.budget.most)
            self.outcome.say([f"{name}:", *(f"  {each}" for each in lines)])
            if inquiry.survey.refusals:
                hindered.append(name)
        problem: MigrationError | None = None
        if hindered:
            problem = MigrationError(f"{', '.join(hindered)} cannot move as it is now")
        problem = self.budget.sumUp(problem)
        if problem is None:
            self.outcome.succeed()
            self.reactor.stop()
        else:
            self._end(explained(problem))

    def _failed(self, failure: Failure) -> None:
        self._end(failure.getErrorMessage())

    def _end(self, why: str) -> None:
        self.outcome.fail(f"migrate-client: {why}")
        exitWith(1)
        self.reactor.stop()


def explained(error: BaseException | None) -> str:
    """
    @return: what went wrong, and which option there is against it.
    """
    why = str(error)
    if isinstance(error, PeerRefused) and error.error == CannotMigrateYet.__name__:
        why += " (it passes by itself: --wait SECONDS waits for that)"
    if isinstance(error, PauseTooLong):
        why += " (--max-pause allows it, --check tells what there is so much of)"
    return why


def told(inquiry: Inquiry, most: float | None = None) -> list[str]:
    """
    @param most: seconds for which the service may stand still, if that is bounded.
    @return: lines for a terminal.
    """
    steps = {name: milliseconds(took) for name, took in inquiry.seconds.items()}
    pause = steps.pop("pause", None)
    lines = inquiry.survey.describe()
    if steps:
        lines.append(", ".join(f"{name} {took}" for name, took in steps.items()))
    if pause is not None:
        lines.append(f"expected pause: {pause}{_verdict(inquiry, most)}")
    return lines


def _verdict(inquiry: Inquiry, most: float | None) -> str:
    if most is None:
        return ""
    within = inquiry.seconds["pause"] <= most
    return f", {'within' if within else 'more than'} the {milliseconds(most)} allowed"
