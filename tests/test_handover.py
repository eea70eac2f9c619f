"""
The two tables, and the promises that can be read off them.
"""

from __future__ import annotations

from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

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
    Step,
    Table,
)
from migrate.origin import OriginConversation
from migrate.recipient import RecipientConversation
from migrate.wire import MESSAGES

TABLES = {Role.ORIGIN: ORIGIN, Role.RECIPIENT: RECIPIENT}


def steps(table: Table) -> Iterator[tuple[State, Event, Step]]:
    """
    All lines of a table.
    """
    for state, events in table.items():
        for event, step in events.items():
            yield state, event, step


class MachineTests(SynchronousTestCase):
    """
    L{Handover} does what its table says, and nothing else.
    """

    def test_everyStateAndEvent(self) -> None:
        """
        Every event in every state either follows the table, or raises the
        error of the side whose fault it is and changes nothing.
        """
        for role, table in TABLES.items():
            for state in table:
                for event in Event:
                    machine = Handover(role, state)
                    step = table[state].get(event)
                    if step is not None:
                        self.assertEqual(machine.handle(event), step.effects)
                        self.assertIs(machine.state, step.state)
                        continue
                    fault = LocalProtocolError if event.isLocal else RemoteProtocolError
                    error = self.assertRaises(fault, machine.handle, event)
                    self.assertIs(machine.state, state)
                    self.assertIn(role.value, str(error))

    def test_everyStateCanBeReached(self) -> None:
        """
        No line of a table is dead.
        """
        for role, table in TABLES.items():
            reached, news = set(), {State.GREETING}
            while news:
                state = news.pop()
                reached.add(state)
                news |= {step.state for step in table[state].values()} - reached
            self.assertEqual(reached, set(table), role)

    def test_everyStateEnds(self) -> None:
        """
        From every state a way leads to the end, whatever the peer does: the
        loss of the stream, and of the peer.
        """
        for role, table in TABLES.items():
            for state in table:
                machine = Handover(role, state)
                machine.handle(Event.LOST)
                if machine.state is State.IN_DOUBT:
                    machine.handle(Event.GONE)
                self.assertIs(machine.state, State.CLOSED, (role, state))

    def test_messagesAreEvents(self) -> None:
        """
        Every message of a conversation is an event, and the reverse.
        """
        names = {message.__name__ for message in MESSAGES}
        events = {event.value for event in Event if not event.isLocal}
        self.assertEqual(names - events, {"Attach"})
        self.assertEqual(events - names, set())

    def test_everyEffectIsPerformed(self) -> None:
        """
        Both sides have a method for every effect of their table.
        """
        for table, side in (
            (ORIGIN, OriginConversation),
            (RECIPIENT, RecipientConversation),
        ):
            for _, _, step in steps(table):
                for effect in step.effects:
                    self.assertTrue(
                        callable(getattr(side, methodOf(effect), None)),
                        f"{side.__name__} cannot {effect.name}",
                    )


