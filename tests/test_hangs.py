"""
Hangs of either side at every step: SIGSTOP before every effect.

At no time do two processes serve a connection, and in the end one does.
"""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

from twisted.internet.defer import DeferredList, inlineCallbacks

from migrate.handover import Effect
from tests.children import Child
from tests.processes import descriptors
from tests.test_crashes import ORIGINS, PATIENCE, RECIPIENTS, FaultTestCase

DEADLINE = 2.0

PUBLISHED = "recipients are let in"


def isStopped(process: Child) -> bool:
    """
    @return: whether a process has been stopped by a signal.
    """
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "T"


class HangTestCase(FaultTestCase):
    """
    One side stops for longer than any deadline, then goes on.
    """

    options = (
        "--deadline",
        str(DEADLINE),
        "--greeting-deadline",
        str(DEADLINE),
        "--preparing-deadline",
        str(DEADLINE),
    )

    @inlineCallbacks
    def stopped(self, process: Child) -> Any:
        """
        The fault came true, and all deadlines of one step have passed.
        """
        yield self.processes.until(lambda: isStopped(process), "the stop", PATIENCE)
        until = time.monotonic() + DEADLINE * 1.2
        yield self.processes.until(
            lambda: time.monotonic() > until, "the deadline", PATIENCE
        )

    @inlineCallbacks
    def settled(self, server: Child, client: Child, connection: Any) -> Any:
        """
        One of them gives up, or has nothing left; the other one serves.
        """
        ends = [server.ended(PATIENCE), client.ended(PATIENCE)]
        _, index = yield DeferredList(
            ends, fireOnOneCallback=True, fireOnOneErrback=True, consumeErrors=True
        )
        serving, gone = (client, server) if index == 0 else (server, client)
        self.assertTrue(serving.running)
        yield self.serves(serving, connection)
        ended = yield gone.ended(PATIENCE)
        if gone is server:
            self.assertEqual(ended.status, 0, ended.out + ended.err)
        yield self.movesOn(connection, serving)


