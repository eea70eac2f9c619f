"""
Tests for L{migrate.adapters.spread}.
"""

from __future__ import annotations

import gc
from typing import Any

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.spread import pb
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.spread import BrokerAdapter, CacheAdapter, ReferenceAdapter
from migrate.interfaces import IAdapter, ILiveAdapter
from tests.inprocess import Move


class Thing(pb.Referenceable):
    """
    Something that the peer refers to.
    """


class Scene(pb.Viewable):
    """
    The same, seen by somebody.
    """


class Board(pb.Cacheable):
    """
    Something that the peer has a copy of.
    """


class BoardCache(pb.RemoteCache):
    """
    A copy of something of the peer's.
    """


class Cleaner:
    """
    Is told of what is not needed any more.
    """

    def __init__(self) -> None:
        self.told = 0

    def clean(self) -> None:
        """
        Note that.
        """
        self.told += 1


class SpreadTests(SynchronousTestCase):
    """
    The adapters of L{twisted.spread}
    """

    def setUp(self) -> None:
        """
        Have a broker.
        """
        self.broker = pb.Broker(0)
        self.transport = StringTransport()
        self.broker.makeConnection(self.transport)
        self.broker.currentDialect = b"none"
        self.broker.serializingPerspective = None
        self.transport.clear()

    def move(self, *roots: Any) -> Any:
        """
        @return: what has become of the broker and of others.
        """
        return Move([self.broker, *roots], Clock(), Clock()).go()

    def test_interfaces(self) -> None:
        """
        They are adapters, and some of them live ones.
        """
        verifyObject(IAdapter, BrokerAdapter("x"))
        verifyObject(ILiveAdapter, ReferenceAdapter("x"))
        verifyObject(ILiveAdapter, CacheAdapter("x"))

    def test_places(self) -> None:
        """
        A broker finds everything under its own number, as the peer knows it;
        what the peer drops is dropped, and cleaned up once.
        """
        things = [Thing(), pb.ViewPoint(Thing(), Scene())]
        luids = [self.broker.registerReference(thing) for thing in things]
        self.broker.setNameForLocal("root", things[0])
        cached = self.broker.cacheRemotely(board := Board())
        cleaner = Cleaner()
        self.broker._localCleanup[things[0].processUniqueID()] = cleaner.clean
        self.broker._localCleanup["gone"] = cleaner.clean
        broker, made, there, noted = self.move(things, board, cleaner)
        self.assertEqual(
            broker.luids,
            {m.processUniqueID(): n for m, n in zip(made, luids, strict=True)},
        )
        self.assertEqual(broker.cachedRemotelyAs(there), cached)
        self.assertIs(broker.localObjectForID("root"), made[0])
        self.assertEqual(broker.registerReference(made[1]), luids[1])
        self.assertGreater(broker.registerReference(Thing()), cached)
        self.assertEqual(list(broker._localCleanup), [made[0].processUniqueID()])
        broker.proto_decref(luids[0])
        broker.proto_decache(cached)
        self.assertEqual((noted.told, cleaner.told), (1, 0))
        self.assertEqual((broker.remotelyCachedLUIDs, broker._localCleanup), ({}, {}))

    def test_lost(self) -> None:
        """
        A broker without a connection any more knows nothing.
        """
        self.broker.connectionLost(None)
        (broker,) = self.move()
        self.assertIsNone(broker.luids)
        self.assertIsNone(broker.remotelyCachedLUIDs)
        self.assertEqual((broker.disconnected, broker._localCleanup), (1, {}))

    def referring(self) -> list[Any]:
        """
        @return: a reference to something of the peer's, and two to another
            thing of which there is a copy here.
        """
        reference = pb.RemoteReference(None, self.broker, 7, 1)
        cache = BoardCache()
        cache.broker, cache.luid = self.broker, 8
        cache.items = ["x"]
        self.broker.cacheLocally(8, cache)
        return [reference, cache._borgify()]

    def said(self, transport: Any) -> bytes:
        """
        @return: what the peer was told once nobody is needed any more.
        """
        gc.collect()
        found: bytes = transport.value()
        return found

    def test_references(self) -> None:
        """
        References count at the recipient; copies of one thing are one thing.
        """
        roots = self.referring()
        found = self.move(roots)
        broker, made = found
        self.assertEqual((made[0].luid, made[0].doRefCount), (7, 1))
        self.assertIs(made[0].broker, broker)
        made[1].items = ["y"]
        self.assertEqual(broker.cachedLocallyAs(8).items, ["y"])
        del self.broker, roots
        self.assertEqual(self.said(self.transport), b"")
        transport = broker.transport
        del made[:], found
        self.assertEqual(self.said(transport).count(b"decref"), 1)
        self.assertEqual(transport.value().count(b"decache"), 1)
        broker.proto_uncache(8)

    def test_rollBack(self) -> None:
        """
        What is thrown away tells nobody; the origin's references count on.
        """
        roots = self.referring()
        move = Move([self.broker, roots], Clock(), Clock())
        transport = move.prepare()[0].transport
        move.rollBack()
        del move
        self.assertEqual(self.said(transport), b"")
        self.assertEqual(self.said(self.transport), b"")
        self.assertEqual(roots[1].items, ["x"])
        del roots[:]
        self.assertEqual(self.said(self.transport).count(b"decref"), 1)
        self.assertEqual(self.transport.value().count(b"decache"), 1)
        self.broker.proto_uncache(8)

    def test_unmade(self) -> None:
        """
        What has been made, and not filled, goes without a word.
        """
        for adapter, cls in (
            (ReferenceAdapter("x"), pb.RemoteReference),
            (CacheAdapter("x"), BoardCache),
        ):
            made: Any = adapter.make(cls, (), None)  # type: ignore[arg-type]
            del made
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])
