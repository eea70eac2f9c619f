"""
The manager: what is asked of it becomes upgrades of what it keeps, or is done to
itself.

It must not know how a process is started or asked, nor which options there are.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from migrate.control import ControlAddress
from migrate.errors import CannotAnswer, MigrationError
from migrate.manager.house import House
from migrate.manager.keeper import Keeper
from migrate.manager.lookout import Lookout, Reasons
from migrate.manager.notices import Notices
from migrate.manager.renewal import Program, listenAgain
from migrate.manager.requests import Report, Requests
from migrate.manager.settings import Settings
from migrate.notify import Notifier

MOMENT = 2.0
"""
Seconds that an answer may take to be read before this process ends, or becomes another
program.
"""


class Master(Service):
    """
    See this module.

    @ivar keeper: keeps the processes.
    @ivar requests: all that asks for upgrades.
    @ivar house: where orders come from.
    @ivar notifier: speaks to this process's own supervisor.
    @ivar environ: the environment that its program is executed anew with.
    @ivar began: called once the services are served.
    @ivar failed: called with why, if they cannot be.
    @ivar state: what this process was before it executed its program anew.
    @ivar answers: to what an operator asks, by the names of the questions.
    @ivar renewals: how often this process has executed its program anew.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        keeper: Keeper,
        notices: Notices,
        control: ControlAddress,
        settings: Settings,
        reasons: Reasons,
        program: Program,
    ) -> None:
        self.reactor = reactor
        self.keeper = keeper
        self.notices = notices
        self.control = control
        self.settings = settings
        self.program = program
        self.house: House
        self.environ: Mapping[str, str] = os.environ
        self.began: Callable[[], object] = lambda: None
        self.failed: Callable[[str], object] = lambda why: None
        self.notifier = Notifier()
        self.renewals = 0
        self.state: dict[str, Any] | None = None
        self.requests = Requests(keeper.upgrade)
        self.lookout = Lookout(reactor, keeper, self.requests, reasons)
        self._alive = LoopingCall(lambda: self.notifier.alive())
        self._alive.clock = reactor
        keeper.free = self._free
        keeper.arrived = self._arrived
        self.answers = {
            "manager.status": lambda _: self.report(),
            "manager.upgrade": self._askedToUpgrade,
            "manager.stop": self._askedToStop,
            "manager.reexec": self._askedToRenew,
        }

    # The whole of it.

    def startService(self) -> None:
        """
        See L{twisted.application.service.IService}.

        @raise migrate.errors.ControlError: orders cannot be taken.
        """
        super().startService()  # type: ignore[no-untyped-call]
        state, self.state = self.state, None
        if state is None:
            self.house.startService()
            self.notices.listen()
        else:
            self.house.adopt(state["listener"])
            self.house.startService()
            self.notices.listen(state["notices"])
        self.reactor.callWhenRunning(self._begin, state)

    def _begin(self, state: dict[str, Any] | None) -> None:
        ensureDeferred(self._open(state)).addErrback(self._cannot)

    async def _open(self, state: dict[str, Any] | None) -> None:
        if state is not None:
            listenAgain()
            self._resume(state)
        if not self.keeper.posts:
            await self.keeper.open(self.control, self.settings)
        self.lookout.start()
        if self.notifier.watchdog:
            self._alive.start(self.notifier.watchdog / 2e6)
        self._tell()
        self.began()

    def _tell(self) -> None:
        names = [name for post in self.keeper.posts for name in post.names]
        self.notifier.ready(f"keeping {', '.join(names)}")

    def _cannot(self, problem: Any) -> None:
        if self.keeper.stopping:
            return
        if not problem.check(MigrationError):
            self._log.failure("the manager failed", problem)
        self.failed(problem.getErrorMessage())

    def stopService(self) -> Deferred[None]:
        """
        See L{twisted.application.service.IService}.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        self.notifier.stopping("ending the services")
        self.lookout.stop()
        if self._alive.running:
            self._alive.stop()
        return ensureDeferred(self._close())

    async def _close(self) -> None:
        self.requests.hold()
        if not self.keeper.stopping:
            await self.keeper.close()
        self.requests.settle(refused("the manager has been stopped"))
        self.notices.close()
        await self.house.stopService()

    # What the keeper says.

    def _free(self, free: bool) -> None:
        if free:
            self.requests.release()
        else:
            self.requests.hold()

    def _arrived(self) -> None:
        self.lookout.arrived()

    def hangUp(self) -> None:
        """
        SIGHUP came.
        """
        self.notifier.reloading("upgrading")
        self.requests.ask("SIGHUP").addCallback(lambda _: self._tell())

    # What is asked of it.

    def report(self) -> dict[str, Any]:
        """
        @return: how everything is doing.
        """
        pending = self.requests.pending
        return {
            **self.keeper.report(),
            "busy": self.requests.busy,
            "pending": [] if pending is None else list(pending.reasons),
            "renewals": self.renewals,
            **self.lookout.report(),
        }

    def _askedToUpgrade(self, given: Mapping[str, Any]) -> Deferred[Report]:
        changes = dict(given.get("changes") or {})
        # What is wrong with them is better said before anything is started.
        for post in self.keeper.posts:
            post.settings.changed(changes)
        if not self.requests.busy and self.keeper.leaving:
            left = ", ".join(str(child.pid) for child in self.keeper.leaving)
            raise CannotAnswer(
                f"process {left} has connections left from the last upgrade: wait for "
                "them to end"
            )
        return self.requests.ask("an operator asked for it", changes)

    async def _stop(self, leave: bool) -> dict[str, Any]:
        told = self.keeper.report()
        if leave:
            self.keeper.leave()
        else:
            await self.keeper.close()
        ensureDeferred(self._afterAnswers(self.reactor.stop))
        return {"pid": os.getpid(), "left": leave, "posts": told["posts"]}

    def _askedToStop(self, given: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        return ensureDeferred(self._stop(bool(given.get("leave"))))

    async def _afterAnswers(self, act: Callable[[], object]) -> None:
        """
        Do something once those who have asked have read their answers.
        """
        until = self.reactor.seconds() + MOMENT
        while self.house.conversations and self.reactor.seconds() < until:
            await self._pause()
        act()

    def _pause(self) -> Deferred[None]:
        done: Deferred[None] = Deferred()
        self.reactor.callLater(0.02, done.callback, None)
        return done

    # Itself.

    def _askedToRenew(self, _: Mapping[str, Any]) -> Deferred[dict[str, Any]]:
        return ensureDeferred(self._renew())

    def renew(self) -> None:
        """
        SIGUSR2 came: execute this program anew.
        """
        ensureDeferred(self._renew()).addErrback(self._notRenewed)

    def _notRenewed(self, problem: Any) -> None:
        self._log.error(
            "the manager goes on as it is: {why}", why=problem.getErrorMessage()
        )

    async def _renew(self) -> dict[str, Any]:
        self._mustBeCalm()
        await self.program.check(self.reactor)
        self._mustBeCalm()
        self.requests.hold()
        ensureDeferred(self._afterAnswers(self._execute))
        return {"pid": os.getpid(), "renewals": self.renewals}

    def _mustBeCalm(self) -> None:
        if self.requests.busy or not self.keeper.isCalm():
            raise CannotAnswer("an upgrade or a restart is under way: try again")

    def _execute(self) -> None:
        try:
            self._mustBeCalm()
            self._log.info("the manager executes its program anew")
            kept = [self.house.fileno(), self.notices.fileno()]
            self.program.execute(self._stateToKeep(), kept, self.environ)
        except MigrationError as error:
            self._log.error("the manager goes on as it is: {why}", why=str(error))
            if self.keeper.isCalm():
                self.requests.release()

    def _stateToKeep(self) -> dict[str, Any]:
        keeper = self.keeper
        return {
            "listener": self.house.fileno(),
            "notices": self.notices.fileno(),
            "renewals": self.renewals + 1,
            "upgrades": keeper.upgrades,
            "restarts": keeper.restarts,
            "last": keeper.last,
            "leaving": [child.pid for child in keeper.leaving],
            "posts": [
                {
                    "home": attrs.asdict(post.home),
                    "names": post.names,
                    "settings": attrs.asdict(post.settings),
                    "generation": post.generation,
                    "pid": post.child.pid,
                }
                for post in keeper.posts
                if post.child is not None
            ],
        }

    def _resume(self, state: dict[str, Any]) -> None:
        """
        Go on with the processes that this one had before.
        """
        keeper = self.keeper
        self.renewals = state["renewals"]
        keeper.upgrades, keeper.restarts = state["upgrades"], state["restarts"]
        keeper.last = state["last"]
        for pid in state["leaving"]:
            with suppress(ProcessLookupError):
                keeper.resumeLeaving(pid)
        for each in state["posts"]:
            post = keeper.post(
                ControlAddress(**each["home"]),
                each["names"],
                Settings(**each["settings"]),
            )
            post.generation = each["generation"]
            keeper.resume(post, each["pid"])


def refused(why: str) -> Report:
    """
    @return: that there was no upgrade.
    """
    return {"upgraded": False, "why": why, "details": "", "reasons": [], "posts": []}


@attrs.define
class Signals:
    """
    What signals have this process do, for as long as its service runs.

    @ivar reactor: does it, in a turn of its own.
    @ivar acts: by the numbers of the signals.
    """

    reactor: Any
    acts: Mapping[int, Callable[[], object]]
    _before: dict[int, Any] = attrs.field(factory=dict, init=False)

    def install(self) -> None:
        """
        Listen to them.
        """
        for number in self.acts:
            self._before[number] = signal.signal(number, self._come)

    def remove(self) -> None:
        """
        Listen to them no more.
        """
        while self._before:
            signal.signal(*self._before.popitem())

    def _come(self, number: int, _: object) -> None:
        self.reactor.callFromThread(self.acts[number])
