"""
Files that two processes write to for a while: each writes at the end, wherever that
is by then.

It must not know what is written.
"""

from __future__ import annotations

import fcntl
import io
import os
import stat
from typing import Any


def isWritten(thing: Any) -> bool:
    """
    @return: whether C{thing} is an open file on disk that is written to at a place of
        its own, which is nobody else's.
    """
    if not isinstance(thing, io.FileIO) or thing.closed or not thing.writable():
        return False
    fileno = thing.fileno()
    return stat.S_ISREG(os.fstat(fileno).st_mode) and not _flags(fileno) & os.O_APPEND


def isAtEnd(file: io.FileIO) -> bool:
    """
    @return: whether a file on disk is written to at its end.
    """
    place = os.lseek(file.fileno(), 0, os.SEEK_CUR)
    return place == os.fstat(file.fileno()).st_size


def append(file: io.FileIO) -> None:
    """
    Whatever anybody else writes, write behind it from now on.
    """
    fcntl.fcntl(file.fileno(), fcntl.F_SETFL, _flags(file.fileno()) | os.O_APPEND)


def appendNoMore(file: io.FileIO) -> None:
    """
    Nobody else writes any more: go on at the end, and write where it is asked for.
    The file may have been closed meanwhile.
    """
    if not file.closed:
        fileno = file.fileno()
        os.lseek(fileno, 0, os.SEEK_END)
        fcntl.fcntl(fileno, fcntl.F_SETFL, _flags(fileno) & ~os.O_APPEND)


def _flags(fileno: int) -> int:
    return fcntl.fcntl(fileno, fcntl.F_GETFL)
