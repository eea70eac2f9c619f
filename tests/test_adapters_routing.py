"""
Tests for L{migrate.adapters.routing}.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

try:
    from werkzeug.routing import Map, Rule, Submount
except ImportError:
    raise SkipTest("no werkzeug here") from None

from migrate.adapters.routing import RuleAdapter
from migrate.graph import TableSerializer
from migrate.graph.pickling import PickleSerializer
from migrate.interfaces import IAdapter
from tests.inprocess import Move


def rules() -> list[Any]:
    """
    @return: one of each kind.
    """
    return [
        Rule("/plain", endpoint="plain"),
        Rule("/with/<int:number>/<string:text>", endpoint="with"),
        Rule("/default", endpoint="default", defaults={"page": 1}),
        Rule("/default/<int:page>", endpoint="default"),
        Rule("/rest/<path:rest>", endpoint="rest", methods=["PUT"]),
        Submount("/below", [Rule("/<name>", endpoint="below")]),
    ]


class RoutingTests(SynchronousTestCase):
    """
    C{werkzeug.routing}
    """

    def test_interface(self) -> None:
        """
        It is what it has to be.
        """
        verifyObject(IAdapter, RuleAdapter("x"))

    def test_moved(self) -> None:
        """
        A map finds and builds what it found and built, also what is added
        afterwards, before and after it was used.
        """
        for serializer in (TableSerializer(), PickleSerializer()):
            for used in (False, True):
                original = Map(rules())
                if used:
                    original.update()
                made = Move(original, Clock(), Clock(), serializer=serializer).go()
                for each in (original, made):
                    each.add(Rule("/later/<name>", endpoint="later"))
                for path, method in (
                    ("/plain", "GET"),
                    ("/with/5/text", "GET"),
                    ("/default", "GET"),
                    ("/default/3", "GET"),
                    ("/rest/a/b", "PUT"),
                    ("/below/x", "GET"),
                    ("/later/y", "GET"),
                ):
                    found, again = (
                        each.bind("host.example").match(path, method)
                        for each in (original, made)
                    )
                    self.assertEqual(found, again)
                    built, again = (
                        each.bind("host.example").build(*found, method, True)
                        for each in (original, made)
                    )
                    self.assertEqual(built, again)
                unknown = made.bind("host.example").build("plain", {"a": "b c"})
                self.assertEqual(unknown, "/plain?a=b+c")

    def test_unbound(self) -> None:
        """
        A rule that no map has yet can be given to one.
        """
        made = Move(Rule("/<name>", endpoint="x"), Clock(), Clock()).go()
        found = Map([made]).bind("host.example").match("/y")
        self.assertEqual(found, ("x", {"name": "y"}))
