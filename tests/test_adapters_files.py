"""
Tests of L{migrate.adapters.files} and L{migrate.adapters.sockets}.
"""

# Files are closed by those who have them after a move.
# ruff: noqa: SIM115

from __future__ import annotations

import gc
import io
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters import defaultRegistry
from migrate.errors import CannotMigrate
from migrate.graph import Environment, TableSerializer
from migrate.interfaces import ILiveAdapter

PLAIN = b"first\nsecond\nthird\n"
DOS = b"first\r\nsecond\r\nthird\r\n"


class Move:
    """
    One graph on its way within this process.
    """

    def __init__(self, root: Any) -> None:
        self.environment = Environment(defaultRegistry(), Clock())
        self.dump = TableSerializer().dump(root, "root", self.environment)
        self.actions = [
            adapter.actions(obj, None)  # type: ignore[arg-type]
            for adapter, obj in self.dump.live
        ]
        self.loader = TableSerializer().loader(self.environment)

    def pause(self) -> None:
        """
        Do what the janitor does first.
        """
        for action in self.actions:
            action.pause()

    def load(self) -> Any:
        """
        @return: the root that arrives, over copies of the descriptors.
        """
        for chunk in self.dump.chunks:
            self.loader.feed(chunk)
        return self.loader.finish([os.dup(fileno) for fileno in self.dump.filenos])

    def release(self) -> None:
        """
        Let go of the original and own what arrived.
        """
        for action in self.actions:
            action.release()
        self.loader.adopt()


def moved(root: Any) -> Any:
    """
    @return: what C{root} has become after a whole move.
    """
    move = Move(root)
    move.pause()
    arrived = move.load()
    move.release()
    return arrived


def descriptors() -> int:
    """
    @return: how many descriptors this process has.
    """
    # What earlier tests left to the collector must not go in between.
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


class _Case(SynchronousTestCase):
    """
    Files that are closed in the end.
    """

    def setUp(self) -> None:
        self.before = descriptors()

    def path(self, content: bytes = PLAIN) -> Path:
        """
        @return: a file with some content.
        """
        made = Path(self.mktemp())
        made.write_bytes(content)
        return made

    def assertClosed(self, *files: Any) -> None:
        """
        Close files, and be left with the descriptors of the beginning.
        """
        for file in files:
            file.close()
        self.assertEqual(descriptors(), self.before)


class ReadTests(_Case):
    """
    Files that are read.
    """

    def test_buffered(self) -> None:
        """
        A reader goes on where it was, not where the kernel's offset is; the
        origin's offset is not moved.
        """
        file = self.path().open("rb")
        self.assertEqual(file.readline(), b"first\n")
        offset = file.raw.tell()
        self.assertEqual(offset, len(PLAIN))
        move = Move([file, file])
        move.pause()
        arrived, again = move.load()
        self.assertIs(arrived, again)
        self.assertEqual(arrived.readline(), b"second\n")
        self.assertEqual(file.raw.tell(), offset)
        self.assertEqual(file.readline(), b"second\n")
        move.release()
        self.assertTrue(file.closed)
        self.assertEqual(arrived.read(), b"third\n")
        self.assertEqual((arrived.name, arrived.mode), (file.name, "rb"))
        self.assertClosed(arrived)

    def test_raw(self) -> None:
        """
        A file without a buffer.
        """
        file = self.path().open("rb", buffering=0)
        file.read(6)
        arrived = moved(file)
        self.assertIs(type(arrived), io.FileIO)
        self.assertEqual(arrived.read(6), b"second")
        self.assertClosed(arrived)

    def test_text(self) -> None:
        """
        A text file keeps its position, its encoding and its newlines.
        """
        for newline, rest in (
            (None, "second\nthird\n"),
            ("", "second\r\nthird\r\n"),
            ("\r\n", "second\r\nthird\r\n"),
            ("\n", "second\r\nthird\r\n"),
        ):
            file = self.path(DOS).open(
                newline=newline, encoding="latin-1", errors="ignore"
            )
            file.readline()
            arrived = moved(file)
            self.assertEqual(arrived.read(), rest, repr(newline))
            self.assertEqual((arrived.encoding, arrived.errors), ("latin-1", "ignore"))
            self.assertEqual(arrived.mode, "r")
            self.assertClosed(arrived)

    def test_unlinked(self) -> None:
        """
        A file without a name any more.
        """
        path = self.path()
        file = path.open("rb")
        path.unlink()
        file.readline()
        arrived = moved(file)
        self.assertEqual(arrived.readline(), b"second\n")
        self.assertClosed(arrived)

    def test_iterated(self) -> None:
        """
        A text file in the middle of an iteration does not tell where it is.
        """
        file = self.path().open()
        next(file)
        refused = self.assertRaises(CannotMigrate, Move, file)
        self.assertIn("does not tell its position", str(refused))
        self.assertClosed(file)

    def test_inMemory(self) -> None:
        """
        A text layer over memory can be read on.
        """
        memory: Any = io.BufferedReader(io.BytesIO(PLAIN))  # type: ignore[arg-type]
        file = io.TextIOWrapper(memory, "utf-8")
        file.readline()
        self.assertEqual(moved(file).readline(), "second\n")

    def test_closed(self) -> None:
        """
        A closed file arrives closed.
        """
        for mode in ("rb", "r", "r+b", "wb", "a"):
            with self.path().open(mode) as file:
                pass
            arrived = moved([file])[0]
            self.assertIs(type(arrived), type(file))
            self.assertTrue(arrived.closed)
            self.assertEqual((arrived.name, arrived.mode), (file.name, file.mode))
            self.assertClosed()


