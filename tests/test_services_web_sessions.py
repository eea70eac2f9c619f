"""
The sessions of Twisted Web, and who was let in, go along with a site.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: Counts what each session asks for; one of each path is over soon.
SERVICE = """
from twisted.application.internet import TCPServer
from twisted.python import log
from twisted.python.components import registerAdapter
from twisted.web.resource import Resource
from twisted.web.server import Session, Site
from zope.interface import Attribute, Interface, implementer


class ICounter(Interface):
    count = Attribute("How often.")


@implementer(ICounter)
class Counter:
    def __init__(self, session):
        self.count = 0
        self.paths = {}


registerAdapter(Counter, Session, ICounter)


class Counting(Resource):
    isLeaf = True

    def render_GET(self, request):
        session = request.getSession()
        counter = ICounter(session)
        if not counter.count:
            session.notifyOnExpire(lambda: self.over(session, counter))
            if request.path == b"/short":
                session.sessionTimeout = 2
        session.touch()
        counter.count += 1
        due = session._expireCall.getTime() - session.lastModified
        everybody = len(request.site.sessions)
        return b"%%d of %%d, %%.0f\\n" %% (counter.count, everybody, due)

    def over(self, session, counter):
        log.msg(f"over after {counter.count}, {len(session.site.sessions)} left")


def makeService():
    return TCPServer(%(port)d, Site(Counting()), interface="127.0.0.1")
"""


class SessionTests(ServiceTestCase):
    """
    C{curl} keeps its cookies.
    """

    @inlineCallbacks
    def get(self, path: str) -> Any:
        """
        @param path: what is asked for, by a visitor of its own.
        @return: the answer.
        """
        jar = ("--cookie", f"{path}.jar", "--cookie-jar", f"{path}.jar")
        where = f"http://127.0.0.1:{self.port}/{path}"
        ended = yield self.program("curl", "-sS", *jar, where).ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        return ended.out.strip()

    @inlineCallbacks
    def test_sessions(self) -> Any:
        """
        A session goes on with all its state and its time; one that is over
        after a move says so; and it is another one that comes then.
        """
        self.port = freePort()
        self.code("counting", SERVICE % {"port": self.port})
        yield self.serve("--service", "site=counting.makeService")
        for number in (1, 2):
            self.assertEqual((yield self.get("long")), f"{number} of 1, 900")
            yield self.move()
        self.assertEqual((yield self.get("short")), "1 of 2, 2")
        old = self.server
        yield self.move()
        # Whoever serves by then; it says so in its log.
        over = "over after 1, 1 left"
        yield self.processes.until(
            lambda: over in "".join([*old.lines, *self.server.lines]), over
        )
        self.assertEqual((yield self.get("long")), "3 of 1, 900")
        self.assertEqual((yield self.get("short")), "1 of 2, 2")
