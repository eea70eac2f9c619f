"""
The memory that a migration takes beside the service: C{python -m benchmarks.memory}.

It must not know how services move.
"""

from __future__ import annotations

import argparse
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import attrs

from benchmarks.hoard import KIND, KINDS, PORT, SIZE
from benchmarks.meters import (
    Memory,
    availableMemory,
    proportional,
    resetPeak,
    sharedMemory,
)
from benchmarks.programs import DEADLINE, MOVED, READY, Program, Stand, stepsOf
from benchmarks.running import Part, bar, run, say
from benchmarks.sampling import Peaks, Sampler

#: What is held, but for nothing, to which all else is compared.
GRAPHS = tuple(kind for kind in KINDS if kind != "nothing")

#: What is told of each move as a part of the graph, in words, and the most that it may
#: be.  What the recipient keeps of what it took to load counts in the last one only.
PARTS = {
    "originPart": ("origin's peak beside the graph, of the graph", 0.1),
    "recipientPart": ("recipient's peak, of what the graph takes there", 1.3),
    "recipientOfGraph": ("recipient's peak, of what the graph took at the origin", 1.3),
}

#: Bytes that an instance of the hoard takes, roughly; how many times what is held both
#: processes together may take at worst.
EACH = 400
WORST = 6

#: How often the memory has to be seen to be the same, and seconds between two looks.
SAME = 5
AGAIN = 0.1

_HOARD = "hoard=benchmarks.hoard.makeService"
_PATIENCE = [f"--deadline={DEADLINE}", f"--preparing-deadline={DEADLINE}"]


class Refused(Exception):
    """
    The service stayed; the message says why.
    """


@attrs.frozen
class Taken:
    """
    What two processes took, in bytes.

    @ivar before: the origin's resident memory just before its peak began to count.
    @ivar after: the recipient's, once everything was there.
    @ivar origin: the origin's peaks during the move.
    @ivar recipient: the recipient's, from its start.
    @ivar beforePart: the origin's memory then, with its part of what it shares.
    @ivar afterPart: the recipient's.
    @ivar shared: by how much the shared memory of the whole machine grew at most.
    @ivar move: what the origin tells of the move.
    """

    before: int
    after: int
    origin: Peaks
    recipient: Peaks
    beforePart: int
    afterPart: int
    shared: int
    move: dict[str, Any]


class Move(Stand):
    """
    One move of a hoard.
    """

    def __init__(self, kind: str, size: int, stack: ExitStack) -> None:
        """
        @param kind: what is held, of L{KINDS}.
        @param size: how much: instances, or bytes.
        """
        super().__init__(stack)
        self.environment |= {PORT: str(self.port), KIND: kind, SIZE: str(size)}

    def fingerprint(self) -> str:
        """
        @return: what the service says that it holds.
        """
        with socket.create_connection(("127.0.0.1", self.port), DEADLINE) as asking:
            asking.sendall(b"what is there?\n")
            return asking.makefile().readline()

    def taken(self, serializer: str) -> Taken:
        """
        Move it.

        @raise Refused: it stayed where it was.
        @raise SystemExit: something else came than what was sent.
        """
        origin = self.serve(*_PATIENCE, "--service", _HOARD)
        held = self.fingerprint()
        taken = self._watched(origin, serializer)
        if self.fingerprint() != held:
            raise SystemExit("what the recipient has is not what the origin had")
        return taken

    def _watched(self, origin: Program, serializer: str) -> Taken:
        """
        Move it, and look at nothing but the memory.
        """
        before, part = Memory.of(origin.pid).resident, proportional(origin.pid)
        shared = sharedMemory()
        resetPeak(origin.pid)
        recipient = self.take(*_PATIENCE, "--serializer", serializer)
        sampler = Sampler(origin.pid, recipient.pid)
        sampler.start()
        try:
            move = self._moved(origin, recipient)
        finally:
            sampler.finish()
        return Taken(
            before=before,
            after=settled(recipient.pid),
            origin=sampler.peaks[origin.pid],
            recipient=sampler.peaks[recipient.pid],
            beforePart=part,
            afterPart=proportional(recipient.pid),
            shared=sampler.shared - shared,
            move=move,
        )

    def _moved(self, origin: Program, recipient: Program) -> dict[str, Any]:
        """
        Wait until all is over.

        @return: what the origin tells of it.
        @raise Refused: it stayed where it was.
        """
        try:
            found = origin.line(MOVED, beside=recipient)
            recipient.line(READY)
        except SystemExit:
            raise Refused(_complaint(recipient)) from None
        origin.ended()
        return {
            "objects": int(found[3]),
            "bytes": int(found[5]),
            "pause": float(found[2]) / 1000,
            "steps": stepsOf(found),
        }


