"""
Tests for L{migrate.adapters.ports}.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Any

from twisted.internet import tcp, unix
from twisted.internet.defer import DeferredFilesystemLock
from twisted.internet.protocol import Factory
from twisted.python.lockfile import FilesystemLock, isLocked
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import ports
from migrate.adapters.ports import LockAdapter, PortAdapter, samePath
from migrate.graph.registry import Registry
from migrate.interfaces import ILiveAdapter
from tests.adapting import Capture, Loading, remake
from tests.inprocess import Move, descriptors
from tests.reactors import DEADLINE, freshReactor, spin, turn


class Counted(Factory):
    """
    Counts what Twisted tells it, and refuses every connection.
    """

    def __init__(self) -> None:
        self.told: list[str] = []

    def startFactory(self) -> None:
        """
        See L{Factory.startFactory}.
        """
        self.told.append("start")

    def stopFactory(self) -> None:
        """
        See L{Factory.stopFactory}.
        """
        self.told.append("stop")

    def buildProtocol(self, addr: object) -> None:
        """
        See L{Factory.buildProtocol}.
        """
        self.told.append("connection")


class Base(SynchronousTestCase):
    """
    Two reactors and a path.
    """

    def setUp(self) -> None:
        """
        Make them.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.path = self.mktemp()
        os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def move(self, root: Any) -> Any:
        """
        @return: what C{root} has become at the recipient.
        """
        return Move(root, self.origin, self.recipient).go()

    def knock(self, path: str) -> None:
        """
        Connect to a UNIX port, and go away.
        """
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(DEADLINE)
            peer.connect(path)


class TCPTests(Base):
    """
    L{tcp.Port}
    """

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, PortAdapter("x"))

    def test_move(self) -> None:
        """
        The same socket goes on to listen, and the factory hears nothing.
        """
        port = self.origin.listenTCP(0, Counted(), backlog=7, interface="127.0.0.1")
        made = self.move(port)
        self.assertIsInstance(made, tcp.Port)
        self.assertEqual(made.getHost(), port_address(made))
        self.assertEqual((made.backlog, made.interface), (7, "127.0.0.1"))
        with socket.create_connection(("127.0.0.1", made.getHost().port)):
            spin(lambda: made.factory.told == ["start", "connection"], self.recipient)
        self.assertEqual(port.factory.told, ["start"])
        self.assertEqual(made.factory.numPorts, 1)
        done = made.stopListening()
        spin(lambda: done.called, self.recipient)
        self.assertEqual(made.factory.told[-1], "stop")

    def test_ipv6(self) -> None:
        """
        A port of the other family keeps it.
        """
        port = self.origin.listenTCP(0, Counted(), interface="::1")
        made = self.move(port)
        self.assertEqual(made.getHost().type, "TCP")
        self.assertEqual(made.addressFamily, socket.AF_INET6)
        self.assertEqual(made.socket.family, socket.AF_INET6)

    def test_stopping(self) -> None:
        """
        A port that is about to stop stops at the recipient, where whoever
        waits for it is told.
        """
        port = self.origin.listenTCP(0, Counted(), interface="127.0.0.1")
        waiting = port.stopListening()
        made, moved = self.move([port, waiting])
        turn(self.origin)
        spin(lambda: moved.called, self.recipient)
        self.assertEqual(made.factory.told, ["start", "stop"])
        self.assertEqual((port.factory.told, waiting.called), (["start"], False))

    def test_stopped(self) -> None:
        """
        A port that does not listen moves without a descriptor.
        """
        port = self.origin.listenTCP(0, Counted(), interface="127.0.0.1")
        waiting = port.stopListening()
        spin(lambda: waiting.called, self.origin)
        before = descriptors()
        made = self.move(port)
        self.assertEqual(descriptors(), before)
        self.assertFalse(made.connected)
        self.assertNotIn(made, self.recipient.getReaders())

    def test_paused(self) -> None:
        """
        A port that does not accept for now does not accept there either.
        """
        port = self.origin.listenTCP(0, Counted(), interface="127.0.0.1")
        port.stopReading()
        made = self.move(port)
        self.assertNotIn(made, self.recipient.getReaders())
        made.startReading()
        self.assertIn(made, self.recipient.getReaders())


