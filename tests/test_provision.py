"""
Tests for L{migrate.resources}.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.application.service import MultiService, Service
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from migrate.errors import MigrationError
from migrate.interfaces import INamedResources
from migrate.resources import Provision, named


@implementer(INamedResources)
class Naming(Service):
    """
    Names what it is given.
    """

    def __init__(self, **resources: object) -> None:
        self.given: Mapping[str, object] | None = resources

    def namedResources(self) -> Mapping[str, object]:
        """
        See L{INamedResources.namedResources}.
        """
        if self.given is None:
            raise RuntimeError("not open yet")
        return self.given


class NamedTests(SynchronousTestCase):
    """
    L{named}
    """

    def setUp(self) -> None:
        self.top = MultiService()
        self.inner = MultiService()
        self.inner.setServiceParent(self.top)

    def test_none(self) -> None:
        """
        Services that name nothing have nothing.
        """
        self.assertEqual(named(self.top), {})

    def test_below(self) -> None:
        """
        All services below the one that moves are asked.
        """
        one, other = object(), object()
        Naming(db=one, both=one).setServiceParent(self.inner)
        Naming(cache=other, both=one).setServiceParent(self.top)
        self.assertEqual(named(self.top), {"db": one, "cache": other, "both": one})

    def test_ambiguous(self) -> None:
        """
        One name means one object.
        """
        Naming(db=object()).setServiceParent(self.inner)
        Naming(db=object()).setServiceParent(self.top)
        error = self.assertRaises(MigrationError, named, self.top)
        self.assertEqual(str(error), "two resources are named 'db'")

    def test_fails(self) -> None:
        """
        Who cannot tell is named.
        """
        naming = Naming()
        naming.given = None
        error = self.assertRaises(MigrationError, named, naming)
        self.assertEqual(
            str(error), "Naming.namedResources failed: RuntimeError: not open yet"
        )


class ProvisionTests(SynchronousTestCase):
    """
    L{Provision}
    """

    def test_open(self) -> None:
        """
        Only what is needed is made ready, all of it at once, and only once.
        """
        late: Deferred[str] = Deferred()
        asked: list[str] = []

        def opener(name: str, result: object) -> object:
            return lambda: asked.append(name) or result

        provision = Provision(
            {  # type: ignore[arg-type]
                "db": opener("db", late),
                "cache": opener("cache", "a cache"),
                "more": opener("more", "more"),
            }
        )
        done = provision.open(["db", "cache"])
        self.assertEqual(asked, ["db", "cache"])
        self.assertNoResult(done)
        late.callback("a db")
        self.successResultOf(done)
        self.successResultOf(provision.open(["cache"]))
        self.assertEqual(asked, ["db", "cache"])
        self.assertEqual(
            provision.externals(),
            {"resource:db": "a db", "resource:cache": "a cache"},
        )

    def test_fails(self) -> None:
        """
        What cannot be made ready is said, with its reason.
        """

        def opener() -> object:
            raise OSError("no such host")

        done = Provision({"db": opener}).open(["db"])
        failure = self.failureResultOf(done, MigrationError)
        self.assertEqual(
            failure.getErrorMessage(),
            "a resource could not be made ready: OSError: no such host",
        )

    def test_unknown(self) -> None:
        """
        What nobody provides is refused.
        """
        error = self.assertRaises(MigrationError, Provision().open, ["db", "cache"])
        self.assertEqual(str(error), "nobody provides 'db', 'cache'")