def settled(pid: int) -> int:
    """
    Wait until the resident memory of a process stays what it is: to give much of it
    back takes time.

    @return: how much that is, in bytes.
    """
    seen = [Memory.of(pid).resident]
    while len(seen) < SAME or len(set(seen[-SAME:])) > 1:
        time.sleep(AGAIN)
        seen.append(Memory.of(pid).resident)
    return seen[-1]


def _complaint(recipient: Program) -> str:
    """
    @return: why a recipient says that it got nothing.
    """
    said = recipient.written.strip().splitlines() or ["it said nothing"]
    why = [line for line in said if line.startswith("migrate-client: ")]
    return (why or said)[-1]


def compared(taken: Taken, empty: Taken) -> dict[str, Any]:
    """
    @param empty: what was taken where nothing is held.
    @return: in bytes: C{"graph"}, what it takes at the origin; C{"loaded"}, what it
        takes at the recipient; C{"originExtra"}, the origin's peak beyond what it had
        before; C{"recipientPeak"}, the recipient's beyond that of one that holds
        nothing; and these two as parts, by the names of L{PARTS}; L{None} where the
        graph is too small to be seen.
    """
    graph, loaded = taken.before - empty.before, taken.after - empty.after
    extra = taken.origin.own - taken.before
    peak = max(taken.recipient.own, taken.after) - empty.after
    return {
        "graph": graph,
        "loaded": loaded,
        "originExtra": extra,
        "recipientPeak": peak,
        "originPart": extra / graph if graph > 0 else None,
        "recipientPart": peak / loaded if loaded > 0 else None,
        "recipientOfGraph": peak / graph if graph > 0 else None,
    }


def row(graph: str, size: int, serializer: str, empty: Taken) -> dict[str, Any]:
    """
    @return: what one hoard takes, or why it could not be moved.
    """
    about = {"graph": graph, "size": size, "serializer": serializer}
    needed = WORST * size * (EACH if graph == "objects" else 1)
    if needed > availableMemory():
        why = f"{needed >> 20} MB may be needed, and this machine has less"
        return {"what": about, "skipped": why}
    try:
        with ExitStack() as stack:
            taken = Move(graph, size, stack).taken(serializer)
    except Refused as error:
        return {"what": about, "refused": str(error)}
    return {"what": about, **compared(taken, empty), "taken": attrs.asdict(taken)}


def barsOf(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """
    @return: what may be taken, and what is, of all that could be moved.
    """
    return [
        bar(
            f"{each['what']['graph']}, {each['what']['serializer']}: {words}",
            part,
            most,
        )
        for each in rows
        for name, (words, most) in PARTS.items()
        if (part := each.get(name)) is not None
    ]


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """
    @return: C{"rows"}, one for each graph and serializer.
    """
    rows = []
    for serializer in given.serializers:
        with ExitStack() as stack:
            empty = Move("nothing", 0, stack).taken(serializer)
        for graph in given.graphs:
            objects = graph == "objects"
            size = given.objects if objects else given.megabytes << 20
            began = time.monotonic()
            rows.append(row(graph, size, serializer, empty))
            say(f"memory of {graph}, {serializer}: {time.monotonic() - began:.0f} s")
    return {"rows": rows, "bars": barsOf(rows)}


def options(parser: argparse.ArgumentParser) -> None:
    """
    See L{Part}.
    """
    parser.add_argument("--graphs", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument(
        "--objects", type=int, default=1_000_000, help="instances to be moved"
    )
    parser.add_argument(
        "--megabytes", type=int, default=1024, help="of strings to be moved"
    )
    parser.add_argument(
        "--serializers", nargs="+", choices=("table", "pickle"), default=["table"]
    )


PART = Part("memory", options, measure)

if __name__ == "__main__":
    run("benchmarks.memory", [PART], sys.argv[1:])
