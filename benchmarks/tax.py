"""
What it costs to run under the migration server while nothing migrates: C{python -m
benchmarks.tax}.  The same service is run by plain twistd, by C{twistd migrate-server},
and by the C{twistd migrate-client} that has taken it over, all at once, and they are
asked in turn.

It must not know how services move.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from benchmarks.chat import PORT
from benchmarks.meters import Memory, processorSeconds, proportional
from benchmarks.pause import CHAT
from benchmarks.programs import TOP, Program, Stand
from benchmarks.running import Part, run, say
from benchmarks.spread import Ratio

#: Who runs the service; each is compared to the first.
ARMS = ("plain", "served", "moved")

#: The services, each with its connections.
CASES = {"chat-1": ("chat", 1), "chat-200": ("chat", 200), "web-50": ("web", 50)}

#: What is compared, and whether more of it is better.
MEASURES = {"rate": True, "cpu": False, "median": False, "p99": False}

#: Seconds of load at most before the first measurement, and of rest before the idle
#: one.
WARM = 0.3
REST = 1.0

#: The names of what is measured while nothing happens.
IDLE = ("cpu", "resident", "proportional")

_SMALL = "nothing but a few words\n"


@attrs.frozen
class Arm:
    """
    A service that runs, and those who are connected to it.
    """

    server: Program
    load: Program

    def slot(self, seconds: float) -> dict[str, float]:
        """
        Measure once.

        @param seconds: for how long each of the two loads lasts.
        @return: C{"rate"}, in answers a second; C{"cpu"}, the server's processor
            time for one of these, in seconds; C{"median"} and C{"p99"} of the waits
            for an answer, one question at a time, in seconds.
        """
        before = processorSeconds(self.server.pid)
        flooded = json.loads(self.load.ask(f"flood {seconds}", seconds)[0])
        spent = processorSeconds(self.server.pid) - before
        asked = json.loads(self.load.ask(f"ask {seconds}", seconds)[0])
        return {
            "rate": flooded["answers"] / flooded["seconds"],
            "cpu": spent / flooded["all"],
            "median": asked["median"],
            "p99": asked["p99"],
        }

    def held(self) -> tuple[int, int]:
        """
        @return: the server's resident memory, and its part of what it shares with
            others, in bytes.
        """
        return Memory.of(self.server.pid).resident, proportional(self.server.pid)


class Trio:
    """
    A service thrice: as L{ARMS} name who runs it.
    """

    def __init__(self, case: str, stack: ExitStack) -> None:
        self.kind, self.connections = CASES[case]
        self._stack = stack
        self._cpus = sorted(os.sched_getaffinity(0))
        begin: dict[str, Callable[[Stand], Arm]] = {
            "plain": self._plain,
            "served": self._served,
            "moved": self._moved,
        }
        self.arms = {name: begin[name](self._stand()) for name in ARMS}
        for arm in self.arms.values():
            # Servers have one processor for themselves, where there are two.
            os.sched_setaffinity(arm.server.pid, self._cpus[:1])

    def _stand(self) -> Stand:
        stand = Stand(self._stack)
        stand.environment[PORT] = str(stand.port)
        (Path(stand.where) / "site").mkdir()
        (Path(stand.where) / "site" / "small.txt").write_text(_SMALL)
        return stand

    def _web(self, stand: Stand) -> list[str]:
        """
        @return: the command line of C{twistd web}.
        """
        endpoint = f"tcp:{stand.port}:interface=127.0.0.1"
        return ["web", "--listen", endpoint, "--path", f"{stand.where}/site"]

    def _load(self, stand: Stand) -> Program:
        """
        @return: whoever is connected.
        """
        told = [self.kind, str(stand.port), str(self.connections), str(self._cpus[-1])]
        load = stand.python("-m", "benchmarks.load", *told)
        load.line("connected")
        return load

    def _plain(self, stand: Stand) -> Arm:
        tac = ["-y", str(TOP / "benchmarks" / "chat.tac")]
        server = stand.twistd(*(tac if self.kind == "chat" else self._web(stand)))
        server.line(f"starting on {stand.port}")
        return Arm(server, self._load(stand))

    def _served(self, stand: Stand) -> Arm:
        plugin = "site=" + " ".join(self._web(stand))
        chat = self.kind == "chat"
        what = ["--service", CHAT] if chat else ["--plugin", plugin]
        server = stand.serve(*what)
        return Arm(server, self._load(stand))

    def _moved(self, stand: Stand) -> Arm:
        arm = self._served(stand)
        return Arm(stand.succeed(arm.server), arm.load)

    def idle(self, seconds: float) -> dict[str, dict[str, float]]:
        """
        Let all of them stand idle, with everybody connected.

        @return: of each, the processor time of a minute, in seconds, and the memory,
            in bytes, by the names of L{IDLE}.
        """
        time.sleep(min(REST, seconds))
        before = {n: processorSeconds(arm.server.pid) for n, arm in self.arms.items()}
        began = time.monotonic()
        time.sleep(seconds)
        minutes = (time.monotonic() - began) / 60
        found = {}
        for name, arm in self.arms.items():
            spent = processorSeconds(arm.server.pid) - before[name]
            found[name] = dict(zip(IDLE, (spent / minutes, *arm.held()), strict=True))
        return found

    def round(self, number: int, seconds: float) -> dict[str, list[dict[str, float]]]:
        """
        Measure every arm twice, in one order and then in the opposite one: whatever
        changes steadily meanwhile is the same for all.

        @param number: of the round; each begins with another arm.
        @return: by arm, both measurements.
        """
        for arm in self.arms.values():
            arm.slot(min(WARM, seconds))
        order = ordered(number)
        found: dict[str, list[dict[str, float]]] = {name: [] for name in ARMS}
        for name in order + order[::-1]:
            found[name].append(self.arms[name].slot(seconds))
        return found


def ordered(number: int) -> list[str]:
    """
    @return: the arms, in the order in which a round has them at first.
    """
    first = number % len(ARMS)
    turned = [*ARMS[first:], *ARMS[:first]]
    return turned if number % 2 == 0 else turned[::-1]


def compared(
    rounds: Sequence[dict[str, list[dict[str, float]]]],
) -> dict[str, dict[str, Any]]:
    """
    @param rounds: as L{Trio.round} returns them.
    @return: by arm and measure, its median and, but for the first arm, what it is to
        that of the first, as L{Ratio} has it.
    """
    found: dict[str, dict[str, Any]] = {}
    for arm in ARMS:
        found[arm] = {}
        for measure in MEASURES:
            one = [[slot[measure] for slot in each[arm]] for each in rounds]
            other = [[slot[measure] for slot in each[ARMS[0]]] for each in rounds]
            about = {"median": statistics.median(value for r in one for value in r)}
            if arm != ARMS[0]:
                about |= attrs.asdict(Ratio.of(one, other))
            found[arm][measure] = about
    return found


def measured(case: str, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """
    @return: of every round, with new processes, C{"slots"}, and in the first one
        C{"idle"}.
    """
    for number in range(given.rounds):
        with ExitStack() as stack:
            trio = Trio(case, stack)
            found: dict[str, Any] = {}
            if not number:
                found["idle"] = trio.idle(given.idle)
            found["slots"] = trio.round(number, given.seconds)
        rates = ", ".join(
            f"{name} {statistics.mean(slot['rate'] for slot in slots):.0f}"
            for name, slots in found["slots"].items()
        )
        say(f"tax of {case}, round {number + 1}: answers a second: {rates}")
        yield found


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """
    @return: by case, C{"arms"} as L{compared} has them, C{"idle"} as L{Trio.idle} has
        it, and the C{"rounds"} that this is made of.
    """
    found = {}
    for case in given.cases:
        rounds = list(measured(case, given))
        slots = [each["slots"] for each in rounds]
        found[case] = {
            "arms": compared(slots),
            "idle": rounds[0]["idle"],
            "rounds": slots,
        }
    return {"cases": found, "seconds": given.seconds, "idleSeconds": given.idle}


def options(parser: argparse.ArgumentParser) -> None:
    """
    See L{Part}.
    """
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="of new processes")
    parser.add_argument(
        "--seconds", type=float, default=0.5, help="that each load lasts in each slot"
    )
    parser.add_argument(
        "--idle", type=float, default=10, help="seconds that nothing happens"
    )


PART = Part("tax", options, measure)

if __name__ == "__main__":
    run("benchmarks.tax", [PART], sys.argv[1:])
