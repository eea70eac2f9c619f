"""
What passes between two processes, beside the graph, when a service moves whose
connections follow one at a time: at the origin what the graph shares with them, at
the recipient the same by the same names, and each connection as a graph of its own.

It must not know in which order anything moves, nor what is waited for.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import attrs
from twisted.logger import Logger
from zope.interface import implementer

from migrate.adapters.plain import AttributesAdapter
from migrate.appending import append, appendNoMore, isAtEnd, isWritten
from migrate.errors import MalformedTable, NotMovable
from migrate.filenos import closeAll
from migrate.graph.absent import Absent
from migrate.graph.parts import Parts
from migrate.holders import Place, isHolder, put, take
from migrate.independent import layers, transportOf
from migrate.interfaces import (
    ICapture,
    IIndependentConnections,
    ILoading,
    ISeeker,
)
from migrate.model import Description, Descriptor

SHARED = "shared:"
"""
What the names of shared objects begin with, where those of all external objects are.
"""


_MENTION = (
    "{} mentions a connection, which moves by itself; keep connections in lists, sets, "
    "deques or dictionaries"
)
_FILE = (
    "the file {!r} is written to amid what is in it, which two processes cannot do; "
    "open it to append, or when it is needed"
)


def sharedNames(objects: Iterable[object]) -> dict[str, object]:
    """
    @return: the names that shared objects have in the graphs of connections.
    """
    return {f"{SHARED}{number}": thing for number, thing in enumerate(objects)}


@attrs.define(eq=False, slots=False)
class Share:
    """
    A part of what a graph shares with the connections that follow.

    @ivar key: by which the connections are claimed.
    @ivar life: the number of a descriptor: as long as the recipient holds it, the
        origin knows that the recipient lives.  -1 in all but the first.
    @ivar first: how many shared objects there are in those before.
    @ivar objects: shared objects.
    @ivar holders: those of them that are containers from which connections were
        left out.
    @ivar files: those that both processes may write to, at the end.
    @ivar problems: why it cannot be moved so.
    """

    key: str
    life: int
    first: int
    objects: Sequence[Any]
    holders: Sequence[Any]
    files: Sequence[Any] = ()
    problems: Sequence[str] = ()

    def check(self) -> None:
        """
        @raise MalformedTable: it is none that could be of use.
        """
        files = all(isinstance(each, io.FileIO) for each in self.files)
        if not files or not all(map(isHolder, self.holders)):
            raise MalformedTable("what is shared is not what it is said to be")

    def clear(self) -> None:
        """
        Take out of the containers what stands for the connections.
        """
        for holder in self.holders:
            take(holder, lambda member: type(member) is Absent)

    def append(self) -> None:
        """
        Others write to the files, too.
        """
        for file in self.files:
            append(file)

    def appendNoMore(self) -> None:
        """
        Nobody else does any more.
        """
        files, self.files = self.files, ()
        for file in files:
            appendNoMore(file)


class ShareAdapter(AttributesAdapter):
    """
    Knows L{Share}.
    """

    def __init__(self, taken: Callable[[Share], None] = lambda share: None) -> None:
        """
        @param taken: called with each that this process owns now.
        """
        super().__init__("migrate.Share")
        self._taken = taken

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if obj.problems:
            raise NotMovable("; ".join(obj.problems))
        state = dict(vars(obj))
        del state["problems"]
        state["life"] = Descriptor(obj.life) if obj.life >= 0 else None
        return Description(Share, (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        obj.problems, obj.life = (), -1
        if state["life"] is not None:
            obj.life = loading.own(state["life"])
            loading.onDiscard(partial(os.close, obj.life))
        # Soon, so that few see what stands for the connections; and once more, as some
        # containers get what they hold later.
        loading.afterFill(obj.check)
        loading.afterFill(obj.clear)
        loading.onAdopt(obj.clear)
        loading.onAdopt(obj.append)
        loading.onAdopt(partial(self._taken, obj))


@implementer(ISeeker)
class ShareSeeker:
    """
    Finds, at the end of a walk, what the graph shares with the connections.
    """

    def __init__(self, key: str, life: int, parts: Parts) -> None:
        """
        @param parts: of a look at the same graph that was taken in the same turn.
            What only that walk has made is not in any other one.
        """
        self._key, self._life, self._parts = key, life, parts
        self._shares: WeakKeyDictionary[Any, list[Share]] = WeakKeyDictionary()

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.  Other seekers may find more afterwards: this is then
        one more share.
        """
        shares = self._shares.setdefault(capture, [])
        told = {id(thing) for share in shares for thing in share.objects}
        fresh = [
            thing
            for thing in self._parts.objects
            if id(thing) not in told and capture.contains(thing)
        ]
        if fresh:
            shares.append(self._share(shares, fresh, len(told)))
        yield from shares

    def _share(self, before: list[Share], objects: list[Any], first: int) -> Share:
        among = {id(thing) for thing in objects}
        written = [thing for thing in objects if isWritten(thing)]
        isFirst = not before
        return Share(
            key=self._key,
            life=self._life if isFirst else -1,
            first=first,
            objects=objects,
            holders=[each for each in self._parts.holders if id(each) in among],
            files=[file for file in written if isAtEnd(file)],
            problems=[
                *(_MENTION.format(path) for path in self._parts.problems if isFirst),
                *(_FILE.format(file.name) for file in written if not isAtEnd(file)),
            ],
        )

    def shares(self, capture: ICapture) -> list[Share]:
        """
        @return: what one walk has found, and what it is going to find.
        """
        return self._shares.setdefault(capture, [])


