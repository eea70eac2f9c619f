"""
Tests for L{migrate.adapters.transports}.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from twisted.internet import tcp
from twisted.internet.protocol import Protocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.detached import isAbandoned
from migrate.adapters.transports import SocketAdapter
from migrate.errors import MalformedTable, NotMovable
from migrate.interfaces import ILiveAdapter
from migrate.model import Descriptor
from tests.adapting import Capture, Loading, remake
from tests.reactors import freshReactor


class OwnNumber(tcp.Connection):
    """
    Knows its descriptor by itself.
    """

    def fileno(self) -> int:
        """
        See L{IFileDescriptor.fileno}.
        """
        return self.socket.fileno()


class SocketAdapterTests(SynchronousTestCase):
    """
    L{SocketAdapter}
    """

    def setUp(self) -> None:
        """
        Make a connection at the origin.
        """
        self.ours, self.peer = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(self.peer.close)
        self.adapter = SocketAdapter("x")
        self.origin, self.recipient = freshReactor(self), freshReactor(self)
        self.capture = Capture(self.origin)
        self.loading = Loading(self.recipient)

    def connection(self, cls: Any = tcp.Connection) -> Any:
        """
        @return: a transport that is read from.
        """
        made = cls(self.ours, Protocol(), self.origin)
        made.connected = 1
        made.startReading()
        return made

    def test_interface(self) -> None:
        """
        It is a live adapter.
        """
        verifyObject(ILiveAdapter, self.adapter)

    def test_description(self) -> None:
        """
        The state is the attributes, but for what the kernel has already and
        what belongs to this process; describing changes nothing.
        """
        transport = self.connection()
        transport.dataBuffer, transport.offset = b"sent, unsent", 6
        transport.ownThing = "own"
        transport.startWriting()
        before = dict(vars(transport))
        description = self.adapter.describe(transport, self.capture)
        self.assertEqual(dict(vars(transport)), before)
        state = dict(description.state or {})
        self.assertEqual(description.arguments, ())
        self.assertNotIn("fileno", state)
        self.assertNotIn("socket", state)
        self.assertNotIn("dataBuffer", state)
        self.assertEqual(state["@unsent"], b"unsent")
        self.assertEqual(state["ownThing"], "own")
        self.assertEqual(state["@socket"], Descriptor(self.ours.fileno()))
        self.assertEqual(
            [state[name] for name in ("@family", "@type", "@protocol")],
            [int(socket.AF_UNIX), int(socket.SOCK_STREAM), 0],
        )
        self.assertIs(state["@reading"], True)
        self.assertIs(state["@writing"], True)

    def test_adopted(self) -> None:
        """
        Only once it is adopted is anything watched.
        """
        made = remake(self.adapter, self.connection(), self.capture, self.loading)
        self.assertNotIn(made, self.recipient.getReaders())
        self.assertEqual(made.fileno(), made.socket.fileno())
        self.assertFalse(os.get_inheritable(made.fileno()))
        self.loading.adopt()
        self.assertIn(made, self.recipient.getReaders())
        self.assertNotIn(made, self.recipient.getWriters())

    def test_discarded(self) -> None:
        """
        What is thrown away is closed, and does nothing any more.
        """
        made = remake(self.adapter, self.connection(), self.capture, self.loading)
        (fileno,) = self.loading.owned
        self.loading.discard()
        self.assertRaises(OSError, os.fstat, fileno)
        self.assertTrue(isAbandoned(made))
        self.peer.setblocking(False)
        self.assertRaises(BlockingIOError, self.peer.recv, 1)

    def test_ownFileno(self) -> None:
        """
        A class that defines C{fileno} itself keeps its own.
        """
        transport = self.connection(OwnNumber)
        transport.stopReading()
        # The base class's initializer shadows the method.
        del transport.fileno
        made = remake(self.adapter, transport, self.capture, self.loading)
        self.assertNotIn("fileno", vars(made))
        self.assertEqual(made.fileno(), made.socket.fileno())
        made.socket.close()

    def test_noSocket(self) -> None:
        """
        A transport without a socket has nothing to be paused.
        """
        transport = self.connection()
        transport.stopReading()
        del transport.socket, transport.fileno
        made = remake(self.adapter, transport, self.capture, self.loading)
        self.assertEqual(self.loading.owned, [])
        actions = self.adapter.actions(transport, self.capture)
        actions.pause()
        actions.release()
        self.assertFalse(isAbandoned(transport))
        self.assertEqual(vars(made), vars(transport))

    def test_noDescriptor(self) -> None:
        """
        A table that has no descriptor where one belongs is refused.
        """
        transport = self.connection()
        description = self.adapter.describe(transport, self.capture)
        state = {**(description.state or {}), "@socket": 1}
        blank = self.adapter.make(description.cls, (), self.loading)
        self.assertRaises(MalformedTable, self.adapter.fill, blank, state, self.loading)

    def test_released(self) -> None:
        """
        What has been released cannot be described.
        """
        transport = self.connection()
        actions = self.adapter.actions(transport, self.capture)
        actions.pause()
        actions.release()
        error = self.assertRaises(
            NotMovable, self.adapter.describe, transport, self.capture
        )
        self.assertIn("already", str(error))
