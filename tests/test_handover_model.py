"""
The two machines, performed by a model of two processes: nothing that may happen, in
no order, breaks what L{migrate.handover} promises.
"""

from __future__ import annotations

from typing import Any, ClassVar

import attrs
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from twisted.trial.unittest import SynchronousTestCase

from migrate.conversation import DEAF as PERFORMERS_DEAF
from migrate.conversation import methodOf
from migrate.handover import ORIGIN, RECIPIENT, Effect, Event, Role, State, Step, Table
from tests.handovermodel import DEAF, FAULTS, Model
from tests.handoversearch import Census, Found, Search
from tests.handoverworld import Budget, Move, Side, Violation, World, beginning

TABLES = {Role.ORIGIN: ORIGIN, Role.RECIPIENT: RECIPIENT}

#: How far a history gets before anything goes wrong.
MILESTONES = (*([State.PREPARED, State.COMMITTED] * 4), *State)

#: More moves than one claim takes.
LONGEST = 150

GIVING_UP = frozenset({"close", "reject"})

KINDS = frozenset(
    {"handle", "perform", "deliver", "end", "life", "local", "timeout", "continue"}
)


def changed(role: Role, state: State, event: Event, step: Step | None) -> Model:
    """
    @return: a model whose machine of one side does something else, or nothing.
    """
    table: dict[State, dict[Event, Step]] = {
        each: dict(events) for each, events in TABLES[role].items()
    }
    if step is None:
        del table[state][event]
    else:
        table[state][event] = step
    given: dict[Role, Table] = {**TABLES, role: table}
    return Model(given)


def without(role: Role, state: State, event: Event, *effects: Effect) -> Model:
    """
    @return: a model whose machine of one side leaves something out.
    """
    step = TABLES[role][state][event]
    left = tuple(effect for effect in step.effects if effect not in effects)
    assert left != step.effects
    return changed(role, state, event, Step(step.state, left))


class ModelTests(SynchronousTestCase):
    """
    The model is one of what there is.
    """

    def test_everyEffect(self) -> None:
        """
        The model performs every effect.
        """
        for effect in Effect:
            self.assertTrue(callable(getattr(Model, methodOf(effect), None)), effect)

    def test_deaf(self) -> None:
        """
        The performers are deaf where the model says.
        """
        self.assertEqual(PERFORMERS_DEAF, DEAF)

    def test_check(self) -> None:
        """
        Two owners are found out, and one who acts on what another one has acted on,
        dead as that may be.
        """
        both = World(graph="owned")
        for world in (both, both._replace(recipient=Side(alive=False))):
            self.assertRaises(Violation, Model().check, world)
        Model().check(both._replace(origin=Side(alive=False)))
        Model().check(both._replace(paused=True))


class SearchTests(SynchronousTestCase):
    """
    Every order of everything that may happen.
    """

    def search(self, states: int, model: Model | None = None, **budget: int) -> Census:
        """
        @param states: how many there are at least.
        """
        census = Search(Model() if model is None else model).run(beginning(**budget))
        given = ", ".join(f"{number} {what}" for what, number in budget.items())
        print(f"\n      {given or 'no faults'}: {census}")
        self.assertGreaterEqual(census.states, states)
        self.assertGreaterEqual(census.transitions, 2 * census.states - states)
        self.assertGreater(census.ends, 10)
        return census

    def test_deathsHangsAndLoss(self) -> None:
        """
        Either side dies and hangs once, and the stream is lost once, whenever.
        """
        census = self.search(
            80_000,
            originCrashes=1,
            recipientCrashes=1,
            originStops=1,
            recipientStops=1,
            losses=1,
        )
        self.assertEqual(census.kinds, (KINDS | FAULTS) - {"fail"})

    def test_failures(self) -> None:
        """
        Any effect that may fail fails, and either side dies, or the stream is lost.
        """
        for faults in ({"originCrashes": 1, "recipientCrashes": 1}, {"losses": 1}):
            census = self.search(10_000, failures=1, **faults)
            self.assertIn("fail", census.kinds)

    def test_severalServices(self) -> None:
        """
        What is left of one service, or of one attempt, does not harm the next.
        """
        self.search(10_000, claims=2, recipientStops=1)
        self.search(12_000, claims=2, losses=1)
        self.search(5_000, claims=2, recipientCrashes=1)

    def test_obstacles(self) -> None:
        """
        What is in the way passes, or does not; so does a second thing.
        """
        self.search(8_000, obstacles=2, losses=1)
        self.search(8_000, obstacles=1, originCrashes=1, recipientCrashes=1)

    def test_rehearsals(self) -> None:
        """
        What is rehearsed, before or after it is asked for and moved, is never owned by
        two, nor by anybody else.
        """
        self.search(5_000, rehearsals=1, checks=1, losses=1)
        self.search(5_000, rehearsals=1, obstacles=1, recipientStops=1)
        self.search(5_000, rehearsals=1, originCrashes=1, recipientCrashes=1)

    def test_beforeClaims(self) -> None:
        """
        With a login, and questions of what is published.
        """
        self.search(15_000, Model(login=True), lists=1, losses=1)


