"""
Tests for L{migrate.inherited}, L{migrate.listeners} and L{migrate.adoption}: Twisted's
own ports on sockets that listen already, under the reactor that runs.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from twisted.application.internet import (
    StreamServerEndpointService,
    TCPServer,
    UDPServer,
    UNIXServer,
)
from twisted.application.service import IService, MultiService
from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import serverFromString
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import DatagramProtocol, Protocol, ServerFactory
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from migrate.adoption import isListening, letGo, takeBack
from migrate.errors import MalformedTable
from migrate.inherited import InheritedSockets
from migrate.listeners import InheritedSocket

reactor: Any = installed

PATIENCE = 30.0


class Greeter(Protocol):
    """
    Says one word.
    """

    def connectionMade(self) -> None:
        """
        Say it.
        """
        self.transport.write(self.factory.word)  # type: ignore[union-attr,attr-defined]
        self.transport.loseConnection()  # type: ignore[union-attr]


class Greeting(ServerFactory):
    """
    Makes L{Greeter}s.
    """

    protocol = Greeter
    noisy = False

    def __init__(self, word: bytes = b"new") -> None:
        self.word = word


class Echo(DatagramProtocol):
    """
    Sends datagrams back.
    """

    noisy = False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        Send it.
        """
        self.transport.write(b"echo " + datagram, addr)  # type: ignore[union-attr]


def listening(
    family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM, where: Any = None
) -> socket.socket:
    """
    @return: a socket by which clients can come.
    """
    skt = socket.socket(family, kind)
    skt.bind(("127.0.0.1", 0) if where is None else where)
    if kind == socket.SOCK_STREAM:
        skt.listen(50)
    return skt


def greeted(address: Any, family: int = socket.AF_INET) -> bytes:
    """
    @return: what a server says until it ends the connection; blocks.
    """
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        client.connect(address)
        return b"".join(iter(lambda: client.recv(100), b""))


def greeting(address: Any, family: int = socket.AF_INET) -> Deferred[bytes]:
    """
    As L{greeted}, beside the reactor.
    """
    return deferToThread(greeted, address, family)


