"""
Services whose connections move one at a time, in real processes, with people on them
who ask all the time.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredList, gatherResults, inlineCallbacks
from twisted.internet.error import ConnectionRefusedError
from twisted.internet.protocol import connectionDone
from twisted.protocols.basic import LineReceiver
from twisted.python.failure import Failure

from migrate.handover import Effect
from tests.children import Child
from tests.clients import Client
from tests.services import DEADLINE, ServiceTestCase, freePort

SERVICE = "parlour=tests.parlour.makeService"


class Asker(LineReceiver):
    """
    Asks on and on, the next question when one is answered.

    @ivar answered: which process answered each question, in their order.
    @ivar wrong: answers that are not that to the question.
    """

    def __init__(self) -> None:
        self.answered: list[int] = []
        self.wrong: list[bytes] = []
        self.asking = self.alive = False

    def connectionMade(self) -> None:
        """
        See L{LineReceiver.connectionMade}.
        """
        self.asking = self.alive = True
        self._ask()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{LineReceiver.connectionLost}.
        """
        self.alive = False

    def _ask(self) -> None:
        # In two pieces, so that a connection is often amid a line.
        number = len(self.answered)
        self.transport.write(b"say ")
        self.transport.write(b"%d\r\n" % number)

    def lineReceived(self, line: bytes) -> None:
        """
        See L{LineReceiver.lineReceived}.
        """
        number = len(self.answered)
        pid, count, said = line.split()
        if (int(count), int(said)) != (number + 1, number):
            self.wrong.append(line)
        self.answered.append(int(pid))
        if self.asking:
            self._ask()


class IndependentTestCase(ServiceTestCase):
    """
    Has a parlour.
    """

    faults: Path

    @inlineCallbacks
    def begin(self, callable: str = SERVICE) -> Any:
        """
        Serve it.
        """
        self.port = freePort()
        yield self.serve("--service", callable, environment=self.environment)

    @property
    def environment(self) -> dict[str, str]:
        """
        That of every process.
        """
        return {"PARLOUR": str(self.port)}

    def enter(self, count: int) -> Any:
        """
        @return: fires with so many clients.
        """
        return gatherResults(
            [self.processes.connect(self.port) for _ in range(count)],
            consumeErrors=True,
        )

    def askers(self, count: int) -> Any:
        """
        @return: fires with so many people who ask, all of them answered once.
        """
        from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol

        endpoint = TCP4ClientEndpoint(self.processes.reactor, "127.0.0.1", self.port)
        asking = [Asker() for _ in range(count)]
        for each in asking:
            connectProtocol(endpoint, each)
        self.addCleanup(self._leave, asking)
        return self.answeredBy(asking, self.server.pid).addCallback(lambda _: asking)

    def answeredBy(self, asking: list[Asker], pid: int) -> Any:
        """
        Wait until everybody was answered by a process.
        """
        return self.processes.until(
            lambda: all(each.answered[-1:] == [pid] for each in asking),
            f"everybody's answer from {pid}",
        )

    def _leave(self, asking: list[Asker]) -> Any:
        for each in asking:
            each.asking = False
            if each.transport is not None:
                each.transport.abortConnection()
        return self.processes.until(
            lambda: not any(each.alive for each in asking), "the askers' end"
        )

    def wellAnswered(self, asking: list[Asker], old: int, new: int) -> None:
        """
        Everybody was answered, in order, by the old process and then by the new one.
        """
        for each in asking:
            self.assertEqual(each.wrong, [])
            self.assertTrue(each.alive)
            switch = each.answered.index(new)
            self.assertEqual({*each.answered[:switch]}, {old})
            self.assertEqual({*each.answered[switch:]}, {new})

    @inlineCallbacks
    def says(self, client: Client, question: str, answer: object) -> Any:
        """
        A client is answered just that, after the process and the count.
        """
        said = yield client.ask(question.encode())
        self.assertEqual(said.decode().split(" ", 2)[2], str(answer))

    @inlineCallbacks
    def servedBy(self, client: Client, process: Child) -> Any:
        """
        A client is served by a process.
        """
        said = yield client.ask(b"say hello")
        self.assertEqual(int(said.split()[0]), process.pid)