class WriteTests(_Case):
    """
    Files that are written: nothing is lost, and nothing is written twice.
    """

    def test_pending(self) -> None:
        """
        What the origin has in its buffers is in the file once, before what
        the recipient writes.
        """
        for mode, first, second in (("w", "1\n", "2\n"), ("wb", b"1\n", b"2\n")):
            path = self.path()
            file: Any = path.open(mode)
            file.write(first)
            arrived = moved(file)
            arrived.write(second)
            arrived.close()
            file.close()
            self.assertEqual(path.read_bytes(), b"1\n2\n")
            self.assertClosed()

    def test_audit(self) -> None:
        """
        Asking whether it could be moved writes nothing.
        """
        path = self.path(b"")
        with path.open("w") as file:
            file.write("1\n")
            Move(file)
            self.assertEqual(path.read_bytes(), b"")

    def test_rollBack(self) -> None:
        """
        A file whose move failed goes on at the origin.
        """
        path = self.path()
        file = path.open("wb")
        file.write(b"1\n")
        move = Move(file)
        move.pause()
        arrived = move.load()
        move.loader.discard()
        self.assertTrue(arrived.closed)
        for action in reversed(move.actions):
            action.resume()
        file.write(b"2\n")
        self.assertClosed(file)
        self.assertEqual(path.read_bytes(), b"1\n2\n")

    def test_append(self) -> None:
        """
        A file that is appended to, by both sides of the move.
        """
        path = self.path()
        file = path.open("a")
        file.write("fourth\n")
        arrived = moved(file)
        with path.open("ab") as other:
            other.write(b"fifth\n")
        arrived.write("sixth\n")
        self.assertEqual(arrived.mode, "a")
        self.assertClosed(arrived)
        self.assertEqual(path.read_bytes(), PLAIN + b"fourth\nfifth\nsixth\n")

    def test_both(self) -> None:
        """
        A file that is read and written goes on in its middle.
        """
        for mode in ("r+b", "r+"):
            path = self.path()
            file: Any = path.open(mode)
            file.readline()
            arrived = moved(file)
            arrived.write("SECOND" if mode == "r+" else b"SECOND")
            self.assertClosed(arrived)
            self.assertEqual(path.read_bytes(), b"first\nSECOND\nthird\n")

    def test_byteOrderMark(self) -> None:
        """
        The encoding's mark is written once.
        """
        path = self.path(b"")
        file = path.open("w", encoding="utf-16")
        file.write("a")
        arrived = moved(file)
        arrived.write("b")
        self.assertClosed(arrived)
        self.assertEqual(path.read_bytes(), "ab".encode("utf-16"))

    def test_inMemory(self) -> None:
        """
        A text layer that writes to memory is refused.
        """
        refused = self.assertRaises(
            CannotMigrate, Move, io.TextIOWrapper(io.BytesIO(), "utf-8")
        )
        self.assertIn("keep the BytesIO alone", str(refused))


class TemporaryTests(_Case):
    """
    Files of L{tempfile}.
    """

    def test_named(self) -> None:
        """
        Who has the file in the end removes it, and nobody before.
        """
        file = tempfile.NamedTemporaryFile()
        name = Path(file.name)
        file.write(b"1")
        arrived = moved(file)
        del file
        self.assertTrue(name.exists())
        arrived.write(b"2")
        arrived.flush()
        self.assertEqual(name.read_bytes(), b"12")
        self.assertClosed(arrived)
        self.assertFalse(name.exists())

    def test_rollBack(self) -> None:
        """
        What is thrown away does not take the file with it.
        """
        with tempfile.NamedTemporaryFile() as file:
            move = Move(file)
            move.pause()
            arrived = move.load()
            move.loader.discard()
            del arrived, move
            self.assertTrue(Path(file.name).exists())
        self.assertClosed()

    def test_spooled(self) -> None:
        """
        A file that is still in memory.
        """
        with tempfile.SpooledTemporaryFile() as file:
            file.write(b"abc")
            file.seek(1)
            arrived = moved(file)
        self.assertEqual(arrived.read(), b"bc")


