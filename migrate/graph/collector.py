"""
Work that makes many objects and no garbage goes faster while nobody looks for
garbage, and leaves freed memory behind that the system should have back.

It must not know what the work is.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Iterator
from contextlib import contextmanager

OWN = 1000
"""
Objects that Python itself may keep apart: 3.12 begins with some hundreds.  More are an
application's, which wants them there.
"""


def promote() -> None:
    """
    Take all objects there are for old ones, without looking at any: they have just
    come to stay.
    """
    if gc.get_freeze_count() < OWN:
        gc.freeze()
        gc.unfreeze()


def giveBack() -> None:
    """
    Have the C library give freed memory back to the system, where it keeps any: what
    came with a large graph, for instance.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextmanager
def uncollected() -> Iterator[None]:
    """
    Keep the cyclic collector off, and leave it as it was.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