def port_address(port: Any) -> Any:
    """
    @return: the address of a port's socket, as Twisted says it.
    """
    return port._addressType("TCP", *port.socket.getsockname()[:2])


class UNIXTests(Base):
    """
    L{unix.Port}
    """

    def test_move(self) -> None:
        """
        The path stays, is never removed by the origin, and is removed by the
        recipient when that stops.
        """
        port = self.origin.listenUNIX(self.path, Counted(), mode=0o600)
        before = os.stat(self.path)
        made = self.move(port)
        self.assertIsInstance(made, unix.Port)
        port.stopListening()
        port.connectionLost(None)
        turn(self.origin)
        after = os.stat(self.path)
        self.assertEqual((after.st_ino, after.st_mode), (before.st_ino, before.st_mode))
        self.knock(self.path)
        spin(lambda: "connection" in made.factory.told, self.recipient)
        self.assertEqual(port.factory.told, ["start"])
        done = made.stopListening()
        spin(lambda: done.called, self.recipient)
        self.assertFalse(os.path.exists(self.path))

    def test_listensAgain(self) -> None:
        """
        After the adoption the process that clients see is this one: C{listen}
        has been called here, and not before.
        """
        port = self.origin.listenUNIX(self.path, Counted())
        move = Move(port, self.origin, self.recipient)
        made = move.prepare()
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            # Another process listens: the kernel notes its number.
            made.socket.listen(made.backlog)
            os.write(writing, b".")
            os._exit(0)
        os.read(reading, 1)
        os.waitpid(child, 0)
        os.close(reading)
        os.close(writing)
        self.assertEqual(self.owner(), child)
        move.commit()
        self.assertEqual(self.owner(), os.getpid())

    def owner(self) -> int:
        """
        @return: the process that a client sees at the other end.
        """
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(self.path)
            told = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        pid, _, _ = struct.unpack("3i", told)
        return int(pid)

    def test_lock(self) -> None:
        """
        The lock stays held without a gap, and goes when the recipient stops.
        """
        port = self.origin.listenUNIX(self.path, Counted(), wantPID=True)
        lock = self.path + ".lock"
        self.assertTrue(isLocked(lock))
        made = self.move(port)
        self.assertEqual(os.readlink(lock), str(os.getpid()))
        port.lockFile.unlock()
        self.assertTrue(isLocked(lock))
        self.assertTrue(made.lockFile.locked)
        done = made.stopListening()
        spin(lambda: done.called, self.recipient)
        self.assertFalse(os.path.lexists(lock))

    def test_abstract(self) -> None:
        """
        A port outside of the file system moves, too.
        """
        name = "\0" + self.path
        port = self.origin.listenUNIX(name, Counted())
        made = self.move(port)
        self.knock(name)
        spin(lambda: "connection" in made.factory.told, self.recipient)

    def test_otherDirectory(self) -> None:
        """
        A relative path means the same file to a recipient that runs in
        another directory.
        """
        port = self.origin.listenUNIX(self.path, Counted(), wantPID=True)
        here = os.getcwd()
        full = os.path.join(here, self.path)
        capture, loading = Capture(self.origin), Loading(self.recipient)
        adapter, locks = PortAdapter("x"), LockAdapter()
        described = (
            adapter.describe(port, capture),
            locks.describe(port.lockFile, capture),
        )
        self.addCleanup(os.chdir, here)
        os.mkdir(self.path + ".elsewhere")
        os.chdir(self.path + ".elsewhere")
        made = []
        for each, description in zip((adapter, locks), described, strict=True):
            made.append(each.make(description.cls, (), loading))
            each.fill(made[-1], dict(description.state or {}), loading)
        self.assertEqual(made[0]._bindPath, os.fsencode(full))
        self.assertEqual(made[1].name, os.fsencode(full + ".lock"))
        loading.discard()


