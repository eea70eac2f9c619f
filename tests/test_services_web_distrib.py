"""
C{twistd web --personal}, unchanged, is moved behind a site that gets its
resources from there.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Serves what another process publishes.
FRONT = """
from twisted.web.distrib import ResourceSubscription


class Front(ResourceSubscription):
    def __init__(self):
        ResourceSubscription.__init__(self, "unix", "published")
"""

#: Holds requests until somebody posts something.
PUBLISHED = """
from twisted.python import log
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET


class Poll(Resource):
    isLeaf = True

    def __init__(self):
        Resource.__init__(self)
        self.waiting = []

    def render_GET(self, request):
        self.waiting.append(request)
        log.msg(f"{len(self.waiting)} held")
        return NOT_DONE_YET

    def render_POST(self, request):
        text = request.content.read()
        for each in self.waiting:
            each.write(text)
            each.finish()
        return b"%d told\\n" % len(self.waiting)
"""


class PersonalTests(ServiceTestCase):
    """
    A publisher and a subscriber.
    """

    def curl(self, *options: str) -> Child:
        """
        Start a request to the site in front.
        """
        return self.program(
            "curl", "-sSN", *options, f"http://127.0.0.1:{self.port}/poll"
        )

    @inlineCallbacks
    def test_personal(self) -> Any:
        """
        Requests that came through the connection between the two are answered
        through it after the moves, as are new ones.
        """
        self.port = freePort()
        self.code("front", FRONT)
        self.code("published", PUBLISHED)
        yield self.plugin(
            "site=web --personal --listen unix:published --class published.Poll"
        )
        listen = f"tcp:{self.port}:interface=127.0.0.1"
        front = self.processes.twistd(
            ["-n", "--pidfile=", "web", "--listen", listen, "--class", "front.Front"],
            self.directory,
        )
        yield front.line("starting on")
        held = []
        for count in (1, 2):
            held.append(self.curl())
            yield self.server.line(f"{count} held")
            yield self.move()
        told = yield self.curl("--data", "news").ended()
        self.assertEqual(told.out, "2 told\n")
        for curl in held:
            ended = yield curl.ended()
            self.assertEqual((ended.status, ended.out), (0, "news"))
