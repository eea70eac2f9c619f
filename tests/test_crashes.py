"""
Death of either side at every step: SIGKILL before and after every effect.

The cases are made from the effects that a move performs, so that a new effect
cannot escape.
"""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.protocol import DatagramProtocol
from twisted.trial.unittest import TestCase

from migrate.handover import ORIGIN, RECIPIENT, Effect
from tests.children import Child
from tests.processes import Processes, freePort

PATIENCE = 60.0

#: What the sides perform in a move that succeeds, over a UNIX control socket, in
#: order; each is followed by the same for the control listener.
ORIGINS = (
    Effect.GREET,
    Effect.CHECK_VERSIONS,
    Effect.IDENTIFY,
    Effect.SEND_WELCOME,
    Effect.SEND_SERVICES,
    Effect.RESERVE,
    Effect.ANNOUNCE,
    Effect.AUDIT,
    Effect.SEND_MANIFEST,
    Effect.ADVANCE,
    Effect.CAPTURE,
    Effect.PAUSE,
    Effect.SEND_GRAPH,
    Effect.SEND_COMMIT,
    Effect.RELEASE,
    Effect.DEPART,
)
#: What they perform beside that, for questions, while nothing is claimed.
QUESTIONS = {
    effect.name
    for effect in (
        Effect.FIND_ANSWER,
        Effect.SEND_ANSWER,
        Effect.SEND_QUESTION,
        Effect.NOTE_ANSWER,
    )
}
RECIPIENTS = (
    Effect.CHECK_VERSIONS,
    Effect.IDENTIFY,
    Effect.ATTACH,
    Effect.BEGIN,
    Effect.SEND_LIST,
    Effect.REPORT_SERVICES,
    Effect.SEND_CLAIM,
    Effect.PREPARE,
    Effect.SEND_READY,
    Effect.FEED,
    Effect.NOTE_END,
    Effect.LOAD,
    Effect.SEND_PREPARED,
    Effect.SAY_ADOPTED,
    Effect.SEND_ADOPTED,
    Effect.ADOPT,
)

#: What a recipient performs, beside, to have a move rehearsed.
REHEARSALS = (
    Effect.SEND_CHECK,
    Effect.NOTE_REPORT,
    Effect.SEND_CLAIM,
    Effect.SEND_READY,
    Effect.LOAD,
    Effect.DISCARD,
    Effect.SEND_REHEARSED,
)

#: With this it is rehearsed, and claimed afterwards.
MAX_PAUSE = ("--max-pause", "60s")

#: What only a move that fails, waits or is rehearsed, or a login, performs.
OTHERS = {
    Effect.SEND_QUESTION,
    Effect.FIND_ANSWER,
    Effect.SEND_ANSWER,
    Effect.NOTE_ANSWER,
    Effect.SEND_WAITING,
    Effect.AWAIT,
    Effect.NOTE_WAITING,
    Effect.SURVEY,
    Effect.SEND_CHECK,
    Effect.NOTE_REPORT,
    Effect.SEND_COPY,
    Effect.SEND_REHEARSED,
    Effect.SEND_REPORT,
    Effect.CHALLENGE,
    Effect.VERIFY,
    Effect.PROVE,
    Effect.UNRESERVE,
    Effect.COLLECT_NAMES,
    Effect.DISCARD,
    Effect.FENCE,
    Effect.RESUME,
    Effect.SEND_REFUSED,
    Effect.SEND_ROLLBACK,
    Effect.SEND_FAILED,
    Effect.REPORT,
    Effect.WATCH,
    Effect.SAY_RESUMED,
    Effect.SAY_COMMITTED,
    Effect.HANG_UP,
    Effect.CLOSE,
}


class Sender(DatagramProtocol):
    """
    Sends numbered datagrams, and keeps what comes back.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.sent = 0
        self.heard: list[bytes] = []

    def send(self) -> None:
        """
        Send the next one.
        """
        self.sent += 1
        assert self.transport is not None
        self.transport.write(b"%d" % self.sent, ("127.0.0.1", self.port))

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        See L{DatagramProtocol.datagramReceived}.
        """
        self.heard.append(datagram)


