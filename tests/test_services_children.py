"""
Services that have child processes are moved while these run.
"""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import inlineCallbacks

from migrate.adapters.exits import answers
from tests.services import ServiceTestCase

NOT_TOLD = (
    "" if answers() else "this kernel tells nobody but the parent how a process ended"
)


class ProcmonTests(ServiceTestCase):
    """
    C{twistd procmon}
    """

    if NOT_TOLD:
        skip = NOT_TOLD

    def starts(self) -> list[int]:
        """
        @return: the ids of the processes that have been started.
        """
        path = self.directory / "starts"
        lines = path.read_text().splitlines() if path.exists() else []
        return [int(line) for line in lines]

    @inlineCallbacks
    def started(self, number: int) -> Any:
        """
        Wait for the start of the child.
        """
        yield self.processes.until(
            lambda: len(self.starts()) >= number, f"start number {number}"
        )
        self.assertEqual(len(self.starts()), number)
        return self.processes.watch(self.starts()[-1])

    @inlineCallbacks
    def test_restarts(self) -> Any:
        """
        The child runs on; what it says is logged by whoever serves; and if it
        ends, that one starts another.
        """
        (self.directory / "child.sh").write_text(
            "echo $$ >>starts\nwhile :; do read line <orders; echo heard $line; done\n"
        )
        os.mkfifo(self.directory / "orders")
        yield self.plugin(
            "mon=procmon --threshold 0.1 --minrestartdelay 0.1 /bin/sh child.sh"
        )
        child = yield self.started(1)
        yield self.move()
        self.order("once")
        yield self.server.line("heard once")
        yield self.move()
        self.order("twice")
        yield self.server.line("heard twice")
        self.assertTrue(child.running)
        child.signal(9)
        second = yield self.started(2)
        self.assertTrue(second.running)
        yield self.move()
        second.signal(15)
        third = yield self.started(3)
        yield self.move()
        self.order("thrice")
        yield self.server.line("heard thrice")
        self.assertTrue(third.running)

    def order(self, word: str) -> None:
        """
        Say something to the child.
        """
        with (self.directory / "orders").open("w") as orders:
            orders.write(f"{word}\n")
