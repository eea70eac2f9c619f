"""
Composes a tune and has it made an MP3 file by C{lame}: C{python -m
examples.audio_stream.tune FILE}.

It must not know who plays it.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import subprocess
import sys
from array import array
from collections.abc import Iterator
from pathlib import Path

#: Samples a second.
RATE = 44100

#: How long one note is, in seconds, and how fast it fades, by second.
NOTE, FADING = 0.25, 6.0

#: The notes there are, in half tones above A: five of them to an octave, which sound
#: well in any order.
SCALE = (0, 2, 4, 7, 9, 12, 14, 16, 19, 21, 24)


class Failed(Exception):
    """
    The file could not be made.
    """


def note(halfTones: int, seconds: float) -> Iterator[int]:
    """
    @param halfTones: above an A of 220 Hz.
    @return: its samples, of 16 bits.
    """
    step = 2 * math.pi * 220 * 2 ** (halfTones / 12) / RATE
    for at in range(round(seconds * RATE)):
        loud = 9000 * math.exp(-FADING * at / RATE)
        # With its octave above it, or it would sound like a whistle.
        yield round(loud * (math.sin(step * at) + 0.5 * math.sin(2 * step * at)))


def tune(seconds: float) -> array[int]:
    """
    @return: samples of 16 bits, one channel; the same for the same length.
    """
    chance = random.Random(5566)
    samples = array("h")
    while len(samples) < seconds * RATE:
        samples.extend(note(chance.choice(SCALE), NOTE))
    del samples[round(seconds * RATE) :]
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def encode(samples: array[int], path: Path, bitRate: int) -> None:
    """
    Write an MP3 file of nothing but frames, each of which can be played without those
    before it: listeners begin at any of them.

    @param samples: of 16 bits, the lower byte first.
    @param bitRate: in kbit/s.
    @raise Failed: it could not.
    """
    lame = shutil.which("lame")
    if lame is None:
        raise Failed("there is no lame here: install lame")
    raw = ["-r", "-s", str(RATE / 1000), "--bitwidth", "16", "--little-endian"]
    command = [lame, "--silent", *raw, "-m", "m", "--cbr", "-b", str(bitRate)]
    command += ["-t", "--nores", "--resample", str(RATE / 1000), "-", str(path)]
    done = subprocess.run(command, input=samples.tobytes(), capture_output=True)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise Failed(said.splitlines()[-1] if said else "lame failed")


def main(arguments: list[str]) -> int:
    """
    @param arguments: those of the command line, without the program's name.
    @return: the exit status.
    """
    parser = argparse.ArgumentParser(prog="tune")
    parser.add_argument("path", type=Path, help="the MP3 file to make")
    parser.add_argument("--seconds", type=float, default=30.0, help="its length")
    parser.add_argument("--bit-rate", type=int, default=128, help="in kbit/s")
    given = parser.parse_args(arguments)
    try:
        encode(tune(given.seconds), given.path, given.bit_rate)
    except Failed as error:
        print(f"tune: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
