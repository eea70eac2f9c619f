"""
Runs the parts of the benchmarks, one after the other, and writes down what they
found.

It must not know what they measure.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

import twisted
from benchmarks.show import plot, shown

#: Descriptors that a process has open beside its connections, and some more.
SPARE = 100


@attrs.frozen
class Part:
    """
    One part of the benchmarks.

    @ivar name: what its results are called.
    @ivar options: adds its options to a parser.
    @ivar measure: takes what was given, and returns what was found, for JSON.
    """

    name: str
    options: Callable[[argparse.ArgumentParser], None]
    measure: Callable[[argparse.Namespace], dict[str, Any]]


def bar(name: str, measured: float, most: float) -> dict[str, Any]:
    """
    @param name: what is measured, with its unit.
    @param most: what it may be at most.
    @return: both, and whether that holds, for JSON.
    """
    return {
        "name": name,
        "measured": measured,
        "most": most,
        "holds": measured <= most,
    }


def say(text: str) -> None:
    """
    Tell how far it is, at once and beside the results.
    """
    print(text, file=sys.stderr, flush=True)


def raiseLimit() -> int:
    """
    Let this process, and those that it starts, open as many files as they may.

    @return: how many that are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def tooMany(people: int, limit: int) -> str | None:
    """
    @param people: connections that a process is to have.
    @param limit: files that it may open.
    @return: why that cannot be, or L{None} if it can.
    """
    if limit == resource.RLIM_INFINITY or people + SPARE <= limit:
        return None
    return (
        f"a process may open {limit} files here (ulimit -Hn), and {people} connections "
        f"need {people + SPARE}"
    )


def about() -> dict[str, Any]:
    """
    @return: where this runs, for JSON.
    """
    return {
        "python": platform.python_version(),
        "twisted": twisted.__version__,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[1],
    }


def run(prog: str, parts: Sequence[Part], arguments: Sequence[str]) -> None:
    """
    Measure, show, and write down.  What was found is written after every part.

    @param prog: what the program is called.
    @param arguments: those of the command line.
    """
    given = parserOf(prog, parts).parse_args(arguments)
    raiseLimit()
    found: dict[str, Any] = {"about": about()}
    began = time.monotonic()
    for part in parts:
        if part.name not in given.parts:
            continue
        found[part.name] = part.measure(given)
        found["about"]["seconds"] = round(time.monotonic() - began)
        if given.json is not None:
            given.json.write_text(json.dumps(found, indent=1))
    print(shown(found, given.rst))
    if given.plot is not None and "pause" in found:
        plot(found, given.plot)


def parserOf(prog: str, parts: Sequence[Part]) -> argparse.ArgumentParser:
    """
    @return: what takes the options of all these parts.
    """
    parser = argparse.ArgumentParser(prog=prog)
    names = [part.name for part in parts]
    parser.add_argument(
        "--parts", nargs="+", choices=names, default=names, help="what to measure"
    )
    parser.add_argument("--json", type=Path, help="where to write what was found")
    parser.add_argument("--plot", type=Path, help="where to draw the pause")
    parser.add_argument(
        "--rst", action="store_true", help="print the tables as a document has them"
    )
    for part in parts:
        part.options(parser.add_argument_group(part.name))
    return parser