class PipeTests(_Case):
    """
    Descriptors without a position.
    """

    def test_raw(self) -> None:
        """
        Both ends move.
        """
        one, other = os.pipe()
        ends = [open(one, "rb", buffering=0), open(other, "wb")]
        ends[1].write(b"pending")
        reader, writer = moved(ends)
        writer.write(b" more")
        writer.close()
        self.assertEqual(reader.read(100), b"pending more")
        self.assertEqual(reader.read(100), b"")
        self.assertClosed(reader)

    def test_buffered(self) -> None:
        """
        Nobody knows what a buffer has read ahead of a pipe.
        """
        one, other = os.pipe()
        with open(one, "rb") as reader:
            refused = self.assertRaises(CannotMigrate, Move, reader)
        os.close(other)
        self.assertIn("buffering=0", str(refused))
        self.assertClosed()

    def test_notOwned(self) -> None:
        """
        A descriptor that something else owns would be moved twice.
        """
        with self.path().open("rb") as owner:
            file = open(owner.fileno(), "rb", closefd=False)
            refused = self.assertRaises(CannotMigrate, Move, file)
        self.assertIn("another object owns", str(refused))

    def test_standard(self) -> None:
        """
        The process's own streams go by name.
        """
        streams = [sys.__stdout__, sys.__stderr__.buffer, sys.__stdin__.buffer.raw]
        for arrived, stream in zip(moved(streams), streams, strict=True):
            self.assertIs(arrived, stream)


class SocketTests(_Case):
    """
    Sockets outside of transports.
    """

    def test_pair(self) -> None:
        """
        A connection goes on, and its peer sees nothing of the move.
        """
        ours, peer = socket.socketpair()
        peer.sendall(b"before")
        ours.settimeout(5)
        move = Move(ours)
        move.pause()
        arrived = move.load()
        move.release()
        self.assertEqual(ours.fileno(), -1)
        peer.sendall(b" after")
        self.assertEqual(arrived.recv(100), b"before after")
        self.assertEqual(arrived.gettimeout(), 5)
        self.assertFalse(os.get_inheritable(arrived.fileno()))
        arrived.close()
        self.assertEqual(peer.recv(1), b"")
        self.assertClosed(peer)

    def test_blocking(self) -> None:
        """
        One that blocks goes on blocking, and one that does not, does not.
        """
        for timeout in (None, 0.0):
            ours, peer = socket.socketpair()
            ours.settimeout(timeout)
            arrived = moved(ours)
            self.assertEqual(arrived.gettimeout(), timeout)
            self.assertEqual(os.get_blocking(arrived.fileno()), timeout is None)
            self.assertClosed(arrived, peer)

    def test_listener(self) -> None:
        """
        A listener keeps its kind and its queue.
        """
        with socket.create_server(("127.0.0.1", 0)) as listener:
            address = listener.getsockname()
            client = socket.create_connection(address, timeout=5)
            arrived = moved(listener)
        accepted, _ = arrived.accept()
        self.assertEqual(arrived.family, socket.AF_INET)
        self.assertEqual(arrived.type, socket.SOCK_STREAM)
        self.assertClosed(accepted, client, arrived)

    def test_discarded(self) -> None:
        """
        A discarded copy is closed without a word to the peer.
        """
        ours, peer = socket.socketpair()
        move = Move(ours)
        arrived = move.load()
        move.loader.discard()
        self.assertEqual(arrived.fileno(), -1)
        ours.sendall(b"x")
        self.assertEqual(peer.recv(1), b"x")
        self.assertClosed(ours, peer)

    def test_closed(self) -> None:
        """
        A closed socket arrives closed.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
            pass
        arrived = moved(ours)
        self.assertEqual((arrived.fileno(), arrived.family), (-1, socket.AF_UNIX))
        self.assertRaises(OSError, arrived.send, b"x")
        self.assertClosed()


class InterfaceTests(SynchronousTestCase):
    """
    The adapters.
    """

    def test_interface(self) -> None:
        """
        They are adapters of what the kernel acts upon.
        """
        registry = defaultRegistry()
        for cls in (
            io.FileIO,
            io.BufferedReader,
            io.BufferedWriter,
            io.BufferedRandom,
            io.TextIOWrapper,
            tempfile._TemporaryFileCloser,  # type: ignore[attr-defined]
            socket.socket,
        ):
            self.assertTrue(verifyObject(ILiveAdapter, registry.lookup(cls)))