class MovingTests(IndependentTestCase):
    """
    Everything goes well.
    """

    @inlineCallbacks
    def test_everybody(self) -> Any:
        """
        Two hundred people who ask all the time are answered, in order, each moved by
        itself; who comes in the middle comes to the new process.
        """
        yield self.begin()
        asking = yield self.askers(200)
        old = self.server
        new = self.client("--all")
        yield new.line("took over parlour")
        newcomer = yield self.processes.connect(self.port)
        yield self.servedBy(newcomer, new)
        before = sum(each.answered[-1] == old.pid for each in asking)
        self.assertGreater(before, 0)
        ended = yield old.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        yield self.answeredBy(asking, new.pid)
        self.wellAnswered(asking, old.pid, new.pid)
        yield new.line("parlour: 200 connections moved, one at a time$")
        yield old.line("moved 200 connections of parlour .*; 0 are left here")
        yield self.says(newcomer, "present", "201 ")

    @inlineCallbacks
    def test_chain(self) -> Any:
        """
        A service moves so from process to process, by either serializer; each
        connection is in its places, with its timers, and was told.
        """
        yield self.begin()
        clients = yield self.enter(5)
        for number, client in enumerate(clients):
            yield self.says(client, f"nick n{number}", f"n{number}")
        for count, serializer in enumerate(("table", "pickle", "table"), 1):
            yield self.processes.until(lambda: True, "time")
            new = yield self.move("--all", "--serializer", serializer)
            for client in clients:
                yield self.servedBy(client, new)
                yield self.says(client, "present", "5 n0,n1,n2,n3,n4")
                yield self.ticks(client, count)

    @inlineCallbacks
    def ticks(self, client: Client, arrivals: int) -> Any:
        """
        The timer of a connection goes on.
        """
        yield client.ask(b"arrivals")
        while True:
            said = yield client.ask(b"arrivals")
            _, _, count, timer = said.decode().split()
            self.assertEqual(int(count), arrivals)
            if timer == "ticking":
                return

    @inlineCallbacks
    def test_nobody(self) -> Any:
        """
        A service without connections moves as any other.
        """
        yield self.begin()
        new = yield self.move()
        client = yield self.processes.connect(self.port)
        yield self.servedBy(client, new)

    @inlineCallbacks
    def test_ending(self) -> Any:
        """
        Connections that end before their turns are not moved, and missed by nobody.
        """
        yield self.begin()
        asking = yield self.askers(60)
        new = self.client("--all")
        yield new.line("took over parlour")
        for each in asking[::2]:
            each.transport.loseConnection()
        yield self.server.ended(DEADLINE)
        rest = asking[1::2]
        yield self.answeredBy(rest, new.pid)
        self.wellAnswered(rest, self.server.pid, new.pid)
        client = yield self.processes.connect(self.port)
        while True:
            said = yield client.ask(b"present")
            if int(said.split()[2]) == 31:
                break

    @inlineCallbacks
    def test_rehearsal(self) -> Any:
        """
        What is rehearsed is the shared part; nothing is moved by that.
        """
        yield self.begin()
        (client,) = yield self.enter(1)
        for option in ("--rehearse", "--check"):
            ended = yield self.client("--all", option).ended()
            self.assertEqual(ended.status, 0, ended.err)
            yield self.servedBy(client, self.server)
        new = yield self.move()
        yield self.servedBy(client, new)

    @inlineCallbacks
    def test_mentioned(self) -> Any:
        """
        A connection that the shared part mentions where it cannot be left out is in
        the way of everything, by its path.
        """
        yield self.begin()
        (client,) = yield self.enter(1)
        yield self.says(client, "lead", "led")
        said = yield self.refused()
        self.assertIn("parlour.args[1].leader", said)
        self.assertIn("keep connections in lists", said)
        yield self.servedBy(client, self.server)
        yield self.says(client, "lead no", "led")
        yield self.move()


