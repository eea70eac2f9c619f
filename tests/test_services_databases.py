"""
Services that keep their data in a database move with their pool of connections.
"""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.services import ServiceTestCase, freePort

#: Counts by name, in a database; some of it takes as long as a file is there.
SERVICE = """
import os, time
from twisted.application.internet import TCPServer
from twisted.enterprise.adbapi import ConnectionPool
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineOnlyReceiver


def count(transaction, name, blocker=None):
    transaction.execute("insert into counts values (?)", (name,))
    while blocker and os.path.exists(blocker):
        time.sleep(0.01)
    transaction.execute("select count(*) from counts where name = ?", (name,))
    return transaction.fetchall()[0][0]


class Counter(LineOnlyReceiver):
    delimiter = b"\\n"

    def lineReceived(self, line):
        done = self.factory.pool.runInteraction(count, *line.decode().split())
        done.addCallbacks(self.say, self.sorry)

    def say(self, answer):
        self.sendLine(str(answer).encode())

    def sorry(self, failure):
        self.say(failure.getErrorMessage())


def makeService():
    factory = Factory.forProtocol(Counter)
    factory.pool = ConnectionPool("sqlite3", %r, cp_min=1, cp_max=2)
    return TCPServer(%d, factory, interface="127.0.0.1")
"""


class DatabaseTests(ServiceTestCase):
    """
    L{twisted.enterprise.adbapi}
    """

    @inlineCallbacks
    def count(self, database: str) -> Any:
        """
        Serve counters.

        @return: a client of theirs.
        """
        with closing(sqlite3.connect(self.directory / "counts.db")) as made:
            made.execute("create table counts (name text)")
        port = freePort()
        self.code("counter", SERVICE % (database, port))
        yield self.serve("--service", "counter=counter.makeService")
        return (yield self.processes.connect(port))

    @inlineCallbacks
    def test_sqlite(self) -> Any:
        """
        What was counted before is counted after the moves, which a query that
        runs holds up.
        """
        client = yield self.count("counts.db")
        for number in range(1, 3):
            self.assertEqual((yield client.ask(b"apples")), b"%d" % number)
            yield self.move()
        blocker = self.directory / "blocker"
        blocker.touch()
        client.sendLine(b"pears blocker")
        yield self.processes.until(
            (self.directory / "counts.db-journal").exists, "a transaction"
        )
        said = yield self.refused()
        self.assertIn(
            "pool.threadpool: a thread pool, which is busy; try again once it is idle",
            said,
        )
        blocker.unlink()
        self.assertEqual((yield client.line()), b"1")
        yield self.move()
        self.assertEqual((yield client.ask(b"pears")), b"2")
        # Threads that nobody ended would hold the process up.
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()
        with closing(sqlite3.connect(self.directory / "counts.db")) as database:
            rows = database.execute("select name from counts order by name").fetchall()
        self.assertEqual("".join(row[0][0] for row in rows), "aapp")

    @inlineCallbacks
    def test_memory(self) -> Any:
        """
        What is in memory only would be lost.
        """
        client = yield self.count(":memory:")
        said = yield self.refused()
        self.assertIn(
            "pool: a database in memory, which ends with its connection; keep it in "
            "a file",
            said,
        )
        self.assertTrue(client.alive)
