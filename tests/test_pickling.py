"""
Tests for L{migrate.graph.pickling}.
"""

from __future__ import annotations

import copyreg
import io
import os
import pickle

from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import MalformedTable
from migrate.graph import PickleSerializer
from migrate.graph import records as r
from migrate.graph.pickling import PICKLE
from tests.graphs import Thing, environment


class Evil:
    """
    Has a command run when it is unpickled.
    """

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("evil",)


class External(pickle.Pickler):
    """
    Refers to everything that is a L{Thing}.
    """

    def persistent_id(self, obj: object) -> object:
        return 1 if isinstance(obj, Thing) else None


class PickleTests(SynchronousTestCase):
    """
    The notation; what it carries is tested with the table.
    """

    def test_name(self) -> None:
        self.assertEqual(PickleSerializer().name, "pickle")

    def test_nothingRuns(self) -> None:
        """
        A pickle that names anything is refused, and nothing of it is called.
        """
        loader = PickleSerializer().loader(environment())
        for evil in (Evil(), [[r.LIST, Evil()]], os.mkdir, Thing()):
            error = self.assertRaises(MalformedTable, loader.feed, pickle.dumps(evil))
            self.assertIn("a pickle names", str(error))
        self.assertFalse(os.path.exists("evil"))

    def test_extensions(self) -> None:
        """
        Nor do numbers that stand for names help.
        """
        copyreg.add_extension("posix", "mkdir", 240)
        self.addCleanup(copyreg.remove_extension, "posix", "mkdir", 240)
        pickle.loads(pickle.dumps(os.mkdir, 2))
        self.assertRaises(MalformedTable, PICKLE.decode, pickle.dumps(Evil(), 2))
        self.assertFalse(os.path.exists("evil"))

    def test_persistent(self) -> None:
        stream = io.BytesIO()
        External(stream, 5).dump([[r.LIST, Thing()]])
        self.assertRaises(MalformedTable, PICKLE.decode, stream.getvalue())

    def test_wrongTypes(self) -> None:
        for value in (
            5,
            (),
            {},
            [5],
            [[]],
            [()],
            [[r.LIST, -1]],
            [[r.LIST, b"x"]],
            [[r.LIST, {1}]],
            [[r.LIST, 1j]],
        ):
            self.assertRaises(MalformedTable, PICKLE.decode, pickle.dumps(value))

    def test_noPickle(self) -> None:
        whole = pickle.dumps([[r.LIST, 0]])
        for chunk in (b"", b"x", whole[:-1], whole + b"x", b"\x80\x05]\x94.."):
            self.assertRaises(MalformedTable, PICKLE.decode, chunk)
