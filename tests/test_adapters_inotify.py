"""
Tests for L{migrate.adapters.inotify}.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.inotify import INotify
from twisted.python.filepath import FilePath
from twisted.trial.unittest import SynchronousTestCase

from tests.inprocess import Move, descriptors
from tests.reactors import freshReactor, spin


class Base(SynchronousTestCase):
    """
    Two reactors.
    """

    def setUp(self) -> None:
        """
        Make them.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)


class Watcher:
    """
    Is told of files.
    """

    def __init__(self) -> None:
        self.names: list[bytes] = []

    def notified(self, ignored: object, path: Any, mask: int) -> None:
        """
        Something happened to a file.
        """
        self.names.append(path.basename())


class INotifyTests(Base):
    """
    L{INotify}
    """

    def setUp(self) -> None:
        """
        Watch a directory.
        """
        super().setUp()
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.watcher = Watcher()
        self.notify = INotify(self.origin)
        self.notify.startReading()
        self.notify.watch(FilePath(str(self.folder)), callbacks=[self.watcher.notified])

    def touch(self, name: str) -> None:
        """
        Have something to tell.
        """
        (self.folder / name).symlink_to("nowhere")

    def test_moves(self) -> None:
        """
        What nobody has read yet goes along, and so do the watches, although
        only the reactor knows of them.
        """
        self.touch("one")
        spin(lambda: self.watcher.names == [b"one"], self.origin)
        before = descriptors()
        move = Move([self.watcher], self.origin, self.recipient)
        (made,) = move.prepare()
        self.touch("two")
        move.commit()
        self.assertEqual(descriptors(), before)
        self.touch("three")
        spin(lambda: len(made.names) == 3, self.recipient)
        self.assertEqual(made.names, [b"one", b"two", b"three"])
        self.assertEqual(self.watcher.names, [b"one"])
        (notify,) = [
            each for each in self.recipient.getReaders() if isinstance(each, INotify)
        ]
        notify.ignore(FilePath(str(self.folder)))
        self.touch("four")
        for _ in range(3):
            self.recipient.iterate(0)
        self.assertEqual(len(made.names), 3)

    def test_closed(self) -> None:
        """
        One that is closed moves as one that is closed.
        """
        self.notify.loseConnection()
        spin(lambda: self.notify.disconnected, self.origin)
        before = descriptors()
        (made,) = Move([self.notify], self.origin, self.recipient).go()
        self.assertEqual(made.fileno(), -1)
        self.assertEqual(descriptors(), before)
