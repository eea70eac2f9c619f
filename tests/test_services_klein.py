"""
Applications of Klein, and services that use treq, move with requests that wait.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.python.modules import getModule
from twisted.trial.unittest import SkipTest

from tests.services import ServiceTestCase, freePort

#: Routes of a class, of an instance's own and of a branch.
SERVICE = """
import json
from klein import Klein
from klein.interfaces import IKleinRequest
from twisted.application.internet import TCPServer
from twisted.internet.defer import Deferred
from twisted.web.server import Site


class Shop:
    app = Klein()

    def __init__(self):
        self.stock, self.waiting = {}, {}

    @app.route("/stock/<string:name>", methods=["GET"])
    def look(self, request, name):
        request.setHeader("content-type", "application/json")
        return json.dumps({name: self.stock.get(name, 0)})

    @app.route("/stock/<string:name>/<int:count>", methods=["PUT"])
    def deliver(self, request, name, count):
        self.stock[name] = self.stock.get(name, 0) + count
        for customer in self.waiting.pop(name, []):
            customer.callback(f"{name} at last")
        return request.content.read()

    @app.route("/order/<string:name>")
    def order(self, request, name):
        customer = Deferred()
        self.waiting.setdefault(name, []).append(customer)
        return customer.addCallback(self.wrapped)

    def wrapped(self, goods):
        return goods + "!"

    @app.route("/sold")
    def sold(self, request):
        raise KeyError("out")

    @app.handle_errors(KeyError)
    def sorry(self, request, failure):
        request.setResponseCode(410)
        return f"sorry: {failure.value.args[0]}"

    with app.subroute("/branch") as app:
        @app.route("/<path:rest>")
        def branch(self, request, rest):
            built = IKleinRequest(request).url_for("look", {"name": "x y"})
            return f"{rest} of {request.path.decode()} built {built}"


def makeService():
    return TCPServer(%d, Site(Shop().app.resource()), interface="127.0.0.1")
"""


def installed(name: str) -> None:
    """
    @raise SkipTest: there is no such module.
    """
    try:
        getModule(name)
    except KeyError:
        raise SkipTest(f"no {name} here") from None


class KleinTests(ServiceTestCase):
    """
    C{klein}
    """

    def setUp(self) -> None:
        """
        See L{ServiceTestCase.setUp}.
        """
        installed("klein")
        super().setUp()
        self.port = freePort()

    def curl(self, path: str, *options: str) -> Any:
        """
        @return: a request that is made.
        """
        url = f"http://127.0.0.1:{self.port}{path}"
        return self.program("curl", "-sS", *options, url)

    @inlineCallbacks
    def said(self, curl: Any) -> Any:
        """
        @return: what it was answered.
        """
        ended = yield curl.ended()
        self.assertEqual(ended.status, 0, ended.err)
        return ended.out

    @inlineCallbacks
    def test_klein(self) -> Any:
        """
        An order waits for its goods through all moves, and all kinds of routes
        lead where they led.
        """
        self.code("shop", SERVICE % self.port)
        yield self.serve("--service", "shop=shop.makeService")
        yield self.said(self.curl("/stock/tea/3", "-T", "/dev/null"))
        order = self.curl("/order/coffee", "-v")
        yield order.line("^> GET /order/coffee")
        for _ in range(2):
            yield self.move()
            said = yield self.said(self.curl("/stock/tea", "-i"))
            self.assertTrue(said.endswith('\n{"tea": 3}'), said)
            self.assertIn("Content-Type: application/json", said)
        gone = yield self.said(self.curl("/sold", "-i"))
        self.assertTrue(gone.startswith("HTTP/1.1 410 "), gone)
        self.assertTrue(gone.endswith("\nsorry: out"), gone)
        branch = yield self.said(self.curl("/branch/a/b"))
        self.assertEqual(branch, "a/b of /branch/a/b built /stock/x%20y")
        delivery = self.curl("/stock/coffee/3", "-X", "PUT", "-d", "content")
        self.assertEqual((yield self.said(delivery)), "content")
        self.assertEqual((yield self.said(order)), "coffee at last!")
        nothing = yield self.said(self.curl("/nothing", "-i"))
        self.assertTrue(nothing.startswith("HTTP/1.1 404 "), nothing)


#: Fetches what clients ask for, by one pool of connections.
FETCHER = """
import treq
from treq.client import HTTPClient
from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver
from twisted.web.client import Agent, HTTPConnectionPool


class Fetcher(LineOnlyReceiver):
    delimiter = b"\\n"

    def lineReceived(self, line):
        client = self.factory.client if self.factory.client else treq
        answer = client.get(line.decode().strip(), params={"by": "fetcher"}, timeout=60)
        answer.addCallback(treq.text_content)
        answer.addCallbacks(self.say, self.sorry)

    def say(self, answer):
        self.sendLine(answer.encode())

    def sorry(self, failure):
        self.say(failure.getErrorMessage())


def makeService():
    factory = Factory.forProtocol(Fetcher)
    if %(own)s:
        pool = HTTPConnectionPool(reactor)
        factory.client = HTTPClient(Agent(reactor, pool=pool))
    else:
        factory.client = None
    return TCPServer(%(port)d, factory, interface="127.0.0.1")
"""

#: Answers in two halves, each when it is told to; says how many connections.
FAR = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Far(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        print("connected")
        super().setup()

    def do_GET(self):
        print("asked for", self.path)
        first = input()
        self.send_response(200)
        self.send_header("Content-Length", "10")
        self.end_headers()
        self.wfile.write(first.encode())
        print("half of", self.path)
        self.wfile.write(input().encode())

    def log_message(self, *unused):
        pass

server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Far)
print("serving")
server.serve_forever()
"""


class TreqTests(ServiceTestCase):
    """
    C{treq}
    """

    def setUp(self) -> None:
        """
        See L{ServiceTestCase.setUp}.
        """
        installed("treq")
        super().setUp()

    @inlineCallbacks
    def fetch(self, own: bool, connections: int) -> Any:
        """
        Fetching goes on before the answer, and in the middle of it.

        @param own: whether with a pool of the service's own.
        @param connections: how many there are to be made.
        """
        port, farPort = freePort(), freePort()
        far = self.script(FAR, str(farPort))
        yield far.line("serving")
        self.code("fetcher", FETCHER % {"port": port, "own": own})
        yield self.serve("--service", "fetcher=fetcher.makeService")
        client = yield self.processes.connect(port)
        for number in range(2):
            client.sendLine(f"http://127.0.0.1:{farPort}/{number}".encode())
            yield far.line(f"asked for /{number}.by=fetcher")
            yield self.move()
            far.write(b"first\n")
            yield far.line(f"half of /{number}")
            yield self.move()
            far.write(b"later\n")
            self.assertEqual((yield client.line()), b"firstlater")
        self.assertEqual(far.lines.count("connected"), connections)

    def test_pool(self) -> Any:
        """
        A pool of the service's own keeps its connection.
        """
        return self.fetch(True, 1)

    def test_shared(self) -> Any:
        """
        The pool that treq has for everybody in its process does not leave it.
        What is under way does.
        """
        return self.fetch(False, 2)