class LockTests(Base):
    """
    L{LockAdapter}
    """

    def setUp(self) -> None:
        """
        Make an adapter.
        """
        super().setUp()
        self.adapter = LockAdapter()
        self.capture = Capture(self.origin)
        self.loading = Loading(self.recipient)

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, self.adapter)

    def take(self, owner: int) -> Any:
        """
        @return: a lock made of one that the process C{owner} held.
        """
        lock = FilesystemLock(self.path)
        lock.lock()
        description = self.adapter.describe(lock, self.capture)
        made = self.adapter.make(description.cls, (), self.loading)
        state = {**(description.state or {}), "@owner": owner}
        self.adapter.fill(made, state, self.loading)
        return made

    def test_repointed(self) -> None:
        """
        The link names the adopting process from the adoption on.
        """
        os.symlink(str(os.getppid()), self.path)
        lock = FilesystemLock(self.path)
        lock.locked = True
        description = self.adapter.describe(lock, self.capture)
        made = self.adapter.make(description.cls, (), self.loading)
        state = {**(description.state or {}), "@owner": os.getppid()}
        self.adapter.fill(made, state, self.loading)
        self.assertEqual(os.readlink(self.path), str(os.getppid()))
        self.loading.adopt()
        self.assertEqual(os.readlink(self.path), str(os.getpid()))
        self.assertEqual(
            os.listdir(os.path.dirname(self.path)).count(os.path.basename(self.path)), 1
        )
        made.unlock()
        self.assertFalse(os.path.lexists(self.path))

    def test_somebodyElses(self) -> None:
        """
        A link that names a third process is left alone.
        """
        made = self.take(os.getppid())
        self.loading.adopt()
        self.assertEqual(os.readlink(self.path), str(os.getpid()))
        self.assertTrue(made.locked)

    def test_gone(self) -> None:
        """
        A link that somebody removed is not made again, and the adoption goes
        on.
        """
        self.take(os.getpid())
        os.unlink(self.path)
        self.loading.adopt()
        self.assertFalse(os.path.lexists(self.path))
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_unlocked(self) -> None:
        """
        A lock that nobody holds is an object like any other.
        """
        lock = FilesystemLock(self.path)
        made = remake(self.adapter, lock, self.capture, self.loading)
        self.adapter.actions(lock, self.capture).release()
        self.loading.adopt()
        self.assertEqual(vars(made), vars(lock))

    def test_discarded(self) -> None:
        """
        A lock of a loading that is thrown away does not unlock the origin's.
        """
        made = self.take(os.getpid())
        self.loading.discard()
        made.unlock()
        self.assertTrue(os.path.lexists(self.path))

    def test_waiting(self) -> None:
        """
        A lock that is waited for is waited for there.
        """
        os.symlink(str(os.getpid()), self.path)
        lock = DeferredFilesystemLock(self.path, scheduler=self.origin)
        waiting = lock.deferUntilLocked(timeout=50)
        made, moved = self.move([lock, waiting])
        self.assertEqual(self.origin.getDelayedCalls(), [])
        os.unlink(self.path)
        spin(lambda: moved.called, self.recipient)
        self.assertTrue(made.locked)
        self.assertFalse(waiting.called)


class SamePathTests(SynchronousTestCase):
    """
    L{samePath}
    """

    def test_samePath(self) -> None:
        """
        Only relative paths change, and only where they have to.
        """
        here = os.getcwd()
        for path in ("", b"", "/a", b"/a", "\0a", b"\0a"):
            self.assertEqual(samePath(path, "/there"), path)
        self.assertEqual(samePath("a", here), "a")
        self.assertEqual(samePath("a", "/there"), "/there/a")
        self.assertEqual(samePath(b"a", "/there"), b"/there/a")


class RegisterTests(SynchronousTestCase):
    """
    L{ports.register}
    """

    def test_register(self) -> None:
        """
        The adapters speak for ports and locks.
        """
        registry = Registry()
        ports.register(registry)
        self.assertIsInstance(registry.lookup(unix.Port), PortAdapter)
        self.assertIsInstance(registry.lookup(tcp.Port), PortAdapter)
        self.assertIsInstance(registry.lookup(DeferredFilesystemLock), LockAdapter)
