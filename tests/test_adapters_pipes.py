"""
Tests for L{migrate.adapters.pipes}.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from twisted.internet.error import ConnectionDone
from twisted.internet.process import ProcessReader
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.stdio import StandardIO
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import CannotMigrate
from tests.inprocess import Move, descriptors
from tests.processes import CHECKOUT
from tests.reactors import freshReactor, spin


class Talker(Protocol):
    """
    Answers, and notes.
    """

    def __init__(self) -> None:
        self.received = b""
        self.lost: list[type] = []

    def dataReceived(self, data: bytes) -> None:
        """
        See L{Protocol.dataReceived}.
        """
        self.received += data
        transport: Any = self.transport
        transport.write(b"got " + data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        See L{Protocol.connectionLost}.
        """
        self.lost.append(type(reason.value))


class Base(SynchronousTestCase):
    """
    Two reactors.
    """

    def setUp(self) -> None:
        """
        Make them.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)


class StandardIOTests(Base):
    """
    L{StandardIO} on two pipes.
    """

    def setUp(self) -> None:
        """
        Talk.
        """
        super().setUp()
        theirs, there = os.pipe()
        here, ours = os.pipe()
        os.set_blocking(here, False)
        self.there, self.here = os.fdopen(there, "wb", 0), os.fdopen(here, "rb", 0)
        self.addCleanup(self.there.close)
        self.addCleanup(self.here.close)
        self.talker = Talker()
        StandardIO(self.talker, theirs, ours, self.origin)

    def heard(self, expected: bytes, reactor: Any) -> None:
        """
        Wait for an answer.
        """
        said = b""

        def probe() -> bool:
            nonlocal said
            said += self.here.read(100) or b""
            return len(said) >= len(expected)

        spin(probe, reactor)
        self.assertEqual(said, expected)

    def test_moves(self) -> None:
        """
        What is said next is heard there, and the origin is silent.
        """
        self.there.write(b"one")
        spin(lambda: self.talker.received, self.origin)
        self.heard(b"got one", self.origin)
        before = descriptors()
        move = Move([self.talker], self.origin, self.recipient)
        (made,) = move.prepare()
        self.assertEqual(descriptors(), before + 2)
        self.there.write(b"two")
        self.origin.iterate(0)
        move.commit()
        self.assertEqual(descriptors(), before)
        spin(lambda: made.received == b"onetwo", self.recipient)
        self.heard(b"got two", self.recipient)
        stray: Any = self.talker.transport
        stray.write(b"stray")
        stray.loseConnection()
        self.origin.iterate(0)
        self.there.close()
        spin(lambda: made.lost, self.recipient)
        self.assertEqual(made.lost, [ConnectionDone])
        self.assertEqual(self.talker.lost, [])

    def test_rollBack(self) -> None:
        """
        If it does not move, it goes on as if nothing had been.
        """
        before = descriptors()
        move = Move([self.talker], self.origin, self.recipient)
        move.prepare()
        move.rollBack()
        self.assertEqual(descriptors(), before)
        self.there.write(b"one")
        spin(lambda: self.talker.received == b"one", self.origin)

    def test_sought(self) -> None:
        """
        It is found from the reactor's side, if nobody else refers to it.
        """

        class Owner(Protocol):
            """
            What the talker works for.
            """

        owner: Any = Owner()
        self.talker.factory = owner
        owner.told = "x"
        made = Move([owner], self.origin, self.recipient).go()[0]
        self.assertEqual(made.told, "x")
        (reader,) = [
            each
            for each in self.recipient.getReaders()
            if isinstance(each, ProcessReader)
        ]
        self.assertIs(reader.proc.protocol.factory, made)

    def test_half(self) -> None:
        """
        One direction alone is left.
        """
        transport: Any = self.talker.transport
        transport.loseWriteConnection()
        spin(lambda: transport._writer is None, self.origin)
        (made,) = Move([self.talker], self.origin, self.recipient).go()
        self.there.write(b"one")
        spin(lambda: made.received == b"one", self.recipient)
        made.transport.loseConnection()
        (again,) = Move([made], self.recipient, self.origin).go()
        self.assertIsNone(again.transport._writer)


class TerminalTests(Base):
    """
    Terminals, which the kernel may hang up.
    """

    def test_leader(self) -> None:
        """
        The terminal of a session that this process leads is refused, before
        anything is paused.
        """
        code = (
            "import os, sys; sys.path.insert(0, os.getcwd())\n"
            "from tests.test_adapters_pipes import leads\n"
            "leads()"
        )
        pid, terminal = os.forkpty()
        if pid == 0:
            os.chdir(CHECKOUT)
            os.execv(sys.executable, [sys.executable, "-c", code])
        said = b""
        while b"\n" not in said:
            said += os.read(terminal, 1000)
        os.waitpid(pid, 0)
        os.close(terminal)
        self.assertIn(b"the terminal of the session that this process leads", said)


def leads() -> None:
    """
    Try to move standard input, and print what comes of it.
    """
    case = SynchronousTestCase()
    origin, recipient = freshReactor(case), freshReactor(case)
    transport = StandardIO(Talker(), 0, 1, origin)
    try:
        Move([transport], origin, recipient).prepare()
    except CannotMigrate as error:
        said = str(error)
    else:
        said = "moved"
    os.write(1, said.encode() + b"\n")