class KindsTests(IndependentTestCase):
    """
    Services of other kinds.
    """

    @inlineCallbacks
    def test_wrapped(self) -> Any:
        """
        Connections of a factory that another one wraps move with what that has of
        them, over TCP and UNIX.
        """
        yield self.begin("parlour=tests.parlour.wrapped")
        clients = yield self.enter(3)
        clients.append((yield self.processes.connect(f"unix:{self.directory}/door")))
        for _ in range(2):
            new = yield self.move()
            yield new.line("parlour: 4 connections moved, one at a time$")
            for client in clients:
                yield self.servedBy(client, new)
        for left in (3, 2, 1):
            yield clients.pop().disconnect()
            while True:
                said = yield clients[0].ask(b"present")
                if int(said.split()[2]) == left:
                    break
        newcomer = yield self.processes.connect(f"unix:{self.directory}/door")
        yield self.servedBy(newcomer, new)
        yield newcomer.disconnect()
        self.assertFalse([line for line in new.lines if "Traceback" in line])

    @inlineCallbacks
    def test_web(self) -> Any:
        """
        So do the connections of a web site, between two requests and amid one; every
        request is written down once, by whichever process has it.
        """
        yield self.begin("parlour=tests.parlour.web")
        clients = yield self.enter(20)
        for client in clients:
            yield self.asks(client, self.server, 1)
            client.send(b"GET / HT")
        old, new = self.server, self.client("--all")
        yield new.line("took over parlour")
        for client in clients:
            client.send(b"TP/1.1\r\nHost: here\r\n\r\n")
            yield client.expect(rb"\r\n\d+ 2")
        yield old.ended(DEADLINE)
        yield new.line("parlour: 20 connections moved, one at a time$")
        for client in clients:
            yield self.asks(client, new, 3)
        log = self.directory / "access.log"
        yield self.processes.until(
            lambda: len(log.read_text().splitlines()) == 60, "all that was asked"
        )

    @inlineCallbacks
    def asks(self, client: Client, process: Child, count: int) -> Any:
        """
        A process answers a request, the last of so many.
        """
        client.send(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        yield client.expect(b"\r\n\r\n%d %d" % (process.pid, count))


class StayingTests(IndependentTestCase):
    """
    Connections that cannot move, or not at once.
    """

    @inlineCallbacks
    def test_stays(self) -> Any:
        """
        A connection that cannot move is served where it is until it ends; then the
        origin ends, and the control endpoint goes to where the others are.
        """
        yield self.begin()
        stays, moves = yield self.enter(2)
        yield self.says(stays, "obstruct", "obstructed")
        old, new = self.server, self.client("--all")
        said = yield new.line("parlour: 1 connection moved, one at a time; .*")
        self.assertIn("1 left behind until closed: parlour<", said[0])
        self.assertIn("protocol.obstacle: sqlite3.Connection", said[0])
        yield self.servedBy(moves, new)
        yield self.servedBy(stays, old)
        yield old.line("a connection of parlour stays here")
        warnings = [line for line in old.lines if "stays here" in line]
        self.assertEqual(len(warnings), 1)
        yield new.line(rf"recipients are let in at .*\.{new.pid}")
        yield self.servedBy(stays, old)
        yield stays.disconnect()
        ended = yield old.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        yield new.line(r"recipients are let in at .*\.sock$")
        self.server = new
        newest = yield self.move()
        yield self.servedBy(moves, newest)

    @inlineCallbacks
    def test_acquainted(self) -> Any:
        """
        Connections that know each other do not move: which is said, by its path.
        """
        yield self.begin()
        one, other = yield self.enter(2)
        yield self.says(one, "nick one", "one")
        yield self.says(one, "obstruct", "obstructed")
        yield self.says(other, "meet one", "met")
        new = self.client("--all")
        said = yield new.line("parlour: 0 connections moved, one at a time; .*")
        self.assertIn("2 left behind until closed: ", said[0])
        self.assertIn("protocol.obstacle: it is another connection", said[0])
        for client in (one, other):
            yield self.servedBy(client, self.server)
            yield client.disconnect()
        yield self.server.ended(DEADLINE)

    @inlineCallbacks
    def test_busy(self) -> Any:
        """
        A connection that is at work waits its turn; the others need not.
        """
        yield self.begin()
        busy, *others = yield self.enter(4)
        yield busy.ask(b"work")
        old, new = self.server, self.client("--all")
        yield new.line("took over parlour")
        for each in others:
            while True:
                said = yield each.ask(b"say hello")
                if int(said.split()[0]) == new.pid:
                    break
        said = yield busy.ask(b"go home")
        self.assertEqual(said.split()[2:], [b"done", b"home"])
        ended = yield old.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        yield self.servedBy(busy, new)
        yield new.line("parlour: 4 connections moved, one at a time$")

    @inlineCallbacks
    def test_busyForLong(self) -> Any:
        """
        The client says what it could not wait for, serves, and has that follow
        whenever it can.
        """
        yield self.begin()
        busy, other = yield self.enter(2)
        yield busy.ask(b"work")
        old, new = self.server, self.client("--all")
        said = yield new.line("parlour: 1 connection moved, one at a time; .*")
        self.assertIn("1 not able to move yet: parlour<", said[0])
        yield self.servedBy(other, new)
        said = yield busy.ask(b"go home")
        self.assertEqual(int(said.split()[0]), old.pid)
        ended = yield old.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        yield self.servedBy(busy, new)
        yield new.line(r"recipients are let in at .*\.sock$")

    @inlineCallbacks
    def test_recipientDies(self) -> Any:
        """
        If the new process dies once it has served for a while, what it served dies
        with it; what stayed behind is served on, until it ends.
        """
        yield self.begin()
        stays, moves = yield self.enter(2)
        yield self.says(stays, "obstruct", "obstructed")
        old, new = self.server, self.client("--all")
        yield new.line(rf"recipients are let in at .*\.{new.pid}")
        yield old.line("; 1 are left here")
        new.signal("KILL")
        yield new.ended()
        yield moves.closed()
        yield self.servedBy(stays, old)
        yield self.assertFailure(
            self.processes.connect(self.port), ConnectionRefusedError
        )
        yield stays.disconnect()
        ended = yield old.ended(DEADLINE)
        self.assertEqual(ended.status, 0)

    @inlineCallbacks
    def test_movedOn(self) -> Any:
        """
        While a connection stays behind, the service can move on: nothing goes back to
        the first process, and each ends when it has nothing left.
        """
        yield self.begin()
        stays, moves = yield self.enter(2)
        yield self.says(stays, "obstruct", "obstructed")
        first, second = self.server, self.client("--all")
        said = yield second.line(rf"recipients are let in at (unix:.*\.{second.pid})$")
        third = self.client("--control", said[1], "--all")
        yield third.line("parlour: 1 connection moved, one at a time$")
        ended = yield second.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        yield self.servedBy(moves, third)
        yield self.servedBy(stays, first)
        for client in (yield self.enter(20)):
            yield self.servedBy(client, third)
        yield stays.disconnect()
        ended = yield first.ended(DEADLINE)
        self.assertEqual(ended.status, 0)


class DyingTests(IndependentTestCase):
    """
    Either side is killed, or the stream is lost, when some connections have moved.
    """

    COUNT = 12

    def twistd(self, plan: str, *arguments: str) -> Child:
        """
        Start a twistd with a fault.
        """
        return self.processes.python(
            ["-m", "tests.faults", plan, "-n", *arguments],
            self.directory,
            environment=self.environment,
        )

    @inlineCallbacks
    def faulty(self, plan: str) -> Any:
        """
        Serve by a twistd with a fault.

        @return: clients.
        """
        self.port = freePort()
        self.server = self.twistd(plan, "migrate-server", "--service", SERVICE)
        yield self.server.line("recipients are let in")
        clients = yield self.enter(self.COUNT)
        for client in clients:
            yield self.servedBy(client, self.server)
            client.send(b"say ")
        return clients

    @inlineCallbacks
    def survivors(self, clients: list[Client], process: Child) -> Any:
        """
        @return: how many clients are alive; a process serves all of these, in the
            middle of a line.
        """
        for client in clients:
            client.sendLine(b"you")
        answers = yield DeferredList(
            [client.line() for client in clients], consumeErrors=True
        )
        said = [answer.decode() for ok, answer in answers if ok]
        self.assertEqual(said, [f"{process.pid} 2 you"] * len(said))
        return len(said)

    @inlineCallbacks
    def recipientDies(
        self, when: str, effect: Effect, left: int, number: int = 5
    ) -> Any:
        """
        The recipient dies at a transfer, of which the first is the shared part's.

        @param left: how many connections are left at the origin.
        """
        clients = yield self.faulty("none")
        plan = f"recipient:{when}:{effect.name}:SIGKILL:{number}"
        new = self.twistd(plan, "migrate-client", "--all")
        ended = yield new.ended(DEADLINE)
        self.assertEqual(ended.signal, signal.SIGKILL, ended.out + ended.err)
        yield self.server.line("parlour goes on here")
        survived = yield self.survivors(clients, self.server)
        self.assertEqual(survived, left)
        newcomer = yield self.processes.connect(self.port)
        yield self.says(newcomer, "present", f"{left + 1} ")
        yield self.move()
        yield self.says(newcomer, "present", f"{left + 1} ")

    @inlineCallbacks
    def originDies(self, when: str, effect: Effect, came: int, number: int = 5) -> Any:
        """
        The origin dies at a transfer, of which the first is the shared part's.

        @param came: how many connections are at the recipient.
        """
        plan = f"origin:{when}:{effect.name}:SIGKILL:{number}"
        clients = yield self.faulty(plan)
        new = self.client("--all")
        ended = yield self.server.ended(DEADLINE)
        self.assertEqual(ended.signal, signal.SIGKILL, ended.out + ended.err)
        yield new.line("recipients are let in")
        survived = yield self.survivors(clients, new)
        self.assertEqual(survived, came)
        newcomer = yield self.processes.connect(self.port)
        yield self.says(newcomer, "present", f"{came + 1} ")
        self.server = new
        yield self.move()
        yield self.says(newcomer, "present", f"{came + 1} ")

    @inlineCallbacks
    def lost(self, side: str, when: str, effect: Effect) -> Any:
        """
        The stream is lost while both live: they meet again, and go on.
        """
        plan = f"{side}:{when}:{effect.name}:LOSS:5"
        here, there = (plan, "none") if side == "origin" else ("none", plan)
        clients = yield self.faulty(here)
        new = self.twistd(there, "migrate-client", "--all")
        yield new.line(f"parlour: {self.COUNT} connections moved, one at a time$")
        ended = yield self.server.ended(DEADLINE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)
        survived = yield self.survivors(clients, new)
        self.assertEqual(survived, self.COUNT)

    def test_recipientFirst(self) -> Any:
        """
        It has only the shared part by then: the origin has all of it again.
        """
        return self.recipientDies("after", Effect.ADOPT, self.COUNT, 1)

    def test_recipientFirstSaid(self) -> Any:
        """
        So it is if it has done no more than say so.
        """
        return self.recipientDies("after", Effect.SAY_ADOPTED, self.COUNT, 1)

    def test_originFirst(self) -> Any:
        """
        The connections die with the origin; others can come.
        """
        return self.originDies("after", Effect.SEND_COMMIT, 0, 1)


def _named(when: str, effect: Effect) -> str:
    return when + "".join(part.capitalize() for part in effect.name.split("_"))


def _generate() -> None:
    rest = DyingTests.COUNT - 3
    for when, effect, left in (
        ("before", Effect.SEND_CLAIM, rest),
        ("before", Effect.SEND_READY, rest),
        ("before", Effect.LOAD, rest),
        ("after", Effect.SEND_PREPARED, rest),
        ("before", Effect.SAY_ADOPTED, rest),
        ("after", Effect.SAY_ADOPTED, rest - 1),
        ("after", Effect.ADOPT, rest - 1),
    ):

        def dies(self: Any, args: Any = (when, effect, left)) -> Any:
            return self.recipientDies(*args)

        dies.__doc__ = f"The recipient dies {when} {effect.name}."
        setattr(DyingTests, f"test_recipient_{_named(when, effect)}", dies)
    for when, effect, came in (
        ("before", Effect.RESERVE, 3),
        ("before", Effect.SEND_GRAPH, 3),
        ("after", Effect.SEND_GRAPH, 4),
        ("before", Effect.SEND_COMMIT, 4),
        ("before", Effect.RELEASE, 4),
        ("after", Effect.DEPART, 4),
    ):

        def ends(self: Any, args: Any = (when, effect, came)) -> Any:
            return self.originDies(*args)

        ends.__doc__ = f"The origin dies {when} {effect.name}."
        setattr(DyingTests, f"test_origin_{_named(when, effect)}", ends)
    for side, when, effect in (
        ("origin", "before", Effect.SEND_MANIFEST),
        ("origin", "after", Effect.SEND_COMMIT),
        ("recipient", "before", Effect.SEND_PREPARED),
        ("recipient", "after", Effect.SAY_ADOPTED),
    ):

        def loses(self: Any, args: Any = (side, when, effect)) -> Any:
            return self.lost(*args)

        loses.__doc__ = f"The stream is lost {when} {side}'s {effect.name}."
        setattr(DyingTests, f"test_loss_{side}_{_named(when, effect)}", loses)


_generate()