class PromiseTests(SynchronousTestCase):
    """
    What the tables promise of the ownership of a service.
    """

    def test_oneCommitPoint(self) -> None:
        """
        There is one way to commit: from a transfer that the recipient is
        prepared to take.
        """
        commits = [
            (state, event)
            for state, event, step in steps(ORIGIN)
            if Effect.SEND_COMMIT in step.effects
        ]
        self.assertEqual(commits, [(State.TRANSFERRING, Event.PREPARED)])

    def test_noResumeAfterCommit(self) -> None:
        """
        Once COMMIT is sent, the origin resumes only when the recipient's life
        has ended without a word.
        """
        resumes = {
            (state, event)
            for state, event, step in steps(ORIGIN)
            if Effect.RESUME in step.effects and state is not State.TRANSFERRING
        }
        self.assertEqual(resumes, {(State.IN_DOUBT, Event.GONE)})
        doubts = {
            state for state, _, step in steps(ORIGIN) if step.state is State.IN_DOUBT
        }
        self.assertEqual(doubts, {State.COMMITTED, State.IN_DOUBT})

    def test_everyTransferEndsInResumeOrCommit(self) -> None:
        """
        No event leaves a paused service behind.  Only the capture, which comes
        before the pause, finds what has to be waited for.
        """
        for event, step in ORIGIN[State.TRANSFERRING].items():
            ends = {Effect.RESUME, Effect.SEND_COMMIT} & set(step.effects)
            self.assertEqual(len(ends), event is not Event.LATER, event)
        first = ORIGIN[State.ADVANCING][Event.ADMIT].effects[0]
        self.assertIs(first, Effect.CAPTURE)

    def test_noPauseWithoutTransfer(self) -> None:
        """
        Neither an audit nor a rehearsal ever touches the service, nor does what is sent
        ahead.
        """
        pauses = [
            (state, event)
            for state, event, step in steps(ORIGIN)
            if Effect.PAUSE in step.effects
        ]
        self.assertEqual(pauses, [(State.ADVANCING, Event.ADMIT)])

    def test_rehearsalsAreNeverOwned(self) -> None:
        """
        What was loaded for a rehearsal is thrown away before anything else.
        """
        step = RECIPIENT[State.LOADING][Event.TRIED]
        self.assertIs(step.effects[0], Effect.DISCARD)
        self.assertNotIn(Event.COMMIT, RECIPIENT[step.state])

    def test_releaseOnlyAfterAdoption(self) -> None:
        """
        The origin lets go of its copies on the recipient's word alone, by either way.
        """
        releases = [
            (state, event)
            for state, event, step in steps(ORIGIN)
            if Effect.RELEASE in step.effects
        ]
        self.assertEqual(
            releases,
            [(State.COMMITTED, Event.ADOPTED), (State.IN_DOUBT, Event.TAKEN)],
        )

    def test_adoptOnlyOnCommitOrDeath(self) -> None:
        """
        The recipient starts to serve when it is told to, or when the origin
        died after it was prepared; and it says so before it starts.
        """
        adopts = {
            (state, event): step.effects
            for state, event, step in steps(RECIPIENT)
            if Effect.ADOPT in step.effects
        }
        self.assertEqual(
            set(adopts),
            {
                (State.PREPARED, Event.COMMIT),
                (State.IN_DOUBT, Event.COMMITTED),
                (State.IN_DOUBT, Event.GONE),
            },
        )
        del adopts[State.IN_DOUBT, Event.GONE]
        for effects in adopts.values():
            said = effects.index(Effect.SAY_ADOPTED)
            self.assertLess(said, effects.index(Effect.ADOPT))
        effects = adopts[State.PREPARED, Event.COMMIT]
        self.assertLess(effects.index(Effect.SEND_ADOPTED), effects.index(Effect.ADOPT))

    def test_originSaysThatItResumed(self) -> None:
        """
        Before the commit, whatever ends the transfer but the recipient's own word,
        the origin tells by its life that it resumed: a recipient that is prepared
        must not take its later death for a bequest.  It tells so, by either way, once
        it has: or nobody serves if it dies in between.
        """
        for event in (Event.LOST, Event.TIMEOUT, Event.DENY):
            effects = ORIGIN[State.TRANSFERRING][event].effects
            resumed = effects.index(Effect.RESUME)
            self.assertLess(resumed, effects.index(Effect.SAY_RESUMED))
            if Effect.SEND_ROLLBACK in effects:
                self.assertLess(resumed, effects.index(Effect.SEND_ROLLBACK))

    def test_livesDecide(self) -> None:
        """
        Whoever is in doubt has ended the stream, so that the other one finds out, and
        watches; the origin tells by its life that it did commit.
        """
        doubts = {
            (role, event): step.effects
            for role, table in TABLES.items()
            for state, event, step in steps(table)
            if step.state is State.IN_DOUBT and state is not State.IN_DOUBT
        }
        self.assertEqual(len(doubts), 5)
        ends = (Effect.HANG_UP, Effect.WATCH)
        for (role, _), effects in doubts.items():
            says = (Effect.SAY_COMMITTED,) if role is Role.ORIGIN else ()
            self.assertEqual(effects, (*says, *ends))

    def test_reservationsEnd(self) -> None:
        """
        Every way out of a claim makes the service available again, or lets it
        depart.
        """
        inside = {
            State.ANNOUNCING,
            State.AUDITING,
            State.WAITING,
            State.REHEARSING,
            State.CLAIMED,
            State.ADVANCING,
            State.TRANSFERRING,
            State.COMMITTED,
            State.IN_DOUBT,
        }
        for state, event, step in steps(ORIGIN):
            if state in inside and step.state not in inside:
                ends = {Effect.UNRESERVE, Effect.DEPART} & set(step.effects)
                self.assertEqual(len(ends), 1, (state, event))

    def test_whatUndoesNeverFails(self) -> None:
        """
        All that the steps after a failure consist of is unfailing.
        """
        for table in TABLES.values():
            for state, event, step in steps(table):
                if event in (Event.LOST, Event.TIMEOUT, Event.DENY, Event.FAILED):
                    self.assertLessEqual(set(step.effects), UNFAILING, (state, event))
