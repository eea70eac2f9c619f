"""
What is fuzzed: frames, records, and the making of graphs.  Each takes anything,
and lets through only what is no error of this package's own.
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Sequence
from typing import Any

from twisted.internet.task import Clock

from migrate.adapters import defaultRegistry
from migrate.errors import LoadError, MalformedFrame
from migrate.graph import Environment, PickleSerializer, TableSerializer
from migrate.graph import records as r
from migrate.policies import AllowList
from migrate.wire import FrameReader, encode

_REGISTRY = defaultRegistry()

#: Adapters that make things of their own, in a process that fuzzes.
_NAMES = sorted(
    {"plain", "reduce", "deque", "defaultdict", "bytearray", "exception", "partial"}
    | {"list", "dict", "set", "tuple", "ordereddict", "method", "struct", "enum"}
)
#: Of pickles, those that make lists and what is in them.
_OPCODES = b"](aeKMJXCBNG." * 10
_CLASSES = (
    *(("builtins", name) for name in ("object", "list", "dict", "ValueError", "tuple")),
    *(("collections", name) for name in ("deque", "OrderedDict", "defaultdict")),
    ("twisted.application.service", "MultiService"),
    ("os", "system"),
)


def feedFrames(pieces: Sequence[bytes]) -> None:
    """
    Have a reader take what came, in pieces; what it makes of them can be sent.
    """
    reader = FrameReader()
    try:
        for piece in pieces:
            for message in reader.feed(piece):
                encode(message)
    except MalformedFrame:
        return


def environment() -> Environment:
    """
    @return: one that trusts nobody.
    """
    return Environment(_REGISTRY, Clock(), policy=AllowList())


def feedRecords(data: bytes, serializer: TableSerializer | None = None) -> None:
    """
    Have a loader take what came, and make what it can of it.

    @param serializer: by default, that of flat tables.
    """
    loader = (serializer or TableSerializer()).loader(environment())
    try:
        loader.feed(data)
        loader.finish(())
    except LoadError:
        return
    finally:
        loader.discard()


def loadTable(seed: int) -> None:
    """
    Have a loader make a table that is right in form, and in nothing else.
    """
    chance = random.Random(seed)
    size = chance.randint(1, 12)
    shapes = [_shape(chance, size) for _ in range(chance.randint(0, 3))]
    rows = [_row(chance, size, len(shapes)) for _ in range(size - 1)]
    table = [*shapes, [r.LIST, *_elements(chance, size)], *rows, [r.END, size]]
    for chunk in r.encoded(table):
        feedRecords(chunk)


def feedPickle(seed: int) -> None:
    """
    Have a loader take a pickle of records, of which a few bytes are others.
    """
    chance = random.Random(seed)
    size = chance.randint(1, 12)
    table = [[r.LIST, *_elements(chance, size)], [r.END, size]]
    data = bytearray(pickle.dumps(table, chance.randint(2, 5)))
    for _ in range(chance.randint(0, 3)):
        data[chance.randrange(len(data))] = chance.choice([*range(256), *_OPCODES])
    feedRecords(bytes(data), PickleSerializer())


def _shape(chance: random.Random, size: int) -> list[Any]:
    module, qualname = chance.choice([*_CLASSES, (None, None)])
    names = chance.choice([None, True, [], ["a"], ["state"], ["items", "setter"]])
    count = chance.choice([0, 1, 2, 3, 1 << 62])
    return [
        *(r.SHAPE, chance.choice(_NAMES), chance.randrange(size + 1), count, names),
        *(module, qualname, chance.choice([[], ["X", 1]])),
    ]


def _row(chance: random.Random, size: int, shapes: int) -> list[Any]:
    head = chance.choice([*range(3, 21), *range(r.FIRST, r.FIRST + shapes)] * 2)
    if head == r.NAMED and chance.random() < 0.8:
        return [head, *chance.choice(_CLASSES)]
    return [head, *_elements(chance, size)]


def _elements(chance: random.Random, size: int) -> list[Any]:
    return [_element(chance, size) for _ in range(chance.randint(0, 4))]


def _element(chance: random.Random, size: int) -> Any:
    return chance.choice(
        [
            *(chance.randrange(size), chance.randrange(size + 2)),
            *(None, True, 1.5, "x", [1], [b"x"], [0, b"\xed\xa0\x80"], []),
            *([1, 2, 3], ["x", "y"], [[1]]),
        ]
    )
