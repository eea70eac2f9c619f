"""
Pools of connections to databases, of L{twisted.enterprise.adbapi}: connections
are closed here, and made again there when they are needed, by the same arguments.
What a connection has of its own, such as temporary tables, ends with it.

It must not know any database but SQLite, which is part of Python and of the
process that uses it.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import quote

from twisted.enterprise.adbapi import ConnectionPool
from zope.interface import implementer

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter
from migrate.model import Actions, Description

#: Modules that open a file by the name of it.
SQLITE = ("sqlite3", "sqlite3.dbapi2", "pysqlite3")
#: What names a file that is none.
_MEMORY = re.compile(r"^file:(:memory:|$|\?)|[?&]mode=memory\b")


@implementer(ILiveAdapter)
class ConnectionPoolAdapter(AttributesAdapter):
    """
    Knows L{ConnectionPool}.  Its thread pool is an object of its own, which is
    refused while a query runs.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        state["connections"] = {}
        if obj.dbapiName in SQLITE:
            _describeFile(obj, state)
        return Description(type(obj), (), state)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_forget, obj))


def _describeFile(pool: Any, state: dict[str, Any]) -> None:
    """
    Name the file of a database as any process would.

    @raise NotMovable: there is none.
    """
    where = pool.connkw.get("database", pool.connargs[0] if pool.connargs else "")
    name = os.fsdecode(where)
    isUri = bool(pool.connkw.get("uri")) and name.startswith("file:")
    if name in ("", ":memory:") or (isUri and _MEMORY.search(name)):
        raise NotMovable(
            "a database in memory, which ends with its connection",
            "keep it in a file",
        )
    name = _wholeUri(name) if isUri else os.path.abspath(name)
    if "database" in pool.connkw:
        state["connkw"] = {**pool.connkw, "database": name}
    else:
        state["connargs"] = (name, *pool.connargs[1:])


def _wholeUri(uri: str) -> str:
    """
    @return: C{file:} and a path from the top.
    """
    path = uri.removeprefix("file:")
    return uri if path.startswith("/") else f"file:{quote(os.getcwd())}/{path}"


def _forget(pool: Any) -> None:
    """
    Close the connections of a pool.
    """
    for connection in pool.connections.values():
        # Some may be closed by their own thread only, and are with that one.
        with suppress(Exception):
            connection.close()
    pool.connections.clear()


def register(registry: Registry) -> None:
    """
    Add the adapter of database pools.
    """
    name = "twisted.enterprise.adbapi.ConnectionPool"
    registry.register(ConnectionPool, ConnectionPoolAdapter(name))
