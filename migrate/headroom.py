"""
Memory for the small objects of a graph that is about to come: Python gets it from the
kernel, which clears it page by page, before anybody waits for it.

It must not know what the objects are.
"""

from __future__ import annotations

import sys

SMALL, LARGE = 400, 160
"""
Bytes for each object that is announced, in blocks of Python's own and in those of the
C library, where the dictionaries of large objects are: less than most services need, as
all that is not announced, such as text and numbers, comes with these.
"""

MOST = 128 * 1024 * 1024
"""
Bytes at most, whatever is announced.
"""

# The largest block that Python takes out of its arenas, and what one of those holds.
_BLOCK = 512
_ARENA = 1024 * 1024
# What the C library neither has Python cut up nor gives back at once.
_PIECE = 64 * 1024
_HEAD = sys.getsizeof(b"")


def headroom(objects: int) -> list[bytes]:
    """
    @param objects: how many are going to come.
    @return: what keeps memory for them from going back to the kernel, for as long as
        it is held.
    """
    objects = min(objects, MOST // (SMALL + LARGE))
    blocks = [bytes(_BLOCK - _HEAD) for _ in range(objects * SMALL // _BLOCK)]
    # New memory that is to be zero is not touched.
    pieces = [b"." * (_PIECE - _HEAD) for _ in range(objects * LARGE // _PIECE)]
    # One in each arena is enough, and the one behind all others.
    return blocks[:: _ARENA // _BLOCK // 2] + pieces[-1:]
