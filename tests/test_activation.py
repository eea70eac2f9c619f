"""
Tests for L{migrate.activation}.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase

from migrate.activation import Activation, descriptorsOf, initialEnvironment
from tests.services import ServiceTestCase, freePort

RUN = "from twisted.scripts.twistd import run; run()"


class EnvironmentTests(SynchronousTestCase):
    """
    What the environment says.
    """

    def test_descriptors(self) -> None:
        """
        Descriptors are those of this process only; one without a name has none.
        """
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2"}
        self.assertEqual(descriptorsOf(environ), [(3, ""), (4, "")])
        environ["LISTEN_FDNAMES"] = "a:b"
        self.assertEqual(descriptorsOf(environ), [(3, "a"), (4, "b")])
        self.assertEqual(descriptorsOf({**environ, "LISTEN_PID": "1"}), [])
        self.assertEqual(descriptorsOf({**environ, "LISTEN_FDS": "some"}), [])
        self.assertEqual(descriptorsOf({}), [])

    def test_initial(self) -> None:
        """
        What this process was started with is known, whatever has been changed since.
        """
        found = initialEnvironment()
        self.assertEqual(found.get("PATH"), os.environ.get("PATH"))
        os.environ["LISTEN_FDNAMES"] = "changed"
        self.addCleanup(os.environ.pop, "LISTEN_FDNAMES")
        self.assertEqual(initialEnvironment(), found)

    def test_nothing(self) -> None:
        """
        Without such sockets nothing is touched.
        """
        reactor: Any = object()
        activation = Activation.fromEnvironment(reactor, {"PATH": "/bin"})
        with activation.standing():
            pass
        activation.settle()
        self.assertEqual(activation.sockets.sockets, [])


class ActivatedTests(ServiceTestCase):
    """
    Servers that a supervisor has started with sockets.
    """

    @inlineCallbacks
    def activated(self, sockets: list[str], *options: str, **environ: str) -> Any:
        """
        Start a server with sockets.

        @param sockets: see L{tests.activating}.
        """
        command = [sys.executable, "-c", RUN, "-n", "migrate-server", *options]
        self.server = self.processes.python(
            ["-m", "tests.activating", *sockets, "--", *command],
            self.directory,
            environment=environ,
        )
        yield self.server.line("recipients are let in")

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        A service that knows nothing of it listens by such sockets, and so does the
        control endpoint; also after a migration.  No process ends the listening, which
        is the supervisor's, nor removes a path.
        """
        port = freePort()
        control, path = (str(self.directory / name) for name in ("control", "lines"))
        yield self.activated(
            [f"control=unix:{control}", f"lines=tcp:{port}", f"more=unix:{path}"],
            "--service",
            "lines=tests.lineservice.both",
            LINES_PORT=str(port),
            LINES_PATH=path,
        )
        clients = [
            (yield self.processes.connect(port)),
            (yield self.processes.connect(f"unix:{path}")),
        ]
        for client in clients:
            self.assertIn(str(self.server.pid), str((yield client.ask(b"before"))))
        for _ in range(2):
            yield self.move("--all", "--control", f"unix:{control}")
            for client in clients:
                self.assertIn(str(self.server.pid), str((yield client.ask(b"on"))))
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()
        for where in (port, f"unix:{path}", f"unix:{control}"):
            yield self.processes.connect(where)

    @inlineCallbacks
    def test_twistedsEndpoints(self) -> Any:
        """
        Twisted's own endpoints for such sockets do, too, and move.
        """
        port = freePort()
        site = "site=web --path . --listen systemd:domain=INET:name=web"
        yield self.activated([f"web=tcp:{port}"], "--plugin", site)
        (self.directory / "page.txt").write_text("here")
        for _ in range(2):
            client = yield self.processes.connect(port)
            client.send(b"GET /page.txt HTTP/1.0\r\n\r\n")
            yield client.expect(b"here")
            yield self.move()
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()
        yield self.processes.connect(port)

    @inlineCallbacks
    def test_unused(self) -> Any:
        """
        What nothing listens by is let go, with a line in the log; what does not listen
        is left alone.
        """
        ports = freePort(), freePort()
        yield self.activated(
            [f"lines=tcp:{ports[0]}", "stray=stray", f"more=udp:{ports[1]}"],
            "--service",
            "lines=tests.lineservice.lines",
            LINES_PORT=str(ports[0]),
        )
        yield self.server.line(rf"listens on udp 127.0.0.1:{ports[1]} for this service")
        yield self.server.line(r"descriptor 4 \(stray\) is no listening socket")
        held = os.listdir(f"/proc/{self.server.pid}/fd")
        links = [os.readlink(f"/proc/{self.server.pid}/fd/{each}") for each in held]
        sockets = [each for each in links if each.startswith("socket:")]
        # Twice that of the service would be one that is left open by its number.
        self.assertEqual(len(sockets), len(set(sockets)), links)

    @inlineCallbacks
    def test_otherControl(self) -> Any:
        """
        A control endpoint that is not the supervisor's is refused, with the two ways
        out of it.
        """
        control = str(self.directory / "control")
        command = ["-n", "migrate-server", "--control", "unix:other", "--service"]
        child = self.processes.python(
            [
                *("-m", "tests.activating", f"control=unix:{control}", "--"),
                *(sys.executable, "-c", RUN, *command, "lines=tests.lineservice.lines"),
            ],
            self.directory,
            environment={"LINES_PORT": str(freePort())},
        )
        ended = yield child.ended()
        self.assertEqual(ended.status, 1)
        self.assertIn("leave --control out, or name the same", ended.err)
