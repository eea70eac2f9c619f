"""
Tests for supervisors that follow a migration: real processes before a real notify
socket.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort
from tests.supervisor import NotifySocket, addressIn


class SupervisedTestCase(ServiceTestCase):
    """
    Has a supervisor.
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
    def served(self, *options: str) -> Any:
        """
        Serve lines, supervised.

        @param options: those of C{migrate-server}.
        @return: fires with a client.
        """
        port = freePort()
        self.environment["LINES_PORT"] = str(port)
        yield self.serve(
            "--service",
            "lines=tests.lineservice.lines",
            *options,
            environment=self.environment,
        )
        client = yield self.processes.connect(port)
        return client


class FollowingTests(SupervisedTestCase):
    """
    The supervisor hears of a migration.
    """

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

    @inlineCallbacks
    def test_gradual(self) -> Any:
        """
        A process that serves its last clients only is not the main one any more, and
        its end is nobody's business.
        """
        client = yield self.served()
        yield client.ask(b"hello")
        old = self.server
        self.socket.suspects.append(old.pid)
        new = self.client("--gradual", "--all", environment=self.environment)
        named = yield self.socket.until(
            lambda word: (
                word.pid == old.pid and word.said.get("MAINPID") == str(new.pid)
            ),
            f"MAINPID={new.pid} of {old.pid}",
        )
        self.assertIn(old.pid, named.living)
        yield self.socket.until(
            lambda word: word.pid == new.pid and "READY" in word.said,
            f"READY of {new.pid}",
        )
        yield client.disconnect()
        ended = yield old.ended()
        self.assertEqual((ended.status, ended.signal), (0, None))
        self.assertFalse([w for w in self.socket.words if "STOPPING" in w.said])


class ReloadTests(SupervisedTestCase):
    """
    C{--reload-signal}
    """

    @inlineCallbacks
    def test_generations(self) -> Any:
        """
        On the signal a process starts its own successor, which takes over with all
        connections and heeds the signal in turn.  The supervisor hears when that begins
        and when it is over.
        """
        client = yield self.served("--reload-signal", "HUP")
        yield client.ask(b"hello")
        old = self.server.pid
        self.socket.suspects.append(old)
        yield self.socket.saying("READY")
        self.server.signal(signal.SIGHUP)
        ended = yield self.server.exited()
        self.assertEqual((ended.status, ended.signal), (0, None), ended.err)
        words = [w for w in self.socket.words if "WATCHDOG" not in w.said]
        _, begun, over, *_ = words
        self.assertEqual((begun.pid, begun.said["RELOADING"]), (old, "1"))
        self.assertGreater(int(begun.said["MONOTONIC_USEC"]), 0)
        self.assertEqual((over.pid, over.said["READY"]), (old, "1"))
        new = int(over.said["MAINPID"])
        self.assertIn(old, over.living)
        daemon = self.processes.watch(new)
        answer = yield client.ask(b"hello")
        self.assertEqual(answer.split()[:2], [b"%d" % new, b"2"])
        yield self.socket.until(lambda w: w.pid == new and "READY" in w.said, "READY")
        os.kill(new, signal.SIGHUP)
        yield daemon.ended()
        answer = yield client.ask(b"hello")
        self.assertNotIn(answer.split()[0], [b"%d" % old, b"%d" % new])
        self.assertEqual(answer.split()[1], b"3")

    @inlineCallbacks
    def test_failure(self) -> Any:
        """
        A successor that cannot take over leaves all where it was; the supervisor is
        told why, and the next one can.
        """
        client = yield self.served("--reload-signal", "HUP")
        yield client.ask(b"bad")
        self.server.signal(signal.SIGHUP)
        word = yield self.socket.until(
            lambda w: "READY" in w.said and "failed" in w.said["STATUS"], "the failure"
        )
        own = str(self.server.pid)
        self.assertEqual((word.pid, word.said["MAINPID"]), (self.server.pid, own))
        self.assertRegex(word.said["STATUS"], "^serving lines; the upgrade failed: ")
        self.assertIn("generator", word.said["STATUS"])
        yield self.server.line("the upgrade failed: ")
        yield self.server.line("migrate-client: ")
        yield client.ask(b"good")
        self.server.signal(signal.SIGHUP)
        ended = yield self.server.exited()
        self.assertEqual(ended.status, 0)
        stopping = [w for w in self.socket.words if "STOPPING" in w.said]
        self.assertEqual(stopping, [])
