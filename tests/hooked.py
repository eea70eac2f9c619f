"""
A line service with whatever an application may have to do with being moved: a
request that is a coroutine, hooks, a resource.

It must not know who moves it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Service
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.internet.task import LoopingCall
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from migrate.errors import Objection
from migrate.interfaces import (
    IAboutToMigrate,
    IMigrated,
    IMigrationFailed,
    INamedResources,
)

_installed: Any = installed


class Session(LineReceiver):
    """
    One client.
    """

    factory: Sessions

    def lineReceived(self, line: bytes) -> None:
        """
        Answer a question, or begin to.
        """
        word, _, rest = line.decode().partition(" ")
        answer = getattr(self, f"do_{word}")(*rest.split())
        if answer is not None:
            self.sendLine(str(answer).encode())

    def do_pid(self) -> int:
        """
        Who answers.
        """
        return os.getpid()

    def do_work(self) -> None:
        """
        Begin what ends with the next C{go}.
        """
        self.factory.work = Deferred()
        Deferred.fromCoroutine(self._work(self.factory.work))
        self.sendLine(b"working")

    async def _work(self, go: Deferred[str]) -> None:
        said = await go
        self.sendLine(f"done: {said}".encode())

    def do_go(self, said: str) -> None:
        """
        End what was begun.
        """
        work, self.factory.work = self.factory.work, None
        assert work is not None
        work.callback(said)

    def do_ticks(self) -> str:
        """
        Whether the loop goes on.
        """
        return "ticking" if self.factory.loop.running else "still"

    def do_heard(self) -> str:
        """
        What the hooks have heard, in every process.
        """
        return " ".join(self.factory.service.heard)

    def do_may(self) -> str:
        """
        Let the move go on that is about to begin.
        """
        waiting, self.factory.service.waiting = self.factory.service.waiting, None
        assert waiting is not None
        waiting.callback(None)
        return "it may"

    def do_set(self, name: str, value: Any) -> str:
        """
        Change an attribute of the service.
        """
        setattr(self.factory.service, name, value)
        return "set"

    def do_obstruct(self) -> str:
        """
        Hold what can never be moved.
        """
        self.factory.obstacle = sqlite3.connect(":memory:")
        return "obstructed"

    def do_open(self, name: str) -> str:
        """
        Open a database that the service names as a resource.
        """
        self.factory.service.db = openDatabase(name)
        return "opened"

    def do_where(self) -> str:
        """
        Which database is in use.
        """
        rows = self.factory.service.db.execute("SELECT name FROM place")
        return str(next(rows)[0])


class Sessions(Factory):
    """
    All clients.
    """

    protocol = Session
    noisy = False

    def __init__(self, service: Hooked) -> None:
        self.service = service
        self.work: Deferred[str] | None = None
        self.obstacle: Any = None
        self.clients: list[Session] = []
        self.ticks = 0
        self.loop = LoopingCall(self.tick)
        self.loop.start(0.01)

    def tick(self) -> None:
        """
        Count.
        """
        self.ticks += 1

    def buildProtocol(self, addr: object) -> Session:
        """
        See L{Factory.buildProtocol}.
        """
        made = Session()
        made.factory = self
        self.clients.append(made)
        return made


class Plain(StreamServerEndpointService):  # type: ignore[misc]
    """
    A service that does not care whether it is moved.

    @ivar mode: what its hooks do.
    """

    mode = ""
    db: Any = None

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.waiting: Deferred[None] | None = None
        endpoint = serverFromString(_installed, os.environ["HOOKED"])
        super().__init__(endpoint, Sessions(self))  # type: ignore[arg-type]


@implementer(IAboutToMigrate, IMigrated, IMigrationFailed, INamedResources)
class Hooked(Plain):
    """
    A service that is told of everything.
    """

    def aboutToMigrate(self) -> Any:
        """
        See L{IAboutToMigrate.aboutToMigrate}.
        """
        self.heard.append("about")
        if self.mode == "object":
            raise Objection("not during the game")
        if self.mode == "fail":
            raise RuntimeError("no disk space")
        if self.mode == "late":
            self.waiting = Deferred()
            self._say("about to move")
            return self.waiting
        factory: Any = self.factory
        factory.obstacle = None
        return None

    def migrated(self) -> None:
        """
        See L{IMigrated.migrated}.
        """
        self.heard.append("migrated")
        self._say("welcome back")

    def migrationFailed(self, reason: Exception) -> None:
        """
        See L{IMigrationFailed.migrationFailed}.
        """
        self.heard.append("failed")
        self._say(f"staying: {reason}")

    def namedResources(self) -> Mapping[str, object]:
        """
        See L{INamedResources.namedResources}.
        """
        return {"db": self.db}

    def _say(self, what: str) -> None:
        factory: Any = self.factory
        for client in factory.clients:
            if self.mode != "silent":
                client.sendLine(what.encode())


class Slow:
    """
    Takes long to be made again.
    """

    def __reduce__(self) -> Any:
        """
        See L{object.__reduce__}.
        """
        return slowly, ()


#: How long, in seconds.
TAKES = 2.0


def slowly() -> Slow:
    """
    @return: one more.
    """
    time.sleep(TAKES)
    return Slow()


class Ponderous(Service):
    """
    A service that takes long to be made again.
    """

    def __init__(self) -> None:
        self.weight = Slow()


class Guest:
    """
    One of many.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.name = f"guest {number}"


#: How many they are.
GUESTS = 20_000


class Crowded(Plain):
    """
    A service of many objects.
    """

    def __init__(self) -> None:
        super().__init__()
        self.guests = [Guest(number) for number in range(GUESTS)]


class Heavy(Crowded):
    """
    A service of many objects that takes long to be made again, once all is there.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = Slow()


def openDatabase(name: str = "") -> sqlite3.Connection:
    """
    @return: a database that knows its name.
    """
    made = sqlite3.connect(":memory:")
    made.execute("CREATE TABLE place (name TEXT)")
    made.execute("INSERT INTO place VALUES (?)", [name or f"pid {os.getpid()}"])
    return made


def openLate() -> Deferred[sqlite3.Connection]:
    """
    @return: a database, after a while.
    """
    made: Deferred[sqlite3.Connection] = Deferred()
    _installed.callLater(0.05, lambda: made.callback(openDatabase()))
    return made


def openNothing() -> Deferred[None]:
    """
    @return: nothing, since the database is down.
    """
    made: Deferred[None] = Deferred()
    _installed.callLater(0.05, lambda: made.errback(OSError("the database is down")))
    return made


#: What is no resource, nor returns one.
LIMIT = 7

#: A resource that a module holds and no service names.
shared = openDatabase("shared")


class Sharing(Plain):
    """
    A service that uses what a module holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.db = shared


def openWhenTold() -> Deferred[sqlite3.Connection]:
    """
    @return: a database, once the file C{preparing} that this makes is gone: while a
        recipient prepares, something else can be done at the origin.
    """
    made: Deferred[sqlite3.Connection] = Deferred()
    path = Path("preparing")
    path.touch()

    def look() -> None:
        if path.exists():
            _installed.callLater(0.02, look)
        else:
            made.callback(openDatabase())

    look()
    return made
