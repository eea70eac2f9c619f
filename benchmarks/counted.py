"""
The chat of the benchmarks, with a counter, somebody to ask which process answers, and
perhaps many small objects.  Named on command lines as
C{benchmarks.counted.makeService}.

It must not know that it is handed over, nor measured.
"""

from __future__ import annotations

import os

from twisted.application.internet import TCPServer

from benchmarks.chat import BACKLOG, PORT, Chat, Person
from benchmarks.hoard import SIZE, Shelves

#: The line that counts.
COUNT = b"count"


class Counter(Person):
    """
    One connection.
    """

    def lineReceived(self, line: bytes) -> None:
        """
        Count, and tell the number of this process and how often that was asked for; or
        talk.
        """
        if line != COUNT:
            super().lineReceived(line)
            return
        self.factory.counted += 1
        self.transport.write(b"%d %d\n" % (os.getpid(), self.factory.counted))


class Counting(Chat):
    """
    All of it.

    @ivar counted: how often anybody had it count.
    @ivar shelves: the objects.
    """

    protocol = Counter

    def __init__(self, objects: int = 0) -> None:
        super().__init__(0)
        self.counted = 0
        self.shelves = Shelves(objects)


def makeService() -> TCPServer:
    """
    @return: the chat.
    """
    port = int(os.environ[PORT])
    chat = Counting(int(os.environ.get(SIZE, "0")))
    return TCPServer(port, chat, backlog=BACKLOG, interface="127.0.0.1")