class RecipientHangsTests(HangTestCase):
    """
    The origin goes on by itself, unless the recipient owns the service.
    """

    @inlineCallbacks
    def hang(self, effect: Effect) -> Any:
        """
        The recipient stops.
        """
        server, connection = yield self.server("none")
        plan = f"recipient:before:{effect.name}:SIGSTOP"
        client = self.twistd(plan, "migrate-client", "--service", "lines")
        yield self.stopped(client) if effect is not Effect.SAY_ADOPTED else None
        at, said = RECIPIENTS.index(effect), RECIPIENTS.index(Effect.SAY_ADOPTED)
        if at > said:
            client.signal(signal.SIGCONT)
            yield client.line(PUBLISHED, PATIENCE)
            yield self.serves(client, connection)
            yield self.movesOn(connection, client)
        elif at == said:
            # COMMIT was sent: only the kernel can say that it will not serve.
            ended = yield client.ended(PATIENCE)
            self.assertEqual(ended.signal, signal.SIGKILL)
            yield self.serves(server, connection)
            yield self.movesOn(connection, server)
        else:
            connection.sendLine(b"ond")
            reply = yield connection.line(PATIENCE)
            self.assertEqual(reply, b"%d 2 2 second" % server.pid)
            client.signal(signal.SIGCONT)
            connection.send(b"")
            yield self.settledAfter(server, client, connection)

    @inlineCallbacks
    def settledAfter(self, server: Child, client: Child, connection: Any) -> Any:
        """
        It goes on: it is refused by now, or it takes the service over.
        """
        ends = [server.ended(PATIENCE), client.ended(PATIENCE)]
        ended, index = yield DeferredList(
            ends, fireOnOneCallback=True, fireOnOneErrback=True, consumeErrors=True
        )
        self.assertEqual(ended.status, index, ended.out + ended.err)
        serving = (client, server)[index]
        reply = yield connection.ask(b"third")
        self.assertEqual(reply, b"%d 3 3 third" % serving.pid)

    @inlineCallbacks
    def test_ahead(self) -> Any:
        """
        While descriptors are on their way all is served; who leaves, and who comes,
        makes no difference to the others.
        """
        server, connection = yield self.server("none")
        leaving = []
        for count in (2, 3):
            leaving.append((yield self.processes.connect(self.port)))
            reply = yield leaving[-1].ask(b"hello")
            self.assertEqual(reply, b"%d 1 %d hello" % (server.pid, count))
        client = self.twistd(
            "recipient:during:ADVANCE:SIGSTOP", "migrate-client", "--service", "lines"
        )
        yield self.processes.until(lambda: isStopped(client), "the stop", PATIENCE)
        held = len(descriptors(server.pid))
        for each in leaving:
            yield each.disconnect(PATIENCE)
        yield self.processes.until(
            lambda: len(descriptors(server.pid)) == held - 2, "their end", PATIENCE
        )
        connection.sendLine(b"ond")
        reply = yield connection.line(PATIENCE)
        self.assertEqual(reply, b"%d 2 4 second" % server.pid)
        coming = yield self.processes.connect(self.port)
        reply = yield coming.ask(b"hello")
        self.assertEqual(reply, b"%d 1 5 hello" % server.pid)
        client.signal(signal.SIGCONT)
        yield client.line(PUBLISHED, PATIENCE)
        reply = yield connection.ask(b"third")
        self.assertEqual(reply, b"%d 3 6 third" % client.pid)
        reply = yield coming.ask(b"again")
        self.assertEqual(reply, b"%d 2 7 again" % client.pid)
        ended = yield server.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)

    @inlineCallbacks
    def test_waitedFor(self) -> Any:
        """
        With C{--no-fence} a recipient that hangs after COMMIT is waited for,
        and serves when it goes on.
        """
        self.options = (*self.options, "--no-fence")
        server, connection = yield self.server("none")
        plan = "recipient:before:SAY_ADOPTED:SIGSTOP"
        client = self.twistd(plan, "migrate-client", "--service", "lines")
        yield server.line("it is waited for", PATIENCE)
        connection.sendLine(b"ond")
        client.signal(signal.SIGCONT)
        reply = yield connection.line(PATIENCE)
        self.assertEqual(reply, b"%d 2 2 second" % client.pid)
        ended = yield server.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)

    @inlineCallbacks
    def test_sparedForWhatItServes(self) -> Any:
        """
        A recipient that serves already is not killed for the control listener that
        it hangs over: it is waited for.
        """
        server, connection = yield self.server("none")
        plan = "recipient:before:SAY_ADOPTED:SIGSTOP:2"
        client = self.twistd(plan, "migrate-client", "--service", "lines")
        yield server.line("it has what was moved before", PATIENCE)
        client.signal(signal.SIGCONT)
        yield client.line(PUBLISHED, PATIENCE)
        yield self.serves(client, connection)
        ended = yield server.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.out + ended.err)
        yield self.movesOn(connection, client)


class OriginHangsTests(HangTestCase):
    """
    The recipient gives up in time, or holds everything until the origin says
    what is to become of it.
    """

    @inlineCallbacks
    def hang(self, effect: Effect) -> Any:
        """
        The origin stops.
        """
        server, connection = yield self.server(f"origin:before:{effect.name}:SIGSTOP")
        client = self.twistd("none", "migrate-client", "--service", "lines")
        yield self.stopped(server)
        server.signal(signal.SIGCONT)
        yield self.settled(server, client, connection)


def _add(cls: type, effect: Effect) -> None:
    name = "".join(part.capitalize() for part in effect.name.split("_"))

    def test(self: Any) -> Any:
        return self.hang(effect)

    test.__doc__ = f"SIGSTOP before {effect.name}."
    setattr(cls, f"test_before{name}", test)


for _effect in ORIGINS:
    _add(OriginHangsTests, _effect)
for _effect in RECIPIENTS:
    _add(RecipientHangsTests, _effect)
