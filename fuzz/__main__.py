"""
C{python -m fuzz [SECONDS]}: feed every target for a while, and say how often.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable

from fuzz.targets import feedFrames, feedPickle, feedRecords, loadTable
from migrate.wire import FrameWriter
from tests.intruder import SAMPLES


def _bent(chance: random.Random) -> bytes:
    """
    @return: some good frames of which a few bytes are others.
    """
    frame = FrameWriter().frame
    data = bytearray(b"".join(map(frame, chance.choices(SAMPLES, k=3))))
    for _ in range(chance.randint(0, 3)):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


def _frames(seed: int) -> None:
    chance = random.Random(seed)
    data = _bent(chance) if seed % 2 else chance.randbytes(chance.randint(0, 300))
    cut = chance.randint(0, len(data))
    feedFrames([data[:cut], data[cut:]])


def _records(seed: int) -> None:
    chance = random.Random(seed)
    feedRecords(chance.randbytes(chance.randint(0, 300)))


TARGETS: tuple[tuple[str, Callable[[int], None]], ...] = (
    ("frames", _frames),
    ("records", _records),
    ("tables", loadTable),
    ("pickles", feedPickle),
)


def main(seconds: float) -> None:
    """
    Go on until the time is over, or something comes through, whose seed is said.
    """
    end = time.monotonic() + seconds
    start = random.SystemRandom().randrange(1 << 48)
    count = 0
    while time.monotonic() < end:
        for name, target in TARGETS:
            try:
                target(start + count)
            except BaseException:
                print(f"{name}: seed {start + count}", file=sys.stderr)
                raise
        count += 1
    print(f"{count} inputs of each kind in {seconds:g} s, from seed {start}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 60.0)
