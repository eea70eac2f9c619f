"""
A restart beside a migration, as listeners hear them: C{python -m
examples.audio_stream.compare --plot FILE}.

A tune is made and served, people listen, and the station is restarted a few times; then
the same is done with moves to a new process.  What each listener got when is written
down by L{examples.audio_stream.listener}; the longest silence of any is told, and drawn
if that is asked for.

It must not know how a station is moved.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]

TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
RADIO = "radio=examples.audio_stream.radio.makeService"

#: What a station writes once it can be heard, and moved.
READY = "recipients are let in"

#: Seconds that any one step may take.
DEADLINE = 30.0

#: When who got how much, in seconds from the first byte on.
Record = Mapping[int, Sequence[tuple[float, int]]]


class Failed(Exception):
    """
    It could not be shown.
    """


class Stage:
    """
    A directory, and the programs that run in it.
    """

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self.directory = directory
        self._stack = stack
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    def start(self, *command: str) -> subprocess.Popen[str]:
        """
        Start a program, which is ended with everything else.
        """
        environment = {"PYTHONPATH": str(TOP), "AUDIO_PORT": str(self.port)}
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._stack.callback(_end, process)
        return process

    def until(self, process: subprocess.Popen[str], words: str) -> None:
        """
        Wait for what a program writes.

        @raise Failed: it ends without that.
        """
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line)
            if words in line:
                return
        raise Failed(f"{process.args!r} has ended: {''.join(said[-5:])}")

    def station(self, plugin: str, *options: str) -> subprocess.Popen[str]:
        """
        Start a station, or the recipient of one.
        """
        process = self.start(*TWISTD, "-n", "--pidfile=", plugin, *options)
        self.until(process, READY)
        return process

    def listen(self, listeners: int, record: str) -> subprocess.Popen[str]:
        """
        Have people listen.
        """
        module = [sys.executable, "-m", "examples.audio_stream.listener"]
        url = f"http://127.0.0.1:{self.port}/"
        options = ["--listeners", str(listeners), "--audio", "tune.mp3"]
        process = self.start(*module, url, record, *options)
        self.until(process, "listen")
        return process


def _end(process: subprocess.Popen[str]) -> None:
    process.terminate()
    process.communicate(timeout=DEADLINE)


def move(stage: Stage, station: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """
    @return: the process that has the station now.
    """
    recipient = stage.station("migrate-client", "--all")
    station.communicate(timeout=DEADLINE)
    return recipient


def restart(stage: Stage, station: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """
    @return: the process that has the station now.
    """
    _end(station)
    return stage.station("migrate-server", "--service", RADIO)


WAYS = {"restart": restart, "migration": move}


def heard(stage: Stage, way: str, given: argparse.Namespace) -> dict[str, Any]:
    """
    Have a station listened to while that is done to it, a few times.

    @return: what the listeners say, their C{record}, and when it was done (C{at}).
    """
    station = stage.station("migrate-server", "--service", RADIO)
    listeners = stage.listen(given.listeners, f"{way}.csv")
    at = []
    for _ in range(given.times):
        time.sleep(given.interval)
        at.append(time.monotonic())
        station = WAYS[way](stage, station)
    time.sleep(given.interval)
    listeners.terminate()
    out, _ = listeners.communicate(timeout=DEADLINE)
    _end(station)
    record, begin = read(stage.directory / f"{way}.csv")
    told = json.loads(out.splitlines()[-1])
    return {**told, "record": record, "at": [each - begin for each in at]}


def read(path: Path) -> tuple[Record, float]:
    """
    @return: what each listener got, and the instant of the first byte.
    """
    with path.open(newline="") as file:
        rows = [(int(n), float(at), int(count)) for n, at, count in csv.reader(file)]
    begin = min(at for _, at, _ in rows)
    record: dict[int, list[tuple[float, int]]] = {}
    for number, at, count in rows:
        if count:
            record.setdefault(number, []).append((at - begin, count))
    return record, begin


def silence(record: Record) -> float:
    """
    @return: the longest time that any listener got nothing, in seconds.
    """
    return max(
        later[0] - earlier[0]
        for came in record.values()
        for earlier, later in pairwise(came)
    )


def draw(found: Mapping[str, dict[str, Any]], path: Path) -> None:
    """
    Draw what the first listener got, a line for each piece, and how much in all.

    @raise Failed: there is nothing to draw with.
    """
    try:
        import matplotlib
    except ImportError:
        raise Failed("there is no matplotlib here: pip install matplotlib") from None
    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(len(found), 1, sharex=True, figsize=(7, 4))
    for panel, (way, each) in zip(panels, found.items(), strict=True):
        times = [at for at, _ in each["record"][0]]
        panel.vlines(times, 0, 1, linewidth=0.4, color="tab:blue")
        panel.plot(each["at"], [1.08] * len(each["at"]), "v", color="tab:red")
        longest = silence(each["record"]) * 1000
        panel.set_title(f"{way}: the longest silence was {longest:,.0f} ms", fontsize=9)
        panel.set_yticks([])
    panels[-1].set_xlabel("seconds; each line is a piece of audio that has come")
    figure.tight_layout()
    figure.savefig(path, dpi=80)


@contextmanager
def stages(given: argparse.Namespace) -> Iterator[Stage]:
    """
    A directory with a tune in it.

    @raise Failed: there is no tune.
    """
    with tempfile.TemporaryDirectory() as directory, ExitStack() as stack:
        stage = Stage(Path(directory), stack)
        tune = [sys.executable, "-m", "examples.audio_stream.tune", "tune.mp3"]
        made = stage.start(*tune, "--seconds", "20")
        out, _ = made.communicate(timeout=DEADLINE)
        if made.returncode:
            raise Failed(out.strip())
        yield stage


def main(arguments: list[str]) -> int:
    """
    @param arguments: those of the command line, without the program's name.
    @return: the exit status.
    """
    parser = argparse.ArgumentParser(prog="compare")
    parser.add_argument("--listeners", type=int, default=20)
    parser.add_argument("--times", type=int, default=3, help="how often each is done")
    parser.add_argument("--interval", type=float, default=2.0, help="seconds between")
    parser.add_argument("--plot", type=Path, help="where to draw it")
    given = parser.parse_args(arguments)
    found = {}
    try:
        for way in WAYS:
            with stages(given) as stage:
                found[way] = heard(stage, way, given)
            each = found[way]
            longest = silence(each["record"]) * 1000
            print(
                f"{given.times} times {way}, {given.listeners} listeners: longest "
                f"silence {longest:,.0f} ms, {each['cuts']} cut off, "
                f"{len(each['wrong'])} heard something wrong",
                flush=True,
            )
        if given.plot is not None:
            draw(found, given.plot)
    except Failed as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
