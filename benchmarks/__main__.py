"""
What a migration costs those who are connected: C{python -m benchmarks}.  See
C{benchmarks/README.rst} for what is measured, and how.

It must not know how services move.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import twisted
from benchmarks.chat import BALLAST, PORT
from benchmarks.show import plot, table

TOP = Path(__file__).resolve().parent.parent

#: Seconds that any one step of a benchmark may take.
DEADLINE = 300

#: Seconds of talk before and after what is measured.
TALK = 0.5

WAYS = ("table", "pickle", "floor", "restart")

_TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]
_MOVED = re.compile(
    r"moved chat to process (\d+) in ([\d.]+) ms: (\d+) objects, "
    r"(\d+) descriptors, (\d+) bytes \((.*)\)"
)


class Program:
    """
    A process of a benchmark, whose lines are waited for.
    """

    def __init__(self, command: list[str], where: str, **environment: str) -> None:
        # A file and not a pipe: nobody reads while a line is waited for elsewhere.
        self._log = Path(tempfile.mkstemp(dir=where)[1])
        with self._log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=where,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(TOP), **environment},
            )

    def say(self, line: str) -> None:
        """
        Write a line to its standard input.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def line(self, pattern: str | re.Pattern[str]) -> re.Match[str]:
        """
        Wait for a line like that.
        """
        end = time.monotonic() + DEADLINE
        while time.monotonic() < end:
            found = re.search(pattern, self._log.read_text())
            if found is not None:
                return found
            if self.process.poll() is not None:
                break
            time.sleep(0.005)
        raise SystemExit(
            f"no line like {pattern!r} from {self.process.args!r}:\n"
            f"{self._log.read_text()[-3000:]}"
        )

    def peak(self) -> int:
        """
        @return: the most memory that it ever had, in bytes.
        """
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) * 1024 if found else 0

    def end(self) -> None:
        """
        End it.
        """
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


class Bench:
    """
    One measurement: a service, people who talk to it, and something that is done
    to it meanwhile.
    """

    def __init__(self, people: int, ballast: int, stack: ExitStack) -> None:
        self.people = people
        self.ballast = ballast
        self.port = str(_freePort())
        self._stack = stack
        self._where = stack.enter_context(tempfile.TemporaryDirectory())

    def start(self, command: list[str]) -> Program:
        """
        Start a process that ends with the measurement.
        """
        environment = {PORT: self.port, BALLAST: str(self.ballast)}
        program = Program(command, self._where, **environment)
        self._stack.callback(program.end)
        return program

    def serve(self) -> Program:
        """
        Start the chat.
        """
        chat = "chat=benchmarks.chat.makeService"
        arguments = ["-n", "--pidfile=", "migrate-server", "--service", chat]
        served = self.start([*_TWISTD, *arguments])
        served.line("recipients are let in")
        return served

    def crowd(self, *options: str) -> Program:
        """
        Have people come and talk.
        """
        command = ["-m", "benchmarks.crowd", self.port, str(self.people), *options]
        crowd = self.start([sys.executable, *command])
        crowd.line("connected")
        crowd.say("begin")
        crowd.line("asking")
        time.sleep(TALK)
        return crowd

    def told(self, crowd: Program) -> dict[str, float]:
        """
        @return: the pause that they have felt, and what else they tell.
        """
        time.sleep(TALK)
        crowd.say("end")
        said = json.loads(crowd.line(r"\{.*\}")[0])
        return {
            "felt": said["longest"] - said["median"],
            "roundTrip": said["median"],
            "answers": said["answers"],
            "returned": said["returned"],
        }

    # What is done.

    def move(self, serializer: str) -> dict[str, Any]:
        """
        Move it.
        """
        origin = self.serve()
        crowd = self.crowd()
        arguments = ["-n", "--pidfile=", "migrate-client", "--all"]
        recipient = self.start([*_TWISTD, *arguments, "--serializer", serializer])
        found = origin.line(_MOVED)
        recipient.line("recipients are let in")
        _, _, usage = os.wait4(origin.process.pid, 0)
        origin.process.returncode = 0
        steps = dict(each.split(" ", 1) for each in found[6].split(", "))
        return {
            **self.told(crowd),
            "pause": float(found[2]) / 1000,
            "steps": {
                name: float(took.removesuffix(" ms")) / 1000
                for name, took in steps.items()
            },
            "objects": int(found[3]),
            "bytes": int(found[5]),
            "originPeak": usage.ru_maxrss * 1024,
            "recipientPeak": recipient.peak(),
        }

    def table(self) -> dict[str, Any]:
        """
        Move it as a flat table.
        """
        return self.move("table")

    def pickle(self) -> dict[str, Any]:
        """
        Move it as a pickle.
        """
        return self.move("pickle")

    def floor(self) -> dict[str, Any]:
        """
        What two bare processes take.
        """
        command = ["-m", "benchmarks.floor", self.port, str(self.ballast)]
        bare = self.start([sys.executable, *command])
        bare.line("ready")
        crowd = self.crowd()
        bare.say("move")
        took = json.loads(bare.line(r"\{.*\}")[0])
        told = self.told(crowd)
        pause, size = took.pop("pause"), took.pop("bytes")
        return {**told, "pause": pause, "bytes": size, "steps": took}

    def restart(self) -> dict[str, Any]:
        """
        What people take who have to connect again, to a service without state.
        """
        chat = self.serve()
        crowd = self.crowd("--again")
        began = time.perf_counter()
        chat.process.terminate()
        chat.process.wait()
        (Path(self._where) / "migrate.sock").unlink(missing_ok=True)
        self.serve()
        pause = time.perf_counter() - began
        time.sleep(TALK)
        return {**self.told(crowd), "pause": pause, "steps": {}, "bytes": 0}


