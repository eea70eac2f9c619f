"""
Tests for L{migrate.graph.versions}: classes that changed between the origin
and the recipient.
"""

from __future__ import annotations

from typing import Any

import msgspec
from twisted.persisted.styles import Versioned
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import LoadError
from migrate.graph import records as r
from migrate.graph.loader import TableLoader
from migrate.graph.versions import upgradesOf, versionsOf
from tests.graphs import environment, moved

LOG: list[Any] = []


class Account(Versioned):
    persistenceVersion = 3
    tag: object = None
    part: Any = None

    def upgradeToVersion2(self) -> None:
        LOG.append(("account 2", self.tag, getattr(self.part, "tag", None)))

    def upgradeToVersion3(self) -> None:
        LOG.append(("account 3", self.tag))


class Unnumbered(Account):
    """
    Its version is its base class's.
    """


class Savings(Unnumbered):
    persistenceVersion = 2

    def upgradeToVersion1(self) -> None:
        LOG.append(("savings 1", self.tag))

    def upgradeToVersion2(self) -> None:
        LOG.append(("savings 2", self.tag))


#: What names of an older release lead to.
OldAccount = Account


class Old:
    """
    A namespace of the older release.
    """

    Savings = Savings


class _Meta(type):
    @property
    def inner(cls) -> Any:
        """
        Not to be asked.
        """
        LOG.append("asked")
        return Old


class Trap(metaclass=_Meta):
    """
    Notes that an attribute was asked for.
    """


class VersionTests(SynchronousTestCase):
    """
    Upgrades.
    """

    def setUp(self) -> None:
        del LOG[:]
        self.account, self.savings = f"{__name__}.Account", f"{__name__}.Savings"

    def arrive(self, *rows: list[Any]) -> Any:
        """
        @return: what arrives of rows from an older process.
        """
        loader = TableLoader(environment())
        loader.feed(msgspec.msgpack.encode(list(rows)))
        return loader.finish(())

    def shape(self, cls: str, *versions: object) -> list[Any]:
        names = ["tag", "part"]
        return [r.SHAPE, "plain", 1, 0, names, __name__, cls, list(versions)]

    def test_versions(self) -> None:
        self.assertEqual(versionsOf(Savings), (self.account, 3, self.savings, 2))
        self.assertEqual(versionsOf(Unnumbered), (self.account, 3))
        self.assertEqual(versionsOf(int), ())

    def test_same(self) -> None:
        """
        Nothing is done where nothing changed, and no version is left behind.
        """
        savings = Savings()
        savings.tag = 1
        self.assertEqual(vars(moved(savings)), {"tag": 1})
        self.assertEqual(LOG, [])

    def test_upgrade(self) -> None:
        """
        Base classes first, from the old version of each to the new one.
        """
        self.arrive(
            self.shape("Savings", self.account, 1),
            [r.LIST, 1],
            [r.FIRST, "a", None],
            [r.END, 2],
        )
        self.assertEqual(
            LOG,
            [
                ("account 2", "a", None),
                ("account 3", "a"),
                ("savings 1", "a"),
                ("savings 2", "a"),
            ],
        )

    def test_order(self) -> None:
        """
        What was met last is brought up to date first: parts before wholes.
        """
        self.arrive(
            self.shape("Account", self.account, 1),
            [r.LIST, 1],
            [r.FIRST, "whole", 2],
            [r.FIRST, "part", None],
            [r.END, 3],
        )
        self.assertEqual(
            LOG,
            [
                ("account 2", "part", None),
                ("account 3", "part"),
                ("account 2", "whole", "part"),
                ("account 3", "whole"),
            ],
        )

    def test_otherName(self) -> None:
        """
        A class that was moved, and base classes of it, keep their versions if
        the old names lead to them.
        """
        cases: list[tuple[dict[str, int], list[str]]] = [
            ({f"{__name__}.OldAccount": 3, f"{__name__}.Old.Savings": 1}, ["2"]),
            ({f"{__name__}.OldAccount": 2}, ["3", "1", "2"]),
            ({self.account: 3, f"{__name__}.Old.Savings": 2}, []),
            ({self.account: 3, f"{__name__}.Nowhere": 2}, ["1", "2"]),
            ({self.account: 3, "Savings": 2}, ["1", "2"]),
            ({self.account: 3, f"{__name__}.LOG.Savings": 2}, ["1", "2"]),
            ({self.account: 3, f"no.{__name__}.Old.Savings": 2}, ["1", "2"]),
            ({self.account: 3, f"{__name__}.Old.Savings{'.x' * 50}": 2}, ["1", "2"]),
            ({self.account: 3, ".".join("x" * 99999): 2}, ["1", "2"]),
            ({self.account: 3, "": 2, "..": 2}, ["1", "2"]),
        ]
        for versions, wanted in cases:
            steps = upgradesOf(Savings, versions)
            done = [step.__name__.removeprefix("upgradeToVersion") for step in steps]  # type: ignore[attr-defined]
            self.assertEqual(done, wanted, versions)

    def test_noCodeRuns(self) -> None:
        """
        Nothing is asked that could do something.
        """
        upgradesOf(Savings, {f"{__name__}.Trap.inner.Savings": 2})
        self.assertEqual(LOG, [])

    def test_back(self) -> None:
        error = self.assertRaises(LoadError, upgradesOf, Account, {self.account: 4})
        self.assertIn("version 4 at the origin and 3 here", str(error))

    def test_failure(self) -> None:
        """
        An upgrade that fails refuses the graph.
        """
        self.patch(Account, "upgradeToVersion3", lambda self: {}[self.tag])
        error = self.assertRaises(
            LoadError,
            self.arrive,
            self.shape("Account", self.account, 1),
            [r.LIST, 1],
            [r.FIRST, "a", None],
            [r.END, 2],
        )
        self.assertIn(f"{self.account}, object 1: KeyError", str(error))
