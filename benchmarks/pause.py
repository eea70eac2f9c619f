"""
The pause that those notice who are connected, over the number of connections, with
both serializers, beside the least that it could be, and beside a restart.

It must not know how services move.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.chat import BALLAST, PORT
from benchmarks.growth import grown
from benchmarks.meters import Memory
from benchmarks.programs import MOVED, READY, Program, Stand, stepsOf
from benchmarks.running import Part, bar, raiseLimit, say, tooMany
from benchmarks.spread import median

#: Seconds of talk before and after what is measured.
TALK = 0.5

#: What is done to the service.
WAYS = ("table", "pickle", "floor", "restart")

#: Those for which the growth of the pause is told.
GROWING = ("table", "pickle", "floor")

#: What the slope of the pause over the connections may be, both logarithmic: more
#: than 1 means that each costs the more the more there are.
SLOPE = 1.05

CHAT = "chat=benchmarks.chat.makeService"


class Bench(Stand):
    """
    One measurement: a service, people who talk to it, and something that is done
    to it meanwhile.
    """

    def __init__(self, people: int, ballast: int, stack: ExitStack) -> None:
        """
        @param people: how many are connected.
        @param ballast: bytes of state that the service has beside.
        """
        super().__init__(stack)
        self.environment |= {PORT: str(self.port), BALLAST: str(ballast)}
        self.people = people
        self.ballast = ballast

    def crowd(self, *options: str) -> Program:
        """
        Have people come and talk.
        """
        port, people = str(self.port), str(self.people)
        crowd = self.python("-m", "benchmarks.crowd", port, people, *options)
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
        said = json.loads(crowd.ask("end")[0])
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
        origin = self.serve("--service", CHAT)
        crowd = self.crowd()
        recipient = self.take("--serializer", serializer)
        found = origin.line(MOVED, beside=recipient)
        recipient.line(READY)
        _, _, usage = os.wait4(origin.pid, 0)
        origin.process.returncode = 0
        return {
            **self.told(crowd),
            "pause": float(found[2]) / 1000,
            "steps": stepsOf(found),
            "objects": int(found[3]),
            "bytes": int(found[5]),
            "originPeak": usage.ru_maxrss * 1024,
            "recipientPeak": Memory.of(recipient.pid).peak,
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
        bare = self.python("-m", "benchmarks.floor", str(self.port), str(self.ballast))
        bare.line("ready")
        crowd = self.crowd()
        took = json.loads(bare.ask("move")[0])
        told = self.told(crowd)
        pause, size = took.pop("pause"), took.pop("bytes")
        return {**told, "pause": pause, "bytes": size, "steps": took}

    def restart(self) -> dict[str, Any]:
        """
        What people take who have to connect again, to a service without state.
        """
        chat = self.serve("--service", CHAT)
        crowd = self.crowd("--again")
        began = time.perf_counter()
        chat.process.terminate()
        chat.ended()
        (Path(self.where) / "migrate.sock").unlink(missing_ok=True)
        self.serve("--service", CHAT)
        pause = time.perf_counter() - began
        time.sleep(TALK)
        return {**self.told(crowd), "pause": pause, "steps": {}, "bytes": 0}


def measured(
    sizes: Sequence[int], ballast: int, runs: int, ways: Sequence[str]
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
                say(
                    f"{people:>6} people, {ballast >> 20} MB, run {run + 1}: {way:<8}"
                    f" felt {row['felt'] * 1000:9.2f} ms"
                )
                yield row


def growth(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    @param rows: medians.
    @return: how the pause grows with the connections, by way, as L{grown} tells:
        C{"felt"} by people, and C{"pause"} by the clocks of those who moved it.
    """
    found = {}
    for way in GROWING:
        plain = [row for row in rows if row["way"] == way and not row["ballast"]]
        felt = grown([(row["people"], row["felt"]) for row in plain])
        pause = grown([(row["people"], row["pause"]) for row in plain])
        if felt is not None:
            found[way] = {"felt": felt, "pause": pause}
    return found


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """
    @return: the medians, as C{"rows"}; how they grow; and what was left out, with the
        reason.
    """
    limit = raiseLimit()
    hindered = {people: tooMany(people, limit) for people in given.people}
    skipped = [{"people": n, "reason": why} for n, why in hindered.items() if why]
    for each in skipped:
        say(f"{each['people']:>6} people are left out: {each['reason']}")
    sizes = [people for people, why in hindered.items() if not why]
    rows = list(measured(sizes, 0, given.runs, given.ways))
    if given.ballast:
        moving = [way for way in given.ways if way != "restart"]
        rows += measured([1], given.ballast << 20, given.runs, moving)
    keys = dict.fromkeys((row["people"], row["ballast"], row["way"]) for row in rows)
    medians = [
        median([r for r in rows if (r["people"], r["ballast"], r["way"]) == key])
        for key in keys
    ]
    grew = growth(medians)
    bars = [
        bar(f"slope of the pause over the connections, {way}", each, SLOPE)
        for way in grew
        if way != "floor"
        for each in (grew[way]["felt"]["slope"],)
    ]
    return {"rows": medians, "growth": grew, "skipped": skipped, "bars": bars}


def options(parser: argparse.ArgumentParser) -> None:
    """
    See L{Part}.
    """
    sizes = [1, 100, 1000, 8000, 15000]
    parser.add_argument("--people", type=int, nargs="+", default=sizes)
    parser.add_argument(
        "--ballast", type=int, default=100, help="megabytes of state; 0 for none"
    )
    parser.add_argument("--runs", type=int, default=5, help="of which the medians are")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))


PART = Part("pause", options, measure)
