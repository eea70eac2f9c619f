"""
What Twisted Web and its applications log goes on in the same files.
"""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: Writes a line a request to files that are rotated by size and by day.
SERVICE = """
from twisted.application.internet import TCPServer
from twisted.python.logfile import DailyLogFile, LogFile
from twisted.web.resource import Resource
from twisted.web.server import Site


class Noting(Resource):
    isLeaf = True

    def __init__(self):
        Resource.__init__(self)
        self.sized = LogFile("sized.log", ".", rotateLength=60)
        self.daily = DailyLogFile("daily.log", ".")

    def render_GET(self, request):
        if request.path == b"/midnight":
            self.daily.lastDate = (2001, 2, 3)
            return b"it is late\\n"
        line = request.path + b" from somebody\\n"
        self.sized.write(line)
        self.daily.write(line)
        return line


def makeService():
    return TCPServer(%(port)d, Site(Noting(), logPath=b"access.log"))
"""


class LogTests(ServiceTestCase):
    """
    Every request leaves its line, in order.
    """

    @inlineCallbacks
    def get(self, path: str) -> Any:
        """
        @return: the answer to a request.
        """
        where = f"http://127.0.0.1:{self.port}/{path}"
        ended = yield self.program("curl", "-sS", where).ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        return ended.out

    def paths(self, name: str, prefix: str = "GET /") -> list[str]:
        """
        @return: the paths of all requests in a log.
        """
        text = (self.directory / name).read_text()
        return re.findall(re.escape(prefix) + r"(\S+)", text)

    @inlineCallbacks
    def test_plugin(self) -> Any:
        """
        The access log of C{twistd web --logfile}.
        """
        self.port = freePort()
        listen = f"--listen tcp:{self.port}:interface=127.0.0.1"
        yield self.plugin(f"site=web {listen} --path . --logfile access.log")
        for number in range(2):
            yield self.get(f"before{number}?")
            yield self.move()
            yield self.get(f"after{number}?")
        self.assertEqual(
            self.paths("access.log"),
            [f"{when}{number}?" for number in range(2) for when in ("before", "after")],
        )

    @inlineCallbacks
    def test_none(self) -> Any:
        """
        Without one it is the log of the process that serves.
        """
        self.port = freePort()
        listen = f"--listen tcp:{self.port}:interface=127.0.0.1"
        yield self.plugin(f"site=web {listen} --path .")
        yield self.get("first")
        yield self.server.line("GET /first ")
        yield self.move()
        yield self.get("second")
        yield self.server.line("GET /second ")

    @inlineCallbacks
    def test_rotated(self) -> Any:
        """
        Files that are rotated by size or by day go on to be.
        """
        self.port = freePort()
        self.code("noting", SERVICE % {"port": self.port})
        yield self.serve("--service", "site=noting.makeService")
        names = [f"request{number}" for number in range(12)]
        for number, name in enumerate(names):
            yield self.get(name)
            if number in (2, 7):
                yield self.move()
            if number == 7:
                yield self.get("midnight")
        self.assertEqual(
            self.paths("daily.log.2001_2_3", "/") + self.paths("daily.log", "/"),
            names,
        )
        sized = sorted(
            (path.name for path in self.directory.glob("sized.log*")), reverse=True
        )
        self.assertGreater(len(sized), 3)
        self.assertEqual([n for name in sized for n in self.paths(name, "/")], names)
        self.assertEqual(
            [n for n in self.paths("access.log") if n != "midnight"], names
        )
