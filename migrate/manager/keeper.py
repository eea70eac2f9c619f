"""
Keeps every post manned, and has new processes take the places of those that serve.

It must not know why there are upgrades, nor how anybody asks for one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.logger import Logger

from migrate.errors import MigrationError
from migrate.manager.children import Child
from migrate.manager.post import Post
from migrate.manager.requests import Report, Wanted
from migrate.manager.restarting import Restarting
from migrate.manager.settings import Settings
from migrate.manager.upgrade import NotUpgraded, Upgrade


@attrs.define(eq=False)
class Keeper(Restarting):
    """
    See this module.
    """

    _log = Logger()

    def upgrade(self, wanted: Wanted) -> Deferred[Report]:
        """
        Have each post taken over by a new process.

        @return: fires with how that went, and never fails.
        """
        return ensureDeferred(self._upgrade(wanted))

    async def _upgrade(self, wanted: Wanted) -> Report:
        self._log.info("upgrading: {why}", why="; ".join(wanted.reasons))
        self._upgrading = True
        begun = self.reactor.seconds()
        report: Report = {
            "reasons": list(wanted.reasons),
            "upgraded": False,
            "why": "",
            "details": "",
            "posts": [],
        }
        try:
            for post in list(self.posts):
                report["posts"].append(await self._replace(post, wanted.changes))
        except NotUpgraded as error:
            report.update(why=str(error), details=error.details)
        except Exception as error:
            self._log.failure("an upgrade failed")
            report["why"] = f"{type(error).__name__}: {error}"
        else:
            report["upgraded"] = True
            self.upgrades += 1
        report["seconds"] = round(self.reactor.seconds() - begun, 3)
        self.last = report
        self._upgrading = False
        self.successor = None
        self._afterwards(report)
        return report

    async def _replace(self, post: Post, changes: Mapping[str, Any]) -> dict[str, Any]:
        """
        @return: what has become of one post.
        @raise NotUpgraded: it is as it was.
        """
        origin = post.child
        if self.stopping or origin is None or not origin.alive:
            raise NotUpgraded("no process serves that could be taken over from")
        try:
            settings = post.settings.changed(changes)
        except MigrationError as error:
            raise NotUpgraded(str(error)) from error
        work = Upgrade(
            self.reactor, self.witness, post, self.patience.ready, self._launch
        )
        child = await work.run(settings)
        post.settings = settings
        self._man(post, child)
        self._leave(origin)
        wrote = ""
        if work.left:
            self._split(post, origin, work.left)
            wrote = await _lastWords(child)
        return {
            "control": str(post.home),
            "from": origin.pid,
            "pid": child.pid,
            "services": list(post.names),
            "left": work.left,
            "wrote": wrote,
        }

    def _launch(self, post: Post, settings: Settings) -> Child:
        command = self.orders.next(settings.python, post.home)
        child = self.nursery.start(command, settings, self.orders.makers())
        self.successor = child
        self._know(child)
        return child

    def _split(self, post: Post, origin: Child, left: list[str]) -> None:
        """
        Some services could not move: they stay, with their process and its endpoint,
        and those that have moved are elsewhere from now on.
        """
        child = post.child
        assert child is not None
        self._log.warn(
            "{left} could not move and are served by process {old} on; the others are "
            "served by process {new}",
            left=", ".join(left),
            old=origin.pid,
            new=child.pid,
        )
        stays = self.post(post.home, left, post.settings)
        stays.generation = post.generation - 2
        post.home = post.home.beside(str(child.pid))
        self.leaving.remove(origin)
        self.posts.append(stays)
        self._man(stays, origin)

    def _afterwards(self, report: Report) -> None:
        """
        An upgrade is over.
        """
        if not report["upgraded"]:
            serving = [str(p.child.pid) for p in self.posts if p.child is not None]
            text = report["details"].strip()
            self._log.error(
                "there was no upgrade: {why}\n{serving} serves on as before{details}",
                why=report["why"],
                serving="process " + ", ".join(serving),
                details="; what the new process wrote:\n" + text if text else "",
            )
        for post in self.posts:
            child = post.child
            if child is not None and not child.alive:
                self.ended(post, child)
        if report["upgraded"] and self.leaving and not self.stopping:
            self.free(False)
            ensureDeferred(self._comeHome())


async def _lastWords(child: Child) -> str:
    """
    @return: what a process has written to standard error, all of it.
    """
    if child.complaint is None:
        return ""
    await child.complaint.rest()
    return child.complaint.text()
