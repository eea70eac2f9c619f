"""
Tests for supervisors that follow a migration: real processes before a real notify
socket.
"""

from __future__ import annotations

import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort
from tests.supervisor import NotifySocket, addressIn


class FollowingTests(ServiceTestCase):
    """
    The supervisor hears of a migration.
    """

    def setUp(self) -> None:
        """
        A supervisor.
        """
        super().setUp()
        self.socket = NotifySocket(addressIn(self.directory)).start(self)
        self.environment = {
            "NOTIFY_SOCKET": self.socket.address,
            "WATCHDOG_USEC": "400000",
            "WATCHDOG_PID": None,
        }

    @inlineCallbacks
    def served(self) -> Any:
        """
        Serve lines, supervised.

        @return: fires with a client.
        """
        port = freePort()
        yield self.serve(
            "--service",
            "lines=tests.lineservice.lines",
            environment={**self.environment, "LINES_PORT": str(port)},
        )
        client = yield self.processes.connect(port)
        return client

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        The server says that it is ready; it names its recipient before it ends, and
        does not say that the service ends; the recipient, which was started by hand,
        outside of the supervisor's environment, does the same for the next.
        """
        client = yield self.served()
        for _ in range(2):
            pid = self.server.pid
            ready = yield self.socket.until(
                lambda word, pid=pid: word.pid == pid and "READY" in word.said,
                f"READY of {pid}",
            )
            self.assertEqual(ready.said["MAINPID"], str(pid))
            self.assertEqual(ready.said["STATUS"], "serving lines")
            yield client.ask(b"hello")
            self.socket.suspects.append(pid)
            yield self.move()
            new = str(self.server.pid)
            named = yield self.socket.until(
                lambda word, pid=pid, new=new: (
                    word.pid == pid and word.said.get("MAINPID") == new
                ),
                f"MAINPID={new} of {pid}",
            )
            self.assertEqual(named.said["READY"], "1")
            self.assertIn(pid, named.living)
        yield self.socket.until(
            lambda word: str(word.pid) == new and "WATCHDOG" in word.said,
            f"WATCHDOG of {new}",
        )
        self.assertFalse([w for w in self.socket.words if "STOPPING" in w.said])
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()
        stopping = yield self.socket.saying("STOPPING")
        self.assertEqual(str(stopping.pid), new)
