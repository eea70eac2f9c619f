"""
The newlines that a text file was opened with, which no attribute of it tells.

It must not know how a file is moved.
"""

from __future__ import annotations

import gc
import io
from typing import Any

_NEWLINES = ("", "\n", "\r", "\r\n")


def newlineOf(obj: Any) -> str | None:
    """
    Find the C{newline} of a L{io.TextIOWrapper} among the texts that it refers
    to.  Its encoding is the first of these and the name of its error treatment
    the last.  Between them are the newline, if one was given, and what it has
    read ahead or is to write, if that is text.  Where only one is there, and it
    may be either, what is to be written is written first, and what was read
    ahead is dropped by going to where the file is.

    @param obj: a file of which nothing is to be written, if it can be read.
    @return: what the file was opened with.
    """
    found = _between(obj)
    if len(found) == 1 and not obj.closed and found[0] in _NEWLINES:
        if obj.writable():
            io.TextIOWrapper.flush(obj)
        if not found[0] and _isUniversal(obj):
            io.TextIOWrapper.seek(obj, io.TextIOWrapper.tell(obj))
        found = _between(obj)
    if not found or found[0] not in _NEWLINES:
        return None
    # One that translates to line feeds has no newline; what it read is text.
    if len(found) == 1 and found[0] and _isUniversal(obj):
        return None
    return found[0]


def _between(obj: Any) -> list[str]:
    """
    @return: the newline, and what was read ahead or is to be written.
    """
    return [each for each in gc.get_referents(obj) if type(each) is str][1:-1]


def _isUniversal(obj: Any) -> bool:
    """
    @return: whether every kind of newline ends a line that is read.
    """
    kinds = map(type, gc.get_referents(obj))
    return io.IncrementalNewlineDecoder in kinds
