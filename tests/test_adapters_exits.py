"""
Tests for L{migrate.adapters.exits}.
"""

from __future__ import annotations

import os
import select
import signal
from typing import Any

from twisted.internet.interfaces import IReadDescriptor
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import classImplements
from zope.interface.verify import verifyObject

from migrate.adapters.exits import Watch, answers, namespace, statusOf
from tests.reactors import freshReactor, spin

#: Ends once its standard input does.
PATIENT = ["/bin/sh", "-c", "read line; exit 7"]

#: Starts another one that is left to the system, and says which.
LEAVING = ["/bin/sh", "-c", "sh -c 'read line; exit 7' <&3 >/dev/null & echo $!"]


class ExitTests(SynchronousTestCase):
    """
    L{statusOf} and L{Watch}
    """

    if not answers():
        skip = "this kernel tells nobody but the parent how a process ended"

    def setUp(self) -> None:
        """
        Have a reactor, and a pipe that children wait at.
        """
        self.reactor = freshReactor(self)
        self.told: list[int] = []
        self._read, self._write = os.pipe()
        self.addCleanup(self.letGo)
        self.addCleanup(os.close, self._read)

    def letGo(self) -> None:
        """
        Let the children end.
        """
        if self._write >= 0:
            os.close(self._write)
            self._write = -1

    def child(self) -> int:
        """
        @return: a child of this process.
        """
        actions = [(os.POSIX_SPAWN_DUP2, self._read, 0)]
        return os.posix_spawn(PATIENT[0], PATIENT, os.environ, file_actions=actions)

    def stranger(self) -> int:
        """
        @return: a process that is the child of none that knows it.
        """
        read, write = os.pipe()
        actions: list[Any] = [
            (os.POSIX_SPAWN_DUP2, write, 1),
            (os.POSIX_SPAWN_DUP2, self._read, 3),
        ]
        pid = os.posix_spawn(LEAVING[0], LEAVING, os.environ, file_actions=actions)
        os.close(write)
        with os.fdopen(read) as said:
            left = int(said.read())
        os.waitpid(pid, 0)
        return left

    def watch(self, pid: int) -> Watch:
        """
        @return: one that waits.
        """
        watch = Watch(self.reactor, pid, self.told.append, None)
        watch.open()
        self.addCleanup(watch.close)
        watch.start()
        return watch

    def test_interface(self) -> None:
        """
        A reactor can read it.
        """

        class Declared(Watch):
            pass

        classImplements(Declared, IReadDescriptor)
        verifyObject(IReadDescriptor, Declared(self.reactor, 0, self.told.append, None))

    def test_child(self) -> None:
        """
        A child is reaped by the way.
        """
        pid = self.child()
        watch = self.watch(pid)
        self.assertIsNone(statusOf(pid, watch.fileno()))
        self.letGo()
        spin(lambda: self.told, self.reactor)
        self.assertEqual([os.waitstatus_to_exitcode(n) for n in self.told], [7])
        self.assertRaises(ChildProcessError, os.waitpid, pid, 0)
        self.assertEqual(watch.fileno(), -1)

    def test_reaped(self) -> None:
        """
        A process that another one has reaped is known all the same.
        """
        pid = self.child()
        watch = self.watch(pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        watch.look()
        self.assertEqual(self.told, [signal.SIGKILL])
        watch.look()
        self.assertEqual(self.told, [signal.SIGKILL])

    def test_stranger(self) -> None:
        """
        A process that never was a child of this one, whether the system has
        reaped it already or not.
        """
        pid = self.stranger()
        self.watch(pid)
        self.letGo()
        spin(lambda: self.told, self.reactor)
        self.assertEqual([os.waitstatus_to_exitcode(n) for n in self.told], [7])

    def test_stopped(self) -> None:
        """
        Nothing is told while nobody waits, and all is told afterwards.
        """
        watch = self.watch(self.child())
        watch.stop()
        watch.look()
        self.assertEqual(self.told, [])
        self.letGo()
        poll = select.poll()
        poll.register(watch.fileno(), select.POLLIN)
        self.assertTrue(poll.poll(20_000))
        self.reactor.iterate(0)
        self.assertEqual(self.told, [])
        watch.start()
        spin(lambda: self.told, self.reactor)
        self.assertEqual(len(self.told), 1)

    def test_nobody(self) -> None:
        """
        There may be no such process.
        """
        pid = self.child()
        self.letGo()
        os.waitpid(pid, 0)
        watch = Watch(self.reactor, pid, self.told.append, None)
        self.assertRaises(ProcessLookupError, watch.open)
        watch.start()
        watch.close()

    def test_namespace(self) -> None:
        """
        The system says where process ids count.
        """
        self.assertIn("pid", namespace())
