"""
Tests for L{migrate.adapters.detached}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters.detached import Detached, Hold, abandon, ignore, isAbandoned
from tests.reactors import freshReactor, turn


class Watching(Clock):
    """
    A reactor that notes what it is to watch.
    """

    def __init__(self) -> None:
        super().__init__()
        self.noted: list[tuple[str, object]] = []

    def addReader(self, reader: object) -> None:
        """
        See L{IReactorFDSet}.
        """
        self.noted.append(("read", reader))

    def addWriter(self, writer: object) -> None:
        """
        See L{IReactorFDSet}.
        """
        self.noted.append(("write", writer))

    def removeReader(self, reader: object) -> None:
        """
        See L{IReactorFDSet}.
        """
        self.noted.append(("no read", reader))

    def removeWriter(self, writer: object) -> None:
        """
        See L{IReactorFDSet}.
        """
        self.noted.append(("no write", writer))


class DetachedTests(SynchronousTestCase):
    """
    L{Detached}
    """

    def test_own(self) -> None:
        """
        Interest in the one selectable is only noted.
        """
        reactor, own = Watching(), object()
        detached = Detached(reactor, own, False, True)
        detached.addReader(own)
        detached.removeWriter(own)
        self.assertEqual((detached.reading, detached.writing), (True, False))
        detached.removeReader(own)
        detached.addWriter(own)
        self.assertEqual((detached.reading, detached.writing), (False, True))
        self.assertEqual(reactor.noted, [])

    def test_others(self) -> None:
        """
        Everything else is the reactor's.
        """
        reactor, other = Watching(), object()
        detached = Detached(reactor, object(), False, False)
        detached.addReader(other)
        detached.addWriter(other)
        detached.removeReader(other)
        detached.removeWriter(other)
        call = detached.callLater(1, ignore)
        self.assertEqual(reactor.getDelayedCalls(), [call])
        self.assertEqual(
            reactor.noted,
            [(what, other) for what in ("read", "write", "no read", "no write")],
        )


class HoldTests(SynchronousTestCase):
    """
    L{Hold} and L{abandon}
    """

    def setUp(self) -> None:
        """
        Make a transport, and somebody at its other end.
        """
        self.reactor = Watching()
        ours, self.peer = socket.socketpair()
        self.addCleanup(ours.close)
        self.addCleanup(self.peer.close)
        self.peer.setblocking(False)
        self.transport: Any = tcp.Connection(ours, Protocol(), self.reactor)
        self.transport.connected = 1

    def test_noInterestNoCall(self) -> None:
        """
        The reactor is not bothered about what it does not watch.
        """
        for reading, writing, expected in (
            (False, False, []),
            (True, False, ["no read", "read"]),
            (False, True, ["no write", "write"]),
        ):
            hold = Hold(self.transport, reading, writing)
            before = dict(vars(self.transport))
            del self.reactor.noted[:]
            hold.pause()
            self.assertFalse(self.transport._shouldShutdown)
            hold.resume()
            self.assertEqual([what for what, _ in self.reactor.noted], expected)
            self.assertEqual(dict(vars(self.transport)), before)

    def test_ownShutdown(self) -> None:
        """
        What an application has said of shutting down is restored.
        """
        self.transport._shouldShutdown = "as it was"
        hold = Hold(self.transport, False, False)
        hold.pause()
        hold.resume()
        self.assertEqual(self.transport._shouldShutdown, "as it was")

    def test_interestMeanwhile(self) -> None:
        """
        Interest that came up during the pause is there after it.
        """
        hold = Hold(self.transport, True, False)
        hold.pause()
        self.transport.write(b"x")
        self.transport.stopReading()
        del self.reactor.noted[:]
        hold.resume()
        self.assertEqual(self.reactor.noted, [("write", self.transport)])

    def test_resumeWithoutPause(self) -> None:
        """
        A pause that failed at once is resumed without harm.
        """
        before = dict(vars(self.transport))
        Hold(self.transport, True, True).resume()
        self.assertEqual(dict(vars(self.transport)), before)

    def test_release(self) -> None:
        """
        The socket is closed without a FIN that the other holder does not
        send, and the memory of unsent bytes is given back.
        """
        keeper = socket.socket(fileno=os.dup(self.transport.fileno()))
        self.addCleanup(keeper.close)
        self.transport.write(b"unsent")
        hold = Hold(self.transport, True, True)
        hold.pause()
        self.assertFalse(isAbandoned(self.transport))
        hold.release()
        self.assertTrue(isAbandoned(self.transport))
        self.assertRaises(BlockingIOError, self.peer.recv, 1)
        self.assertEqual(self.transport._tempDataBuffer, [])
        self.assertEqual(self.transport.fileno(), -1)
        keeper.close()
        self.assertEqual(self.peer.recv(1), b"")

    def test_abandonTwice(self) -> None:
        """
        Once more does nothing more.
        """
        abandon(self.transport)
        detached = self.transport.reactor
        abandon(self.transport)
        self.assertIs(self.transport.reactor, detached)

    def test_abandonedOnRealReactor(self) -> None:
        """
        An abandoned transport makes no reactor spin or complain.
        """
        reactor = freshReactor(self)
        port = reactor.listenTCP(0, Factory(), interface="127.0.0.1")
        hold = Hold(port, True, False)
        hold.pause()
        hold.release()
        port.startReading()
        port.startWriting()
        port.stopReading()
        port.stopWriting()
        turn(reactor)
        self.assertNotIn(port, reactor.getReaders())
        self.assertEqual(self.flushLoggedErrors(), [])
