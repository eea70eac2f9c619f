"""
What each way to hand a service over costs those who use it: C{python -m
benchmarks.ways}.  Beside the ways stand a restart, and a process that is only started
beside the service: what that is felt by is the machine's doing, and in all the others.

It must not know how services are handed over.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any

import attrs

from benchmarks.chat import PORT
from benchmarks.crew import Crew
from benchmarks.hoard import SIZE
from benchmarks.pause import Bench
from benchmarks.programs import READY, Program
from benchmarks.running import Part, raiseLimit, run, say, tooMany
from benchmarks.spread import median
from benchmarks.witness import Witness

NAME = "chat"

SERVICE = f"{NAME}=benchmarks.counted.makeService"

#: What those have in their environment that only talk to the service, or are told to
#: do something about it.
ASIDE = "BENCHMARK_ASIDE"

#: What a process imports that takes a service over.
IMPORTS = "import migrate.tapclient, migrate.tapsuccessor, benchmarks.counted"


class Trial(Bench):
    """
    One measurement: a service, those who are connected, those who come, and something
    that is done to it meanwhile.

    @ivar crew: the processes of the service.
    """

    def __init__(self, people: int, objects: int, stack: ExitStack) -> None:
        """
        @param people: how many are connected.
        @param objects: how many small objects the service has beside.
        """
        super().__init__(people, 0, stack)
        self.environment[SIZE] = str(objects)
        self.crew = Crew(f"{PORT}={self.port}", f"{ASIDE}=1")
        # Not all of them are children of this process.
        stack.callback(self.crew.kill)

    def python(self, *arguments: str) -> Program:
        """
        Start a Python that is none of the service's processes.
        """
        return self.start([sys.executable, *arguments], **{ASIDE: "1"})

    def order(self, *arguments: str) -> None:
        """
        Run a module as an operator does.

        @raise SystemExit: it says that this failed.
        """
        ordered = self.python("-m", *arguments)
        if ordered.ended():
            raise SystemExit(f"{arguments} failed:\n{ordered.written}")

    def newcomers(self) -> Program:
        """
        Have people come, ask and go.
        """
        newcomers = self.python("-m", "benchmarks.newcomers", str(self.port))
        newcomers.line("ready")
        newcomers.say("begin")
        newcomers.line("coming")
        return newcomers

    def served(self) -> Program:
        """
        Start the service.
        """
        return self.serve("--service", SERVICE)

    def managed(self) -> Program:
        """
        Have a manager start the service.
        """
        manager = self.twistd("migrate-manager", "--service", SERVICE)
        manager.line(f"serves {NAME}")
        return manager


# What is done.


def move(trial: Trial, origin: Program) -> None:
    """
    Live transfer.
    """
    trial.twistd("migrate-client", "--service", NAME).line(READY)
    origin.ended()


def takeOver(trial: Trial, origin: Program) -> None:
    """
    Gradually, by the command line that starts it, too.
    """
    trial.twistd("migrate-server", "--takeover", "--service", SERVICE).line(READY)


def gradual(trial: Trial, origin: Program) -> None:
    """
    Gradually, by the client's.
    """
    trial.twistd("migrate-client", "--gradual", "--service", NAME).line(READY)


def spawn(trial: Trial, origin: Program) -> None:
    """
    Have it start its successor, which inherits.
    """
    trial.order("migrate.cli", "spawn")


def reexecute(trial: Trial, origin: Program) -> None:
    """
    Have it execute its program anew.
    """
    trial.order("migrate.cli", "reexec")


def upgrade(trial: Trial, manager: Program) -> None:
    """
    Have its manager upgrade it.
    """
    trial.order("migrate.cli", "manager", "upgrade")


def restart(trial: Trial, origin: Program) -> None:
    """
    End it, and start it anew.
    """
    origin.process.terminate()
    origin.ended()
    (Path(trial.where) / "migrate.sock").unlink(missing_ok=True)
    trial.served()


def beside(trial: Trial, origin: Program) -> None:
    """
    Only start a process that imports what a successor does.
    """
    imported = trial.start([sys.executable, "-c", IMPORTS])
    if imported.ended():
        raise SystemExit(imported.written)


@attrs.frozen
class Way:
    """
    One way to hand over.

    @ivar begin: starts the service.
    @ivar act: hands it over, and returns when that is done.
    """

    begin: Callable[[Trial], Program]
    act: Callable[[Trial, Program], None]


WAYS = {
    "live transfer": Way(Trial.served, move),
    "gradual, --takeover": Way(Trial.served, takeOver),
    "gradual, client": Way(Trial.served, gradual),
    "spawn": Way(Trial.served, spawn),
    "re-execution": Way(Trial.served, reexecute),
    "manager upgrade": Way(Trial.managed, upgrade),
    "restart": Way(Trial.served, restart),
    "(nothing)": Way(Trial.served, beside),
}

# What is seen of it.


def tried(people: int, objects: int, way: Way) -> dict[str, Any]:
    """
    @return: what one trial has shown, times in seconds and memory in bytes.
    """
    with ExitStack() as stack:
        trial = Trial(people, objects, stack)
        first = way.begin(trial)
        witness = Witness(trial.port)
        newcomers = trial.newcomers()
        crowd = trial.crowd("--again")
        with trial.crew as crew:
            began = time.perf_counter()
            way.act(trial, first)
            took = time.perf_counter() - began
            told = trial.told(crowd)
            came = json.loads(newcomers.ask("end")[0])
        return {
            **told,
            **witness.told(),
            "took": took,
            "newcomers": came["longest"] - came["median"],
            "visit": came["median"],
            "away": came["away"],
            "came": came["answers"],
            "processes": {"begin": crew.begin, "most": crew.most, "end": crew.end},
            "memory": crew.memory,
            "peak": crew.peak,
        }


def together(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """
    @param runs: trials of one way.
    @return: the medians, and the least and the most that was waited; of what is to
        happen to nobody only the most, and all that was said of state and process.
    """
    newcomers = [run["newcomers"] for run in runs]
    return {
        **median(runs),
        "newcomersLeast": min(newcomers),
        "newcomersMost": max(newcomers),
        **{name: max(run[name] for run in runs) for name in ("returned", "away")},
        **{
            name: " or ".join(dict.fromkeys(run[name] for run in runs))
            for name in ("state", "pid")
        },
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """
    @return: what all trials of every way say together, as C{"rows"}.
    """
    people = given.handover_people
    why = tooMany(people, raiseLimit())
    if why is not None:
        raise SystemExit(why)
    trials = list(product(given.handover_objects, given.handovers))
    runs: dict[tuple[int, str], list[dict[str, Any]]] = {each: [] for each in trials}
    for number in range(given.handover_runs):
        for (objects, name), found in runs.items():
            row = tried(people, objects, WAYS[name])
            say(
                f"{name}, {people} people, {objects} objects, run {number + 1}: felt "
                f"{row['felt'] * 1e3:.2f} ms, by newcomers {row['newcomers'] * 1e3:.2f}"
            )
            found.append(row)
    rows = [
        {"way": name, "objects": objects, **together(found)}
        for (objects, name), found in runs.items()
    ]
    return {"people": people, "rows": rows}


def options(parser: argparse.ArgumentParser) -> None:
    """
    See L{Part}.
    """
    names = list(WAYS)
    parser.add_argument(
        "--handovers",
        nargs="+",
        choices=names,
        default=names,
        metavar="WAY",
        help=f"ways to hand over, of {', '.join(map(repr, names))}",
    )
    parser.add_argument(
        "--handover-people", type=int, default=300, help="how many are connected then"
    )
    parser.add_argument(
        "--handover-objects",
        type=int,
        nargs="+",
        default=[0, 200_000],
        help="how many small objects the service has beside",
    )
    parser.add_argument(
        "--handover-runs", type=int, default=3, help="of which the medians are"
    )


PART = Part("ways", options, measure)

if __name__ == "__main__":
    run("benchmarks.ways", [PART], sys.argv[1:])
