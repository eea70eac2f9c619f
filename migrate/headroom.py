"""
Memory for the small objects of a graph that is about to come: Python gets it from the
kernel, which clears it page by page, before anybody waits for it.

It must not know what the objects are.
"""

from __future__ import annotations

import sys

EACH = 400
"""
Bytes for each object that is announced: less than most services need, as all that is
not announced, such as text, numbers and dictionaries, comes with these.
"""

MOST = 128 * 1024 * 1024
"""
Bytes at most, whatever is announced.
"""

# The largest block that Python takes out of its arenas, and what one of those holds.
_BLOCK = 512
_ARENA = 1024 * 1024
_SIZE = _BLOCK - sys.getsizeof(b"")


def headroom(objects: int) -> list[bytes]:
    """
    @param objects: how many are going to come.
    @return: what keeps memory for them from going back to the kernel, for as long as
        it is held.
    """
    count = min(objects * EACH, MOST) // _BLOCK
    blocks = [bytes(_SIZE) for _ in range(count)]
    # One in each arena is enough.
    return blocks[:: _ARENA // _BLOCK // 2]
