"""
Asks a process that serves one question, as an operator's command does: C{python -m
benchmarks.asking QUESTION [ARGUMENTS]}, the arguments being JSON.  It writes the
answer, as JSON too; it asks at the control socket that is in its working directory.

It must not know what is asked.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from twisted.internet.task import react

from migrate.control import DEFAULT, ControlAddress
from migrate.meeting import ask


async def main(reactor: Any, question: str, arguments: str = "{}") -> None:
    """
    Ask.
    """
    origin = ControlAddress.parse(DEFAULT)
    print(json.dumps(await ask(reactor, origin, question, json.loads(arguments))))


if __name__ == "__main__":
    react(main, sys.argv[1:])
