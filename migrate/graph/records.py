"""
The records of a table, and how they become chunks of bytes and records again.

A record is a list.  Its first element, the head, says what the rest means; the
object that it describes has the number of the record among those that describe
objects.  Among the other elements a plain integer refers to an object by its
number; an integer or bytes stand in a list of one element; text with
surrogates, which no UTF-8 has, in a list of two; all else stands for itself.

It must not know where records come from or what is made of them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import attrs
import msgspec

from migrate.errors import MalformedTable

Record = list[Any]

#: No chunk is longer than this, in bytes.
CHUNK = 1 << 20
#: Text and bytes longer than this are objects of the table, sent once.
SHORT = 64
#: Integers beyond this are objects of the table.
HIGHEST = (1 << 63) - 1
LOWEST = -(1 << 63)
#: Long text and bytes are cut into pieces of this many characters or bytes.
PIECE = 1 << 16
#: A record has at most so many elements beside its head; with elements as
#: long as they may be it still fits into a chunk.
WIDTH = 1024
#: Records are gathered until they have so many elements, then encoded.
BATCH = 1 << 13
#: Byte strings of at least so many bytes go by files, where there are any.
LARGE = 1 << 16
#: A file has at most so many: few are under way at a time, and each is memory that both
#: processes have beside the graph.
SEGMENT = 1 << 23
#: Containers with at least so many elements of one atomic type are written raw.
MANY = 8

# Records that describe no object: more of the last one, a shape, the end.
MORE, SHAPE, END = range(3)
# Atoms too large to stand in a record, in pieces.
TEXT, BYTES, INT = range(3, 6)
# What stays outside the graph, and what arrives beside it.
NAMED, EXTERNAL, DESCRIPTOR, WEAK = range(6, 10)
# Containers, and those of nothing but atoms of one type.
LIST, TUPLE, SET, FROZENSET, DICT = range(10, 15)
RAW_LIST, RAW_TUPLE, RAW_SET, RAW_FROZENSET, RAW_DICT = range(15, 20)
#: An object that cannot be moved; never written.
REFUSED = 20
#: More elements of an earlier record, of which the number comes first.
LATER = 21
#: The number of the next record, where it is not one more than that before.
AT = 22
#: A large byte string that comes by files: its length, in a list.
BLOB = 23
#: A part of one: its number; and in a list where it begins there, which descriptor has
#: it, where it begins in that file, and how long it is.
PART = 24
#: Nothing more is read of a file: which descriptor it is.
SPENT = 25
#: The adapter that speaks for bound methods, unless somebody has registered another.
METHODS = "method"
#: The adapter that speaks for deques, unless somebody has registered another one.
DEQUES = "deque"
#: A short deque: how long it may be, and its elements.
DEQUE = 26
#: The head of an object with the first shape; that of the second follows.
FIRST = 32

#: How many elements of such a record make a record of their own.
_STEPS = dict.fromkeys(
    (TEXT, BYTES, INT, RAW_LIST, RAW_TUPLE, RAW_SET, RAW_FROZENSET), 1
) | {RAW_DICT: 2}

#: Heads of what is no object that moves.
OUTSIDE = frozenset((TEXT, BYTES, INT, NAMED, EXTERNAL, REFUSED, BLOB))


@attrs.define(eq=False)
class Shape:
    """
    What the objects that one adapter describes alike have in common.

    @ivar adapter: the name of the adapter.
    @ivar cls: the number of the class.
    @ivar arguments: how many elements are arguments.
    @ivar names: what the other elements are called; L{None} if there is no
        state, C{True} if names and values stand in the record by turns.
    @ivar module: the module by whose name the class goes, or L{None}.
    @ivar qualname: the name of the class in that module.
    @ivar versions: names and C{persistenceVersion}s of the class and its
        bases, by turns.
    """

    adapter: str
    cls: int
    arguments: int
    names: tuple[str, ...] | bool | None
    module: str | None = None
    qualname: str | None = None
    versions: tuple[str | int, ...] = ()

    def record(self) -> Record:
        """
        @return: the shape as a record.
        """
        names = list(self.names) if isinstance(self.names, tuple) else self.names
        head = [SHAPE, self.adapter, self.cls, self.arguments, names]
        return [*head, self.module, self.qualname, list(self.versions)]


def _checked(condition: bool, what: str) -> None:
    """
    @raise MalformedTable: the condition does not hold.
    """
    if not condition:
        raise MalformedTable(what)


def shapeOf(record: Record) -> Shape:
    """
    @return: the shape that a record says.
    @raise MalformedTable: it says none.
    """
    _checked(len(record) == 8, "a shape has eight elements")
    adapter, cls, arguments, names, module, qualname, versions = record[1:]
    _checked(type(adapter) is str, "an adapter's name is text")
    _checked(type(cls) is type(arguments) is int, "a shape's numbers are integers")
    _checked(names is None or type(names) in (bool, list), "a shape has names")
    if type(names) is list:
        _checked(all(type(name) is str for name in names), "a name is text")
        names = tuple(names)
    _checked(
        type(module) is type(qualname) and type(module) in (str, type(None)),
        "a class's name is text",
    )
    _checked(
        type(versions) is list
        and len(versions) % 2 == 0
        and all(type(name) is str for name in versions[::2])
        and all(type(version) is int for version in versions[1::2]),
        "versions are names and integers",
    )
    return Shape(adapter, cls, arguments, names, module, qualname, tuple(versions))


def references(elements: Iterable[Any]) -> list[int]:
    """
    @return: the numbers that some elements of a record refer to.
    """
    return [element for element in elements if type(element) is int]


def _split(record: Record) -> Iterator[Record]:
    """
    @return: a record in pieces that are not too long for a chunk.
    """
    step = _STEPS.get(record[0], WIDTH)
    yield record[: step + 1]
    for start in range(step + 1, len(record), step):
        yield [MORE, *record[start : start + step]]


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """
    @return: the records, gathered into lists that make chunks of a fair size.
    """
    batch: list[Record] = []
    weight = 0
    for record in records:
        length = len(record)
        if length > WIDTH or record[0] in _STEPS:
            for part in _split(record):
                batch.append(part)
                weight += WIDTH
                if weight >= BATCH:
                    yield batch
                    batch, weight = [], 0
            continue
        batch.append(record)
        weight += length
        if weight >= BATCH:
            yield batch
            batch, weight = [], 0
    yield batch


def _escaped(record: Record) -> Record:
    """
    @return: the record with such text escaped as UTF-8 does not have.
    """
    return [
        [0, element.encode("utf-8", "surrogatepass")]
        if type(element) is str and not encodable(element)
        else element
        for element in record
    ]


def encodable(text: str) -> bool:
    """
    @return: whether UTF-8 has C{text}: it holds no surrogates.
    """
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def asInCode(text: str) -> str:
    """
    @return: C{text}; where it looks like a name, the one object that all code of
        this process means by it: some compares its constants by identity.
    """
    return sys.intern(text) if text.isidentifier() else text


def unboxed(box: Record) -> Any:
    """
    @return: the atom that stands in a list.
    @raise MalformedTable: it is none.
    """
    if len(box) == 1 and type(box[0]) in (int, bytes):
        return box[0]
    if len(box) == 2 and box[0] == 0 and type(box[1]) is bytes:
        try:
            return box[1].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError as e:
            raise MalformedTable(f"text that is none: {e}") from e
    raise MalformedTable("a list in a record is no atom")


_encoder = msgspec.msgpack.Encoder()


def encoded(records: Iterable[Record]) -> Iterator[bytes]:
    """
    @return: the records as MessagePack, in chunks of at most L{CHUNK} bytes.
    """
    for batch in _batches(records):
        yield from _encodedBatch(batch)


def _encodedBatch(records: list[Record]) -> Iterator[bytes]:
    """
    Halve what is too long, down to single records, which are not.
    """
    try:
        chunk = _encoder.encode(records)
    except UnicodeEncodeError:
        if len(records) == 1:
            records = [_escaped(records[0])]
            chunk = _encoder.encode(records)
        else:
            chunk = b""
    if chunk and (len(chunk) <= CHUNK or len(records) == 1):
        yield chunk
        return
    middle = len(records) // 2
    yield from _encodedBatch(records[:middle])
    yield from _encodedBatch(records[middle:])


def sizeOf(record: Record) -> int:
    """
    @return: the bytes that a record takes, without what frames a chunk.
    """
    whole = len(record) <= WIDTH and record[0] not in _STEPS
    return sum(map(_sizeOfPart, (record,) if whole else _split(record)))


def _sizeOfPart(record: Record) -> int:
    """
    @return: the same for a record that need not be split.
    """
    try:
        return len(_encoder.encode(record))
    except UnicodeEncodeError:
        return len(_encoder.encode(_escaped(record)))


def packed(records: Any) -> bytes:
    """
    @return: records in one chunk of any size.
    @raise MalformedTable: some are none.
    """
    try:
        return _encoder.encode(records)
    except (TypeError, ValueError, OverflowError, RecursionError) as e:
        raise MalformedTable(f"no records: {e}") from e


_Reference = Annotated[int, msgspec.Meta(ge=0)]
_Element = None | bool | _Reference | float | str | list[Any]
_Elements = Annotated[list[_Element], msgspec.Meta(min_length=1)]
_decoder = msgspec.msgpack.Decoder(list[_Elements])


def decoded(chunk: bytes) -> list[Record]:
    """
    @return: the records of a chunk; their heads may still be anything.
    @raise MalformedTable: there are none.
    """
    try:
        return _decoder.decode(chunk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise MalformedTable(f"a chunk holds no records: {e}") from e
