"""
Adapters that an application brings when it is installed: C{twistd} finds them
by itself, and what could not move without them does.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import CHECKOUT, DEADLINE, ServiceTestCase, freePort

SHOP = """
from twisted.application.internet import TCPServer
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver


class Stock:
    '''
    Counts down, by a generator: that alone cannot move.
    '''

    def __init__(self, left):
        self.left = left
        self.items = self.hand()

    def hand(self):
        while self.left:
            self.left -= 1
            yield b"item %d" % self.left


class Counter(LineReceiver):
    def lineReceived(self, line):
        self.sendLine(line + b": " + next(self.factory.stock.items))


class ShopFactory(Factory):
    protocol = Counter

    def __init__(self):
        self.stock = Stock(100)


def makeService():
    return TCPServer({port}, ShopFactory(), interface="127.0.0.1")
"""

ADAPTERS = """
from zope.interface import implementer

from migrate.interfaces import IAdapter
from migrate.model import Description
from shop import Stock


@implementer(IAdapter)
class StockAdapter:
    name = "shop.Stock"
    complete = False

    def describe(self, stock, capture):
        return Description(Stock, state={"left": stock.left})

    def make(self, cls, arguments, loading):
        return cls.__new__(cls)

    def fill(self, stock, state, loading):
        stock.__init__(state["left"])


def register(registry):
    registry.register(Stock, StockAdapter())
"""


class InstalledTests(ServiceTestCase):
    """
    A shop, with its adapters in a distribution beside it.
    """

    def setUp(self) -> None:
        super().setUp()
        self.port = freePort()
        self.place = self.directory / "site-packages"
        self.place.mkdir()
        self.code("shop", SHOP.replace("{port}", str(self.port)))
        path = os.pathsep.join(map(str, (self.place, self.directory, CHECKOUT)))
        self.environment = {"PYTHONPATH": path}

    def install(self, name: str, target: str, module: str) -> None:
        """
        Put a distribution on the path, with one module and one entry point.
        """
        about = self.place / f"{name}-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        )
        (about / "entry_points.txt").write_text(
            f"[txmigrate.adapters]\n{name} = {target}\n"
        )
        Path(self.place, target.partition(":")[0]).with_suffix(".py").write_text(module)

    @inlineCallbacks
    def shop(self) -> Any:
        """
        @return: fires with a client of a shop that is served.
        """
        yield self.serve(
            "--service=shop=shop.makeService", environment=self.environment
        )
        client = yield self.processes.connect(self.port)
        yield self.buy(client, 99)
        return client

    @inlineCallbacks
    def buy(self, client: Any, item: int) -> Any:
        """
        Ask for the next item, which has to be this one.
        """
        answer = yield client.ask(b"please")
        self.assertEqual(answer, b"please: item %d" % item)

    @inlineCallbacks
    def test_moves(self) -> Any:
        """
        It moves twice, with one customer, and every item is sold once.
        """
        self.install("shopadapters", "shop_adapters:register", ADAPTERS)
        client = yield self.shop()
        for item in (98, 97):
            yield self.move(environment=self.environment)
            yield self.buy(client, item)

    @inlineCallbacks
    def test_notInstalled(self) -> Any:
        """
        Without the distribution it is refused, and sells on.
        """
        client = yield self.shop()
        line = yield self.refused()
        why = "shop.args[1].stock.items: the generator Stock.hand waits in line "
        self.assertTrue(line.startswith(f"migrate-client: {why}"), line)
        yield self.buy(client, 98)

    @inlineCallbacks
    def test_broken(self) -> Any:
        """
        A distribution whose adapters cannot be imported is named in the log, and
        neither keeps the service from starting nor the others from being found.
        """
        self.install("broken", "broken_adapters:register", "import no_such_thing")
        self.install("shopadapters", "shop_adapters:register", ADAPTERS)
        client = yield self.shop()
        said = "\n".join(self.server.lines)
        self.assertIn(
            "no adapters of broken = broken_adapters:register (broken 1.0): its import "
            "failed",
            said,
        )
        self.assertIn("No module named 'no_such_thing'", said)
        # What an operator reads on standard error is one line all the same.
        lost = self.client("--service=none", environment=self.environment)
        ended = yield lost.ended(DEADLINE)
        self.assertEqual(ended.status, 1)
        (line,) = ended.err.splitlines()
        self.assertIn("no service 'none'", line)
        new = self.client("--all", environment=self.environment)
        ended = yield self.server.ended(DEADLINE)
        self.assertEqual(ended.status, 0)
        self.assertTrue(new.running)
        yield self.buy(client, 98)
