"""
Reactors beside the one that runs the tests, of the same kind, turned by hand:
one is the origin's, another one the recipient's.

It must not know what happens on them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.trial.unittest import SynchronousTestCase

#: In seconds; ends a test that hangs.
DEADLINE = 20.0


def freshReactor(case: SynchronousTestCase) -> Any:
    """
    @return: a reactor that nobody else uses, and that runs only in L{spin}.
    """
    cls: Any = type(installed)
    if issubclass(cls, AsyncioSelectorReactor):
        loop = asyncio.new_event_loop()
        reactor = cls(loop)
        case.addCleanup(loop.close)
    else:
        reactor = cls()
        if hasattr(reactor, "_poller") and hasattr(reactor._poller, "close"):
            case.addCleanup(reactor._poller.close)
    case.addCleanup(_empty, reactor)
    return reactor


def _empty(reactor: Any) -> None:
    """
    Lose whatever a test has left on its reactor, the waker included.
    """
    for call in reactor.getDelayedCalls():
        call.cancel()
    reactor._internalReaders.clear()
    reactor.disconnectAll()


def turn(*reactors: Any) -> None:
    """
    Let each reactor do what there is to do.
    """
    for reactor in reactors:
        reactor.iterate(0)


def spin(until: Callable[[], object], *reactors: Any) -> None:
    """
    Turn the reactors until something is true.

    @raise AssertionError: it was not by the deadline.
    """
    end = time.monotonic() + DEADLINE
    while not until():
        if time.monotonic() > end:
            raise AssertionError(f"not within {DEADLINE} s")
        for reactor in reactors:
            reactor.iterate(0.001)