def _freePort() -> int:
    from tests.processes import freePort

    return freePort()


def measured(
    sizes: list[int], ballast: int, runs: int, ways: list[str]
) -> Iterator[dict[str, Any]]:
    """
    @return: every measurement, one way after the other within each run.
    """
    for people in sizes:
        for run in range(runs):
            for way in ways:
                with ExitStack() as stack:
                    found = getattr(Bench(people, ballast, stack), way)()
                row = {"people": people, "ballast": ballast, "way": way, **found}
                print(
                    f"{people:>6} people, {ballast >> 20} MB, run {run + 1}: {way:<8}"
                    f" felt {row['felt'] * 1000:9.2f} ms",
                    file=sys.stderr,
                    flush=True,
                )
                yield row


def median(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """
    @return: the medians of what several runs of one measurement say.
    """
    found = dict(rows[0])
    for name, value in rows[0].items():
        if isinstance(value, int | float) and name not in ("people", "ballast"):
            found[name] = statistics.median(row[name] for row in rows)
    found["steps"] = {
        step: statistics.median(row["steps"][step] for row in rows)
        for step in rows[0]["steps"]
    }
    found["runs"] = len(rows)
    return found


def main() -> None:
    """
    Measure, and show.
    """
    parser = argparse.ArgumentParser(prog="benchmarks")
    parser.add_argument(
        "--people", type=int, nargs="+", default=[1, 100, 1000, 8000, 15000]
    )
    parser.add_argument("--ballast", type=int, default=100, help="megabytes of state")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--json", type=Path, default=None)
    parser.add_argument("--plot", type=Path, default=None)
    given = parser.parse_args()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows = list(measured(given.people, 0, given.runs, given.ways))
    if given.ballast:
        moving = [way for way in given.ways if way != "restart"]
        rows += measured([1], given.ballast << 20, given.runs, moving)
    keys = dict.fromkeys((row["people"], row["ballast"], row["way"]) for row in rows)
    medians = [
        median([r for r in rows if (r["people"], r["ballast"], r["way"]) == key])
        for key in keys
    ]
    print(table(medians))
    about = {
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "system": platform.platform(),
        "cores": os.cpu_count(),
    }
    if given.json is not None:
        given.json.write_text(json.dumps({"about": about, "rows": medians}, indent=1))
    if given.plot is not None:
        plot(medians, given.plot)


if __name__ == "__main__":
    main()
