"""
How the walk reads the exact builtin types.

It must not know of any other class, nor of the walk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

from migrate.graph import records as r
from migrate.graph.records import Record

#: Takes an object to the head of its record and its elements as they are, or
#: to L{None} and a record that is finished.
Reader = Callable[[Any], tuple[int | None, Iterable[Any]]]


def _isRaw(elements: Sequence[Any]) -> bool:
    """
    @return: whether the elements are atoms of one type, and short.
    """
    kinds = set(map(type, elements))
    if len(kinds) != 1:
        return False
    kind = kinds.pop()
    if kind is int:
        return bool(min(elements) >= r.LOWEST and max(elements) <= r.HIGHEST)
    if kind is str:
        return max(map(len, elements)) <= r.SHORT and r.encodable("".join(elements))
    if kind is bytes:
        return max(map(len, elements)) <= r.SHORT
    return kind is float


def _pieces(whole: Any, size: int) -> Iterable[Any]:
    """
    @return: a sequence in pieces, at least one.
    """
    return [whole[at : at + size] for at in range(0, len(whole) or 1, size)]


def _container(generic: int, raw: int) -> Reader:
    """
    @return: what reads builtin containers of one class.
    """

    def read(obj: Any) -> tuple[int | None, Iterable[Any]]:
        if len(obj) < r.MANY:
            return generic, obj
        elements = list(obj)
        if _isRaw(elements):
            return None, [raw, *_pieces(elements, r.WIDTH)]
        return generic, elements

    return read


def _readDict(obj: dict[Any, Any]) -> tuple[int | None, Iterable[Any]]:
    """
    Keys and values by turns; by pieces if there are only atoms.
    """
    if len(obj) >= r.MANY:
        keys, values = list(obj), list(obj.values())
        if _isRaw(keys) and _isRaw(values):
            pieces = zip(_pieces(keys, r.WIDTH), _pieces(values, r.WIDTH), strict=True)
            return None, [r.RAW_DICT, *chain.from_iterable(pieces)]
    return r.DICT, chain.from_iterable(obj.items())


def _readInt(obj: int) -> tuple[None, Record]:
    """
    An integer of any size, as its bytes.
    """
    data = obj.to_bytes(obj.bit_length() // 8 + 1, "little", signed=True)
    return None, [r.INT, *([piece] for piece in _pieces(data, r.PIECE))]


#: Heads of builtin containers that are short.
HEADS: dict[type, int] = {
    list: r.LIST,
    tuple: r.TUPLE,
    set: r.SET,
    frozenset: r.FROZENSET,
    dict: r.DICT,
}

NATIVE: dict[type, Reader] = {
    list: _container(r.LIST, r.RAW_LIST),
    tuple: _container(r.TUPLE, r.RAW_TUPLE),
    set: _container(r.SET, r.RAW_SET),
    frozenset: _container(r.FROZENSET, r.RAW_FROZENSET),
    dict: _readDict,
    int: _readInt,
    str: lambda obj: (None, [r.TEXT, *_pieces(obj, r.PIECE)]),
    bytes: lambda obj: (
        None,
        [r.BYTES, *([piece] for piece in _pieces(obj, r.PIECE))],
    ),
}
