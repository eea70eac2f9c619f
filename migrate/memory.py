"""
Memory files: large byte strings on their way to another process, which gets them by a
descriptor.  The kernel seals each, so that nobody can change or cut it off while it is
read.

It must not know what the bytes mean, nor how descriptors travel.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Sequence

import attrs
from zope.interface import implementer

from migrate.interfaces import ILargeBytes

_NAME = "migrate"
_SEALS = ("F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE", "F_SEAL_SEAL")


def isAvailable() -> bool:
    """
    @return: whether this system has sealed memory files.
    """
    return hasattr(os, "memfd_create") and all(hasattr(fcntl, n) for n in _SEALS)


def seal(fileno: int) -> None:
    """
    Let nobody change a memory file any more, nor cut it off.
    """
    seals = 0
    for name in _SEALS:
        seals |= getattr(fcntl, name)
    fcntl.fcntl(fileno, fcntl.F_ADD_SEALS, seals)


@implementer(ILargeBytes)
@attrs.define(eq=False)
class MemoryFiles:
    """
    The files of one graph that are still to be sent.

    @ivar open: their descriptors.
    """

    open: list[int] = attrs.field(factory=list)

    def write(self, parts: Sequence[memoryview]) -> int:
        """
        See L{ILargeBytes.write}.
        """
        flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
        fileno = os.memfd_create(_NAME, flags)
        self.open.append(fileno)
        for part in parts:
            while part:
                part = part[os.write(fileno, part) :]
        seal(fileno)
        return fileno

    def close(self) -> None:
        """
        Close them: whoever was sent one has its own.
        """
        while self.open:
            os.close(self.open.pop())