class SeededTests(SynchronousTestCase):
    """
    The search finds what is put there for it to find.
    """

    def finds(self, model: Model, what: str, **budget: int) -> None:
        """
        @param what: what the search says, as a regular expression.
        """
        error = self.assertRaises(Found, Search(model).run, beginning(**budget))
        self.assertRegex(str(error).partition("\n")[0], what)
        self.assertIn("origin deliver", str(error))

    def test_silentResume(self) -> None:
        """
        The origin does not tell by its life that it resumed.
        """
        for event in (Event.LOST, Event.TIMEOUT):
            model = without(Role.ORIGIN, State.TRANSFERRING, event, Effect.SAY_RESUMED)
            self.finds(model, "it is adopted after|may act on", losses=1)

    def test_hastyWord(self) -> None:
        """
        The origin tells that it resumed before it has.
        """
        step = ORIGIN[State.TRANSFERRING][Event.LOST]
        resume, say, *rest = step.effects
        model = changed(
            Role.ORIGIN,
            State.TRANSFERRING,
            Event.LOST,
            Step(step.state, (say, resume, *rest)),
        )
        self.finds(model, "0 own", losses=1, originCrashes=1)

    def test_resumeOnLoss(self) -> None:
        """
        The origin takes a lost stream for the recipient's death.
        """
        step = ORIGIN[State.TRANSFERRING][Event.LOST]
        model = changed(Role.ORIGIN, State.COMMITTED, Event.LOST, step)
        self.finds(model, "may act on", losses=1)

    def test_resumeOnTimeout(self) -> None:
        """
        The origin resumes beside a recipient that hangs after COMMIT.
        """
        step = ORIGIN[State.TRANSFERRING][Event.TIMEOUT]
        model = changed(Role.ORIGIN, State.COMMITTED, Event.TIMEOUT, step)
        self.finds(model, "may act on", recipientStops=1)

    def test_releaseOnLoss(self) -> None:
        """
        The origin lets go without a word from the recipient.
        """
        step = ORIGIN[State.IN_DOUBT][Event.TAKEN]
        model = changed(Role.ORIGIN, State.COMMITTED, Event.LOST, step)
        self.finds(model, "it is released", losses=1)

    def test_adoptBeforeCommit(self) -> None:
        """
        The recipient starts as soon as it could.
        """
        step = RECIPIENT[State.LOADING][Event.ADMIT]
        early = Step(step.state, (Effect.ADOPT, *step.effects))
        model = changed(Role.RECIPIENT, State.LOADING, Event.ADMIT, early)
        self.finds(model, "may act on|is adopted|0 own")

    def test_noBequest(self) -> None:
        """
        The recipient throws away what a dead origin has left it.
        """
        step = RECIPIENT[State.IN_DOUBT][Event.RESUMED]
        model = changed(Role.RECIPIENT, State.IN_DOUBT, Event.GONE, step)
        self.finds(model, "0 own", originCrashes=1)

    def test_silentAdoption(self) -> None:
        """
        ADOPTED is lost with the stream, or late, and the recipient's life says nothing.
        """
        model = without(
            Role.RECIPIENT, State.PREPARED, Event.COMMIT, Effect.SAY_ADOPTED
        )
        self.finds(model, "is killed")
        model = attrs.evolve(model, fences=False)
        self.finds(model, "may act on", losses=1)

    def test_silentCommit(self) -> None:
        """
        COMMIT is lost with the stream, and the origin's life says nothing: both
        wait for the other one's.
        """
        model = without(Role.ORIGIN, State.COMMITTED, Event.LOST, Effect.SAY_COMMITTED)
        self.finds(model, "0 own", losses=1)

    def test_heldStream(self) -> None:
        """
        Who is in doubt though the stream is whole does not end it.
        """
        model = without(Role.ORIGIN, State.COMMITTED, Event.DENY, Effect.HANG_UP)
        self.finds(model, "0 own", failures=1)

    def test_stuckReservation(self) -> None:
        """
        A claim that failed is not forgotten.
        """
        model = without(Role.ORIGIN, State.CLAIMED, Event.LOST, Effect.UNRESERVE)
        self.finds(model, "in transit", recipientCrashes=1)

    def test_endlessWait(self) -> None:
        """
        What was waited for does not pass, and the service stays in transit.
        """
        for event in (Event.TIMEOUT, Event.LOST):
            model = without(Role.ORIGIN, State.WAITING, event, Effect.UNRESERVE)
            self.finds(model, "in transit", obstacles=1, losses=1)

    def test_ownedRehearsal(self) -> None:
        """
        The recipient takes a rehearsal for the real thing.
        """
        step = Step(State.IDLE, (Effect.ADOPT, Effect.SEND_REHEARSED))
        model = changed(Role.RECIPIENT, State.LOADING, Event.TRIED, step)
        self.finds(model, "adopted", claims=0, rehearsals=1)

    def test_neverDiscarded(self) -> None:
        """
        What came is not thrown away.
        """
        model = without(Role.RECIPIENT, State.IN_DOUBT, Event.RESUMED, Effect.DISCARD)
        self.finds(model, "never thrown away", losses=1)

    def test_crossing(self) -> None:
        """
        A roll-back that crosses a refusal is not expected.
        """
        model = changed(Role.RECIPIENT, State.IDLE, Event.ROLLBACK, None)
        self.finds(model, "illegal event.*Rollback", failures=1)

    def test_conversationAfterRollBack(self) -> None:
        """
        A roll-back that may not arrive is all that the recipient is told.
        """
        effects = (Effect.RESUME, Effect.UNRESERVE, Effect.SEND_ROLLBACK)
        model = changed(
            Role.ORIGIN,
            State.TRANSFERRING,
            Event.DENY,
            Step(State.TRUSTED, effects),
        )
        self.finds(model, "may act on|is adopted|illegal event", failures=1, losses=1)

    def test_endless(self) -> None:
        """
        A conversation that can go round and round is found.
        """
        model = changed(Role.ORIGIN, State.CLAIMED, Event.TIMEOUT, Step(State.CLAIMED))
        self.finds(model, "for ever")

    def test_performers(self) -> None:
        """
        What those who perform the effects have to heed.
        """
        for fault, what, budget in (
            ("ordered", "illegal event", {}),
            ("forgets", "illegal event", {}),
            ("looks", "who owns a service is killed", {}),
            ("spares", "who owns a service is killed", {"claims": 2}),
            ("drains", "released|0 own|killed", {"claims": 2, "losses": 1}),
        ):
            self.finds(attrs.evolve(Model(), **{fault: False}), what, **budget)


