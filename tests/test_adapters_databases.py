"""
Tests for L{migrate.adapters.databases}.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

from twisted.enterprise.adbapi import ConnectionPool
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from migrate.adapters.databases import ConnectionPoolAdapter
from migrate.errors import CannotMigrate
from migrate.interfaces import ILiveAdapter
from tests.inprocess import Move, descriptors
from tests.reactors import freshReactor, spin


def stop(pool: Any) -> None:
    """
    End the threads of a pool, unless they have ended.
    """
    if pool.threadpool.started:
        pool.threadpool.stop()


class DatabaseTests(SynchronousTestCase):
    """
    L{ConnectionPool}
    """

    def setUp(self) -> None:
        """
        Make two reactors and a database.
        """
        self.origin = freshReactor(self)
        self.recipient = freshReactor(self)
        self.path = Path(self.mktemp())

    def pool(self, *arguments: Any, **keywords: Any) -> Any:
        """
        @return: a pool that is at work.
        """
        pool = ConnectionPool(
            "sqlite3",
            *arguments,
            cp_reactor=self.origin,
            cp_min=1,
            cp_max=1,
            **keywords,
        )
        pool.start()
        self.addCleanup(stop, pool)
        return pool

    def go(self, pool: Any) -> Any:
        """
        @return: the pool at the recipient.
        """
        made = Move(pool, self.origin, self.recipient).go()
        self.addCleanup(stop, made)
        return made

    def rows(self, pool: Any, reactor: Any, query: str) -> Any:
        """
        @return: the rows.
        """
        rows: list[Any] = []
        done = pool.runQuery(query).addBoth(rows.append)
        spin(lambda: done.called and not pool.threadpool.working, reactor)
        return rows[0]

    def test_interfaces(self) -> None:
        """
        It is what it has to be.
        """
        verifyObject(ILiveAdapter, ConnectionPoolAdapter("x"))

    def test_moved(self) -> None:
        """
        Connections are made again at one side and are gone at the other one,
        as are descriptors and threads.
        """
        before = descriptors(), threading.active_count()
        pool = self.pool(str(self.path))
        self.rows(pool, self.origin, "create table fruit (name text)")
        self.rows(pool, self.origin, "insert into fruit values ('apple')")
        self.assertEqual(len(pool.connections), 1)
        made = self.go(pool)
        self.assertEqual(pool.connections, {})
        spin(lambda: threading.active_count() - 1 == before[1], self.origin)
        self.assertEqual(descriptors(), before[0])
        rows = self.rows(made, self.recipient, "select name from fruit")
        self.assertEqual(rows, [("apple",)])

    def test_rollBack(self) -> None:
        """
        A pool that did not get away has its connections.
        """
        pool = self.pool(database=str(self.path))
        self.rows(pool, self.origin, "create table fruit (name text)")
        move = Move(pool, self.origin, self.recipient)
        made = move.prepare()
        move.rollBack()
        self.assertEqual((len(pool.connections), made.connections), (1, {}))
        self.assertEqual(self.rows(pool, self.origin, "select * from fruit"), [])

    def test_shutdown(self) -> None:
        """
        Whoever has it shuts it down.
        """
        pool = self.pool(str(self.path))
        made = self.go(pool)
        self.origin.fireSystemEvent("shutdown")
        self.assertTrue(made.threadpool.started)
        self.recipient.fireSystemEvent("shutdown")
        self.assertFalse(made.threadpool.started)

    def test_close(self) -> None:
        """
        It can be closed after a move.
        """
        made = self.go(self.pool(str(self.path)))
        made.close()
        self.assertFalse(made.running)
        self.recipient.fireSystemEvent("shutdown")

    def test_elsewhere(self) -> None:
        """
        A file is found again by a process in another directory; the pool that
        did not move knows it as before.
        """
        relative, whole = os.path.relpath(self.path), str(self.path.absolute())
        for pool, expected in (
            (self.pool(relative), ((whole,), {})),
            (self.pool(database=relative), ((), {"database": whole})),
            (self.pool(self.path.absolute(), timeout=1), ((whole,), {"timeout": 1})),
            (
                self.pool(f"file:{relative}?mode=rwc", uri=True),
                ((f"file:{quote(whole)}?mode=rwc",), {"uri": True}),
            ),
            (
                self.pool(database=f"file:{whole}", uri=True),
                ((), {"database": f"file:{whole}", "uri": True}),
            ),
        ):
            before = pool.connargs, pool.connkw
            made = self.go(pool)
            self.assertEqual((made.connargs, made.connkw), expected)
            self.assertEqual((pool.connargs, pool.connkw), before)

    def test_memory(self) -> None:
        """
        What is in memory only is refused.
        """
        for arguments, keywords in (
            ((":memory:",), {}),
            (("",), {}),
            ((), {"database": ":memory:"}),
            (("file::memory:?cache=shared",), {"uri": True}),
            (("file:x?mode=memory",), {"uri": True}),
        ):
            pool = self.pool(*arguments, **keywords)
            error = self.assertRaises(CannotMigrate, self.go, pool)
            self.assertIn("service: a database in memory", str(error))
            self.assertFalse(error.passing)
