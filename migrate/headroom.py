"""
Memory for the small objects of a graph that is about to come: Python gets it from the
kernel, which clears it page by page, before anybody waits for it.

It must not know what the objects are.
"""

from __future__ import annotations

import sys

OBJECT, BYTE = 270, 6
"""
Bytes of memory for each object that is announced, and for each byte of records; the
fewer of both.  Objects with an attribute or two take a little more, all that is not
announced, such as text and numbers, counted in; small containers take less, and few
bytes of records.
"""

SMALL, LARGE = 600, 900
"""
Bytes for each descriptor beside: of the transport, its socket and its protocol, in
blocks of Python's own and in those of the C library, where dictionaries with many
attributes are.
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


def headroom(objects: int, size: int, descriptors: int) -> list[bytes]:
    """
    @param objects: how many are going to come.
    @param size: how many bytes of records.
    @param descriptors: how many of these.
    @return: what keeps memory for them from going back to the kernel, for as long as
        it is held.
    """
    small = min(OBJECT * objects, BYTE * size) + SMALL * descriptors
    small = min(small, MOST)
    large = min(LARGE * descriptors, MOST - small)
    blocks = [bytes(_BLOCK - _HEAD) for _ in range(small // _BLOCK)]
    # New memory that is to be zero is not touched.
    pieces = [b"." * (_PIECE - _HEAD) for _ in range(large // _PIECE)]
    # One in each arena is enough, and the one behind all others.
    return blocks[:: _ARENA // _BLOCK // 2] + pieces[-1:]
