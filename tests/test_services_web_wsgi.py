"""
WSGI applications are moved under Twisted Web: C{twistd web --wsgi}, unchanged,
and a service of an application's own.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: Says who it is and what it was sent; below C{/slow} it waits for a word.
APPLICATION = """
import os
import threading


def application(environ, startResponse):
    body = environ["wsgi.input"].read()
    startResponse("200 OK", [("Content-Type", "text/plain")])
    yield f"{os.getpid()} {len(body)}\\n".encode()
    if environ["PATH_INFO"] == "/slow":
        with open("word") as pipe:
            yield pipe.read().encode()
    yield f"{threading.current_thread().name}\\n".encode()
"""

#: Serves it with threads of the reactor, or with some of its own.
SERVICE = '''
from twisted.application.internet import TCPServer
from twisted.internet import reactor
from twisted.python.threadpool import ThreadPool
from twisted.web.server import Site
from twisted.web.wsgi import WSGIResource

from wsgiapp import application


class PooledServer(TCPServer):
    """Starts a pool of threads of its own with it, and stops it."""

    def __init__(self, port):
        self.pool = ThreadPool(1, 2, "mine")
        site = Site(WSGIResource(reactor, self.pool, application))
        TCPServer.__init__(self, port, site, interface="127.0.0.1")

    def startService(self):
        self.pool.start()
        TCPServer.startService(self)

    def stopService(self):
        self.pool.stop()
        print("its threads have ended")
        return TCPServer.stopService(self)


def makeOwn():
    return PooledServer(%(port)d)


def makeReactors():
    resource = WSGIResource(reactor, reactor.getThreadPool(), application)
    return TCPServer(%(port)d, Site(resource), interface="127.0.0.1")
'''


class WSGITests(ServiceTestCase):
    """
    An application that some thread runs.
    """

    def setUp(self) -> None:
        """
        Write the application.
        """
        super().setUp()
        self.port = freePort()
        self.code("wsgiapp", APPLICATION)
        self.code("wsgiservice", SERVICE % {"port": self.port})
        self.word = self.directory / "word"
        os.mkfifo(self.word)

    def curl(self, path: str = "", *options: str) -> Child:
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
    def moves(self, thread: str) -> Any:
        """
        The application is moved while it has nothing to do, and while a client
        sends it something; not while a thread runs it; and it ends as it should.

        @param thread: what the threads are called.
        """
        upload = self.curl("", "--upload-file", "-", "-H", "Expect:")
        for _ in range(2):
            answer = yield self.text(self.curl())
            self.assertRegex(answer, rf"{self.server.pid} 0\n{thread}\n")
            upload.write(b"0123456789")
            yield self.move()
        slow = self.curl("slow")
        yield slow.line(f"{self.server.pid} 0")
        line = yield self.refused()
        self.word.write_text("at last\n")
        answer = yield self.text(slow)
        self.assertRegex(answer, rf"{self.server.pid} 0\nat last\n{thread}\n")
        yield self.move()
        upload.closeInput()
        answer = yield self.text(upload)
        self.assertRegex(answer, rf"{self.server.pid} 20\n{thread}\n")
        self.server.signal(signal.SIGTERM)
        yield self.server.line("Server Shut Down")
        # Not before its threads have.
        yield self.server.ended()
        return line

    @inlineCallbacks
    def test_plugin(self) -> Any:
        """
        C{twistd web --wsgi} has a pool of its own, which the reactor stops.
        """
        listen = f"--listen tcp:{self.port}:interface=127.0.0.1"
        yield self.plugin(f"site=web {listen} --wsgi wsgiapp.application")
        line = yield self.moves(r"PoolThread-\d+-\d")
        self.assertIn("a thread pool, which is busy", line)

    @inlineCallbacks
    def test_own(self) -> Any:
        """
        A service may have a pool of its own, too.
        """
        yield self.serve("--service", "site=wsgiservice.makeOwn")
        line = yield self.moves(r"PoolThread-mine-\d")
        self.assertIn("a thread pool, which is busy", line)
        yield self.server.line("its threads have ended")

    @inlineCallbacks
    def test_reactors(self) -> Any:
        """
        The pool of the reactor is the recipient's own.
        """
        yield self.serve("--service", "site=wsgiservice.makeReactors")
        line = yield self.moves(r"PoolThread-twisted.internet.reactor-\d")
        self.assertIn("busy", line)
