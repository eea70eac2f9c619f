"""
Work that makes many objects and no garbage goes faster while nobody looks for
garbage.

It must not know what the work is.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def promote() -> None:
    """
    Take all objects there are for old ones, without looking at any: they have just
    come to stay.
    """
    if not gc.get_freeze_count():
        gc.freeze()
        gc.unfreeze()


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