class Handovers(RuleBasedStateMachine):
    """
    Longer histories than can be searched through: more claims, more hangs, more
    failures, and all of it together.

    @cvar reached: the states of either side in all histories.
    """

    reached: ClassVar[set[State]] = set()

    CHOICE = st.integers(0, 11)

    @initialize(
        login=st.booleans(),
        choice=CHOICE,
        until=st.sampled_from(MILESTONES),
        first=st.sampled_from(("drop", *sorted(FAULTS))),
    )
    def connect(self, login: bool, choice: int, until: State, first: str) -> None:
        """
        A recipient connects, and for a while nothing goes wrong; then something does.
        """
        self.model = Model(login=login)
        budget = Budget(
            *(1, 1, 4, 4),
            losses=1,
            failures=3,
            claims=4,
            lists=2,
            rehearsals=2,
            checks=1,
            obstacles=2,
        )
        self.go(beginning(**budget._asdict()))
        for at in range(LONGEST):
            if until in (self.world.origin.state, self.world.recipient.state):
                break
            self.proceed(choice + 7 * at, 1)
        self.take(choice, first)

    def go(self, world: World) -> None:
        """
        Something has happened.
        """
        self.world = world
        self.reached |= {world.origin.state, world.recipient.state}
        self.moves: dict[str, list[Move]] = {}
        for move in self.model.moves(world):
            self.moves.setdefault(move.kind, []).append(move)

    def take(self, choice: int, *kinds: str) -> None:
        """
        Let something of these kinds happen, if anything can; nobody gives up.
        """
        moves = [
            move
            for kind in kinds
            for move in self.moves.get(kind, ())
            if move.what not in GIVING_UP
        ]
        if moves:
            self.go(moves[choice % len(moves)].world)

    def can(self, kind: str) -> bool:
        """
        Whether something of a kind can happen.
        """
        return kind in self.moves

    @rule(choice=CHOICE, count=st.integers(1, 40))
    def proceed(self, choice: int, count: int) -> None:
        """
        Both sides do what they have to, and nothing is late.
        """
        for at in range(count):
            self.take(choice + 7 * at, "handle", "perform", "deliver", "life", "local")

    @rule(choice=CHOICE, count=st.integers(1, 10))
    @precondition(lambda self: self.can("deliver"))
    def delay(self, choice: int, count: int) -> None:
        """
        What is under way stays so, while both go on.
        """
        for at in range(count):
            self.take(choice + 7 * at, "handle", "perform", "life", "local")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("local"))
    def giveUp(self, choice: int) -> None:
        """
        The recipient leaves, or its login is rejected.
        """
        moves = [move for move in self.moves["local"] if move.what in GIVING_UP]
        if moves:
            self.go(moves[choice % len(moves)].world)

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("deliver"))
    def deliver(self, choice: int) -> None:
        """
        What is under way arrives, in one piece or in several.
        """
        self.take(choice, "deliver")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("end"))
    def end(self, choice: int) -> None:
        """
        A side finds that the stream has ended.
        """
        self.take(choice, "end")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("drop"))
    def drop(self, choice: int) -> None:
        """
        The stream is lost, and some of what was on it.
        """
        self.take(choice, "drop")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("crash"))
    def crash(self, choice: int) -> None:
        """
        A side dies.
        """
        self.take(choice, "crash")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("stop"))
    def stop(self, choice: int) -> None:
        """
        A side hangs.
        """
        self.take(choice, "stop")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("continue"))
    def goOn(self, choice: int) -> None:
        """
        A side that hung goes on.
        """
        self.take(choice, "continue")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("timeout"))
    def timeout(self, choice: int) -> None:
        """
        A deadline passes.
        """
        self.take(choice, "timeout")

    @rule(choice=CHOICE)
    @precondition(lambda self: self.can("fail"))
    def fail(self, choice: int) -> None:
        """
        An effect fails of itself.
        """
        self.take(choice, "fail")

    @invariant()
    def atMostOneOwner(self) -> None:
        """
        Never two.
        """
        if hasattr(self, "world"):
            self.model.check(self.world)

    def teardown(self) -> None:
        """
        No more faults: one of them serves in the end.
        """
        if not hasattr(self, "world"):
            return
        while calm := [
            move
            for kind, moves in self.moves.items()
            if kind not in FAULTS
            for move in moves
        ]:
            self.go(calm[0].world)
            self.model.check(self.world)
        self.model.checkEnd(self.world)


class HandoversTests(SynchronousTestCase):
    """
    Histories that hypothesis makes up.
    """

    limits: Any = settings(
        max_examples=500,
        stateful_step_count=40,
        deadline=None,
        database=None,
        derandomize=True,
    )

    def test_histories(self) -> None:
        """
        None of them breaks a promise, and all that a handover can come to is in one
        of them.
        """
        Handovers.reached.clear()
        run_state_machine_as_test(Handovers, settings=self.limits)
        self.assertEqual(Handovers.reached, set(State))

    def test_seeded(self) -> None:
        """
        A promise that is broken is found.
        """

        class Broken(Handovers):
            """
            The recipient starts before it is told to.
            """

            def go(self, world: World) -> None:
                """
                See L{Handovers.go}.
                """
                step = RECIPIENT[State.LOADING][Event.ADMIT]
                early = Step(step.state, (Effect.ADOPT, *step.effects))
                self.model = attrs.evolve(
                    changed(Role.RECIPIENT, State.LOADING, Event.ADMIT, early),
                    login=self.model.login,
                )
                super().go(world)

        first = settings(
            self.limits, phases=[Phase.generate], report_multiple_bugs=False
        )
        with self.assertRaises(Violation):
            run_state_machine_as_test(Broken, settings=first)