class FaultTestCase(TestCase):
    """
    One server and one client, of which one may have a fault; with a TCP, a UNIX
    and a UDP client.

    @cvar options: those of both.
    """

    timeout = 300
    options: tuple[str, ...] = ()

    def setUp(self) -> None:
        """
        A directory and a port.
        """
        self.processes = Processes(self)
        self.directory = Path(self.mktemp())
        self.port = freePort()

    def twistd(self, plan: str, *arguments: str) -> Child:
        """
        Start a twistd with a fault.
        """
        return self.processes.python(
            ["-m", "tests.faults", plan, "-n", *arguments, *self.options],
            self.directory,
            environment={"LINES_PORT": str(self.port), "LINES_PATH": "lines"},
        )

    @inlineCallbacks
    def server(self, plan: str) -> Any:
        """
        @return: a server that listens, and a connection in the middle of a line.
        """
        server = self.twistd(
            plan, "migrate-server", "--service", "lines=tests.lineservice.everything"
        )
        yield server.line("recipients are let in", PATIENCE)
        connection = yield self.processes.connect(self.port)
        self.byUNIX = yield self.processes.connect(f"unix:{self.directory / 'lines'}")
        for each in (connection, self.byUNIX):
            reply = yield each.ask(b"first")
            self.assertEqual(reply, b"%d 1 1 first" % server.pid)
            each.send(b"sec")
        self.byUDP = Sender(self.port)
        listening = self.processes.reactor.listenUDP(
            0, self.byUDP, interface="127.0.0.1"
        )
        self.addCleanup(listening.stopListening)
        self.byUDP.send()
        yield self.processes.until(lambda: self.byUDP.heard, "an answer", PATIENCE)
        # This one is answered by whoever serves when its turn comes.
        self.byUDP.send()
        return server, connection

    @inlineCallbacks
    def serves(self, process: Child, connection: Any) -> Any:
        """
        C{process}, and nobody else, goes on with the connection.
        """
        for each in (connection, self.byUNIX):
            each.sendLine(b"ond")
            reply = yield each.line(PATIENCE)
            self.assertEqual(reply, b"%d 2 2 second" % process.pid)
        yield self.servesDatagrams(process)
        other = yield self.processes.connect(self.port)
        reply = yield other.ask(b"third")
        self.assertEqual(reply, b"%d 1 3 third" % process.pid)

    @inlineCallbacks
    def servesDatagrams(self, process: Child) -> Any:
        """
        Every datagram was answered once, in order, the last one by C{process}.
        """
        self.byUDP.send()
        yield self.processes.until(
            lambda: len(self.byUDP.heard) >= self.byUDP.sent, "all answers", PATIENCE
        )
        answers = [heard.split() for heard in self.byUDP.heard]
        counted = [(int(total), int(sent)) for _, total, sent in answers]
        expected = [(number, number) for number in range(1, self.byUDP.sent + 1)]
        self.assertEqual(counted, expected)
        self.assertEqual(int(answers[-1][0]), process.pid)

    @inlineCallbacks
    def movesOn(self, connection: Any, process: Child) -> Any:
        """
        Whoever serves can still be succeeded.
        """
        client = self.twistd("none", "migrate-client", "--service", "lines")
        yield client.line("recipients are let in", PATIENCE)
        reply = yield connection.ask(b"fourth")
        self.assertEqual(reply, b"%d 3 4 fourth" % client.pid)
        ended = yield process.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)


class CrashTestCase(FaultTestCase):
    """
    Where a side dies.
    """

    @inlineCallbacks
    def killed(self, process: Child) -> Any:
        """
        The fault came true.
        """
        ended = yield process.ended(PATIENCE)
        self.assertEqual(ended.signal, signal.SIGKILL, ended.out + ended.err)

    @inlineCallbacks
    def dieOrigin(self, plan: str, succeeded: bool, *options: str) -> Any:
        """
        The origin dies.
        """
        server, connection = yield self.server(plan)
        client = self.twistd("none", "migrate-client", "--service", "lines", *options)
        yield self.killed(server)
        if succeeded:
            yield client.line("recipients are let in", PATIENCE)
            yield self.serves(client, connection)
            yield self.movesOn(connection, client)
        else:
            ended = yield client.ended(PATIENCE)
            self.assertEqual(ended.status, 1, ended.out + ended.err)
            self.assertEqual(len(ended.err.splitlines()), 1, ended.err)
            yield connection.closed(PATIENCE)
            yield self.byUNIX.closed(PATIENCE)

    @inlineCallbacks
    def dieRecipient(self, plan: str, owned: bool, *options: str) -> Any:
        """
        The recipient dies.
        """
        server, connection = yield self.server("none")
        client = self.twistd(plan, "migrate-client", "--service", "lines", *options)
        yield self.killed(client)
        if owned:
            # What it owned has died with it, and with nobody else.
            yield connection.closed(PATIENCE)
            yield self.byUNIX.closed(PATIENCE)
        else:
            yield self.serves(server, connection)
            yield self.movesOn(connection, server)


