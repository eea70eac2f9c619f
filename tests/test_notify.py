"""
Tests for L{migrate.notify}.
"""

from __future__ import annotations

import os
from pathlib import Path

from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase

from migrate.notify import Notifier, monotonic
from tests.supervisor import NotifySocket, addressIn


class NotifierTests(SynchronousTestCase):
    """
    L{Notifier}, before a real socket.
    """

    def setUp(self) -> None:
        """
        A supervisor.
        """
        self.socket = NotifySocket(addressIn(Path(self.mktemp())))
        self.addCleanup(self.socket.close)
        self.notifier = Notifier(self.socket.address, clock=lambda: 123456)

    def heard(self) -> list[dict[str, str]]:
        """
        @return: all that was said, by this process.
        """
        words = self.socket.read()
        self.assertEqual({word.pid for word in words}, {os.getpid()})
        return [word.said for word in words]

    def test_words(self) -> None:
        """
        Each word is one datagram; a reload has a time, and its end names who serves.
        """
        notifier = self.notifier
        self.assertTrue(notifier)
        said = [
            notifier.ready("serving echo"),
            notifier.reloading("upgrading"),
            notifier.ready("moved", 77),
            notifier.status("it\ngoes on"),
            notifier.alive(),
            notifier.extend(1.5),
            notifier.stopping("ending"),
        ]
        self.assertEqual(said, [True] * 7)
        own = str(os.getpid())
        self.assertEqual(
            self.heard(),
            [
                {"READY": "1", "MAINPID": own, "STATUS": "serving echo"},
                {
                    "RELOADING": "1",
                    "MONOTONIC_USEC": "123456",
                    "STATUS": "upgrading",
                },
                {"READY": "1", "MAINPID": "77", "STATUS": "moved"},
                {"STATUS": "it goes on"},
                {"WATCHDOG": "1"},
                {"EXTEND_TIMEOUT_USEC": "1500000"},
                {"STOPPING": "1", "STATUS": "ending"},
            ],
        )

    def test_abstract(self) -> None:
        """
        The socket may be an abstract one.
        """
        other = NotifySocket(f"@migrate-test-{os.getpid()}-{id(self)}")
        self.addCleanup(other.close)
        self.assertTrue(Notifier(other.address).alive())
        self.assertEqual([word.said for word in other.read()], [{"WATCHDOG": "1"}])

    def test_nobody(self) -> None:
        """
        Without a supervisor nothing is said, and nothing is wrong.
        """
        notifier = Notifier.fromEnvironment({})
        self.assertFalse(notifier)
        with capturedLogs() as events:
            self.assertFalse(notifier.ready("serving"))
        self.assertEqual(events, [])

    def test_gone(self) -> None:
        """
        A supervisor that is gone is a line in the log.
        """
        with capturedLogs() as events:
            self.assertFalse(Notifier(self.mktemp()).ready("serving"))
            self.assertFalse(Notifier("/" + "x" * 200).ready("serving"))
        self.assertEqual(len(events), 2)
        self.assertIn("READY=1", events[0]["lines"])

    def test_unknownAddress(self) -> None:
        """
        What is no address of such a socket is a line in the log.
        """
        with capturedLogs() as events:
            notifier = Notifier.fromEnvironment({"NOTIFY_SOCKET": "vsock:2:1"})
        self.assertFalse(notifier)
        self.assertEqual([each["address"] for each in events], ["vsock:2:1"])

    def test_environment(self) -> None:
        """
        The environment says where it listens, and how often it wants to hear.
        """
        environ = {"NOTIFY_SOCKET": "/a", "WATCHDOG_USEC": "2000000"}
        expected = Notifier("/a", 2000000)
        self.assertEqual(Notifier.fromEnvironment(environ), expected)
        environ["WATCHDOG_PID"] = str(os.getpid())
        self.assertEqual(Notifier.fromEnvironment(environ), expected)
        environ["WATCHDOG_PID"] = "1"
        self.assertEqual(Notifier.fromEnvironment(environ), Notifier("/a"))
        environ.update(WATCHDOG_PID="", WATCHDOG_USEC="often")
        self.assertEqual(Notifier.fromEnvironment(environ), Notifier("/a"))

    def test_monotonic(self) -> None:
        """
        Times are those of the clock that counts from the start of the machine.
        """
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        self.assertGreaterEqual(monotonic() / 1e6 + 1.0, 0.0)
        self.assertLess(monotonic() / 1e6, uptime + 60.0)
        self.assertLessEqual(monotonic(), monotonic())
