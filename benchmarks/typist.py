"""
Somebody who sits at a telnet client and asks a shell all the time, in a process of
their own: C{python -m benchmarks.typist PORT USER PASSWORD}.  Each question is a sum
that is typed at once, with Enter, and answered before the next one is asked.

Commands come on standard input: C{begin} begins to ask, which is answered by C{asking};
C{end} ends it and tells, as JSON, C{waits}: when each question was asked, in seconds of
the clock that all processes have in common, and for how long the answer was waited for.

It must not know what is done to the shell.
"""

from __future__ import annotations

import argparse
import json
import select
import sys
import time
from contextlib import closing

from examples.telnet_shell.terminal import Keyboard, Screen, TelnetSocket

#: Seconds that any one answer may take.
DEADLINE = 60.0


def ask(session: Keyboard, number: int) -> tuple[float, float]:
    """
    Ask for a sum.

    @return: when, and how long the answer took, in seconds.
    @raise SystemExit: it is wrong.
    """
    screen = session.screen
    above = len(screen.lines)
    asked = time.monotonic()
    session.send(f"{number} + 1\r".encode())
    session.wait(
        "answer",
        lambda: len(screen.lines) > above and screen.current in session.prompts,
    )
    took = time.monotonic() - asked
    if screen.lines[above + 1 :] != [str(number + 1)]:
        raise SystemExit(f"{number} + 1 is answered by {screen.lines[above + 1 :]}")
    return asked, took


def main() -> None:
    """
    Log in, and do as told.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("user")
    parser.add_argument("password")
    given = parser.parse_args()
    with closing(TelnetSocket(given.port, Screen(), DEADLINE)) as session:
        session.login(given.user, given.password)
        print("ready", flush=True)
        sys.stdin.readline()
        print("asking", flush=True)
        waits: list[tuple[float, float]] = []
        while not waits or not select.select([0], [], [], 0)[0]:
            waits.append(ask(session, len(waits)))
        print(json.dumps({"waits": waits}), flush=True)


if __name__ == "__main__":
    main()
