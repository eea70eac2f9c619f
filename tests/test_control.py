"""
Control endpoints: what can be said, and what stands in the way on a disk.
"""

from __future__ import annotations

import fcntl
import os
import socket
import stat

from twisted.internet import reactor
from twisted.internet.protocol import Factory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from migrate.control import MAX_PATH, ControlAddress, reachable
from migrate.errors import ControlError


class ParseTests(SynchronousTestCase):
    """
    One string serves both sides.
    """

    def test_unix(self) -> None:
        """
        A path is made absolute, and private unless told otherwise.
        """
        address = ControlAddress.parse("unix:migrate.sock")
        self.assertEqual(address.path, os.path.abspath("migrate.sock"))
        self.assertEqual(address.mode, 0o600)
        self.assertEqual(ControlAddress.parse("unix:x:mode=660").mode, 0o660)
        self.assertEqual(ControlAddress.parse("unix:address=/x").path, "/x")

    def test_tcp(self) -> None:
        """
        A server's and a client's way to write it mean the same, and no
        interface but loopback is listened on unless it is named.
        """
        for text in (
            "tcp:8000",
            "tcp:port=8000",
            "tcp:127.0.0.1:8000",
            "tcp:host=127.0.0.1:port=8000",
            "tcp:8000:interface=127.0.0.1",
        ):
            address = ControlAddress.parse(text)
            self.assertEqual((address.host, address.port), ("127.0.0.1", 8000), text)

    def test_bad(self) -> None:
        """
        What is no endpoint is refused with what would be one.
        """
        for text in (
            "",
            "unix",
            "tcp",
            "tcp:x",
            "ssl:8000",
            "x",
            "unix:",
            "unix:p:mode=9",
        ):
            error = self.assertRaises(ControlError, ControlAddress.parse, text)
            self.assertIn("unix:PATH", str(error), text)

    def test_longButNear(self) -> None:
        """
        Where the absolute path is too long, a short way to it from the working
        directory is as good: the default has to work anywhere.
        """
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        deep = os.path.join(self.mktemp(), "x" * MAX_PATH)
        os.makedirs(deep)
        os.chdir(deep)
        address = ControlAddress.parse("unix:migrate.sock")
        self.assertGreater(len(address.path), MAX_PATH)
        self.assertEqual(reachable(address.path), "migrate.sock")

    def test_tooLong(self) -> None:
        """
        A path that the kernel would not take is refused with the limit.
        """
        error = self.assertRaises(
            ControlError, ControlAddress.parse, "unix:/" + "x" * MAX_PATH
        )
        self.assertIn(str(MAX_PATH), str(error))


class ListenTests(TestCase):
    """
    Listening takes over what is dead and leaves alone what lives.
    """

    def listen(self, path: str, options: str = "") -> None:
        """
        Listen at C{path} for the time of this test.
        """
        address = ControlAddress.parse(f"unix:{path}{options}")
        port = address.listen(reactor, Factory())
        self.addCleanup(port.stopListening)

    def test_private(self) -> None:
        """
        Nobody else can connect, whatever the umask is.
        """
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        path = self.mktemp()
        self.listen(path)
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        other = self.mktemp()
        self.listen(other, ":mode=660")
        self.assertEqual(stat.S_IMODE(os.stat(other).st_mode), 0o660)
        self.assertEqual(os.umask(0), 0)

    def test_stale(self) -> None:
        """
        The socket of a process that is no more is replaced.
        """
        path = self.mktemp()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
            dead.listen()
        self.listen(path)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)

    def test_live(self) -> None:
        """
        The socket of a running process is not touched, even if its backlog is
        full.
        """
        path = self.mktemp()
        with (
            socket.socket(socket.AF_UNIX) as live,
            socket.socket(socket.AF_UNIX) as client,
        ):
            live.bind(path)
            live.listen(0)
            before = os.stat(path).st_ino
            for _ in range(2):
                error = self.assertRaises(ControlError, self.listen, path)
                self.assertIn("migrate-client", str(error))
                # The second time around nobody more gets in.
                client.setblocking(False)
                client.connect_ex(path)
            self.assertEqual(os.stat(path).st_ino, before)

    def test_noSocket(self) -> None:
        """
        A file is not removed.
        """
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("precious")
        error = self.assertRaises(ControlError, self.listen, path)
        self.assertIn("no socket", str(error))
        with open(path) as file:
            self.assertEqual(file.read(), "precious")

    def test_noDirectory(self) -> None:
        """
        A directory that does not exist is named.
        """
        path = os.path.join(self.mktemp(), "deep", "control")
        error = self.assertRaises(ControlError, self.listen, path)
        self.assertIn("deep", str(error))

    def test_alone(self) -> None:
        """
        While another process is about to listen in the same directory, nothing
        is cleared away there; if it does not come to an end, that is told.
        """
        path = self.mktemp()
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        directory = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            inode = os.stat(path).st_ino
            error = self.assertRaises(ControlError, self.listen, path)
            self.assertIn("locked", str(error))
            self.assertEqual(os.stat(path).st_ino, inode)
        finally:
            os.close(directory)
        self.listen(path)

    def test_beside(self) -> None:
        """
        An address of one's own is next to that of the other process.
        """
        address = ControlAddress.parse("unix:/run/migrate.sock")
        self.assertEqual(address.beside("42").path, "/run/migrate.sock.42")
        self.assertEqual(ControlAddress.parse("tcp:8000").beside("42").port, 0)
