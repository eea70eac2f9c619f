"""
Those who come while something is done to a service: C{python -m benchmarks.newcomers
PORT}.  One after the other connects, asks one question, has it answered, and goes.
Whoever is turned away comes again, at once: what that one waited for the answer counts
from the first time.

As L{benchmarks.crowd} it does as told on standard input, with the commands C{begin} and
C{end}; it tells, as JSON, how long the median one and the longest took, in seconds, how
many were answered, and how often one was turned away, which is no connection or no
answer.

It must not know what is done to the service.
"""

from __future__ import annotations

import argparse
import json
import select
import socket
import statistics
import sys
import time

#: Seconds that a newcomer has at most: whoever takes longer is turned away.
PATIENCE = 30.0

#: Seconds from one newcomer to the next.
INTERVAL = 0.002


def visit(port: int) -> bool:
    """
    Come, ask, and go.

    @return: whether there was an answer.
    """
    try:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as visitor:
            visitor.sendall(b"is anybody there\n")
            return visitor.recv(4096) == b"is anybody there\n"
    except OSError:
        return False


def visits(port: int) -> dict[str, float]:
    """
    Have one after the other come, until there is a command.

    @return: what is told.
    """
    waits: list[float] = []
    away = 0
    ended = False
    while not ended:
        began, answered = time.perf_counter(), False
        while not (answered or ended):
            answered = visit(port)
            away += not answered
            took = time.perf_counter() - began
            ended = bool(select.select([sys.stdin], [], [], INTERVAL)[0])
        # Who has no answer in the end has waited so long already.
        waits.append(took)
    return {
        "median": statistics.median(waits),
        "longest": max(waits),
        "answers": len(waits) - (not answered),
        "away": away,
    }


def main() -> None:
    """
    Do as told on standard input, to its end.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    port = parser.parse_args().port
    print("ready", flush=True)
    for command in iter(sys.stdin.readline, ""):
        if command.strip() != "begin":
            continue
        print("coming", flush=True)
        told = visits(port)
        sys.stdin.readline()
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
