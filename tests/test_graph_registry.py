"""
Tests for L{migrate.graph.registry}.
"""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters.plain import AttributesAdapter
from migrate.graph.registry import Registry


class Base:
    """
    Something that an adapter knows.
    """


class Derived(Base):
    """
    Something that comes from it, and says that it is of another package.
    """

    __module__ = "elsewhere"


class DeferTests(SynchronousTestCase):
    """
    L{Registry.defer}
    """

    def setUp(self) -> None:
        self.registry = Registry()
        self.registered: list[Registry] = []
        self.registry.defer(["tests.test_graph_registry", "another"], self.register)

    def register(self, registry: Any) -> None:
        """
        Know L{Base}.
        """
        self.registered.append(registry)
        registry.register(Base, AttributesAdapter("tests.test_graph_registry.Base"))

    def test_untouched(self) -> None:
        """
        Nothing is registered for the classes of other packages, whose names
        may begin alike.
        """
        self.assertIsNone(self.registry.lookup(dict))
        self.assertIsNone(self.registry.named("tests.test_graph_registry_more.Base"))
        self.assertIsNone(self.registry.named("tests"))
        self.assertEqual(self.registered, [])

    def test_class(self) -> None:
        """
        The first class of the package, or the first that is derived from one,
        has everything registered, once.
        """
        found = self.registry.lookup(Derived)
        self.assertIs(self.registry.lookup(Base), found)
        self.assertIsNotNone(found)
        self.assertEqual(self.registered, [self.registry])

    def test_name(self) -> None:
        """
        So does the first name, whichever of the packages it is of; what is of
        the others is not registered again.
        """
        self.assertIsNone(self.registry.named("another.adapter"))
        self.assertIsNotNone(self.registry.named("tests.test_graph_registry.Base"))
        self.assertEqual(self.registered, [self.registry])

    def test_several(self) -> None:
        """
        Several may wait for one package.
        """
        self.registry.defer(["another"], self.registered.append)
        self.registry.lookup(Derived)
        self.assertEqual(self.registered, [self.registry])
        self.registry.named("another.adapter")
        self.assertEqual(self.registered, [self.registry] * 2)

    def test_copy(self) -> None:
        """
        A copy registers for itself.
        """
        twin = self.registry.copy()
        self.assertIsNotNone(twin.lookup(Base))
        self.assertIsNotNone(self.registry.lookup(Base))
        self.assertEqual(self.registered, [twin, self.registry])