class InheritedTests(TestCase):
    """
    Tests for L{InheritedSockets}.
    """

    def setUp(self) -> None:
        """
        A service that is not started.
        """
        self.service = MultiService()
        self.addCleanup(self.service.stopService)

    def inherit(self, *sockets: socket.socket, **options: Any) -> InheritedSockets:
        """
        @return: these.
        """
        made = InheritedSockets.of(sockets, reactor, **options)
        self.addCleanup(made.closeUnused)
        return made

    def startWith(self, inherited: InheritedSockets, *services: IService) -> None:
        """
        Start services.
        """
        for each in services:
            each.setServiceParent(self.service)
        with inherited:
            self.service.privilegedStartService()
            self.service.startService()

    @inlineCallbacks
    def test_tcpServer(self) -> Iterator[Any]:
        """
        C{TCPServer} listens by the very socket, whose queue goes along.
        """
        skt = listening()
        address, inode = skt.getsockname(), os.fstat(skt.fileno()).st_ino
        early = socket.create_connection(address)
        self.addCleanup(early.close)
        inherited = self.inherit(skt)
        server = TCPServer(address[1], Greeting(), interface="127.0.0.1")
        self.startWith(inherited, server)
        self.assertEqual(os.fstat(server._port.fileno()).st_ino, inode)
        self.assertEqual(server._port.getHost().port, address[1])
        self.assertEqual(inherited.unused(), [])
        early.settimeout(PATIENCE)
        self.assertEqual((yield deferToThread(early.recv, 10)), b"new")
        self.assertEqual((yield greeting(address)), b"new")

    @inlineCallbacks
    def test_endpoint(self) -> Iterator[Any]:
        """
        An endpoint service does too, and what it listens on beside is bound as usual.
        """
        skt = listening()
        address = skt.getsockname()
        inherited = self.inherit(skt)
        text = f"tcp:{address[1]}:interface=127.0.0.1"
        services = [
            StreamServerEndpointService(serverFromString(reactor, each), Greeting())
            for each in (text, "tcp:0:interface=127.0.0.1")
        ]
        self.startWith(inherited, *services)
        other = services[1]._waitingForPort.result
        self.assertEqual([each.name for each in inherited.used()], [""])
        self.assertNotEqual(other.getHost().port, address[1])
        self.assertEqual((yield greeting(address)), b"new")
        where = ("127.0.0.1", other.getHost().port)
        self.assertEqual((yield greeting(where)), b"new")

    @inlineCallbacks
    def test_unix(self) -> Iterator[Any]:
        """
        A UNIX path is not bound anew; its lock file names this process.
        """
        path = Path(self.mktemp())
        skt = listening(socket.AF_UNIX, where=str(path))
        inode = path.stat().st_ino
        lock = f"{path}.lock"
        os.symlink("1", lock)
        inherited = self.inherit(skt, held=True)
        server = UNIXServer(str(path.resolve()), Greeting(), mode=0o640, wantPID=1)
        self.startWith(inherited, server)
        self.assertNotEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertEqual(os.readlink(lock), "1")
        inherited.release()
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o640)
        self.assertEqual(os.readlink(lock), str(os.getpid()))
        self.assertEqual(path.stat().st_ino, inode)
        self.assertEqual((yield greeting(str(path), socket.AF_UNIX)), b"new")
        yield self.service.stopService()
        self.assertFalse(path.exists() or os.path.lexists(lock))

    @inlineCallbacks
    def test_datagrams(self) -> Iterator[Any]:
        """
        UDP and UNIX datagram sockets, with what waits in them.
        """
        path = self.mktemp()
        sockets = [
            listening(kind=socket.SOCK_DGRAM),
            listening(socket.AF_UNIX, socket.SOCK_DGRAM, path),
        ]
        addresses = [each.getsockname() for each in sockets]
        clients = [socket.socket(s.family, socket.SOCK_DGRAM) for s in sockets]
        clients[0].bind(("127.0.0.1", 0))
        clients[1].bind(self.mktemp())
        for client, address in zip(clients, addresses, strict=True):
            self.addCleanup(client.close)
            client.settimeout(PATIENCE)
            client.sendto(b"early", address)
        inherited = self.inherit(*sockets)
        with inherited:
            port = addresses[0][1]
            UDPServer(port, Echo(), "127.0.0.1").setServiceParent(self.service)
            self.service.privilegedStartService()
            self.service.startService()
            unix = reactor.listenUNIXDatagram(os.path.abspath(path), Echo())
        self.addCleanup(unix.stopListening)
        self.assertEqual(inherited.unused(), [])
        for client in clients:
            said = yield deferToThread(client.recv, 100)
            self.assertEqual(said, b"echo early")

    @inlineCallbacks
    def test_held(self) -> Iterator[Any]:
        """
        A port that is held accepts nobody, until it is released.
        """
        skt = listening()
        other = skt.dup()
        self.addCleanup(other.close)
        address = skt.getsockname()
        inherited = self.inherit(skt, held=True)
        server = TCPServer(address[1], Greeting(), interface="127.0.0.1")
        self.startWith(inherited, server)
        waiting = greeting(address)
        other.settimeout(PATIENCE)
        accepted, _ = yield deferToThread(other.accept)
        self.assertNotIn(server._port, reactor.getReaders())
        accepted.sendall(b"old")
        accepted.close()
        self.assertEqual((yield waiting), b"old")
        inherited.release()
        self.assertEqual((yield greeting(address)), b"new")

    @inlineCallbacks
    def test_stoppedWhileHeld(self) -> Iterator[Any]:
        """
        A port that was stopped before it was released stays stopped.
        """
        skt = listening()
        inherited = self.inherit(skt, held=True)
        with inherited:
            port = reactor.listenTCP(
                skt.getsockname()[1], Greeting(), interface="127.0.0.1"
            )
        yield port.stopListening()
        inherited.release()
        self.assertNotIn(port, reactor.getReaders())

    @inlineCallbacks
    def test_stopEndsIt(self) -> Iterator[Any]:
        """
        To stop a port ends the listening for every holder; not so if it is not owned.
        """
        for owned in (True, False):
            skt = listening()
            other = skt.dup()
            self.addCleanup(other.close)
            with self.inherit(skt, owned=owned):
                port = reactor.listenTCP(
                    other.getsockname()[1], Greeting(), interface="127.0.0.1"
                )
            yield port.stopListening()
            self.assertEqual(isListening(other), not owned)

    @inlineCallbacks
    def test_unownedPath(self) -> Iterator[Any]:
        """
        The path of a UNIX port that is not owned stays, when that is stopped.
        """
        path = self.mktemp()
        skt = listening(socket.AF_UNIX, where=path)
        other = skt.dup()
        self.addCleanup(other.close)
        with self.inherit(skt, owned=False):
            port = reactor.listenUNIX(path, Greeting())
        yield port.stopListening()
        self.assertTrue(os.path.exists(path) and isListening(other))

    def test_onlyOnce(self) -> None:
        """
        Who listens there once more is told as usual that the address is in use; so is
        everybody afterwards.
        """
        skt = listening()
        number = skt.getsockname()[1]
        with self.inherit(skt):
            port = reactor.listenTCP(number, Greeting(), interface="127.0.0.1")
            self.addCleanup(port.stopListening)
            for method in ("listenTCP", "listenTCP"):
                with self.assertRaises(CannotListenError):
                    getattr(reactor, method)(number, Greeting(), interface="127.0.0.1")
        self.assertNotIn("listenTCP", vars(reactor))

    def test_unused(self) -> None:
        """
        What nobody has asked for is told, and closed.
        """
        skt = listening()
        where = f"tcp 127.0.0.1:{skt.getsockname()[1]}"
        inherited = self.inherit(skt)
        with inherited:
            pass
        self.assertEqual([str(each) for each in inherited.closeUnused()], [where])
        self.assertEqual(skt.fileno(), -1)

    @inlineCallbacks
    def test_adopted(self) -> Iterator[Any]:
        """
        Who has a descriptor of his own and adopts it is held as well.
        """
        skt = listening()
        mine = skt.dup()
        self.addCleanup(mine.close)
        address = skt.getsockname()
        inherited = self.inherit(skt, held=True)
        with inherited:
            port = reactor.adoptStreamPort(mine.fileno(), socket.AF_INET, Greeting())
        self.addCleanup(port.stopListening)
        self.assertEqual(inherited.unused(), [])
        self.assertNotIn(port, reactor.getReaders())
        inherited.release()
        self.assertEqual((yield greeting(address)), b"new")

    @inlineCallbacks
    def test_letGo(self) -> Iterator[Any]:
        """
        A UNIX port that was let go neither accepts nor removes its path; taken back it
        does both.
        """
        path = self.mktemp()
        port = reactor.listenUNIX(path, Greeting(b"old"), wantPID=1)
        letGo(port)
        self.assertNotIn(port, reactor.getReaders())
        waiting = greeting(path, socket.AF_UNIX)
        takeBack(port)
        self.assertEqual((yield waiting), b"old")
        self.assertEqual(os.readlink(f"{path}.lock"), str(os.getpid()))
        letGo(port)
        yield port.stopListening()
        self.assertTrue(os.path.exists(path))
        self.assertTrue(os.path.lexists(f"{path}.lock"))


