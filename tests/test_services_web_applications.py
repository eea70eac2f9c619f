"""
Twisted Web services of an application's own are moved while they have requests
that they have not answered yet.
"""

from __future__ import annotations

import re
import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Requests that are held, in every way that an application may have.
SERVICE = '''
from twisted.application.internet import StreamServerEndpointService
from twisted.internet import defer, endpoints, reactor, task
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from twisted.web.xmlrpc import XMLRPC
from twisted.web.template import Element, Tag, XMLString, flattenString, renderer, tags


class Poll(Resource):
    """Holds requests until somebody posts something."""

    isLeaf = True

    def __init__(self):
        Resource.__init__(self)
        self.waiting = []

    def render_GET(self, request):
        self.waiting.append(request)
        request.notifyFinish().addErrback(self.gone, request)
        log.msg(f"{len(self.waiting)} held")
        return NOT_DONE_YET

    def render_POST(self, request):
        text = request.content.read()
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            each.write(text)
            each.finish()
        return b"%%d told\\n" %% len(waiting)

    def gone(self, reason, request):
        self.waiting.remove(request)
        log.msg(f"gone: {reason.type.__name__}, {len(self.waiting)} left")


class Events(Resource):
    """Sends an event ten times a second, as long as somebody listens."""

    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"Content-Type", b"text/event-stream")
        ticking = task.LoopingCall(self.tick, request, [0])
        ticking.start(0.1)
        request.notifyFinish().addErrback(self.stop, ticking)
        return NOT_DONE_YET

    def tick(self, request, count):
        count[0] += 1
        request.write(b"data: %%d\\n\\n" %% count[0])

    def stop(self, reason, ticking):
        ticking.stop()
        log.msg("nobody listens")


class Later(Resource):
    """Answers in a second and a half, in the manner of an old application."""

    isLeaf = True

    def render_GET(self, request):
        def answer(text):
            request.write(text + request.args[b"name"][0])
            request.finish()

        waiting = task.deferLater(reactor, 1.5, lambda: b"at last, ")
        waiting.addCallback(answer)
        log.msg("later")
        return NOT_DONE_YET


class Page(Element):
    loader = XMLString(
        '<p xmlns:t="http://twistedmatrix.com/ns/twisted.web.template/0.1">'
        '<b t:render="word"/></p>'
    )

    def __init__(self, word):
        Element.__init__(self)
        self._word = word

    @renderer
    def word(self, request, tag):
        return tag(self._word)


class Pages(Resource):
    """Renders a page that waits for a word."""

    isLeaf = True

    def __init__(self):
        Resource.__init__(self)
        self.words = []

    def render_GET(self, request):
        word = defer.Deferred()
        self.words.append(word)
        flattenString(request, Page(word)).addCallback(self.done, request)
        log.msg("a page waits")
        return NOT_DONE_YET

    def render_POST(self, request):
        self.words.pop().callback(request.content.read().decode())
        return b"told\\n"

    def done(self, text, request):
        request.write(text)
        request.finish()


class Calls(XMLRPC):
    """Answers calls, some of them later."""

    def __init__(self):
        XMLRPC.__init__(self)
        self.waiting = []

    def xmlrpc_wait(self, question):
        answer = defer.Deferred()
        self.waiting.append((answer, question))
        log.msg(f"{len(self.waiting)} calls wait")
        return answer

    def xmlrpc_answer(self):
        waiting, self.waiting = self.waiting, []
        for answer, question in waiting:
            answer.callback([question, {"asked": True}])
        return len(waiting)


class Hello(Resource):
    isLeaf = True

    def render_GET(self, request):
        request.setHeader(b"Content-Type", b"text/plain")
        return b"hello " + request.path + b"\\n"


def makeService():
    root = Resource()
    for name, made in (
        (b"poll", Poll()),
        (b"events", Events()),
        (b"later", Later()),
        (b"page", Pages()),
        (b"hello", Hello()),
        (b"calls", Calls()),
    ):
        root.putChild(name, made)
    endpoint = endpoints.serverFromString(reactor, "tcp:%(port)d:interface=127.0.0.1")
    return StreamServerEndpointService(endpoint, Site(root))
'''


