"""
Two processes in one handover, what is on its way between them, and the service, as
one value that can be compared and hashed.

It must not know what may happen to it.
"""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

from migrate.handover import Effect, Event, Role, State

OTHER = {Role.ORIGIN: Role.RECIPIENT, Role.RECIPIENT: Role.ORIGIN}


class Violation(Exception):
    """
    A promise is broken.
    """


class Side(NamedTuple):
    """
    One process.

    @ivar todo: what is left of the step that is being performed.
    @ivar queue: events that wait for the end of the step.
    @ivar caused: events that the step itself has caused.
    @ivar late: whether the last event was a deadline's.
    @ivar open: whether it holds its end of the stream.
    @ivar ended: whether it was told of the end of the stream by its reactor.
    @ivar lives: whether it holds its end of its own life.
    """

    state: State = State.GREETING
    todo: tuple[Effect, ...] = ()
    queue: tuple[Event, ...] = ()
    caused: tuple[Event, ...] = ()
    late: bool = False
    alive: bool = True
    stopped: bool = False
    open: bool = True
    ended: bool = False
    lives: bool = False


class Budget(NamedTuple):
    """
    How often something may still happen.

    @ivar failures: effects that fail of themselves, on either side.
    @ivar losses: ends of the stream, with both processes alive.
    @ivar obstacles: captures that find something which passes.
    """

    originCrashes: int = 1
    recipientCrashes: int = 1
    originStops: int = 1
    recipientStops: int = 1
    losses: int = 1
    failures: int = 1
    claims: int = 1
    lists: int = 1
    rehearsals: int = 0
    checks: int = 0
    obstacles: int = 0


class World(NamedTuple):
    """
    Both processes, what is on its way between them, and the service.

    @ivar whole: whether the stream is.
    @ivar originSaid: what stands unread in the origin's life.
    @ivar recipientSaid: what stands unread in the recipient's life.
    @ivar shown: whether a secondary connection waits to be accepted.
    @ivar checking: whether a login is being checked.
    @ivar listing: whether the recipient waits to be told what is published.
    @ivar rehearsal: whether a copy is all that is wanted this time.
    @ivar resumed: whether the origin has resumed the service: not, in this step
        (C{"now"}), or in one that is over (C{"ran"}).
    @ivar graph: what the recipient has: nothing, C{"made"} or C{"owned"}; still
        C{"owned"} once it has died.
    @ivar noted: whether the recipient knows that all records have come.
    @ivar batch: descriptors: 0 not sent, 1 under way, 2 arrived.
    @ivar said: whether the recipient has said that it owns the service.
    @ivar earlier: whether the recipient owns another service already.
    @ivar excused: whether a death has taken the service along, as documented.
    """

    origin: Side = Side()
    recipient: Side = Side()
    toOrigin: tuple[Event, ...] = ()
    toRecipient: tuple[Event, ...] = ()
    whole: bool = True
    originSaid: str = ""
    recipientSaid: str = ""
    shown: bool = False
    checking: bool = False
    listing: bool = False
    rehearsal: bool = False
    reserved: bool = False
    paused: bool = False
    released: bool = False
    departed: bool = False
    resumed: str = ""
    graph: str = ""
    noted: bool = False
    batch: int = 0
    said: bool = False
    earlier: bool = False
    excused: bool = False
    budget: Budget = Budget()

    def side(self, role: Role) -> Side:
        """
        @return: the process of that role.
        """
        return self.origin if role is Role.ORIGIN else self.recipient

    def put(self, role: Role, **changes: Any) -> World:
        """
        @return: the same with changes of one process.
        """
        if role is Role.ORIGIN:
            return self._replace(origin=self.origin._replace(**changes))
        return self._replace(recipient=self.recipient._replace(**changes))

    def coming(self, role: Role) -> tuple[Event, ...]:
        """
        @return: what is on its way to a process.
        """
        return self.toOrigin if role is Role.ORIGIN else self.toRecipient

    def bring(self, role: Role, messages: tuple[Event, ...]) -> World:
        """
        @return: the same with something else on its way to a process.
        """
        if role is Role.ORIGIN:
            return self._replace(toOrigin=messages)
        return self._replace(toRecipient=messages)

    def spend(self, what: str) -> World:
        """
        @return: the same with one less of it to happen.
        """
        left = getattr(self.budget, what) - 1
        return self._replace(budget=self.budget._replace(**{what: left}))

    def reaches(self, role: Role) -> bool:
        """
        @return: whether what is sent to a process can arrive there.
        """
        return self.whole and self.side(role).open

    def isEnded(self, role: Role) -> bool:
        """
        @return: whether a process, once it has read all, finds the stream ended.
        """
        return not self.reaches(OTHER[role])

    @property
    def originOwns(self) -> bool:
        """
        Whether the origin may read and write.
        """
        return self.origin.alive and not self.paused and not self.released

    @property
    def recipientOwns(self) -> bool:
        """
        Whether the recipient may read and write.
        """
        return self.recipient.alive and self.graph == "owned"


class Failure(NamedTuple):
    """
    An effect that failed, and what that means to the machine.
    """

    world: World
    event: Event


#: What comes of an effect.
Outcome: TypeAlias = World | Failure


class Move(NamedTuple):
    """
    Something that may happen.

    @ivar kind: C{handle} and C{perform} (a process goes on), C{deliver}, C{end}
        (of the stream), C{life}, C{local} (what callers and reactors do),
        C{timeout}, C{continue}; or a fault: C{crash}, C{stop}, C{drop}, C{fail}.
    """

    kind: str
    role: Role
    what: str
    world: World


def beginning(**budget: int) -> World:
    """
    @param budget: what may happen, and how often; no faults, unless given.
    @return: a recipient that has just connected.
    """
    nothing = Budget(**{**dict.fromkeys(Budget._fields, 0), "claims": 1})
    return World(toOrigin=(Event.HELLO,), budget=nothing._replace(**budget))
