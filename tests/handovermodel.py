"""
A model of two processes in one handover: both machines, and whoever performs their
effects, as one value that can be compared and hashed.

Everything that may happen next to a L{World} is one of its L{Model.moves}.  A model
that breaks a promise raises L{Violation}.  It must not know in which order anybody
wants to try the moves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs

from migrate.conversation import methodOf
from migrate.errors import LocalProtocolError, RemoteProtocolError
from migrate.handover import (
    ORIGIN,
    RECIPIENT,
    UNFAILING,
    Effect,
    Event,
    Handover,
    Role,
    State,
    Table,
)
from tests.handovereffects import Performer
from tests.handoverworld import OTHER, Failure, Move, Outcome, Side, Violation, World

#: After these nothing that is said on the stream counts.
DEAF = frozenset({State.IN_DOUBT, State.CLOSED})

#: The states that have a deadline, which the reactor keeps.
TIMED: Mapping[Role, frozenset[State]] = {
    Role.ORIGIN: frozenset(
        {
            State.GREETING,
            State.IDENTIFYING,
            State.ANNOUNCING,
            State.WAITING,
            State.CLAIMED,
            State.ADVANCING,
            State.REHEARSING,
        }
    ),
    Role.RECIPIENT: frozenset(
        {
            State.GREETING,
            State.IDENTIFYING,
            State.ATTACHING,
            State.IDLE,
            State.REPORTING,
            State.ASKING,
            State.CLAIMING,
            State.PREPARING,
            State.RECEIVING,
        }
    ),
}

#: The states in which the origin does not return to its reactor.
TURN = frozenset({State.TRANSFERRING, State.COMMITTED})

FAULTS = frozenset({"crash", "stop", "drop", "fail"})


class _Given(Handover):
    """
    A machine with a table of its own.
    """

    given: Table

    @property
    def table(self) -> Table:
        """
        See L{Handover.table}.
        """
        return self.given


@attrs.frozen
class Model(Performer):
    """
    The rules.

    @ivar tables: what the machines do, by role.
    @ivar login: whether the recipient has to log in.
    @ivar ordered: whether what a step causes comes before what waited already.
    @ivar fences: whether the origin may kill; it always may also not.
    @ivar looks: whether the fence looks before it falls.
    @ivar spares: whether the fence spares who owns another service.
    @ivar drains: whether the origin reads a life's word with the same word's message.
    @ivar forgets: whether who discards forgets that records have ended.
    """

    tables: Mapping[Role, Table] = attrs.field(
        factory=lambda: {Role.ORIGIN: ORIGIN, Role.RECIPIENT: RECIPIENT}
    )
    login: bool = False
    ordered: bool = True
    fences: bool = True
    looks: bool = True
    spares: bool = True
    drains: bool = True
    forgets: bool = True

    # What may happen.

    def moves(self, world: World) -> Iterator[Move]:
        """
        @raise Violation: something that may happen must not.
        """
        for role in Role:
            side = world.side(role)
            if not side.alive:
                continue
            if side.stopped:
                yield Move("continue", role, "", world.put(role, stopped=False))
            else:
                yield from self._runs(world, role, side)
            yield from self._faults(world, role)
        if world.budget.losses and world.whole:
            yield from self._drops(world)

    def _runs(self, world: World, role: Role, side: Side) -> Iterator[Move]:
        if side.todo:
            yield from self._performs(world, role, side)
        elif side.queue:
            after = self._handle(world, role, side)
            yield Move("handle", role, side.queue[0].name, after)
        else:
            yield from self._hears(world, role, side)
            yield from self._acts(world, role, side)

    def _hears(self, world: World, role: Role, side: Side) -> Iterator[Move]:
        """
        It reads, in one piece or in more; or it finds the end, or a life's word.
        """
        coming = world.coming(role)
        if side.open and side.state is not State.CLOSED:
            for count in range(1, len(coming) + 1):
                rest = world.bring(role, coming[count:])
                heard = rest.put(role, queue=coming[:count])
                yield Move("deliver", role, f"{count}", heard)
        if not coming and not side.ended and (not side.open or world.isEnded(role)):
            # The blocking turn finds the end by itself; the reactor finds it again.
            turn = role is Role.ORIGIN and side.state in TURN and not side.late
            yield Move(
                "end", role, "", world.put(role, queue=(Event.LOST,), ended=not turn)
            )
        if side.state is State.IN_DOUBT:
            event = self._word(world, role)
            if event is not None:
                yield Move("life", role, event.name, world.put(role, queue=(event,)))

    def _word(self, world: World, role: Role) -> Event | None:
        """
        @return: what the peer's life tells.
        """
        if role is Role.RECIPIENT:
            if world.originSaid:
                return {"R": Event.RESUMED, "C": Event.COMMITTED}[world.originSaid[0]]
        elif world.recipientSaid:
            return Event.TAKEN
        return None if world.side(OTHER[role]).lives else Event.GONE

    def _acts(self, world: World, role: Role, side: Side) -> Iterator[Move]:
        """
        What callers, reactors and clocks do.
        """
        if side.state in TIMED[role] or (
            role is Role.ORIGIN and side.state in TURN and not side.late
        ):
            yield Move("timeout", role, "", world.put(role, queue=(Event.TIMEOUT,)))
        if role is Role.ORIGIN:
            if world.shown and side.state is State.TRUSTED and not side.lives:
                yield Move("local", role, "attach", self._attach(world))
            if world.checking:
                yield from self._logsIn(world, side)
            yield from self._passes(world, side)
            return
        if side.state is State.IDLE and side.open and not world.listing:
            yield from self._wishes(world)
        if side.state is State.PREPARING:
            for event in (Event.ADMIT, Event.DENY):
                opened = world.put(role, queue=(event,))
                yield Move("local", role, f"open {event.value}", opened)
        if world.batch == 1:
            yield Move("local", role, "batch", self._batch(world))

    def _passes(self, world: World, side: Side) -> Iterator[Move]:
        """
        The application has been asked and answers; what was in the way is gone; what
        goes ahead has arrived.
        """
        role = Role.ORIGIN
        if side.state is State.ANNOUNCING:
            for event in (Event.ADMIT, Event.DENY):
                answered = world.put(role, queue=(event,))
                yield Move("local", role, f"answer {event.value}", answered)
        if side.state is State.ADVANCING:
            for event in (Event.ADMIT, Event.DENY, Event.LOST):
                sent = world.put(role, queue=(event,))
                yield Move("local", role, f"sent ahead {event.value}", sent)
        if side.state is State.ANSWERING:
            for event in (Event.ADMIT, Event.DENY):
                found = world.put(role, queue=(event,))
                yield Move("local", role, f"found {event.value}", found)
        if side.state is State.WAITING:
            over = world.put(role, queue=(Event.AGAIN,))
            yield Move("local", role, "again", over)

    def _logsIn(self, world: World, side: Side) -> Iterator[Move]:
        done = world._replace(checking=False)
        if side.state is State.IDENTIFYING:
            sent = self.send(done, Role.ORIGIN, Event.LOGIN_ACCEPTED)
            accepted = sent.put(Role.ORIGIN, queue=(Event.TRUST,))
            yield Move("local", Role.ORIGIN, "accept", accepted)
        rejected = done.put(Role.ORIGIN, queue=(Event.DENY,))
        yield Move("local", Role.ORIGIN, "reject", rejected)

    def _wishes(self, world: World) -> Iterator[Move]:
        role, budget = Role.RECIPIENT, world.budget
        if budget.lists:
            asked = world.spend("lists")._replace(listing=True)
            asked = asked.put(role, queue=(Event.ASK,))
            yield Move("local", role, "ask", asked)
        if budget.claims:
            wanted = world.spend("claims").put(role, queue=(Event.WANT,))
            wanted = wanted._replace(rehearsal=False)
            yield Move("local", role, "want", wanted)
        if budget.rehearsals:
            wanted = world.spend("rehearsals").put(role, queue=(Event.WANT,))
            wanted = wanted._replace(rehearsal=True)
            yield Move("local", role, "rehearse", wanted)
        if budget.checks:
            asked = world.spend("checks").put(role, queue=(Event.INQUIRE,))
            yield Move("local", role, "inquire", asked)
            asked = world.spend("checks").put(role, queue=(Event.WONDER,))
            yield Move("local", role, "wonder", asked)
        closed = world.put(role, open=False)._replace(toRecipient=())
        yield Move("local", role, "close", closed)

    def _attach(self, world: World) -> World:
        held = world.put(Role.ORIGIN, lives=True).put(Role.RECIPIENT, lives=True)
        return self.send(held._replace(shown=False), Role.ORIGIN, Event.ATTACHED)

    def _batch(self, world: World) -> World:
        come = world._replace(batch=2)
        if not self.complete(come):
            return come
        return come._replace(noted=False).put(Role.RECIPIENT, queue=(Event.COMPLETE,))

    # What may go wrong.

    def _faults(self, world: World, role: Role) -> Iterator[Move]:
        name = role.value
        if getattr(world.budget, f"{name}Crashes"):
            for died in self.dies(world.spend(f"{name}Crashes"), role):
                yield Move("crash", role, "", died)
        if getattr(world.budget, f"{name}Stops") and not world.side(role).stopped:
            stopped = world.spend(f"{name}Stops").put(role, stopped=True)
            yield Move("stop", role, "", stopped)

    def dies(self, world: World, role: Role) -> list[World]:
        """
        A process dies; what it sent last may be lost with it.
        """
        peer = OTHER[role]
        if role is Role.ORIGIN:
            excused = not self._isPrepared(world) or world.originOwns
        else:
            excused = world.said
        dead = Side(world.side(role).state, alive=False, open=False)
        gone = world.put(role, **dead._asdict()).bring(role, ())
        gone = gone._replace(excused=world.excused or excused)
        coming = gone.coming(peer)
        return [gone.bring(peer, coming[:count]) for count in range(len(coming) + 1)]

    def _isPrepared(self, world: World) -> bool:
        """
        @return: whether the recipient has all that it needs to succeed the origin.
        """
        side = world.recipient
        return side.alive and (
            world.graph == "owned"
            or side.state in (State.PREPARED, State.IN_DOUBT)
            or Effect.ADOPT in side.todo
        )

    def _drops(self, world: World) -> Iterator[Move]:
        """
        The stream ends though nobody has ended it.  What has arrived can be read.
        """
        broken = world.spend("losses")._replace(whole=False)
        for ours in range(len(world.toOrigin) + 1):
            for theirs in range(len(world.toRecipient) + 1):
                cut = broken._replace(
                    toOrigin=world.toOrigin[:ours],
                    toRecipient=world.toRecipient[:theirs],
                )
                yield Move("drop", Role.ORIGIN, f"{ours} {theirs} arrive", cut)

    # The conversation.

    def _handle(self, world: World, role: Role, side: Side) -> World:
        event, queue = side.queue[0], side.queue[1:]
        if side.state in DEAF and not event.isLocal:
            return world.put(role, queue=queue)
        try:
            state, effects = self._ask(role, side.state, event)
        except (LocalProtocolError, RemoteProtocolError) as error:
            raise Violation(f"an illegal event: {error}") from error
        late = event is Event.TIMEOUT
        return world.put(role, state=state, todo=effects, queue=queue, late=late)

    def _ask(
        self, role: Role, state: State, event: Event
    ) -> tuple[State, tuple[Effect, ...]]:
        """
        @return: what the machine itself says.
        """
        table = self.tables[role]
        machine = _Given(role, state)
        machine.given = table
        effects = machine.handle(event)
        return machine.state, effects

    def _performs(self, world: World, role: Role, side: Side) -> Iterator[Move]:
        effect = side.todo[0]
        begun = world.put(role, todo=side.todo[1:])
        method: Callable[..., Any] = getattr(self, methodOf(effect))
        for outcome in method(begun, role):
            yield Move("perform", role, effect.name, self._goesOn(outcome, role))
            if world.budget.failures and isinstance(outcome, World):
                yield from self._breaks(outcome, role, effect)
        if world.budget.failures:
            yield from self._breaks(begun, role, effect)

    def _breaks(self, world: World, role: Role, effect: Effect) -> Iterator[Move]:
        """
        An effect fails of itself, with or without having done what it was to do.
        """
        if effect not in UNFAILING:
            failed = self._fails(world.spend("failures"), role, Event.DENY)
            yield Move("fail", role, effect.name, failed)

    def _goesOn(self, outcome: Outcome, role: Role) -> World:
        if isinstance(outcome, Failure):
            return self._fails(outcome.world, role, outcome.event)
        side = outcome.side(role)
        if side.todo:
            return outcome
        queue = side.caused + side.queue if self.ordered else side.queue + side.caused
        after = outcome.put(role, queue=queue, caused=())
        if role is Role.ORIGIN and outcome.resumed == "now":
            return after._replace(resumed="ran")
        return after

    def _fails(self, world: World, role: Role, event: Event) -> World:
        queue = world.side(role).queue
        return world.put(role, todo=(), caused=(), queue=(event, *queue))

    # What is promised.

    def check(self, world: World) -> None:
        """
        @raise Violation: two may act on the service, or the origin acts on what the
            recipient has acted on.
        """
        if world.graph == "owned" and world.originOwns and not world.departed:
            raise Violation("the origin may act on what the recipient adopted")

    def checkEnd(self, world: World) -> None:
        """
        @param world: one to which only faults can still happen.
        @raise Violation: it is not as it should be in the end.
        """
        if not (world.origin.alive or world.recipient.alive):
            return
        owners = world.originOwns + world.recipientOwns
        if owners != 1 and not (owners == 0 and world.excused):
            raise Violation(f"{owners} own the service in the end")
        if world.origin.alive and world.reserved:
            raise Violation("it is in transit for ever")
        if world.origin.alive and world.originOwns == world.departed:
            raise Violation("it is neither here nor gone")
        if world.recipient.alive and world.graph == "made":
            raise Violation("what came is never thrown away")
