"""
A service that holds much memory: C{benchmarks.hoard.makeService}.  Whoever connects
and writes a line gets a fingerprint of all that it holds.

It must not know that it is moved, nor measured.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from twisted.application.internet import TCPServer
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

#: What makes the service what it is: the port, what it holds, and how much of that:
#: instances, or bytes.
PORT = "BENCHMARK_PORT"
KIND = "BENCHMARK_HOARD"
SIZE = "BENCHMARK_HOARD_SIZE"

#: Bytes of a block; instances on a shelf; how many large strings there are.
BLOCK = 64 * 1024
SHELF = 1000
STRINGS = 4


class Item:
    """
    A small object.

    @ivar before: the one that was made before it.
    """

    def __init__(self, number: int, before: Item | None) -> None:
        self.number = number
        self.label = f"item {number}"
        self.weight = number / 8
        self.before = before


class Shelves:
    """
    Small objects, each in a list, and by its number in a dictionary; the lists are
    in a dictionary, by name.
    """

    def __init__(self, count: int) -> None:
        self.lists: dict[str, list[Item]] = {}
        self.items: dict[int, Item] = {}
        before = None
        for number in range(count):
            item = Item(number, before)
            self.lists.setdefault(f"shelf {number // SHELF}", []).append(item)
            self.items[number] = before = item

    def fingerprint(self) -> str:
        """
        @return: what tells these from others, and whether all links lead where they
            should.
        """
        weight, labels, links, before = 0.0, 0, 0, None
        for shelf in self.lists.values():
            for item in shelf:
                links += item.before is before and self.items[item.number] is item
                labels = zlib.crc32(item.label.encode(), labels)
                weight += item.weight
                before = item
        return f"{len(self.items)} {links} {labels} {weight}"


class Strings:
    """
    Bytes, in strings of one length.
    """

    def __init__(self, size: int, length: int) -> None:
        # Nothing that could be left out, nor be shared, and nothing beside.
        self.strings = [
            os.urandom(min(length, size - at)) for at in range(0, size, length)
        ]

    def fingerprint(self) -> str:
        """
        @return: what tells these from others.
        """
        seen = 0
        for each in self.strings:
            seen = zlib.crc32(each, seen)
        return f"{len(self.strings)} {sum(map(len, self.strings))} {seen}"


#: What there is to be held, by name.
KINDS: Mapping[str, Callable[[int], Any]] = {
    "nothing": lambda size: Shelves(0),
    "objects": Shelves,
    "blocks": lambda size: Strings(size, BLOCK),
    "strings": lambda size: Strings(size, -(-size // STRINGS)),
    "one string": lambda size: Strings(size, size),
}


class Keeper(LineReceiver):
    """
    Tells whoever asks what is held.
    """

    delimiter = b"\n"

    def lineReceived(self, line: bytes) -> None:
        """
        Somebody wants to know.
        """
        self.sendLine(self.factory.held.fingerprint().encode())


class Hoard(Factory):
    """
    Holds it.
    """

    protocol = Keeper
    noisy = False

    def __init__(self, held: Any) -> None:
        self.held = held


def makeService(environ: Mapping[str, str] = os.environ) -> TCPServer:
    """
    @return: the service.
    """
    held = KINDS[environ[KIND]](int(environ[SIZE]))
    return TCPServer(int(environ[PORT]), Hoard(held), interface="127.0.0.1")
