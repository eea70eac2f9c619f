"""
Tests for L{migrate.graph.hooks}.
"""

from __future__ import annotations

import threading
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.adapters import defaultRegistry
from migrate.graph import (
    Environment,
    PickleSerializer,
    TableSerializer,
    audience,
)
from migrate.interfaces import IAboutToMigrate, IMigrated, IMigrationFailed


class Node:
    """
    Refers to others.
    """

    def __init__(self, *others: object) -> None:
        self.others = list(others)
        self.heard: list[str] = []


@implementer(IAboutToMigrate)
class About(Node):
    """
    Hears before.
    """

    def aboutToMigrate(self) -> None:
        """
        See L{IAboutToMigrate.aboutToMigrate}.
        """


@implementer(IMigrationFailed)
class Failed(Node):
    """
    Hears of failures.
    """

    def migrationFailed(self, reason: Exception) -> None:
        """
        See L{IMigrationFailed.migrationFailed}.
        """


@implementer(IMigrated)
class Told(Node):
    """
    Hears of its arrival.
    """

    def migrated(self) -> None:
        """
        See L{IMigrated.migrated}.
        """
        self.heard += [f"after {each}" for each in PROCEEDINGS]


class Derived(Told):
    """
    Hears as its base does.
    """


class Broken(Told):
    """
    Does not take it well.
    """

    def migrated(self) -> None:
        """
        See L{IMigrated.migrated}.
        """
        super().migrated()
        raise ValueError("where am I?")


#: What has been done so far by whoever adopts a graph.
PROCEEDINGS: list[str] = []


class HooksTests(SynchronousTestCase):
    """
    L{audience}, and who is told of an arrival.
    """

    def setUp(self) -> None:
        self.environment = Environment(defaultRegistry(), Clock())
        PROCEEDINGS.clear()

    def test_audience(self) -> None:
        """
        Whoever implements one of the interfaces is found, in the order of the
        walk, though something in the graph cannot move.
        """
        failed = Failed()
        about = About(failed)
        root = Node(Told(), about, threading.Lock())
        self.assertEqual(audience(root, self.environment), [about, failed])

    def arrived(self, root: Any, serializer: Any) -> Any:
        """
        @return: what becomes of C{root}, once it is owned.
        """
        dump = serializer.dump(root, "root", self.environment)
        loader = serializer.loader(self.environment)
        for chunk in dump.chunks:
            loader.feed(chunk)
        made = loader.finish([])
        self.assertEqual(made.heard, [])
        loader._loading.onAdopt(lambda: PROCEEDINGS.append("start"))
        loader.adopt()
        return made

    def test_arrivals(self) -> None:
        """
        Whoever implements it is told once, when all is started, with either
        serializer; a failure keeps nobody else from being told.
        """
        for serializer in (TableSerializer(), PickleSerializer()):
            PROCEEDINGS.clear()
            root = Derived(Node(), Broken(), Told(), About())
            made = self.arrived(root, serializer)
            heard = [made.heard, *(each.heard for each in made.others)]
            told = ["after start"]
            self.assertEqual(heard, [told, [], told, told, []])
            self.assertEqual(root.heard, [])
            self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_discarded(self) -> None:
        """
        Nobody is told of a copy that is thrown away.
        """
        root = Told()
        dump = TableSerializer().dump(root, "root", self.environment)
        loader = TableSerializer().loader(self.environment)
        for chunk in dump.chunks:
            loader.feed(chunk)
        made = loader.finish([])
        loader.discard()
        self.assertEqual(made.heard, [])
