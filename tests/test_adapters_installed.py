"""
Tests for L{migrate.adapters.installed}.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import defaultRegistry, installedRegistry
from migrate.adapters.installed import GROUP
from migrate.adapters.plain import AttributesAdapter
from migrate.graph import Environment, Registry, TableSerializer
from migrate.model import Description


class First:
    """
    What one application makes.
    """


class Second:
    """
    What another one does.
    """


@attrs.frozen
class Distribution:
    """
    What brings an entry point.
    """

    name: str
    version: str


@attrs.frozen
class Entry:
    """
    An entry point that names a function which is at hand.
    """

    name: str
    dist: Distribution | None
    function: Any
    value: str = "shop:register"

    def load(self) -> Any:
        """
        @return: the function; raised, if it is an error.
        """
        if isinstance(self.function, BaseException):
            raise self.function
        return self.function


def registering(cls: type, name: str) -> Callable[[Registry], None]:
    """
    @return: what registers an adapter.
    """

    def register(registry: Registry) -> None:
        registry.register(cls, AttributesAdapter(name))

    return register


SHOP, BANK = Distribution("shop", "1.2"), Distribution("bank", "3.4")


class InstalledTests(SynchronousTestCase):
    """
    L{installedRegistry}
    """

    def setUp(self) -> None:
        self.events: list[Any] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def made(self, *entries: Entry) -> Registry:
        """
        @return: a registry with what some entry points name.
        """
        found: Any = entries
        return installedRegistry(lambda: found)

    def said(self) -> list[str]:
        """
        @return: what was logged, as a person reads it.
        """
        return [formatEvent(event) for event in self.events]

    def nameFor(self, registry: Registry, cls: type) -> str | None:
        """
        @return: the name of the adapter of a class.
        """
        found = registry.lookup(cls)
        return None if found is None else found.name

    def test_all(self) -> None:
        """
        What entry points register is there, beside what this package has, and
        in this registry alone.
        """
        registry = self.made(
            Entry("one", SHOP, registering(First, "shop.First")),
            Entry("two", BANK, registering(Second, "bank.Second")),
        )
        self.assertEqual(self.nameFor(registry, First), "shop.First")
        self.assertEqual(self.nameFor(registry, Second), "bank.Second")
        self.assertEqual(
            registry.names, defaultRegistry().names | {"shop.First", "bank.Second"}
        )
        self.assertEqual(
            list(map(type, registry.seekers)),
            list(map(type, defaultRegistry().seekers)),
        )
        self.assertIsNone(defaultRegistry().lookup(First))
        self.assertEqual(self.said(), [])

    def test_import(self) -> None:
        """
        One whose module cannot be imported is named, and keeps no other from
        being there.
        """
        registry = self.made(
            Entry("bad", BANK, ImportError("no module named bank")),
            Entry("worse", BANK, SystemExit("usage: bank")),
            Entry("good", SHOP, registering(First, "shop.First")),
        )
        self.assertEqual(self.nameFor(registry, First), "shop.First")
        self.assertEqual(
            self.said(),
            [
                f"no adapters of {name} = shop:register (bank 3.4): its import failed"
                for name in ("bad", "worse")
            ],
        )
        self.assertEqual(len(self.flushLoggedErrors(ImportError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(SystemExit)), 1)

    def test_half(self) -> None:
        """
        One that fails half way has registered nothing.
        """

        def fail(registry: Registry) -> None:
            registering(First, "bank.First")(registry)
            raise KeyError("bank")

        registry = self.made(
            Entry("bad", BANK, fail),
            Entry("worse", BANK, "no function"),
            Entry("good", SHOP, registering(Second, "shop.Second")),
        )
        self.assertIsNone(registry.lookup(First))
        self.assertIsNone(registry.named("bank.First"))
        self.assertEqual(self.nameFor(registry, Second), "shop.Second")
        self.assertEqual(
            [line.partition(" (bank 3.4): ")[2] for line in self.said()],
            ["the registration failed"] * 2,
        )
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(len(self.flushLoggedErrors(TypeError)), 1)

    def test_sameName(self) -> None:
        """
        Of two that have the same name, the one is registered whose distribution
        comes first by its name, whatever the order in which they are found.
        """
        entries = [
            Entry("pay", SHOP, registering(First, "money")),
            Entry("pay", BANK, registering(Second, "money")),
        ]
        for each in (entries, entries[::-1]):
            self.events.clear()
            registry = self.made(*each)
            self.assertEqual(self.nameFor(registry, Second), "money")
            self.assertIsNone(registry.lookup(First))
            self.assertEqual(
                self.said(),
                [
                    "no adapters of pay = shop:register (shop 1.2): an adapter named "
                    "'money' is registered by pay = shop:register (bank 3.4) already; "
                    "one of them has to choose another name"
                ],
            )

    def test_ourName(self) -> None:
        """
        So it is with a name of this package's own, and one that is used twice.
        """

        def twice(registry: Registry) -> None:
            registering(First, "shop.First")(registry)
            registering(Second, "shop.First")(registry)

        registry = self.made(
            Entry("mine", SHOP, registering(First, "timers")),
            Entry("list", SHOP, registering(First, "list")),
            Entry("twice", SHOP, twice),
        )
        self.assertEqual(self.nameFor(registry, First), "timers")
        first, second = self.said()
        self.assertIn("'list' is registered by this package already", first)
        self.assertIn("'shop.First' is registered by itself already", second)

    def test_unknownOwner(self) -> None:
        """
        An entry point need not tell who brought it.
        """
        self.made(Entry("lost", None, ImportError("gone")))
        self.assertEqual(
            self.said(), ["no adapters of lost = shop:register: its import failed"]
        )
        self.flushLoggedErrors(ImportError)

    def test_noList(self) -> None:
        """
        That nothing can be listed costs nothing but the list.
        """

        def broken() -> Any:
            raise OSError("the disk is gone")

        registry = installedRegistry(broken)
        self.assertEqual(registry.names, defaultRegistry().names)
        self.assertEqual(len(self.flushLoggedErrors(OSError)), 1)

    def test_real(self) -> None:
        """
        By default it is what is installed on the path.
        """
        place = Path(self.mktemp()).absolute()
        about = place / "installedshop-1.0.dist-info"
        about.mkdir(parents=True)
        (about / "METADATA").write_text(
            "Metadata-Version: 2.1\nName: installedshop\nVersion: 1.0\n"
        )
        (about / "entry_points.txt").write_text(
            f"[{GROUP}]\nshop = installedshop:register\n"
        )
        module: Any = ModuleType("installedshop")
        module.register = registering(First, "installedshop.First")
        sys.modules["installedshop"] = module
        self.addCleanup(sys.modules.pop, "installedshop")
        self.assertIsNone(installedRegistry().lookup(First))
        sys.path.insert(0, str(place))
        self.addCleanup(sys.path.remove, str(place))
        registry = installedRegistry()
        self.assertEqual(self.nameFor(registry, First), "installedshop.First")

    def test_moves(self) -> None:
        """
        What could not move does, thanks to its adapter.
        """

        class Numbers(AttributesAdapter):
            """
            Counts on from where it was.
            """

            def describe(self, obj: Any, capture: Any) -> Any:
                return Description(Counter, (), {"at": obj.at})

            def fill(self, obj: Any, state: Any, loading: Any) -> None:
                obj.__init__(state["at"])

        def register(registry: Registry) -> None:
            registry.register(Counter, Numbers("shop.Counter"))

        environment = Environment(self.made(Entry("n", SHOP, register)), Clock())
        counter = Counter(3)
        self.assertEqual(counter.next(), 4)
        dump = TableSerializer().dump([counter], "shop", environment)
        loader = TableSerializer().loader(environment)
        for chunk in dump.chunks:
            loader.feed(chunk)
        (arrived,) = loader.finish([])
        loader.adopt()
        self.assertEqual((arrived.next(), counter.next()), (5, 5))


class Counter:
    """
    Keeps a generator.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self._steps = self._step()

    def _step(self) -> Any:
        while True:
            self.at += 1
            yield self.at

    def next(self) -> Any:
        """
        @return: the next number.
        """
        return next(self._steps)
