"""
Tests for L{migrate.adapters.children}.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import process
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.children import (
    NAMESPACE,
    ChildSeeker,
    Orphan,
    ProcessAdapter,
    TerminalAdapter,
)
from migrate.adapters.exits import answers
from migrate.errors import LoadError, NotMovable
from migrate.interfaces import ILiveAdapter, ISeeker
from tests.adapting import Capture, Loading
from tests.inprocess import Move, descriptors
from tests.reactors import freshReactor, spin


class Told(ProcessProtocol):
    """
    Notes what it is told.
    """

    def __init__(self) -> None:
        self.said = b""
        self.events: list[Any] = []

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """
        See L{ProcessProtocol.childDataReceived}.
        """
        self.said += data

    def processExited(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol.processExited}.
        """
        how: Any = reason.value
        self.events.append((how.exitCode, how.signal))

    def processEnded(self, reason: Failure) -> None:
        """
        See L{ProcessProtocol.processEnded}.
        """
        self.events.append(type(reason.value))


class Base(SynchronousTestCase):
    """
    Two reactors, and children of the first one.
    """

    if not answers():
        skip = "this kernel tells nobody but the parent how a process ended"

    def setUp(self) -> None:
        """
        Make them.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.addCleanup(process.reapAllProcesses)

    def child(self, script: str, **options: Any) -> Any:
        """
        @return: the protocol of a child that runs it.
        """
        told = Told()
        transport = self.origin.spawnProcess(
            told, "/bin/sh", ["sh", "-c", script], env=os.environ, **options
        )
        if transport.pid is not None:
            self.addCleanup(self._end, transport.pid)
        return told

    def _end(self, pid: int) -> None:
        """
        Leave nothing behind, whether the test has come to its end or not.
        """
        process.reapProcessHandlers.pop(pid, None)
        try:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return


class MovingTests(Base):
    """
    Children go to another reactor.
    """

    def test_interface(self) -> None:
        """
        All of it is what it says.
        """
        verifyObject(ILiveAdapter, ProcessAdapter("x"))
        verifyObject(ILiveAdapter, TerminalAdapter("x"))
        verifyObject(ISeeker, ChildSeeker())

    def test_pipes(self) -> None:
        """
        What is said arrives there, and nothing is left here.
        """
        told = self.child("read line; echo $line; exit 3")
        before = descriptors()
        move = Move([told], self.origin, self.recipient)
        (made,) = move.prepare()
        # Three pipes, and the process itself.
        self.assertEqual(descriptors(), before + 4)
        move.commit()
        self.assertEqual(descriptors(), before + 1)
        made.transport.write(b"hello\n")
        spin(lambda: len(made.events) == 2, self.recipient)
        self.assertEqual(made.said, b"hello\n")
        self.assertEqual(made.events, [(3, None), ProcessTerminated])
        self.assertEqual((told.said, told.events), (b"", []))
        self.assertEqual(descriptors(), before - 3)

    def test_origin(self) -> None:
        """
        What is called at the origin afterwards reaches nobody.
        """
        told = self.child("read line; echo $line")
        transport = told.transport
        (made,) = Move([told], self.origin, self.recipient).go()
        transport.write(b"stray\n")
        transport.loseConnection()
        self.assertRaises(ProcessExitedAlready, transport.signalProcess, "KILL")
        self.origin.iterate(0)
        made.transport.write(b"meant\n")
        spin(lambda: len(made.events) == 2, self.recipient)
        self.assertEqual(
            (made.said, made.events), (b"meant\n", [(0, None), ProcessDone])
        )

    def test_reaped(self) -> None:
        """
        The origin reaps what has moved away, and the end is known there.
        """
        told = self.child("read line; exit 4")
        pid = told.transport.pid
        (made,) = Move([told], self.origin, self.recipient).go()
        self.assertIsInstance(process.reapProcessHandlers[pid], Orphan)
        made.transport.closeStdin()

        def reaped() -> bool:
            process.reapAllProcesses()
            return pid not in process.reapProcessHandlers

        spin(reaped, self.recipient)
        spin(lambda: len(made.events) == 2, self.recipient)
        self.assertEqual(made.events, [(4, None), ProcessTerminated])

    def test_again(self) -> None:
        """
        A child that came is passed on.
        """
        told = self.child("read line; exit 5")
        made = Move([told], self.origin, self.recipient).go()
        third = freshReactor(self)
        before = descriptors()
        (last,) = Move(made, self.recipient, third).go()
        self.assertEqual(descriptors(), before)
        last.transport.closeStdin()
        spin(lambda: len(last.events) == 2, self.recipient, third)
        self.assertEqual(last.events, [(5, None), ProcessTerminated])
        self.assertEqual(made[0].events, [])

    def test_rollBack(self) -> None:
        """
        A move that is not made leaves the child where it was, and its end, which
        came meanwhile, is told once.
        """
        third = freshReactor(self)
        for moved in (False, True):
            root, reactor = [self.child("read line; exit 6")], self.origin
            if moved:
                root = Move(root, self.origin, self.recipient).go()
                reactor = self.recipient
            before = descriptors()
            move = Move(root, reactor, third)
            move.prepare()
            os.kill(root[0].transport.pid, 9)
            process.reapAllProcesses()
            reactor.iterate(0)
            self.assertEqual(root[0].events, [])
            move.rollBack()
            self.assertEqual(descriptors(), before)
            spin(lambda root=root: len(root[0].events) == 2, reactor)
            self.assertEqual(root[0].events, [(None, 9), ProcessTerminated])

    def test_terminal(self) -> None:
        """
        A terminal goes along.
        """
        told = self.child("stty -echo; echo ready; read line; echo $line", usePTY=True)
        spin(lambda: told.said == b"ready\r\n", self.origin)
        before = descriptors()
        (made,) = Move([told], self.origin, self.recipient).go()
        self.assertEqual(descriptors(), before + 1)
        made.transport.write(b"hello\n")
        spin(lambda: len(made.events) == 2, self.recipient)
        self.assertEqual(made.said, b"ready\r\nhello\r\n")
        self.assertEqual(made.events, [(0, None), ProcessDone])

    def test_ended(self) -> None:
        """
        One that has ended moves as one that has ended.
        """
        told = self.child("exit 0")
        transport = told.transport
        spin(lambda: process.reapAllProcesses() or len(told.events) == 2, self.origin)
        made = Move([transport], self.origin, self.recipient).go()[0]
        self.assertRaises(ProcessExitedAlready, made.signalProcess, "KILL")

    def test_sought(self) -> None:
        """
        A child that only its reactor knows is found, here and there; one of
        somebody else is not.
        """
        told = self.child("exec sleep 60", childFDs={})
        other = self.child("exec sleep 60", childFDs={})
        told.factory = owner = []  # type: ignore[var-annotated]
        seeker = ChildSeeker()
        capture = Capture(self.origin, [owner])
        self.assertEqual(list(seeker.seek(capture)), [told.transport])
        self.assertIsNot(other.transport, told.transport)
        (made,) = Move([told], self.origin, self.recipient).go()
        capture = Capture(self.recipient, [made.factory])
        self.assertEqual(list(seeker.seek(capture)), [made.transport])


class RefusalTests(Base):
    """
    Children that cannot move.
    """

    def test_kernel(self) -> None:
        """
        Where nobody else is told how a child ends, it is in the way until it
        has ended.
        """
        for adapter, options in (
            (ProcessAdapter("x", lambda: False), {}),
            (TerminalAdapter("x", lambda: False), {"usePTY": True}),
        ):
            told = self.child("echo; read line", **options)
            spin(lambda told=told: told.said, self.origin)
            transport = told.transport
            error = self.assertRaises(
                NotMovable, adapter.describe, transport, Capture(self.origin)
            )
            self.assertRegex(
                str(error),
                rf"^the child process {transport.pid} \(sh -c echo; read line\), "
                r"of whose end this kernel tells nobody but the process that started "
                r"it \(Linux does since 6\.15\); end it, or try again once it has "
                r"ended$",
            )
            assert error.over is not None
            self.assertFalse(error.over())
            transport.signalProcess("KILL")

            def ended(told: Any = told) -> bool:
                process.reapAllProcesses()
                return len(told.events) == 2

            spin(ended, self.origin)
            self.assertTrue(error.over())
            adapter.describe(transport, Capture(self.origin))

    def test_namespace(self) -> None:
        """
        A number of another namespace is not taken for one here, nor one that
        nobody has.
        """
        adapter = ProcessAdapter("x")
        transport = self.child("read line").transport
        found = adapter.describe(transport, Capture(self.origin))
        state: Any = {**(found.state or {}), NAMESPACE: "another"}
        made = adapter.make(found.cls, (), Loading(self.recipient))
        self.assertRaises(LoadError, adapter.fill, made, state, Loading(self.recipient))
        state = {**(found.state or {}), "pid": 2**22 + 1}
        self.assertRaises(LoadError, adapter.fill, made, state, Loading(self.recipient))