class NotesTests(FaultTestCase):
    """
    The lists above are what really happens.
    """

    @inlineCallbacks
    def test_effects(self) -> Any:
        """
        A move performs the effects above, in this order, twice; records come in as
        many pieces as there are.
        """
        yield self.server("note:notes")
        client = self.twistd("note:notes", "migrate-client", "--service", "lines")
        yield client.line("recipients are let in", PATIENCE)
        yield self.processes.until(
            lambda: "CLOSE" in (self.directory / "notes").read_text(), "the end"
        )
        notes = (self.directory / "notes").read_text().splitlines()
        for side, effects in (("origin", ORIGINS), ("recipient", RECIPIENTS)):
            performed = [
                effect
                for who, effect in map(str.split, notes)
                if who == side and effect not in QUESTIONS
            ]
            performed = [
                effect
                for effect, before in zip(performed, ["", *performed], strict=False)
                if (effect, before) != ("FEED", "FEED")
            ]
            once = [effect.name for effect in effects]
            at = once.index("RESERVE" if side == "origin" else "SEND_CLAIM")
            expected = once + once[at:]
            self.assertEqual(performed[: len(expected)], expected)

    def test_complete(self) -> None:
        """
        Every effect of the tables is one of those, or known to be performed
        otherwise only.
        """
        tables = {
            effect
            for table in (ORIGIN, RECIPIENT)
            for events in table.values()
            for step in events.values()
            for effect in step.effects
        }
        self.assertEqual(tables, set(Effect))
        self.assertEqual(set(Effect), {*ORIGINS, *RECIPIENTS, *OTHERS})
        self.assertEqual({*ORIGINS, *RECIPIENTS} & OTHERS, set())


class OriginDiesTests(CrashTestCase):
    """
    From the moment that the recipient has everything, it succeeds an origin
    that dies; before, what the origin served dies with it.
    """


class RecipientDiesTests(CrashTestCase):
    """
    Until it has said that it owns the service, the origin goes on.
    """

    def test_duringAdvance(self) -> Any:
        """
        SIGKILL while it gets descriptors of connections that are served.
        """
        return self.dieRecipient("recipient:during:ADVANCE:SIGKILL", False)


class RehearsalDiesTests(CrashTestCase):
    """
    Whatever becomes of a rehearsal, the origin goes on.
    """


class MaxPauseDiesTests(CrashTestCase):
    """
    Whatever dies between a rehearsal that was short enough and the claim, or in the
    claim, is as if it had been claimed at once.
    """

    def test_recipientBetween(self) -> Any:
        """
        SIGKILL of the recipient before it claims what it has rehearsed.
        """
        plan = "recipient:before:SEND_CLAIM:SIGKILL:2"
        return self.dieRecipient(plan, False, *MAX_PAUSE)

    def test_recipientLoading(self) -> Any:
        """
        SIGKILL of the recipient once it has loaded the real one.
        """
        return self.dieRecipient("recipient:after:LOAD:SIGKILL:2", False, *MAX_PAUSE)

    def test_recipientOwning(self) -> Any:
        """
        SIGKILL of the recipient once it has said that it owns it.
        """
        plan = "recipient:after:SAY_ADOPTED:SIGKILL"
        return self.dieRecipient(plan, True, *MAX_PAUSE)

    def test_originBetween(self) -> Any:
        """
        SIGKILL of the origin once it has told what the rehearsal took.
        """
        return self.dieOrigin("origin:after:SEND_REPORT:SIGKILL", False, *MAX_PAUSE)

    def test_originSent(self) -> Any:
        """
        SIGKILL of the origin once it has sent all of the real one.
        """
        return self.dieOrigin("origin:after:SEND_GRAPH:SIGKILL", True, *MAX_PAUSE)


def _addRehearsal(when: str, effect: Effect) -> None:
    name = "".join(part.capitalize() for part in effect.name.split("_"))

    def test(self: Any) -> Any:
        plan = f"recipient:{when}:{effect.name}:SIGKILL"
        return self.dieRecipient(plan, False, "--rehearse")

    test.__doc__ = f"SIGKILL {when} {effect.name}."
    setattr(RehearsalDiesTests, f"test_{when}{name}", test)


def _add(cls: type, side: str, when: str, effect: Effect, *, last: bool) -> None:
    name = "".join(part.capitalize() for part in effect.name.split("_"))

    def test(self: Any) -> Any:
        plan = f"{side}:{when}:{effect.name}:SIGKILL"
        return (
            self.dieOrigin(plan, last)
            if side == "origin"
            else self.dieRecipient(plan, last)
        )

    test.__doc__ = f"SIGKILL {when} {effect.name}."
    setattr(cls, f"test_{when}{name}", test)


def _generate() -> None:
    for when in ("before", "after"):
        for at, effect in enumerate(ORIGINS):
            sent = ORIGINS.index(Effect.SEND_GRAPH)
            succeeded = at > sent or (at == sent and when == "after")
            _add(OriginDiesTests, "origin", when, effect, last=succeeded)
        for at, effect in enumerate(RECIPIENTS):
            said = RECIPIENTS.index(Effect.SAY_ADOPTED)
            owned = at > said or (at == said and when == "after")
            _add(RecipientDiesTests, "recipient", when, effect, last=owned)
    for effect in REHEARSALS:
        _addRehearsal("before", effect)
    _addRehearsal("after", REHEARSALS[-1])


_generate()
