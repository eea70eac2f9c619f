"""
Resources that wait for the answer of another server are moved meanwhile, though
nothing but the reactor knows of their connection to it.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

SERVICE = """
from twisted.application.internet import TCPServer
from twisted.internet import endpoints, reactor
from twisted.protocols.amp import AMP, Command, Integer
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Next(Command):
    arguments = [(b"number", Integer())]
    response = [(b"number", Integer())]


class Asking(Resource):
    isLeaf = True

    def render_GET(self, request):
        endpoint = endpoints.TCP4ClientEndpoint(reactor, "127.0.0.1", %(behind)d)
        endpoints.connectProtocol(endpoint, AMP()).addCallback(self.ask, request)
        return NOT_DONE_YET

    def ask(self, behind, request):
        for number in (4, 7):
            asked = behind.callRemote(Next, number=number)
            asked.addCallback(self.tell, request, behind, number == 7)
        log.msg("asked")

    def tell(self, answer, request, behind, last):
        request.write(b"%%d\\n" %% answer["number"])
        if last:
            request.finish()
            behind.transport.loseConnection()


def makeService():
    return TCPServer(%(port)d, Site(Asking()), interface="127.0.0.1")
"""

#: Answers a question for each line of its input.
BEHIND = """
import sys

sys.path.insert(0, ".")

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory
from twisted.protocols.amp import AMP

from asking import Next

waiting = []


class Answering(AMP):
    @Next.responder
    def answer(self, number):
        waiting.append((Deferred(), number + 1))
        return waiting[-1][0]


def answerOne():
    answer, number = waiting.pop(0)
    answer.callback({"number": number})


def hear():
    while sys.stdin.readline():
        reactor.callFromThread(answerOne)


reactor.listenTCP(int(sys.argv[1]), Factory.forProtocol(Answering), 50, "127.0.0.1")
reactor.callInThread(hear)
reactor.callWhenRunning(print, "ready")
reactor.run()
"""


class AskingTests(ServiceTestCase):
    """
    A resource that asks by AMP.
    """

    @inlineCallbacks
    def test_answers(self) -> Any:
        """
        The answers that come after the moves are passed on.
        """
        port, behind = freePort(), freePort()
        self.code("asking", SERVICE % {"port": port, "behind": behind})
        answering = self.script(BEHIND, str(behind))
        yield answering.line("ready")
        yield self.serve("--service", "site=asking.makeService")
        curl = self.program("curl", "-sSN", f"http://127.0.0.1:{port}/")
        yield self.server.line("asked")
        yield self.move()
        answering.write(b"\n")
        yield curl.line("5")
        yield self.move()
        answering.write(b"\n")
        ended = yield curl.ended()
        self.assertEqual((ended.status, ended.out, ended.err), (0, "5\n8\n", ""))