class MatchingTests(TestCase):
    """
    Tests for L{InheritedSocket.serves}.
    """

    def inherited(self, skt: socket.socket, **options: Any) -> InheritedSocket:
        """
        @return: a socket, which is closed in the end.
        """
        made = InheritedSocket.of(skt, **options)
        self.addCleanup(made.close)
        return made

    def asks(self, found: InheritedSocket, **options: Any) -> bool:
        """
        @return: whether C{listenTCP} with these options gets that socket.
        """
        with InheritedSockets([found], reactor):
            number = options.pop("port", found.number)
            port = None
            with contextlib.suppress(CannotListenError):
                port = reactor.listenTCP(number, Greeting(), **options)
            if port is not None:
                self.addCleanup(port.stopListening)
        return found.port is not None

    def test_wildcard(self) -> None:
        """
        The wildcard address is another one than any interface's.
        """
        wild = self.inherited(listening(where=("", 0)))
        self.assertFalse(self.asks(wild, interface="127.0.0.1"))
        self.assertTrue(self.asks(wild))
        narrow = self.inherited(listening())
        self.assertFalse(self.asks(narrow))
        self.assertTrue(self.asks(narrow, interface="localhost"))

    def test_anyNumber(self) -> None:
        """
        Port 0 gets only what had its number of the kernel.
        """
        fixed = self.inherited(listening())
        self.assertFalse(self.asks(fixed, port=0, interface="127.0.0.1"))
        free = self.inherited(listening(), anyNumber=True)
        self.assertTrue(self.asks(free, port=0, interface="127.0.0.1"))

    def test_both(self) -> None:
        """
        The wildcard socket of IPv6 serves who wants that of IPv4, if IPv4 comes by it.
        """
        for only in (0, 1):
            skt = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
            skt.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
            skt.bind(("::", 0))
            skt.listen()
            found = self.inherited(skt)
            self.assertEqual(self.asks(found), not only)

    def test_noListener(self) -> None:
        """
        What nobody can come by is refused.
        """
        with socket.socket() as skt:
            self.assertRaises(MalformedTable, InheritedSocket.of, skt)
        skt = listening()
        self.addCleanup(skt.close)
        skt.shutdown(socket.SHUT_RDWR)
        self.assertRaises(MalformedTable, InheritedSocket.of, skt)

    def test_shutDownUNIX(self) -> None:
        """
        A UNIX socket that was shut down is known for it too.
        """
        skt = listening(socket.AF_UNIX, where=self.mktemp())
        self.addCleanup(skt.close)
        self.assertTrue(isListening(skt))
        skt.shutdown(socket.SHUT_RDWR)
        self.assertFalse(isListening(skt))

    def test_named(self) -> None:
        """
        Each says what it is.
        """
        path = os.path.abspath(self.mktemp())
        found = self.inherited(listening(socket.AF_UNIX, where=path))
        self.assertEqual(str(found), f"unix {path}")
        found = self.inherited(listening(socket.AF_UNIX, where="\0migrate-test-named"))
        self.assertEqual(str(found), "unix @migrate-test-named")
