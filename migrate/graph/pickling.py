"""
The serializer that writes with L{pickle}: the same walk, the same adapters,
another notation.

Each object is pickled by itself, and refers to others by their numbers, as an
object database does it.  A pickle of the graph in one piece could not move all
that a table moves: it recurses as deeply as the graph does, it fills a
container before the keys that lie on a cycle with it, and it cannot make an
object whose arguments lead back to it.  What is read are numbers, text and
bytes only: no pickle may name anything, so none can have anything run.

It must not know what any adapter does.
"""

from __future__ import annotations

import copyreg
import io
import pickle
from typing import Any, NoReturn

from migrate.errors import MalformedTable
from migrate.graph.records import Codec, Record
from migrate.graph.table import TableSerializer

#: The protocol: every Python that this package runs on has it.
_PROTOCOL = 5

_ELEMENTS = frozenset((type(None), bool, int, float, str, list))


class _Unpickler(pickle.Unpickler):
    """
    Reads builtin values, and nothing that has a name.
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


def _encode(records: list[Record]) -> bytes:
    """
    @return: the records, each element as it is: text may hold surrogates.
    """
    return pickle.dumps(records, _PROTOCOL)


def _isRecord(record: Any) -> bool:
    """
    @return: whether there are only elements of the right types, and one at
        least.
    """
    return (
        type(record) is list
        and len(record) > 0
        and _ELEMENTS.issuperset(map(type, record))
        and not any(type(each) is int and each < 0 for each in record)
    )


def _decode(chunk: bytes) -> list[Record]:
    """
    @return: the records of a chunk; their heads may still be anything.
    @raise MalformedTable: there are none.
    """
    stream = io.BytesIO(chunk)
    # Numbers that stand for names mean what is cached, past find_class.
    copyreg.clear_extension_cache()
    try:
        found = _Unpickler(stream).load()
    except MalformedTable:
        raise
    except Exception as e:
        raise MalformedTable(f"a chunk is no pickle: {type(e).__name__}: {e}") from e
    if stream.read(1) or type(found) is not list or not all(map(_isRecord, found)):
        raise MalformedTable("a pickle holds no records")
    return found


PICKLE = Codec(_encode, _decode)


def PickleSerializer() -> TableSerializer:
    """
    @return: what writes and reads graphs with L{pickle}.
    """
    return TableSerializer("pickle", PICKLE)
