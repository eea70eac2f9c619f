"""
The serializer that writes the records of the flat table with L{pickle}: the same walk,
the same adapters, another notation.

The records hold nothing but atoms and lists, and a pickle that names anything else is
refused: none of it is called, or looked up.

It must not know what becomes of a record.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any, NoReturn

from zope.interface import implementer

from migrate.errors import MalformedTable
from migrate.graph import records as r
from migrate.graph.compiled import native
from migrate.graph.environment import Environment
from migrate.graph.loader import TableLoader
from migrate.graph.table import TableSerializer
from migrate.interfaces import ILoader, ISerializer

#: The protocol: every Python that this package runs on has it.
_PROTOCOL = 5


class _Unpickler(pickle.Unpickler):
    """
    Reads atoms and lists.
    """

    def find_class(self, module: str, name: str) -> NoReturn:
        """
        @raise MalformedTable: always.
        """
        raise MalformedTable(f"a pickle names {module}.{name}")

    def persistent_load(self, pid: Any) -> NoReturn:
        """
        @raise MalformedTable: always.
        """
        raise MalformedTable("a pickle refers to what is outside of it")


def _read(data: bytes) -> Any:
    """
    @return: what a pickle holds.
    @raise MalformedTable: it is none, or holds something else than atoms and
        containers, or something comes behind it.
    """
    # Numbers that stand for names mean what is cached, past find_class.
    copyreg.clear_extension_cache()
    stream = io.BytesIO(data)
    try:
        found = _Unpickler(stream).load()
    except MalformedTable:
        raise
    except Exception as e:
        raise MalformedTable(f"no pickle of records: {type(e).__name__}: {e}") from e
    if stream.read(1):
        raise MalformedTable("something comes behind a pickle")
    return found


def _chunkOf(data: bytes) -> bytes:
    """
    @return: the records of a pickle, as the table has them.
    @raise MalformedTable: see L{_read}.
    """
    chunk: bytes | None = None if native is None else native.unpickled(data)
    return r.packed(_read(data)) if chunk is None else chunk


def _pickleOf(chunk: bytes) -> bytes:
    """
    @return: the records of a chunk as a pickle.
    """
    data: bytes | None = None if native is None else native.pickled(chunk)
    if data is not None:
        return data
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, _PROTOCOL)
    # Nothing in a chunk is there twice, or in itself.
    pickler.fast = True
    pickler.dump(r.decoded(chunk))
    return stream.getvalue()


class PickleLoader(TableLoader):
    """
    Makes one graph again of pickled records.
    """

    def _take(self, chunk: bytes) -> None:
        """
        See L{GraphLoader}.
        """
        super()._take(_chunkOf(chunk))


@implementer(ISerializer)
class PickleSerializer(TableSerializer):
    """
    Writes and reads pickled records.
    """

    name = "pickle"

    def __init__(self) -> None:
        super().__init__(_pickleOf)

    def loader(self, environment: Environment) -> ILoader:
        """
        See L{ISerializer.loader}.
        """
        return PickleLoader(environment)
