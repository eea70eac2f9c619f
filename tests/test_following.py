"""
Tests for L{migrate.following}.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry
from migrate.errors import (
    CannotResolve,
    MalformedTable,
    MigrationError,
    PeerLost,
    PeerRefused,
    ServiceUnavailable,
)
from migrate.filenos import makeLiveness
from migrate.following import PATIENCE, PAUSE, Arrived, Following
from migrate.graph import Environment, TableSerializer
from migrate.handover import Handover, Role, State
from migrate.independent import IndependentConnections
from migrate.publication import Availability
from migrate.shares import Connection, Share
from migrate.wish import Wish


class Conversation:
    """
    Answers claims as it was told to.
    """

    def __init__(self, answers: Iterable[object]) -> None:
        self.answers = list(answers)
        self.machine = Handover(Role.RECIPIENT, State.IDLE)
        self.wishes: list[Wish] = []

    def claim(self, wish: Wish) -> Deferred[Any]:
        """
        See L{RecipientConversation.claim}.
        """
        self.wishes.append(wish)
        answer = self.answers.pop(0)
        if isinstance(answer, PeerLost):
            self.machine.state = State.CLOSED
        return fail(answer) if isinstance(answer, Exception) else succeed(answer)


def refused(kind: str, why: str = "because") -> PeerRefused:
    """
    @return: what the origin says.
    """
    return PeerRefused(kind, why)


NOTHING = refused("NothingLeft")
STAY = refused("ConnectionsStay", "2 left behind: x")
WAIT = refused("ConnectionsWait", "1 not able to move yet: y")
AGAIN = refused("ServiceInTransit", "claim the next one")


class FollowingTests(SynchronousTestCase):
    """
    L{Following}
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.state: Availability | None = Availability.AVAILABLE
        self.following = Following(
            self.clock, self.wish, lambda name: self.state, self.clock.seconds
        )
        self.patience = 0.0

    def wish(self, name: str, conversation: object) -> Wish:
        """
        @return: what a client would claim.
        """
        environment = Environment(defaultRegistry(), self.clock, {"parent": self})
        return Wish(
            name,
            TableSerializer(),
            environment,
            check=lambda root: None,
            adopted=lambda root: None,
            wait=self.patience,
        )

    def arrive(self, name: str = "chat", life: int = -1) -> Arrived:
        """
        The shared part of a service comes, in two pieces.
        """
        note = self.following._note
        note(name, Share(f"(rest {name})", -1, 2, ["c"], []))
        note(name, Share(f"(rest {name})", life, 0, ["a", "b"], []))
        return next(each for each in self.following.arrived if each.name == name)

    def follow(self, *answers: object, stay: bool = False) -> Deferred[None]:
        """
        Have connections follow.
        """
        self.conversation: Any = Conversation(answers)
        if stay:
            return Deferred.fromCoroutine(self.following.stay(self.conversation))
        return Deferred.fromCoroutine(self.following.follow(self.conversation))

    def test_all(self) -> None:
        """
        They are claimed by their key until none is left.
        """
        arrived = self.arrive()
        self.assertTrue(self.following.isLeft)
        self.successResultOf(self.follow(1, 2, 3, NOTHING))
        self.assertEqual((arrived.count, arrived.left, arrived.over), (3, "", True))
        self.assertEqual(arrived.describe(), "chat: 3 connections moved, one at a time")
        self.assertFalse(self.following.isLeft)
        (claimed,) = {wish.service for wish in self.conversation.wishes}
        self.assertEqual(claimed, "(rest chat)")

    def test_names(self) -> None:
        """
        What they share is known by the names that the origin has for it, and what is
        outside otherwise is, too.
        """
        self.arrive()
        self.successResultOf(self.follow(NOTHING))
        (wish,) = self.conversation.wishes
        externals = wish.environment.externals
        names = {name: externals[name] for name in externals if name[0] == "s"}
        self.assertEqual(names, {"shared:0": "a", "shared:1": "b", "shared:2": "c"})
        self.assertIs(externals["parent"], self)

    def test_stay(self) -> None:
        """
        Those that stay are told of.
        """
        arrived = self.arrive()
        self.successResultOf(self.follow(1, STAY))
        self.assertEqual(
            arrived.describe(),
            "chat: 1 connection moved, one at a time; 2 left behind: x",
        )
        self.assertTrue(arrived.over)
        self.assertTrue(self.following.isLeft)

    def test_again(self) -> None:
        """
        A claim that brought nothing is made again after a pause, for as long as the
        patience lasts since the last connection came.
        """
        arrived = self.arrive()
        done = self.follow(1, AGAIN, 2, WAIT, WAIT)
        self.assertEqual(arrived.count, 1)
        self.clock.advance(PATIENCE - 1)
        self.assertEqual(arrived.count, 2)
        self.clock.advance(PATIENCE - 1)
        self.assertNoResult(done)
        self.assertEqual(arrived.left, "1 not able to move yet: y")
        self.conversation.answers[:] = [WAIT]
        self.clock.advance(PATIENCE)
        self.successResultOf(done)
        self.assertFalse(arrived.over)

    def test_patience(self) -> None:
        """
        It lasts as long as the client's, if that is longer.
        """
        self.patience = 100.0
        self.arrive()
        done = self.follow(*[WAIT] * 3)
        self.clock.advance(99)
        self.assertNoResult(done)
        self.clock.advance(2)
        self.successResultOf(done)

    def test_recipientRefuses(self) -> None:
        """
        A connection that cannot be made here keeps no other from coming.
        """
        arrived = self.arrive()
        done = self.follow(CannotResolve("no module x"), 1, NOTHING)
        self.clock.advance(PAUSE)
        self.successResultOf(done)
        self.assertEqual(arrived.count, 1)

    def test_lost(self) -> None:
        """
        The end of the conversation is the end of it.
        """
        arrived = self.arrive()
        self.failureResultOf(self.follow(1, PeerLost("gone")), PeerLost)
        self.assertIn("the others are not here: gone", arrived.describe())
        self.assertFalse(arrived.over)

    def test_over(self) -> None:
        """
        No connection is claimed of a conversation that has ended.
        """
        self.arrive()
        self.conversation = Conversation([])
        self.conversation.machine.state = State.CLOSED
        done = Deferred.fromCoroutine(self.following.follow(self.conversation))
        self.failureResultOf(done, PeerLost)

    def test_stayForLong(self) -> None:
        """
        Later on the services take turns, for as long as it takes.
        """
        self.arrive("chat")
        self.arrive("mail")
        done = self.follow(WAIT, WAIT, 1, NOTHING, WAIT, STAY, stay=True)
        for _ in range(10):
            self.clock.advance(60)
        self.successResultOf(done)
        asked = [wish.service for wish in self.conversation.wishes]
        self.assertEqual({*asked[:2]}, {"(rest chat)", "(rest mail)"})

    def test_movedOn(self) -> None:
        """
        Nothing follows a service that is not here any more; while it is being moved,
        nothing is claimed.
        """
        arrived = self.arrive()
        self.state = Availability.IN_TRANSIT
        done = self.follow(WAIT)
        self.assertEqual(self.conversation.wishes, [])
        self.state = Availability.LEAVING
        self.clock.advance(PAUSE)
        self.successResultOf(done)
        self.assertTrue(arrived.over)

    def test_check(self) -> None:
        """
        What comes has to be a connection of a service that is here.
        """
        self.arrive()
        self.successResultOf(self.follow(NOTHING))
        (wish,) = self.conversation.wishes
        protocol = Protocol()
        protocol.makeConnection(StringTransport())
        good = Connection(IndependentConnections(), protocol, protocol.transport)
        wish.check(good)
        wish.adopted(good)
        self.assertRaises(MalformedTable, wish.check, protocol)
        bad = Connection(object(), protocol, protocol.transport)
        self.assertRaises(MalformedTable, wish.check, bad)
        self.state = Availability.IN_TRANSIT
        self.assertRaises(ServiceUnavailable, wish.check, good)

    def test_waits(self) -> None:
        """
        What is waited for is kept to be told.
        """
        arrived = self.arrive()
        self.successResultOf(self.follow(NOTHING))
        self.conversation.wishes[0].waits("z")
        self.assertEqual(arrived.left, "z")

    def test_settle(self) -> None:
        """
        The origin is told, once, that it need keep nothing.
        """
        held, watched = makeLiveness()
        self.addCleanup(os.close, watched)
        self.arrive(life=held)
        self.following.settle()
        self.following.settle()
        self.assertEqual(os.read(watched, 10), b"S")

    def test_registry(self) -> None:
        """
        The adapters of a wish know of what comes beside a service; the client's do
        not.
        """
        registry = defaultRegistry()
        twin = self.following.registry(registry, "chat")
        for cls in (Share, Connection):
            self.assertIsNotNone(twin.lookup(cls))
            self.assertIsNone(registry.lookup(cls))

    def test_errors(self) -> None:
        """
        Whatever a claim fails with, it is a reason.
        """
        arrived = self.arrive()
        done = self.follow(MigrationError("odd"), NOTHING)
        self.assertEqual(arrived.left, "odd")
        self.clock.advance(PAUSE)
        self.successResultOf(done)
