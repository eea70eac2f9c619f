"""
One telnet session that is moved while somebody asks all the time: the parts of the
pause, and what is done before and after it, while the shell is served.

It must not know how services move, only in which order.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.programs import DEADLINE, MOVED, READY, Program, Stand, stepsOf
from benchmarks.running import Part, bar, run, say
from benchmarks.spread import median

#: Seconds of questions before and after.
TALK = 0.5

#: Milliseconds that the pause may be felt, beyond what an answer takes anyway.
MOST = 5.0

USER, PASSWORD = "somebody", "a-password"

SHELL = "shell=examples.telnet_shell.shell.makeService"

BEGIN, END = 0, 1

#: When what was done by whom: the begin and the end, in seconds.
Times = Mapping[tuple[str, str], tuple[float, float]]

#: The begin or the end of something that was done.
Mark = tuple[str, str, int]

#: The instants that part what is done, in their order, each with the name of what is
#: done from there to the next.
MARKS: Sequence[tuple[str, Mark]] = (
    ("imports", ("process", "import", BEGIN)),
    ("start-up", ("process", "import", END)),
    ("identity", ("recipient", "connect", BEGIN)),
    ("claim", ("recipient", "begin", END)),
    ("audit", ("origin", "audit", BEGIN)),
    ("manifest", ("origin", "audit", END)),
    ("preparing", ("recipient", "prepare", BEGIN)),
    ("pause", ("origin", "capture", BEGIN)),
    ("publication", ("recipient", "adopt", END)),
)


class Session(Stand):
    """
    A shell, and somebody who uses it.
    """

    def __init__(self, stack: ExitStack) -> None:
        super().__init__(stack)
        self.environment |= {
            "SHELL_PORT": str(self.port),
            "SHELL_USER": USER,
            "SHELL_PASSWORD": PASSWORD,
        }

    def observed(self, name: str, *arguments: str) -> Program:
        """
        Start a twistd that notes what it does in a file of that name.
        """
        twistd = ["-m", "benchmarks.observed", name, "-n", "--pidfile="]
        return self.python(*twistd, *arguments)

    def notes(self, name: str) -> dict[tuple[str, str], tuple[float, float]]:
        """
        Wait until a conversation is over.

        @return: when what was first done by whom, as that file says.
        """
        path, end, text = Path(self.where) / name, time.monotonic() + DEADLINE, ""
        while not ('"close"' in text and text.endswith("\n")):
            if time.monotonic() > end:
                raise SystemExit(f"{path} does not tell of the end of a conversation")
            time.sleep(0.01)
            text = path.read_text() if path.exists() else ""
        found: dict[tuple[str, str], tuple[float, float]] = {}
        for line in text.splitlines():
            role, what, began, ended = json.loads(line)
            found.setdefault((role, what), (began, ended))
        return found

    def use(self) -> Program:
        """
        Have somebody log in and ask all the time.
        """
        typist = self.python("-m", "benchmarks.typist", str(self.port), USER, PASSWORD)
        typist.line("ready")
        typist.say("begin")
        typist.line("asking")
        time.sleep(TALK)
        return typist

    def move(self, serializer: str) -> dict[str, Any]:
        """
        Move it while it is used.

        @return: what was felt, and of what it is made, in seconds.
        """
        origin = self.observed("origin", "migrate-server", "--service", SHELL)
        origin.line(READY)
        typist = self.use()
        started = time.monotonic()
        taking = ["migrate-client", "--all", "--serializer", serializer]
        recipient = self.observed("recipient", *taking)
        moved = origin.line(MOVED, beside=recipient)
        recipient.line(READY)
        origin.ended()
        over = time.monotonic()
        time.sleep(TALK)
        waits = json.loads(typist.ask("end")[0])["waits"]
        instants = self.instants()
        return {
            **felt(waits, instants["pause"], instants["publication"]),
            "steps": stepsOf(moved),
            "pause": float(moved[2]) / 1000,
            "objects": int(moved[3]),
            "bytes": int(moved[5]),
            "around": around(started, instants, over),
        }

    def instants(self) -> dict[str, float]:
        """
        @return: when the two began to do what L{MARKS} names.
        """
        # Both have imported: it is the recipient that is told of.
        times = {**self.notes("origin"), **self.notes("recipient")}
        return {name: times[who, what][edge] for name, (who, what, edge) in MARKS}


def around(
    started: float, instants: Mapping[str, float], over: float
) -> dict[str, float]:
    """
    @param started: when the recipient was started.
    @param instants: when it began what L{MARKS} names.
    @param over: when the origin had ended, and the recipient could be claimed from.
    @return: how long everything took but the pause, in seconds.
    """
    begins = {"interpreter": started, **instants}
    ends = [*instants.values(), over]
    took = {
        name: end - begin
        for (name, begin), end in zip(begins.items(), ends, strict=True)
    }
    del took["pause"]
    return took


def felt(
    waits: Sequence[tuple[float, float]], began: float, ended: float
) -> dict[str, float]:
    """
    @param waits: when each question was asked, and how long its answer took.
    @param began: when the pause began.
    @param ended: when it ended.
    @return: C{"roundTrip"}, the median of the waits; C{"felt"}, by how much the
        longest wait that the pause fell into was longer; C{"elsewhere"}, the same of
        those that it did not fall into; and how many C{"answers"} there were.
    """
    usual = statistics.median(took for _, took in waits)
    within = [took for at, took in waits if at <= ended and at + took >= began]
    others = [took for at, took in waits if at > ended or at + took < began]
    return {
        "roundTrip": usual,
        "felt": max(within, default=usual) - usual,
        "elsewhere": max(others, default=usual) - usual,
        "answers": len(waits),
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """
    @return: the medians, by serializer, as C{"rows"}.
    """
    rows = []
    for serializer in given.sessions:
        runs = []
        for number in range(given.session_runs):
            with ExitStack() as stack:
                found = Session(stack).move(serializer)
            say(
                f"one telnet session, {serializer}, run {number + 1}: "
                f"felt {found['felt'] * 1000:.2f} ms"
            )
            runs.append(found)
        rows.append({"way": serializer, **median(runs)})
    bars = [
        bar(f"ms that one telnet session waits, {row['way']}", row["felt"] * 1e3, MOST)
        for row in rows
    ]
    return {"rows": rows, "bars": bars}


def options(parser: argparse.ArgumentParser) -> None:
    """
    See L{Part}.
    """
    parser.add_argument(
        "--sessions",
        nargs="+",
        choices=("table", "pickle"),
        default=["table", "pickle"],
        help="the serializers that a telnet session is moved with",
    )
    parser.add_argument(
        "--session-runs", type=int, default=5, help="of which the medians are"
    )


PART = Part("telnet", options, measure)

if __name__ == "__main__":
    run("benchmarks.telnet", [PART], sys.argv[1:])
