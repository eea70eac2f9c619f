"""
Reactors on loops of asyncio, for tests.

It must not know any adapter.
"""

from __future__ import annotations

import asyncio
from typing import Any

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.trial.unittest import SynchronousTestCase


def loopReactor(case: SynchronousTestCase) -> Any:
    """
    @return: a reactor on a loop of its own, that runs only when it is told to.
    """
    loop = asyncio.new_event_loop()
    reactor = AsyncioSelectorReactor(loop)

    def close() -> None:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        turnLoop(loop)
        reactor._internalReaders.clear()
        reactor.disconnectAll()
        loop.close()

    case.addCleanup(close)
    return reactor


def turnLoop(loop: Any, times: int = 3) -> None:
    """
    Let a loop do what there is to do.
    """
    for _ in range(times):
        loop.call_soon(loop.stop)
        loop.run_forever()
