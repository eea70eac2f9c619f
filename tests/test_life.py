"""
The life of another process, as its end of a pipe tells.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from migrate.filenos import closeAll, makeLiveness
from migrate.life import LifeWatch


class LifeWatchTests(TestCase):
    """
    L{LifeWatch} tells once, and only what the kernel says.
    """

    timeout = 30

    def setUp(self) -> None:
        """
        A life that is watched.
        """
        self.held, self.watched = makeLiveness()
        self.open = {self.held, self.watched}
        self.addCleanup(lambda: closeAll(self.open))
        self.said: Deferred[bytes] = Deferred()
        self.watch = LifeWatch(reactor, self.watched, self.said.callback)
        self.addCleanup(self.watch.stop)
        self.watch.start()

    def die(self) -> None:
        """
        The other side is no more.
        """
        self.open.discard(self.held)
        os.close(self.held)

    def test_interface(self) -> None:
        """
        Reactors can watch it.
        """
        self.assertTrue(verifyObject(IReadDescriptor, self.watch))

    @inlineCallbacks
    def test_death(self) -> Any:
        """
        A life that ends without a word says nothing.  Some reactors tell of
        that by C{connectionLost} and not by C{doRead}.
        """
        self.die()
        self.assertEqual((yield self.said), b"")

    @inlineCallbacks
    def test_word(self) -> Any:
        """
        A word is told even if death comes right after it.
        """
        os.write(self.held, b"R")
        self.die()
        self.assertEqual((yield self.said), b"R")

    def test_shutdown(self) -> None:
        """
        A reactor that shuts down is not the other side's death.
        """
        self.watch.connectionLost(Failure(ConnectionLost()))
        self.assertNoResult(self.said)
        self.assertNotIn(self.watch, reactor.getReaders())  # type: ignore[attr-defined]