@attrs.define(eq=False, slots=False)
class Connection:
    """
    One connection, as a graph of its own.

    @ivar provider: provides L{IIndependentConnections}; shared.
    @ivar protocol: what C{provider} calls the connection.
    @ivar transport: its transport, the one that has a socket.
    @ivar places: where the containers of the shared part had it.
    """

    _log = Logger()

    provider: Any
    protocol: Any
    transport: Any
    places: Sequence[Place] = ()

    @classmethod
    def of(cls, provider: Any, found: Any) -> Connection:
        """
        @param found: a protocol or a transport.
        """
        return cls(provider, found, transportOf(found))

    @property
    def objects(self) -> list[Any]:
        """
        What others may know of it: the transport, its protocols, and what they are
        called by.
        """
        known = {id(each): each for each in (self.transport, self.protocol)}
        known.update((id(each), each) for each in layers(self.transport))
        return list(known.values())

    @property
    def isAlive(self) -> bool:
        """
        Whether it has not ended yet.
        """
        return bool(getattr(self.transport, "connected", False))

    def arrive(self) -> None:
        """
        Take its places in the process that owns it now.
        """
        for place in self.places:
            if not put(place):
                self._log.warn(
                    "{protocol!r} was not put back to where it was: something else is "
                    "there by now",
                    protocol=self.protocol,
                )
        try:
            self.provider.connectionArrived(self.protocol)
        except Exception:
            self._log.failure("connectionArrived failed")

    def check(self) -> None:
        """
        @raise MalformedTable: it is none that could arrive.
        """
        placed = all(isHolder(place[0]) for place in self.places)
        if not placed or not IIndependentConnections.providedBy(self.provider):
            raise MalformedTable("a connection came that belongs to nobody here")


class ConnectionAdapter(AttributesAdapter):
    """
    Knows L{Connection}.
    """

    def __init__(self, placesOf: Callable[[Any], list[Place]] = lambda one: []) -> None:
        """
        @param placesOf: tells where a connection is at this moment.
        """
        super().__init__("migrate.Connection")
        self._placesOf = placesOf

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = {**vars(obj), "places": self._placesOf(obj)}
        return Description(Connection, (), state)


def say(life: int, word: bytes) -> None:
    """
    Say something on a life, the last thing, and let go of it.
    """
    with suppress(OSError):
        os.write(life, word)
    closeAll([life])