class ApplicationTests(ServiceTestCase):
    """
    An application with a few resources.
    """

    @inlineCallbacks
    def start(self) -> Any:
        """
        Serve.
        """
        self.port = freePort()
        self.code("application", SERVICE % {"port": self.port})
        yield self.serve("--service", "site=application.makeService")

    def curl(self, path: str, *options: str) -> Child:
        """
        Start a request.
        """
        return self.program(
            "curl", "-sSN", *options, f"http://127.0.0.1:{self.port}/{path}"
        )

    @inlineCallbacks
    def text(self, curl: Child) -> Any:
        """
        @return: what a request that ends well has got.
        """
        ended = yield curl.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        return ended.out

    @inlineCallbacks
    def test_longPolling(self) -> Any:
        """
        Requests that are held are answered after any number of moves, and
        their connections used again.
        """
        yield self.start()
        again = f"http://127.0.0.1:{self.port}/hello"
        held = []
        for count in (1, 2):
            held.append(self.curl("poll", again, "-w", "%{num_connects};"))
            yield self.server.line(f"{count} held")
            yield self.move()
        told = yield self.text(self.curl("poll", "--data", "news\n"))
        self.assertEqual(told, "2 told\n")
        for curl in held:
            self.assertEqual((yield self.text(curl)), "hello /hello\n1;news\n0;")

    def telling(self) -> Child:
        """
        @return: a client that sends and shows what a person would type.
        """
        return self.program("nc", "127.0.0.1", str(self.port), package="netcat-openbsd")

    def request(self, path: str, body: bytes | None = None) -> bytes:
        """
        @return: a request for C{path}; one that posts C{body}, if any.
        """
        head = b"%s /%s HTTP/1.1\r\nHost: h\r\n"
        method = b"GET" if body is None else b"POST"
        length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
        asked = head % (method, path.encode()) + length + b"\r\n"
        return asked + (body or b"")

    @inlineCallbacks
    def test_pipelined(self) -> Any:
        """
        Requests that were sent before the first was answered are answered in
        their order: those that came before a move, one that comes in two
        halves around it, and those after.
        """
        yield self.start()
        held = self.telling()
        held.write(self.request("poll") + self.request("hello/0"))
        last = self.request("hello/1")
        held.write(last[:20])
        yield self.server.line("1 held")
        # Whoever asks later is served later: what came with it has been read.
        yield self.text(self.curl("hello"))
        for number in (1, 2):
            yield self.move()
            held.write(last[20:] + self.request(f"hello/{number + 1}")[:20])
            last = self.request(f"hello/{number + 1}")
        held.write(last[20:])
        yield self.text(self.curl("poll", "--data", "news\n"))
        for line in ("news", "hello /hello/0", "hello /hello/1", "hello /hello/3"):
            yield held.line(line)
        bodies = [line for line in held.lines if line.startswith(("news", "hello"))]
        self.assertEqual(bodies, ["news", *(f"hello /hello/{n}" for n in range(4))])

    @inlineCallbacks
    def test_partial(self) -> Any:
        """
        A request may be cut by a move in its first line, in a header and in its
        body.
        """
        yield self.start()
        telling = self.telling()
        asked = self.request("hello") + self.request("poll", b"somebody's news")
        for begin, end in ((0, 7), (7, 60), (60, 95)):
            telling.write(asked[begin:end])
            yield self.move()
        telling.write(asked[95:])
        yield telling.line("0 told")
        statuses = [line for line in telling.lines if line.startswith("HTTP")]
        self.assertEqual(statuses, ["HTTP/1.1 200 OK"] * 2)
        yield telling.line("hello /hello")

    @inlineCallbacks
    def test_waiting(self) -> Any:
        """
        An application hears of a client that leaves after a move; what waits in
        its closures and Deferreds goes on.
        """
        yield self.start()
        first, second = self.curl("poll"), self.curl("poll")
        yield self.server.line("2 held")
        later = self.curl("later?name=all")
        yield self.server.line("later")
        yield self.move()
        first.signal(signal.SIGKILL)
        yield self.server.line("gone: ConnectionDone, 1 left")
        yield self.move()
        second.signal(signal.SIGKILL)
        yield self.server.line("gone: ConnectionDone, 0 left")
        self.assertEqual((yield self.text(later)), "at last, all")

    @inlineCallbacks
    def test_events(self) -> Any:
        """
        Events go on with not one missing and none twice, to each client, and
        end with it.
        """
        yield self.start()
        first, second = self.curl("events"), self.curl("events")
        for count in (3, 6):
            for curl in (first, second):
                yield curl.line(f"data: {len(curl.lines) // 2 + count}$")
            yield self.move()
        for curl in (first, second):
            yield curl.line(f"data: {len(curl.lines) // 2 + 3}$")
            curl.signal(signal.SIGTERM)
            yield curl.ended()
            yield self.server.line("nobody listens")
            events = [line for line in curl.lines if line]
            self.assertEqual(events, [f"data: {i + 1}" for i in range(len(events))])

    @inlineCallbacks
    def test_calls(self) -> Any:
        """
        Calls of XML-RPC that wait for their answer get it.
        """
        yield self.start()
        code = "import sys, xmlrpc.client as x; s = x.ServerProxy(sys.argv[1])\n"
        url = f"http://127.0.0.1:{self.port}/calls"
        asking = self.script(f"{code}print(s.wait('who?')); print(s.wait('why?'))", url)
        for question in ("who?", "why?"):
            yield self.server.line("1 calls wait")
            yield self.move()
            telling = self.script(f"{code}print(s.answer())", url)
            yield telling.line("1")
            yield asking.line(re.escape(f"['{question}', {{'asked': True}}]"))
        ended = yield asking.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))

    @inlineCallbacks
    def test_template(self) -> Any:
        """
        A page that is being flattened is in the way, until it has been: that
        is done by a coroutine.
        """
        yield self.start()
        curl = self.curl("page")
        yield self.server.line("a page waits")
        line = yield self.refused()
        self.assertIn("the coroutine _flattenTree waits in line", line)
        yield self.text(self.curl("page", "--data", "word"))
        self.assertEqual((yield self.text(curl)), "<p><b>word</b></p>")
        yield self.move()
        self.assertEqual((yield self.text(self.curl("hello"))), "hello /hello\n")
