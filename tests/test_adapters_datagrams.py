"""
Tests for L{migrate.adapters.datagrams}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.application.service import Service
from twisted.internet import udp, unix
from twisted.internet.protocol import ConnectedDatagramProtocol, DatagramProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import datagrams
from migrate.graph.registry import Registry
from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move, descriptors
from tests.reactors import DEADLINE, freshReactor, spin, turn


class Echo(DatagramProtocol):
    """
    Keeps its datagrams, and answers each.
    """

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.told: list[str] = []

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """
        See L{DatagramProtocol.datagramReceived}.
        """
        self.datagrams.append(datagram)
        transport: Any = self.transport
        transport.write(b"%d" % len(self.datagrams), addr)

    def startProtocol(self) -> None:
        """
        See L{DatagramProtocol.startProtocol}.
        """
        self.told.append("start")

    def stopProtocol(self) -> None:
        """
        See L{DatagramProtocol.stopProtocol}.
        """
        self.told.append("stop")


class ConnectedEcho(ConnectedDatagramProtocol):
    """
    Keeps the datagrams of its one peer.
    """

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    def datagramReceived(self, datagram: bytes) -> None:
        """
        See L{ConnectedDatagramProtocol.datagramReceived}.
        """
        self.datagrams.append(datagram)


class DatagramTests(SynchronousTestCase):
    """
    L{udp.Port}, L{udp.MulticastPort}, L{unix.DatagramPort},
    L{unix.ConnectedDatagramPort}
    """

    def setUp(self) -> None:
        """
        Make two reactors and a path.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.path = self.mktemp()
        os.makedirs(os.path.dirname(self.path), exist_ok=True)

    def peer(self, family: int = socket.AF_INET) -> socket.socket:
        """
        @return: the other side.
        """
        peer = socket.socket(family, socket.SOCK_DGRAM)
        peer.settimeout(DEADLINE)
        self.addCleanup(peer.close)
        return peer

    def test_udp(self) -> None:
        """
        Datagrams go on to be answered, those that came in between included;
        the original does nothing any more.
        """
        port = self.origin.listenUDP(0, Echo(), interface="127.0.0.1")
        where = ("127.0.0.1", port.getHost().port)
        peer = self.peer()
        peer.sendto(b"a", where)
        spin(lambda: port.protocol.datagrams, self.origin)
        before = descriptors()
        move = Move(port, self.origin, self.recipient)
        move.prepare()
        peer.sendto(b"b", where)
        made = move.commit()
        self.assertEqual(descriptors(), before)
        turn(self.origin)
        spin(lambda: made.protocol.datagrams == [b"a", b"b"], self.recipient)
        self.assertEqual([peer.recv(9), peer.recv(9)], [b"1", b"2"])
        self.assertEqual(port.protocol.told, ["start"])
        port.write(b"stray", peer.getsockname())
        self.assertIsNone(port.stopListening())
        turn(self.origin)
        made.write(b"end", peer.getsockname())
        self.assertEqual(peer.recv(9), b"end")
        done = made.stopListening()
        spin(lambda: done.called, self.recipient)
        self.assertEqual(made.protocol.told, ["start", "stop"])
        self.assertEqual(port.protocol.told, ["start"])

    def test_rollBack(self) -> None:
        """
        A port that does not move after all goes on.
        """
        port = self.origin.listenUDP(0, Echo(), interface="127.0.0.1")
        peer = self.peer()
        before = dict(vars(port)), descriptors()
        move = Move(port, self.origin, self.recipient)
        move.prepare()
        move.rollBack()
        self.assertEqual((dict(vars(port)), descriptors()), before)
        peer.sendto(b"a", ("127.0.0.1", port.getHost().port))
        spin(lambda: port.protocol.datagrams, self.origin)

    def test_stopping(self) -> None:
        """
        A port that is about to stop stops there.
        """
        port = self.origin.listenUDP(0, Echo(), interface="127.0.0.1")
        port.stopListening()
        made = Move(port, self.origin, self.recipient).go()
        turn(self.origin)
        spin(lambda: made.protocol.told == ["start", "stop"], self.recipient)
        self.assertEqual(port.protocol.told, ["start"])

    def test_connected(self) -> None:
        """
        A port that is connected to one peer stays so.
        """
        peer = self.peer()
        peer.bind(("127.0.0.1", 0))
        port = self.origin.listenUDP(0, Echo(), interface="127.0.0.1")
        port.connect(*peer.getsockname())
        made = Move(port, self.origin, self.recipient).go()
        made.write(b"x")
        self.assertEqual(peer.recv(9), b"x")

    def test_ipv6(self) -> None:
        """
        The other family is kept.
        """
        port = self.origin.listenUDP(0, Echo(), interface="::1")
        made = Move(port, self.origin, self.recipient).go()
        self.assertEqual(made.getHost().host, "::1")
        self.assertIs(made.addressFamily, socket.AF_INET6)

    def test_multicast(self) -> None:
        """
        Memberships and options of multicast go along.
        """
        port = self.origin.listenMulticast(0, Echo(), listenMultiple=True)
        port.setTTL(3)
        port.setLoopbackMode(True)
        made = Move(port, self.origin, self.recipient).go()
        self.assertIsInstance(made, udp.MulticastPort)
        self.assertEqual((made.getTTL(), made.listenMultiple), (3, True))

    def test_sought(self) -> None:
        """
        A port that only the reactor knows of is found by what its protocol
        works for.
        """
        service = Service()
        protocol: Any = Echo()
        protocol.service = service
        port = self.origin.listenUDP(0, protocol, interface="127.0.0.1")
        number = port.getHost().port
        Move(service, self.origin, self.recipient).go()
        (made,) = [
            each for each in self.recipient.getReaders() if isinstance(each, udp.Port)
        ]
        self.assertEqual(made.getHost().port, number)

    def test_unix(self) -> None:
        """
        A UNIX port answers on the same path.
        """
        port = self.origin.listenUNIXDatagram(self.path, Echo())
        peer = self.peer(socket.AF_UNIX)
        peer.bind(self.path + ".peer")
        made = Move(port, self.origin, self.recipient).go()
        self.assertIsInstance(made, unix.DatagramPort)
        peer.sendto(b"a", self.path)
        spin(lambda: made.protocol.datagrams == [b"a"], self.recipient)
        self.assertEqual(peer.recv(9), b"1")

    def test_unixConnected(self) -> None:
        """
        A connected UNIX port keeps its peer.
        """
        peer = self.peer(socket.AF_UNIX)
        peer.bind(self.path)
        port = self.origin.connectUNIXDatagram(
            self.path, ConnectedEcho(), bindAddress=self.path + ".own"
        )
        made = Move(port, self.origin, self.recipient).go()
        self.assertIsInstance(made, unix.ConnectedDatagramPort)
        made.write(b"a")
        self.assertEqual(peer.recv(9), b"a")
        peer.sendto(b"b", self.path + ".own")
        spin(lambda: made.protocol.datagrams == [b"b"], self.recipient)
        port.write(b"stray")
        port.stopListening()
        made.write(b"c")
        self.assertEqual(peer.recv(9), b"c")

    def test_register(self) -> None:
        """
        One live adapter speaks for them all.
        """
        registry = Registry()
        datagrams.register(registry)
        found = [
            registry.lookup(cls)
            for cls in (udp.MulticastPort, unix.ConnectedDatagramPort)
        ]
        self.assertIs(found[0], found[1])
        verifyObject(ILiveAdapter, found[0])
