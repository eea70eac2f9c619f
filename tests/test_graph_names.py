"""
Tests for L{migrate.graph.names}.
"""

from __future__ import annotations

import datetime
import os
import sys
import types

from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import CannotResolve, Forbidden, NotMovable
from migrate.graph import TrustingPolicy, resolve
from migrate.graph.names import verify
from migrate.model import Named
from tests.graphs import Thing


class Outer:
    """
    Has a class inside.
    """

    class Inner:
        """
        Inside.
        """

    def method(self) -> None:
        """
        A method.
        """


class Nobody:
    """
    Permits nothing.
    """

    def permits(self, module: str, qualname: str) -> bool:
        return False


class ResolveTests(SynchronousTestCase):
    """
    From names to objects.
    """

    def resolve(self, module: str, qualname: str = "") -> object:
        return resolve(Named(module, qualname), TrustingPolicy())

    def test_found(self) -> None:
        self.assertIs(self.resolve("os"), os)
        self.assertIs(self.resolve("os.path", "join"), os.path.join)
        self.assertIs(self.resolve(__name__, "Outer.Inner"), Outer.Inner)
        self.assertIs(self.resolve(__name__, "Outer.method"), Outer.method)

    def test_imports(self) -> None:
        sys.modules.pop("this_package_has", None)
        before = sys.modules.pop("colorsys", None)
        self.addCleanup(sys.modules.__setitem__, "colorsys", before or os)
        self.assertEqual(self.resolve("colorsys").__name__, "colorsys")

    def test_policyFirst(self) -> None:
        """
        What the policy keeps out is not even imported.
        """
        before = sys.modules.pop("antigravity", None)
        self.assertIsNone(before)
        named = Named("antigravity", "fly")
        self.assertRaises(Forbidden, resolve, named, Nobody())
        self.assertNotIn("antigravity", sys.modules)

    def test_missing(self) -> None:
        for module, qualname, part in (
            ("no_such_module", "x", "no_such_module"),
            ("os", "no.such", "os:no.such"),
            ("os", "path.join.nothing", "no such name"),
            ("", "x", "cannot import"),
            ("..", "x", "cannot import"),
        ):
            error = self.assertRaises(CannotResolve, self.resolve, module, qualname)
            self.assertIn(part, str(error))

    def test_brokenModule(self) -> None:
        """
        A module that cannot be imported says why.
        """
        error = self.assertRaises(CannotResolve, self.resolve, "tests.broken_module")
        self.assertIn("ModuleNotFoundError", str(error))


class VerifyTests(SynchronousTestCase):
    """
    Whether a name is an object's own.
    """

    def test_right(self) -> None:
        verify(os, Named("os"))
        verify(Outer.Inner, Named(__name__, "Outer.Inner"))
        verify(datetime.datetime.now, Named("datetime", "datetime.now"))

    def test_wrong(self) -> None:
        loaded = types.ModuleType("loaded")
        for obj, module, qualname, reason in (
            (Thing(), __name__, "Outer", "means another object"),
            (Outer().method, __name__, "Outer.method", "means another object"),
            (loaded, "loaded", "", "there is no such module"),
            (Outer, __name__, "f.<locals>.Outer", "cannot be found"),
            (Outer, __name__, "x" * 5000, "too long"),
        ):
            error = self.assertRaises(NotMovable, verify, obj, Named(module, qualname))
            self.assertIn(reason, error.reason)

    def test_noImport(self) -> None:
        self.assertNotIn("antigravity", sys.modules)
        self.assertRaises(NotMovable, verify, os, Named("antigravity"))
        self.assertNotIn("antigravity", sys.modules)
