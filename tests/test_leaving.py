"""
Tests for L{migrate.leaving} and L{migrate.connectionoffers}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.adapters.base import refuse
from migrate.connectionoffers import ConnectionOffer, WaitOffer
from migrate.errors import (
    CannotMigrate,
    CannotMigrateYet,
    ConnectionsStay,
    ConnectionsWait,
    NothingLeft,
    NotMovable,
    Refusal,
    ServiceInTransit,
)
from migrate.filenos import makeLiveness
from migrate.graph import Environment, TableSerializer
from migrate.independent import IndependentConnections
from migrate.interfaces import ICapture
from migrate.leaving import LOOK, TRIES, Leaving
from migrate.parting import SharedOffer
from migrate.shares import Connection
from migrate.transfer import Moved


class Stuck:
    """
    Cannot move.
    """


class Busy:
    """
    Cannot move yet.
    """

    over = False


class BusyAdapter:
    """
    Knows L{Busy}.
    """

    name = "busy"
    complete = False

    def describe(self, obj: Busy, capture: ICapture) -> Any:
        """
        See L{IAdapter}.
        """
        if not obj.over:
            raise NotMovable("at work", over=lambda: obj.over)
        raise NotMovable("worn out")


class Person(Protocol):
    """
    One connection.
    """

    burden: Any = None


class People(IndependentConnections, ServerFactory):
    """
    All of them.
    """

    def __init__(self) -> None:
        self.people: list[Person] = []
        self.names: dict[str, Person] = {}


class LeavingTests(SynchronousTestCase):
    """
    L{Leaving}
    """

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.registry = defaultRegistry()
        refuse(self.registry, "stuck", "never moves", "drop it", Stuck)
        self.registry.register(Busy, BusyAdapter())  # type: ignore[arg-type]
        self.factory = People()
        self.timer = self.reactor.callLater(100, self.factory.doStop)
        self.said: list[str] = []
        self.write = TableSerializer().dump

    def enter(self, *burdens: object) -> list[Person]:
        """
        @return: people, with their burdens.
        """
        for burden in burdens:
            person = Person()
            person.factory, person.burden = self.factory, burden
            transport: Any = StringTransport()
            transport.protocol = person
            person.makeConnection(transport)
            self.factory.people.append(person)
            self.factory.names[f"n{len(self.factory.people)}"] = person
        return self.factory.people[-len(burdens) :]

    def end(self, person: Person) -> None:
        """
        Somebody leaves.
        """
        person.transport.connected = False  # type: ignore[union-attr, attr-defined]
        self.factory.people.remove(person)

    def leave(self) -> Leaving:
        """
        The shared part moves.

        @return: what is left.
        """
        offer = SharedOffer(
            "chat",
            self.factory,
            Environment(self.registry, self.reactor),
            lambda: None,
            lambda: None,
            life=-1,
            find=lambda: [Connection.of(self.factory, p) for p in self.alive()],
        )
        janitor = offer.janitor(offer.dump(self.write))
        janitor.pause()
        janitor.release()
        self.held, watched = makeLiveness()
        leaving = Leaving(
            self.reactor,
            offer,
            watched,
            lambda _: self.said.append("ended"),
            lambda _: self.said.append("orphaned"),
        )
        leaving.start()
        self.addCleanup(leaving.stop)
        self.addCleanup(self.hangUp)
        return leaving

    def alive(self) -> list[Person]:
        """
        @return: who is connected.
        """
        return [p for p in self.factory.people if Connection.of(None, p).isAlive]

    def hangUp(self, word: bytes = b"") -> None:
        """
        The recipient says something on its life, and lets go of it.
        """
        held, self.held = self.held, -1
        if held >= 0:
            os.write(held, word)
            os.close(held)

    def looksAtLife(self) -> None:
        """
        The reactor finds that the life can be read.
        """
        for reader in list(self.reactor.getReaders()):
            reader.doRead()

    def move(self, leaving: Leaving) -> Connection:
        """
        Move one connection.
        """
        offer = leaving.reserve()
        dump = offer.dump(self.write)
        janitor = offer.janitor(dump)
        janitor.pause()
        janitor.release()
        offer.depart()
        leaving.note(Moved(offer.name, 7, 0.5, 1, 1, 1, {}))
        made: Any = offer.root
        return made

    # All goes well.

    def test_moves(self) -> None:
        """
        Each moves by itself, and leaves the containers; then nothing is left.
        """
        people = self.enter(1, 2)
        leaving = self.leave()
        for count, person in enumerate(people, 1):
            self.assertIs(self.move(leaving).protocol, person)
            self.assertNotIn(person, self.factory.people)
            self.assertNotIn(person, self.factory.names.values())
            self.assertEqual(leaving.moved, [0.5] * count)
        self.assertEqual(self.said, [])
        self.assertRaises(NothingLeft, leaving.reserve)
        self.assertEqual(self.said, ["ended"])
        self.assertFalse(self.timer.active())
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_small(self) -> None:
        """
        The graph of a connection has nothing of the others, and nothing shared.
        """
        self.enter(*range(50))
        leaving = self.leave()
        offer = leaving.reserve()
        dump = offer.dump(self.write)
        self.assertFalse(dump.capture.contains(self.factory))
        self.assertLess(dump.objects, 40)
        person: Any = offer.root
        self.assertTrue(dump.capture.contains(person.protocol))
        self.assertFalse(dump.capture.contains(self.factory.people[1]))

    def test_places(self) -> None:
        """
        It is told where it was in the containers.
        """
        (person,) = self.enter(1)
        leaving = self.leave()
        places = leaving._placesOf(Connection.of(self.factory, person))
        self.assertEqual(
            places,
            [(self.factory.people, person), (self.factory.names, "n1", person)],
        )

    def test_late(self) -> None:
        """
        Who is found when the others have moved has a turn too.
        """
        self.enter(1)
        leaving = self.leave()
        self.move(leaving)
        (late,) = self.enter(2)
        self.assertIs(self.move(leaving).protocol, late)

    def test_others(self) -> None:
        """
        A connection that reaches another one is in its own way.
        """
        one, other = self.enter(1, 2)
        other.burden = [one]
        one.burden = Stuck()
        leaving = self.leave()
        error = self.assertRaises(ConnectionsStay, leaving.reserve)
        self.assertIn(".burden[0]: it is another connection", str(error))
        self.assertIn(".burden: tests.test_leaving.Stuck: never moves", str(error))

    # One after the other.

    def test_oneAtATime(self) -> None:
        """
        While one is in transit, no other can be had.
        """
        self.enter(1, 2)
        leaving = self.leave()
        offer = leaving.reserve()
        self.assertRaises(ServiceInTransit, leaving.reserve)
        offer.restore()
        leaving.reserve()

    def test_restored(self) -> None:
        """
        One that did not move has its next turn after the others.
        """
        one, other = self.enter(1, 2)
        leaving = self.leave()
        leaving.reserve().restore()
        self.assertIs(self.move(leaving).protocol, other)
        self.assertIs(self.move(leaving).protocol, one)

    def test_refused(self) -> None:
        """
        One that the recipient refuses again and again stays.
        """
        self.enter(1)
        leaving = self.leave()
        for _ in range(TRIES):
            leaving.reserve().restore()
        error = self.assertRaises(ConnectionsStay, leaving.reserve)
        self.assertIn("the recipient refuses it", str(error))
        self.assertEqual(self.said, [])

    def test_busy(self) -> None:
        """
        One that cannot move yet is passed over, and waited for when nobody else is
        left.
        """
        busy = Busy()
        one, other = self.enter(busy, 2)
        leaving = self.leave()
        self.assertIs(self.move(leaving).protocol, other)
        offer = leaving.reserve()
        self.assertIsInstance(offer, WaitOffer)
        self.assertEqual(offer.audience(), [])
        error = self.assertRaises(ConnectionsWait, offer.dump, self.write)
        self.assertIn("1 not able to move yet: ", str(error))
        self.assertIn("burden: at work", str(error))
        busy.over = True
        self.assertRaises(ServiceInTransit, offer.dump, self.write)
        offer.restore()
        one.burden = None
        self.assertIs(self.move(leaving).protocol, one)

    def test_manyAreBusy(self) -> None:
        """
        In one turn few are looked at: the others are as soon as somebody asks again.
        """
        *_, last = self.enter(*(Busy() for _ in range(10)), None)
        leaving = self.leave()
        for _ in range(10):
            offer = leaving.reserve()
            if not isinstance(offer, WaitOffer):
                break
            self.assertRaises(ServiceInTransit, offer.dump, self.write)
        root: Any = offer.root
        self.assertIs(root.protocol, last)

    def test_stays(self) -> None:
        """
        One that can never move is named in the log, once, and holds up nobody.
        """
        self.enter(Stuck(), 2)
        leaving = self.leave()
        self.move(leaving)
        for _ in range(3):
            self.assertRaises(ConnectionsStay, leaving.reserve)
        self.assertEqual(self.said, [])
        self.assertEqual(len(leaving), 1)

    # What happens between the look and the move.

    def test_becomesBusy(self) -> None:
        """
        One that cannot move any more when its turn has come is not given up.
        """
        (person,) = self.enter(1)
        leaving = self.leave()
        offer = leaving.reserve()
        offer.dump(self.write)
        person.burden = busy = Busy()
        self.assertRaises(CannotMigrateYet, offer.dump, self.write)
        offer.restore()
        self.assertIsInstance(leaving.reserve(), WaitOffer)
        busy.over, person.burden = True, None
        self.assertIs(self.move(leaving).protocol, person)

    def test_becomesStuck(self) -> None:
        """
        Nor does the claim fail for good in the turn in which it would move.
        """
        (person,) = self.enter(1)
        leaving = self.leave()
        offer = leaving.reserve()
        offer.dump(self.write)
        person.burden = Stuck()
        error = self.assertRaises(CannotMigrateYet, offer.dump, self.write)
        self.assertTrue(error.over())
        error = self.assertRaises(CannotMigrate, offer.dump, self.write)
        self.assertNotIsInstance(error, CannotMigrateYet)

    def test_ends(self) -> None:
        """
        One that has ended by then is not moved, nor kept.
        """
        (person,) = self.enter(1)
        leaving = self.leave()
        offer = leaving.reserve()
        offer.dump(self.write)
        self.end(person)
        self.assertRaises(CannotMigrateYet, offer.dump, self.write)
        self.assertRaises(ServiceInTransit, offer.dump, self.write)
        offer.restore()
        self.assertRaises(NothingLeft, leaving.reserve)

    # How it ends.

    def test_lastEnds(self) -> None:
        """
        When the last one has ended by itself, nothing is left.
        """
        one, other = self.enter(Stuck(), 2)
        leaving = self.leave()
        offer = leaving.reserve()
        self.end(one)
        self.reactor.advance(LOOK)
        self.assertEqual((self.said, len(leaving)), ([], 1))
        self.end(other)
        self.reactor.advance(LOOK)
        # It is in transit: who knows.
        self.assertEqual((self.said, len(leaving)), ([], 1))
        offer.restore()
        self.reactor.advance(LOOK)
        self.assertEqual((self.said, len(leaving)), (["ended"], 0))

    def test_recipientSettles(self) -> None:
        """
        What was kept for the recipient's death is let go of when it says so; the
        connections stay.
        """
        self.enter(Stuck())
        leaving = self.leave()
        self.assertTrue(self.timer.active())
        self.hangUp(b"S")
        self.looksAtLife()
        self.assertFalse(self.timer.active())
        self.assertRaises(ConnectionsStay, leaving.reserve)
        self.end(self.factory.people[0])
        self.reactor.advance(LOOK)
        self.assertEqual(self.said, ["ended"])

    def test_recipientDies(self) -> None:
        """
        When the recipient has died, all goes on that was left.
        """
        self.enter(1, 2)
        leaving = self.leave()
        self.move(leaving)
        self.hangUp()
        self.looksAtLife()
        self.assertEqual(self.said, ["orphaned"])
        self.assertEqual(self.timer.getTime(), 100)
        self.assertEqual(self.reactor.getDelayedCalls(), [self.timer])

    def test_recipientDiesInTransit(self) -> None:
        """
        Not before it is known what becomes of the one that is in transit.
        """
        self.enter(1, 2)
        leaving = self.leave()
        offer = leaving.reserve()
        self.hangUp()
        self.looksAtLife()
        self.assertEqual(self.said, [])
        offer.restore()
        self.assertEqual(self.said, ["orphaned"])

    def test_stops(self) -> None:
        """
        A process that ends leaves everything as it is.
        """
        self.enter(1)
        leaving = self.leave()
        leaving.stop()
        self.hangUp()
        self.reactor.advance(10)
        self.assertEqual((self.said, self.reactor.getReaders()), ([], []))
        self.assertTrue(self.timer.active())


class OffersTests(SynchronousTestCase):
    """
    L{ConnectionOffer} and L{WaitOffer}
    """

    def test_dead(self) -> None:
        """
        A connection that has ended cannot be had.
        """
        transport = StringTransport()
        transport.connected = False
        offer = ConnectionOffer(
            "chat",
            Connection(None, None, transport),
            Environment(defaultRegistry(), None),
            lambda: None,
            lambda: None,
        )
        self.assertRaises(ServiceInTransit, offer.dump, TableSerializer().dump)
        self.assertIsNone(offer.obstacle)

    def test_wait(self) -> None:
        """
        There is nothing to be had until the obstacle is over.
        """
        over = [False]
        wait = ConnectionsWait([Refusal("chat", "busy", over=lambda: over[0])])
        offer = WaitOffer(
            "chat",
            None,
            Environment(defaultRegistry(), None),
            lambda: None,
            lambda: None,
            obstacle=wait,
        )
        error = self.assertRaises(ConnectionsWait, offer.dump, TableSerializer().dump)
        self.assertIs(error, wait)
        over[0] = True
        self.assertRaises(ServiceInTransit, offer.dump, TableSerializer().dump)
