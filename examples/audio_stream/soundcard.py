"""
What a player sounds like where there is no sound card: C{python -m
examples.audio_stream.soundcard -- mpg123 --stdout URL}.

Runs a player that writes samples to its standard output and takes them as a sound card
does: at the rate at which they are heard, through a buffer of its own.  Where the
buffer is empty there is silence: an underrun.  A player that ends is started anew, as
a person would do.  It tells all that on standard output, line by line, until SIGINT or
SIGTERM comes, and then sums it up as a line of JSON.

It must not know where the player gets its samples from.
"""

from __future__ import annotations

import argparse
import json
import select
import signal
import subprocess
import sys
import time
from typing import Any

#: Between two looks at the buffer, in seconds: a period of a sound card.
PERIOD = 0.01

#: Before a player that has ended is started anew, in seconds.
BREATH = 0.1


def say(text: str) -> None:
    """
    Print a line at once.
    """
    print(text, flush=True)


class Buffer:
    """
    The samples that a sound card holds, and how they are heard.

    @ivar underruns: how often there was silence, once anything was heard.
    @ivar silent: for how long, in seconds, as far as it has ended.
    @ivar lowest: the least that was in it while it was heard, in seconds.
    @ivar heard: for how long anything was heard, in seconds.
    @ivar playing: whether anything is heard now.
    """

    def __init__(self, rate: float, seconds: float) -> None:
        """
        @param rate: bytes that are heard in a second.
        @param seconds: how much it holds; it is heard once it is full, and after an
            underrun once it is full again.
        """
        self.underruns = 0
        self.silent = self.heard = 0.0
        self.lowest = seconds
        self.playing = False
        self._rate = rate
        self._size = seconds * rate
        self._level = 0.0
        self._looked = 0.0
        self._since: float | None = None

    @property
    def room(self) -> int:
        """
        How many bytes it could take now.
        """
        return int(self._size - self._level)

    def pass_(self, now: float) -> bool:
        """
        Let it be heard until now.

        @param now: in seconds.
        @return: whether it has run dry.
        """
        went, self._looked = now - self._looked, now
        if not self.playing:
            return False
        taken = min(went * self._rate, self._level)
        self._level -= taken
        self.heard += taken / self._rate
        self.lowest = min(self.lowest, self._level / self._rate)
        if went * self._rate <= taken:
            return False
        self.playing = False
        self.underruns += 1
        self._since = now - went + taken / self._rate
        return True

    def put(self, count: int, now: float) -> float | None:
        """
        @param count: bytes of samples.
        @param now: in seconds; the last time that it was looked at.
        @return: if it begins to be heard, for how long there was silence before, in
            seconds; 0 at the first time.
        """
        self._level += count
        # A byte is no sample: that much room may stay.
        if self.playing or self.room > self._rate * PERIOD:
            return None
        self.playing = True
        silence = 0.0 if self._since is None else now - self._since
        self.silent += silence
        return silence


class Player:
    """
    The process that plays, and those after it.

    @ivar starts: how often it was started.
    """

    def __init__(self, command: list[str]) -> None:
        self.starts = 0
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._again = 0.0

    def read(self, most: int) -> int:
        """
        Read samples, for at most a period of time.

        @param most: bytes.
        @return: how many came.
        """
        if self._process is None:
            if time.monotonic() < self._again:
                time.sleep(PERIOD)
                return 0
            self.starts += 1
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        output: Any = self._process.stdout
        if not select.select([output], [], [], PERIOD)[0]:
            return 0
        data = output.read(most)
        if not data:
            self.end()
            say("the player has ended")
        return len(data)

    def end(self) -> None:
        """
        End it, if it runs.
        """
        if self._process is not None:
            process, self._process = self._process, None
            process.terminate()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()
            self._again = time.monotonic() + BREATH


def play(player: Player, buffer: Buffer) -> None:
    """
    Take what the player plays, for ever.
    """
    buffer.pass_(time.monotonic())
    while True:
        count = 0
        if buffer.room > 0:
            count = player.read(buffer.room)
        else:
            time.sleep(PERIOD)
        now = time.monotonic()
        if buffer.pass_(now):
            say("underrun")
        silence = buffer.put(count, now)
        if silence is not None:
            say(f"playing, after {silence * 1000:.0f} ms of silence")


def main(arguments: list[str]) -> int:
    """
    @param arguments: those of the command line, without the program's name.
    @return: the exit status.
    """
    parser = argparse.ArgumentParser(prog="soundcard")
    parser.add_argument("--rate", type=float, default=44100, help="samples a second")
    parser.add_argument("--sample", type=int, default=2, help="bytes, of all channels")
    parser.add_argument("--buffer", type=float, default=0.5, help="in seconds")
    parser.add_argument("player", nargs="+", help="a command")
    given = parser.parse_args(arguments)
    player = Player(given.player)
    buffer = Buffer(given.rate * given.sample, given.buffer)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: sys.exit(0))
    try:
        play(player, buffer)
    except FileNotFoundError as error:
        print(f"soundcard: {error}", file=sys.stderr)
        return 1
    finally:
        player.end()
        told = ("underruns", "silent", "lowest", "heard")
        found = {name: round(getattr(buffer, name), 3) for name in told}
        say(json.dumps({**found, "starts": player.starts}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
