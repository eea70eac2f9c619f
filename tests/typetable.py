"""
One row for each type that is moved exactly or refused: how to make an object of
it, and how to tell that what arrived is one.

Run as a program it writes the rows down, or reads what another Python wrote::

    python -m tests.typetable dump FILE
    python -m tests.typetable load FILE
"""

from __future__ import annotations

import array
import collections
import contextvars
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import json
import linecache
import operator
import os
import pathlib
import queue
import random
import re
import struct
import sys
import threading
import types
import typing
import uuid
import weakref
import zoneinfo
from collections.abc import Callable, Iterator
from typing import Any

import attrs
from constantly import FlagConstant, Flags, NamedConstant, Names, ValueConstant, Values
from twisted.internet.task import Clock
from twisted.logger import LogLevel
from twisted.python.failure import Failure
from zope.interface import (
    Interface,
    directlyProvidedBy,
    directlyProvides,
    implementedBy,
    implementer,
)

from migrate.adapters import defaultRegistry
from migrate.errors import MigrationError
from migrate.graph import Environment, PickleSerializer, TableSerializer

TABLE_SERIALIZER = TableSerializer()
SERIALIZERS = (TABLE_SERIALIZER, PickleSerializer())

#: An object that nothing else is, told by its identity.
SENTINEL = object()
VARIABLE: contextvars.ContextVar[Any] = contextvars.ContextVar("VARIABLE")
MODULE_LAMBDA = lambda x: x + 1  # noqa: E731
TABLE = {"double": lambda x: x * 2}


@attrs.frozen
class Row:
    """
    One type.

    @ivar name: what it is called.
    @ivar make: makes an object.
    @ivar check: tells whether what arrived is that object.
    @ivar refusal: part of the reason why it is refused; C{None} if it moves.
    @ivar local: whether it makes no sense in another version of Python.
    @ivar since: the oldest Python that has it.
    """

    name: str
    make: Callable[[], Any]
    check: Callable[[Any], bool]
    refusal: str | None = None
    local: bool = False
    since: tuple[int, int] = (3, 10)


ROWS: list[Row] = []


def moves(
    name: str, make: Callable[[], Any], check: Callable[[Any], bool], **options: Any
) -> None:
    """
    A row of an object that moves.
    """
    if sys.version_info >= options.get("since", (3, 10)):
        ROWS.append(Row(name, make, check, **options))


def equal(name: str, make: Callable[[], Any], **options: Any) -> None:
    """
    A row of an object that arrives as one of the same type, and equal.
    """
    moves(
        name,
        make,
        lambda o: type(o) is type(make()) and o == make() and repr(o) == repr(make()),
        **options,
    )


def same(name: str, make: Callable[[], Any], **options: Any) -> None:
    """
    A row of an object that goes by its name.
    """
    moves(name, make, lambda o: o is make(), **options)


def refused(name: str, make: Callable[[], Any], reason: str) -> None:
    """
    A row of an object that is refused.
    """
    ROWS.append(Row(name, make, lambda o: False, refusal=reason))


_prompts = itertools.count(1)


def prompt(source: str) -> dict[str, Any]:
    """
    @return: the namespace in which C{source} was run, as at a prompt.
    """
    filename = f"<typetable-{os.getpid()}-{next(_prompts)}>"
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    namespace: dict[str, Any] = {"__name__": "__console__"}
    exec(compile(source, filename, "exec", dont_inherit=True), namespace)
    del namespace["__builtins__"]
    return namespace


# Numbers, text, bytes


class Int(int):
    """An integer whose conversions lie."""

    def __int__(self) -> int:
        return -1

    def __index__(self) -> int:
        return -1


class Float(float):
    pass


class Complex(complex):
    pass


class Str(str):
    __slots__ = ("mark",)

    def __str__(self) -> str:
        return "wrong"


class Bytes(bytes):
    pass


class ByteArray(bytearray):
    pass


class Tuple(tuple[Any, ...]):
    pass


def marked(obj: Any, mark: Any = "mark") -> Any:
    """
    @return: C{obj}, with an attribute.
    """
    obj.mark = mark
    return obj


equal("complex", lambda: complex(1.5, -0.0))
equal("complex nan", lambda: [complex(0, float("inf"))])
equal("range", lambda: range(3, 30, 4))
equal("slice", lambda: slice(1, None, 2))
same("Ellipsis", lambda: Ellipsis)
same("NotImplemented", lambda: NotImplemented)
equal("bytearray", lambda: bytearray(b"\x00ab\xff"))
equal("Fraction", lambda: fractions.Fraction(3, 7))
equal("Decimal", lambda: decimal.Decimal("1.10"))
moves(
    "Decimal sNaN",
    lambda: decimal.Decimal("-sNaN123"),
    lambda o: type(o) is decimal.Decimal and str(o) == "-sNaN123",
)
equal("PurePath", lambda: pathlib.PurePosixPath("/a/../b"))
equal("Path", lambda: pathlib.Path("a/b"))
equal("UUID", lambda: uuid.UUID(int=5))
equal("array", lambda: array.array("d", [1.5, 2.5]))
equal("surrogates", lambda: "a\ud800b")
equal("datetime", lambda: datetime.datetime(2020, 1, 2, 3, 4, 5, 6, fold=1))
equal(
    "datetime with zone",
    lambda: datetime.datetime(
        2020, 1, 2, tzinfo=datetime.timezone(datetime.timedelta(hours=2), "X")
    ),
)
same("ZoneInfo", lambda: zoneinfo.ZoneInfo("UTC"))
equal("timedelta", lambda: datetime.timedelta(1, 2, 3))
moves(
    "Random",
    lambda: random.Random(5),
    lambda o: o.random() == random.Random(5).random(),
)
equal("regex", lambda: re.compile(r"a(b)+", re.I))
moves(
    "Struct",
    lambda: struct.Struct("<I"),
    lambda o: o.pack(1) == b"\1\0\0\0",
)
moves(
    "int subclass",
    lambda: marked(Int(1 << 70)),
    lambda o: type(o) is Int and o == 1 << 70 and o.mark == "mark",
)
moves(
    "float subclass",
    lambda: marked(Float("-inf")),
    lambda o: type(o) is Float and o == float("-inf") and o.mark == "mark",
)
moves(
    "complex subclass",
    lambda: marked(Complex(1, 2)),
    lambda o: type(o) is Complex and o == 1 + 2j and o.mark == "mark",
)
moves(
    "str subclass",
    lambda: marked(Str("\ud800x" * 50)),
    lambda o: type(o) is Str and o == "\ud800x" * 50 and o.mark == "mark",
)
moves(
    "bytes subclass",
    lambda: marked(Bytes(b"\xff\0")),
    lambda o: type(o) is Bytes and o == b"\xff\0" and o.mark == "mark",
)
moves(
    "bytearray subclass",
    lambda: marked(ByteArray(b"\xff\0")),
    lambda o: type(o) is ByteArray and o == b"\xff\0" and o.mark == "mark",
)
moves(
    "tuple subclass",
    lambda: marked(Tuple((1, [2]))),
    lambda o: type(o) is Tuple and o == (1, [2]) and o.mark == "mark",
)


# Containers


class List(list[Any]):
    def append(self, item: Any) -> None:
        raise AssertionError("overridden")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("overridden")

    extend = __setitem__ = append  # type: ignore[assignment]


class Dict(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        raise AssertionError("overridden")

    def __iter__(self) -> Iterator[Any]:
        raise AssertionError("overridden")

    update = __setitem__  # type: ignore[assignment]


class Reducing(dict[Any, Any]):
    def __reduce__(self) -> Any:
        raise AssertionError("at rest")


class Set(set[Any]):
    def add(self, item: Any) -> None:
        raise AssertionError("overridden")


class FrozenSet(frozenset[Any]):
    pass


class Deque(collections.deque[Any]):
    pass


class Ordered(collections.OrderedDict[Any, Any]):
    pass


class Default(collections.defaultdict[Any, Any]):
    pass


class Key:
    """Hashed by what it is filled with."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and self.value == other.value


def movedToEnd() -> Any:
    """
    @return: an ordered dictionary whose order is not that of insertion.
    """
    made = Ordered((("a", 1), ("b", 2), ("c", 3)))
    made.move_to_end("a")
    made.move_to_end("c", last=False)
    return marked(made)


def selfish(made: Any) -> Any:
    """
    @return: a container that is in itself.
    """
    made.append(made)
    return made


def keyed(made: Any) -> Any:
    """
    @return: a dictionary with a key that hashes by its own state, and which
        holds the dictionary.
    """
    key = Key(("k", 1))
    key.back = made  # type: ignore[attr-defined]
    made.setdefault(key, [key])
    return made


def isKeyed(o: Any) -> bool:
    """
    @return: whether C{o} is what L{keyed} makes.
    """
    (key,) = dict.keys(o)
    return dict.__getitem__(o, Key(("k", 1)))[0] is key and key.back is o


equal("deque", lambda: collections.deque([1, [2]], maxlen=5))
moves(
    "deque subclass in itself",
    lambda: marked(selfish(Deque([1], 3))),
    lambda o: type(o) is Deque and o[1] is o and o.maxlen == 3 and o.mark == "mark",
)
moves(
    "defaultdict",
    lambda: marked(Default(list, {"a": [1]})),
    lambda o: (
        type(o) is Default and o["z"] == [] and o["a"] == [1] and o.mark == "mark"
    ),
)
moves(
    "OrderedDict",
    movedToEnd,
    lambda o: type(o) is Ordered and list(o) == ["c", "b", "a"] and o.mark == "mark",
)
moves("OrderedDict keyed", lambda: keyed(Ordered()), isKeyed)
equal("Counter", lambda: collections.Counter("abca"))
moves(
    "ChainMap",
    lambda: collections.ChainMap({"a": 1}, {"b": 2}),
    lambda o: o.maps == [{"a": 1}, {"b": 2}] and type(o) is collections.ChainMap,
)
moves(
    "list subclass",
    lambda: marked(List([1, [2]])),
    lambda o: (
        type(o) is List
        and list.__len__(o) == 2
        and list.__getitem__(o, 1) == [2]
        and o.mark == "mark"
    ),
)
moves("dict subclass", lambda: keyed(Dict()), lambda o: type(o) is Dict and isKeyed(o))
moves(
    "dict subclass with __reduce__",
    lambda: marked(Reducing(a=1)),
    lambda o: type(o) is Reducing and o == {"a": 1} and o.mark == "mark",
)
moves(
    "set subclass",
    lambda: marked(Set([Key(1), 2])),
    lambda o: type(o) is Set and Key(1) in o and len(o) == 2 and o.mark == "mark",
)
moves(
    "frozenset subclass",
    lambda: marked(FrozenSet([Key(1), 2])),
    lambda o: type(o) is FrozenSet and Key(1) in o and len(o) == 2 and o.mark == "mark",
)


Pair = collections.namedtuple("Pair", "left right")


class Typed(typing.NamedTuple):
    left: Any
    right: int = 7


equal("namedtuple", lambda: Pair(1, [2]))
equal("NamedTuple", lambda: Typed([1]))
equal("struct_time", lambda: __import__("time").gmtime(0))
equal("stat_result", lambda: os.stat_result(range(10)))
same("sys.flags", lambda: sys.flags)


def proxied() -> Any:
    """
    @return: a dictionary and a proxy of it.
    """
    mapping = {"a": [1]}
    return [mapping, types.MappingProxyType(mapping)]


def isLive(o: Any) -> bool:
    """
    @return: whether the second shows what happens to the first.
    """
    before = len(o[1])
    o[0]["new"] = 1
    return type(o[1]) is not dict and len(o[1]) == before + 1


moves("mappingproxy", proxied, isLive)
moves("mappingproxy of a class", lambda: vars(Key), lambda o: o == vars(Key))
for _kind in ("keys", "values", "items"):
    for _base in (dict, collections.OrderedDict):
        moves(
            f"{_base.__name__} {_kind}",
            lambda b=_base, k=_kind: [(d := b(a=1)), getattr(d, k)()],
            lambda o, b=_base, k=_kind: (
                type(o[1]) is type(getattr(b(), k)()) and isLive(o)
            ),
        )
refused("iteration over a dict", lambda: iter({"a": 1}), "under way over a dictionary")
refused("iteration over a set", lambda: iter({1}), "under way over a dictionary")
moves(
    "iteration over a list",
    lambda: (i := iter([1, 2, 3]), next(i))[0],
    lambda o: list(o) == [2, 3],
)
moves(
    "itertools.count",
    lambda: (i := itertools.count(5), next(i))[0],
    lambda o: next(o) == 6,
)
refused("memoryview", lambda: memoryview(b"abc"), "window onto memory")


# Instances


class Slots:
    __slots__ = ("__hidden", "__weakref__", "visible")

    def __init__(self) -> None:
        self.__hidden = 1

    def hidden(self) -> int:
        return self.__hidden


class SlotsAndDict(Slots):
    pass


@dataclasses.dataclass(frozen=True)
class Frozen:
    value: Any


@dataclasses.dataclass(slots=True)
class Slotted:
    value: Any = None


class Resting:
    """What it says of itself at rest is less than it is."""

    def __getstate__(self) -> Any:
        raise AssertionError("at rest")

    def __setattr__(self, name: str, value: Any) -> None:
        raise AssertionError("overridden")


def resting() -> Resting:
    """
    @return: one with an attribute.
    """
    made = Resting()
    made.__dict__["live"] = [1]
    return made


moves(
    "slots",
    Slots,
    lambda o: o.hidden() == 1 and not hasattr(o, "visible") and type(o) is Slots,
)
moves(
    "slots and dict",
    lambda: marked(SlotsAndDict()),
    lambda o: o.hidden() == 1 and o.mark == "mark",
)
equal("frozen dataclass", lambda: Frozen([1]))
equal("slots dataclass", lambda: Slotted([1]))
moves("state at rest", resting, lambda o: o.live == [1] and type(o) is Resting)
moves(
    "SimpleNamespace",
    lambda: types.SimpleNamespace(a=[1]),
    lambda o: o == types.SimpleNamespace(a=[1]),
)


# Enumerations and constants


class Color(enum.Enum):
    RED = 1
    CRIMSON = 1  # noqa: PIE796


class Mixed(str, enum.Enum):
    ONE = "one"


class Perm(enum.Flag):
    R = 1
    W = 2


class Number(enum.IntEnum):
    ONE = 1


class Constants(Names):
    FIRST = NamedConstant()


class WithValues(Values):
    FIRST = ValueConstant([1])


class WithFlags(Flags):
    A = FlagConstant()
    B = FlagConstant()


same("Enum", lambda: Color.RED)
same("Enum mixed", lambda: Mixed.ONE)
same("Flag", lambda: Perm.R)
same("Flag combined", lambda: Perm.R | Perm.W)
same("IntEnum", lambda: Number.ONE)
same("NamedConstant", lambda: Constants.FIRST)
same("ValueConstant", lambda: WithValues.FIRST)
same("FlagConstant", lambda: WithFlags.A)
moves(
    "FlagConstant combined",
    lambda: WithFlags.A | WithFlags.B,
    lambda o: (
        o.names == {"A", "B"}
        and o._container is WithFlags
        and set(o) == {WithFlags.A, WithFlags.B}
    ),
)
same("LogLevel", lambda: LogLevel.warn)
same("object() of a module", lambda: SENTINEL)
moves(
    "anonymous object()",
    lambda: [(o := object()), o],
    lambda o: type(o[0]) is object and o[0] is o[1] and o[0] is not SENTINEL,
)
same("dataclasses.MISSING", lambda: dataclasses.MISSING)


# Errors


class Error(Exception):
    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.code = code


def raised(error: BaseException, cause: BaseException | None = None) -> Any:
    """
    @return: an exception that was raised while another one was handled.
    """
    try:
        try:
            raise KeyError("context")
        except KeyError:
            raise error from cause
    except BaseException as e:
        return e


moves(
    "exception",
    lambda: marked(raised(Error("text", 5), ValueError("cause"))),
    lambda o: (
        type(o) is Error
        and o.args == ("text",)
        and o.code == 5
        and o.mark == "mark"
        and type(o.__cause__) is ValueError
        and type(o.__context__) is KeyError
        and o.__suppress_context__ is True
        and o.__traceback__ is None
    ),
)
moves(
    "exception without cause",
    lambda: raised(Error("text", 5)),
    lambda o: o.__cause__ is o.__context__ is None or o.__suppress_context__ is True,
)
moves(
    "OSError",
    lambda: FileNotFoundError(2, "gone", "a", None, "b"),
    lambda o: (
        type(o) is FileNotFoundError
        and (o.errno, o.strerror, o.filename, o.filename2) == (2, "gone", "a", "b")
        and o.args == (2, "gone")
    ),
)
moves(
    "BlockingIOError",
    lambda: BlockingIOError(11, "again", 42),
    lambda o: o.characters_written == 42 and o.errno == 11,
)
moves(
    "UnicodeDecodeError",
    lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
    lambda o: (o.encoding, o.object, o.start, o.end) == ("utf-8", b"\xff", 0, 1),
)
moves(
    "SyntaxError",
    lambda: SyntaxError("bad", ("f", 3, 4, "text", 3, 6)),
    lambda o: (o.msg, o.filename, o.lineno, o.end_offset) == ("bad", "f", 3, 6),
)
moves("StopIteration", lambda: StopIteration([5]), lambda o: o.value == [5])
moves("SystemExit", lambda: SystemExit(3), lambda o: o.code == 3)
moves(
    "ImportError",
    lambda: ImportError("x", name="n", path="p"),
    lambda o: (o.name, o.path, o.msg) == ("n", "p", "x"),
)
moves(
    "AttributeError",
    lambda: AttributeError("x", name="n", obj=[1]),
    lambda o: (o.name, o.obj) == ("n", [1]),
)


def noted() -> Any:
    """
    @return: a group of exceptions with a note.
    """
    group = eval("ExceptionGroup('many', [ValueError(1), OSError(2, 'x')])")
    group.add_note("note")
    return group


moves(
    "ExceptionGroup",
    noted,
    lambda o: (
        type(o).__name__ == "ExceptionGroup"
        and o.message == "many"
        and [type(e) for e in o.exceptions] == [ValueError, FileNotFoundError]
        and o.__notes__ == ["note"]
    ),
    since=(3, 11),
)


def failure() -> Failure:
    """
    @return: a failure with a frame.
    """
    try:
        raise Error("failed", 6)
    except Error:
        return Failure()


moves(
    "Failure",
    lambda: marked(failure()),
    lambda o: (
        type(o) is Failure
        and o.type is Error
        and o.value.code == 6
        and o.tb is None
        and o.frames[0][0] == "failure"
        and o.frames[0][1].endswith("typetable.py")
        and "failed" in o.getTraceback()
        and o.check(Error) is Error
        and o.mark == "mark"
    ),
)


# Functions


class Base:
    def inherited(self) -> Any:
        return ("base", self)

    def __private(self) -> Any:
        return ("private", self)

    def getPrivate(self) -> Any:
        return self.__private

    @classmethod
    def ofClass(cls) -> Any:
        return cls

    @staticmethod
    def static() -> str:
        return "static"

    @property
    def prop(self) -> str:
        return "property"

    table = {"x": lambda self: "in a table"}  # noqa: RUF012

    @property
    def nested(self) -> Any:
        def inner() -> Any:
            return self

        return inner


class Derived(Base):
    def inherited(self) -> Any:
        return ("derived", self)

    def getBase(self) -> Any:
        return super().inherited


def outer(x: Any) -> Any:
    """
    @return: functions that share a variable.
    """

    def get() -> Any:
        """Text."""
        return x

    def put(value: Any, *, times: int = 1, **kw: Any) -> None:
        nonlocal x
        x = [value] * times

    get.twin = put  # type: ignore[attr-defined]
    return get


def manyLambdas() -> Any:
    """
    @return: lambdas in one line, in a comprehension, in a generator.
    """
    pair = (lambda: 1), (lambda: 2)
    inner = [lambda n=n: n for n in range(3)]
    lazy = list((lambda: m) for m in (7, 8))  # noqa: B023, C400
    return [*pair, *inner, *lazy]


def recursive() -> Any:
    """
    @return: a function that closes over itself, and over an empty variable.
    """

    def down(n: int) -> Any:
        if n < 0:
            return later
        return n and down(n - 1)

    if down is None:
        later = None
    return down


def wrapped(function: Any) -> Any:
    """
    A decorator that hides what it wraps.
    """

    def wrapper(*args: Any) -> Any:
        return ("wrapped", function(*args))

    return wrapper


@wrapped
def decorated(x: Any) -> Any:
    return x


def shares(o: Any) -> bool:
    """
    @return: whether C{o} is what L{outer} makes.
    """
    value = o()
    o.twin(5, times=2)
    return (
        value == [1]
        and o() == [5, 5]
        and o.__doc__ == "Text."
        and o.twin.__kwdefaults__ == {"times": 1}
        and o.__qualname__ == "outer.<locals>.get"
        and o.__module__ == __name__
        and o.__globals__ is globals()
        and o.__closure__[0] is o.twin.__closure__[0]
        and o.twin.__annotations__["times"] == "int"
    )


def emptyCell(o: Any) -> bool:
    """
    @return: whether C{o} is what L{recursive} makes.
    """
    try:
        o(-1)
    except NameError:
        return bool(o(3) == 0 and o.__closure__[0].cell_contents is o)
    return False


same("function", lambda: outer)
same("lambda of a module", lambda: MODULE_LAMBDA)
moves("lambda in a table", lambda: TABLE["double"], lambda o: o(4) == 8)
moves("lambda in a class's table", lambda: Base.table["x"], lambda o: o(0)[:2] == "in")
moves("closure", lambda: outer([1]), shares)
moves("closure over itself", recursive, emptyCell)
moves(
    "lambdas",
    manyLambdas,
    lambda o: [f() for f in o] == [1, 2, 0, 1, 2, 8, 8],
)
moves(
    "decorated function",
    lambda: decorated,
    lambda o: o is decorated,
)
moves("closure in a property", lambda: Base().nested, lambda o: type(o()) is Base)
same("builtin", lambda: len)
same("class", lambda: Derived)
same("builtin class", lambda: type(None))
same("module", lambda: os.path)
moves(
    "bound method of a list",
    lambda: [(x := [1]), x.append],
    lambda o: o[1](2) is None and o[0] == [1, 2],
)
moves("dict.pop", lambda: dict.pop, lambda o: o is dict.pop)
moves("dict.fromkeys", lambda: dict.fromkeys, lambda o: o == dict.fromkeys)
moves("tuple.__new__", lambda: tuple.__new__, lambda o: o == tuple.__new__)
same("slot wrapper", lambda: object.__repr__)
moves(
    "method-wrapper",
    lambda: [(x := [1]), x.__len__],
    lambda o: o[0].append(1) is None and o[1]() == 2,
)
moves(
    "classmethod_descriptor",
    lambda: vars(dict)["fromkeys"],
    lambda o: o is vars(dict)["fromkeys"],
)
same("member descriptor", lambda: vars(Slots)["visible"])
moves(
    "bound method",
    lambda: Derived().inherited,
    lambda o: (
        o.__func__ is vars(Derived)["inherited"]
        and o()[0] == "derived"
        and type(o.__self__) is Derived
    ),
)
moves("method of super()", lambda: Derived().getBase(), lambda o: o()[0] == "base")
moves("private method", lambda: Base().getPrivate(), lambda o: o()[0] == "private")
moves("class method", lambda: Derived.ofClass, lambda o: o() is Derived)
moves(
    "method of a closure",
    lambda: types.MethodType(outer([1]), 1).__func__,
    lambda o: o() == [1],
)
moves(
    "method of an instance",
    lambda: types.MethodType(lambda self: self, Key(3)),
    lambda o: o().value == 3 and type(o) is types.MethodType,
)
moves("property", lambda: vars(Base)["prop"], lambda o: o.fget(0) == "property")
moves("staticmethod", lambda: vars(Base)["static"], lambda o: o.__func__() == "static")
moves(
    "classmethod",
    lambda: vars(Base)["ofClass"],
    lambda o: type(o) is classmethod and o.__func__ is vars(Base)["ofClass"].__func__,
)


class Partial(functools.partial):  # type: ignore[type-arg]
    pass


def selfPartial() -> Any:
    """
    @return: an instance with a partial application of its own method.
    """
    made = Base()
    made.call = Partial(made.inherited)  # type: ignore[attr-defined]
    made.call.mark = made.call  # type: ignore[attr-defined]
    return made


moves(
    "partial",
    lambda: functools.partial(max, [1, 2], key=operator.neg),
    lambda o: o() == 1 and type(o) is functools.partial,
)
moves(
    "partial in a cycle",
    selfPartial,
    lambda o: type(o.call) is Partial and o.call.mark is o.call and o.call()[1] is o,
)
moves(
    "partialmethod",
    lambda: functools.partialmethod(Base.inherited),
    lambda o: o.func is Base.inherited,
)
moves("itemgetter", lambda: operator.itemgetter(1, 2), lambda o: o("abc") == ("b", "c"))
moves("attrgetter", lambda: operator.attrgetter("real"), lambda o: o(5) == 5)
moves("methodcaller", lambda: operator.methodcaller("upper"), lambda o: o("a") == "A")


# What a prompt defined

_PROMPT = '''
def free(x, y=2):
    """Documented."""
    return helper(x) + y + count
helper = lambda v: v * 10
count = 1
class Base:
    registered = []
    made = 0
    def __init_subclass__(cls, **kw):
        Base.registered.append(cls.__name__)
    def __new__(cls):
        cls.made += 1
        return super().__new__(cls)
    def who(self):
        return "base"
class Derived(Base):
    """A class."""
    __slots__ = ("__slot",)
    attribute = [1]
    def who(self):
        self.__slot = 3
        return "derived " + super().who() + str(self.__slot)
    @classmethod
    def cls(cls):
        return cls
    @staticmethod
    def static():
        return count
    @property
    def prop(self):
        return self.who
    class Inner:
        def method(self):
            return __class__
obj = Derived()
obj.who()
method = obj.who
'''


def isPrompt(o: Any) -> bool:
    """
    @return: whether C{o} is the namespace that the prompt's text makes.
    """
    obj, derived, base = o["obj"], o["Derived"], o["Base"]
    o["count"] = 5
    return (
        o["free"](1) == 17
        and o["free"].__doc__ == "Documented."
        and o["free"].__globals__ is o
        and type(obj) is derived
        and obj.who() == "derived base3"
        and o["method"].__self__ is obj
        and base.registered == ["Derived"]
        and base.made == 0
        and derived.made == 1
        and derived.__mro__ == (derived, base, object)
        and derived.__slots__ == ("__slot",)
        and derived.cls() is derived
        and derived.static() == 5
        and obj.prop() == "derived base3"
        and derived.Inner().method() is derived.Inner
        and derived.__doc__ == "A class."
        and derived.__qualname__ == "Derived"
        and derived.Inner.__qualname__ == "Derived.Inner"
        and "__slot" not in str(vars(obj))
        and derived.who.__closure__[0].cell_contents is derived
        and issubclass(type("Sub", (derived,), {}), base)
        and base.registered == ["Derived", "Sub"]
    )


moves("prompt", lambda: prompt(_PROMPT), isPrompt)

_ABSTRACT = """
import abc
class Abstract(abc.ABC):
    @abc.abstractmethod
    def method(self): ...
class Concrete(Abstract):
    def method(self): return 1
Abstract.register(int)
"""


def isAbstract(o: Any) -> bool:
    """
    @return: whether C{o} is the namespace with an abstract class.
    """
    try:
        o["Abstract"]()
    except TypeError:
        return bool(o["Concrete"]().method() == 1 and isinstance(5, o["Abstract"]))
    return False


moves("abstract class of a prompt", lambda: prompt(_ABSTRACT), isAbstract)

_RECORDS = """
import dataclasses, typing, collections
@dataclasses.dataclass(order=True)
class Data:
    first: int
    second: list = dataclasses.field(default_factory=list, compare=False)
    third: str = "x"
    shared: typing.ClassVar[int] = 9
    extra: dataclasses.InitVar[int] = 4
    def __post_init__(self, extra):
        self.got = extra
@dataclasses.dataclass(frozen=True, slots=True)
class Frozen(Data.__base__):
    value: object = None
class Typed(typing.NamedTuple):
    left: int
    right: int = 7
    def sum(self):
        return self.left + self.right
Pair = collections.namedtuple("Pair", "a b", defaults=[3])
data = Data(1)
frozen = Frozen(data)
typed = Typed(2)
pair = Pair(1)
"""


def isRecords(o: Any) -> bool:
    """
    @return: whether C{o} is the namespace with data classes and named tuples.
    """
    data, frozen = o["data"], o["frozen"]
    try:
        frozen.value = 1
    except dataclasses.FrozenInstanceError:
        pass
    else:
        return False
    again = o["Data"](1, extra=6)
    return (
        repr(data) == "Data(first=1, second=[], third='x')"
        and again == data
        and again.got == 6
        and data.got == 4
        and again.second is not data.second
        and o["Data"](0) < data
        and frozen.value is data
        and not hasattr(frozen, "__dict__")
        and o["typed"] == (2, 7)
        and o["typed"].sum() == 9
        and o["Typed"](5).right == 7
        and o["pair"] == (1, 3)
        and o["Pair"](b=1, a=2) == (2, 1)
        and repr(o["pair"]) == "Pair(a=1, b=3)"
        and o["pair"]._replace(a=9) == (9, 3)
        and dataclasses.replace(data, third="y", extra=1).third == "y"
        and [f.name for f in dataclasses.fields(data)] == ["first", "second", "third"]
    )


moves("records of a prompt", lambda: prompt(_RECORDS), isRecords)

_ENUMS = """
import enum
class Color(enum.Enum):
    RED = 1
    GREEN = [2]
    CRIMSON = 1
    def describe(self):
        return self.name.lower()
    @property
    def again(self):
        return self
class Planet(enum.Enum):
    EARTH = (5.9, 6.3)
    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius
class Perm(enum.Flag):
    R = 1
    W = 2
class Number(enum.IntEnum):
    ONE = 1
    TWO = 2
class Coordinate(bytes, enum.Enum):
    def __new__(cls, value, label):
        obj = bytes.__new__(cls, [value])
        obj._value_ = value
        obj.label = label
        return obj
    PX = (0, 'P.X')
red = Color.RED
both = Perm.R | Perm.W
class Text(str, enum.Enum):
    A = "a"
"""


def isEnums(o: Any) -> bool:
    """
    @return: whether C{o} is the namespace with enumerations.
    """
    color, earth, perm = o["Color"], o["Planet"].EARTH, o["Perm"]
    return (
        o["red"] is color.RED
        and color.CRIMSON is color.RED
        and color.GREEN.value == [2]
        and list(color) == [color.RED, color.GREEN]
        and color(1) is color.RED
        and color["GREEN"].describe() == "green"
        and color.RED.again is color.RED
        and (earth.mass, earth.radius) == (5.9, 6.3)
        and earth.value == (5.9, 6.3)
        and o["both"] == perm.R | perm.W
        and perm(3) is o["both"]
        and perm.R in o["both"]
        and o["Number"].TWO + 1 == 3
        and o["Number"](2) is o["Number"].TWO
        and o["Coordinate"].PX == b"\0"
        and o["Coordinate"].PX.label == "P.X"
        and o["Coordinate"](0) is o["Coordinate"].PX
        and o["Text"].A == "a"
        and o["Text"]("a") is o["Text"].A
    )


moves("enumerations of a prompt", lambda: prompt(_ENUMS), isEnums)

_ATTRS = """
import attrs
@attrs.define
class Defined:
    x: int
    y: list = attrs.field(factory=list)
defined = Defined(1)
"""
moves(
    "attrs class of a prompt",
    lambda: prompt(_ATTRS),
    lambda o: (
        o["Defined"](1) == o["defined"]
        and repr(o["defined"]) == "Defined(x=1, y=[])"
        and o["Defined"](x=2).x == 2
    ),
)

_GENERIC = """
import functools, typing, weakref
from twisted.internet.defer import inlineCallbacks
T = typing.TypeVar("T", bound=object, covariant=True)
class Generic(typing.Generic[T]):
    def get(self) -> typing.Optional[int]: return 1
class Whole(Generic[int]): pass
class Key:
    def __init__(self, value): self.value = value
    def __hash__(self): return hash(self.value)
    def __eq__(self, other): return self.value == other.value
class FrozenSet(frozenset): pass
class Dict(dict): pass
members, frozen = {Key(1)}, FrozenSet([Key(2)])
mapping = Dict({(Key(3), 1): members, frozen: 2})
class Meta(type):
    def __call__(cls, *args): return ("called", super().__call__(*args))
class Called(metaclass=Meta):
    @functools.cached_property
    def cached(self): return 7
@inlineCallbacks
def later(x):
    y = yield x
    return y + 1
async def coroutine(x): return x
"""


def isGeneric(o: Any) -> bool:
    """
    @return: whether C{o} is the namespace with what else a prompt may define.
    """
    key, variable = o["Key"], o["T"]
    return (
        o["Whole"]().get() == 1
        and o["Whole"].__orig_bases__[0].__origin__ is o["Generic"]
        and o["Generic"].__parameters__ == (variable,)
        and (variable.__bound__, variable.__covariant__) == (object, True)
        and variable.__module__ == "__console__"
        and key(1) in o["members"]
        and key(2) in o["frozen"]
        and o["mapping"][(key(3), 1)] is o["members"]
        and o["mapping"][o["FrozenSet"]([key(2)])] == 2
        and o["Called"]()[1].cached == 7
        and o["later"](1).result == 2
        and o["coroutine"].__code__.co_flags & 0x80 != 0
    )


moves("generics, keys and coroutines of a prompt", lambda: prompt(_GENERIC), isGeneric)

_ZOPE = """
from zope.interface import implementer, directlyProvides, provider
from tests.typetable import IThing, IOther
@implementer(IThing)
@provider(IOther)
class Thing:
    pass
thing = Thing()
directlyProvides(thing, IOther)
"""


class IThing(Interface):
    pass


class IOther(Interface):
    pass


@implementer(IThing)
class Thing:
    pass


def provides() -> Any:
    """
    @return: an instance with an interface of its own.
    """
    made = Thing()
    directlyProvides(made, IOther)
    return made


moves(
    "declarations of a prompt",
    lambda: prompt(_ZOPE),
    lambda o: (
        IThing.implementedBy(o["Thing"])
        and IThing.providedBy(o["thing"])
        and IOther.providedBy(o["thing"])
        and IOther.providedBy(o["Thing"])
    ),
)
same("Interface", lambda: IThing)
same("implementedBy", lambda: implementedBy(Thing))
moves(
    "directlyProvides",
    provides,
    lambda o: IOther in directlyProvidedBy(o) and IThing.providedBy(o),
)
refused(
    "code without source",
    lambda: eval(compile("lambda: 1", "<nowhere>", "eval")),
    "cannot be found again",
)
refused("dynamic module", lambda: types.ModuleType("dynamic"), "import the module")


# Files in memory


class Memory(io.BytesIO):
    pass


moves(
    "BytesIO",
    lambda: (f := marked(Memory(b"abcdef")), f.seek(3))[0],
    lambda o: (
        type(o) is Memory
        and o.read() == b"def"
        and o.getvalue() == b"abcdef"
        and o.mark == "mark"
    ),
)
moves(
    "StringIO",
    lambda: (f := io.StringIO("a\nb\r\nc", newline=None), f.seek(2))[0],
    lambda o: o.read() == "b\nc" and o.getvalue() == "a\nb\nc",
)
moves(
    "closed BytesIO",
    lambda: (f := io.BytesIO(b"a"), f.close())[0],
    lambda o: o.closed,
)


# Weak references


def weak(make: Callable[[Any], Any]) -> Callable[[], Any]:
    """
    @return: makes an object and something that holds it weakly.
    """

    def made() -> Any:
        key = Key(("k", 1))
        return [key, make(key)]

    return made


def noteDeath(reference: Any) -> None:
    """
    Called for a dead reference.
    """


moves(
    "weakref",
    weak(lambda k: weakref.ref(k, noteDeath)),
    lambda o: o[1]() is o[0] and o[1].__callback__ is noteDeath,
)
moves("weakref shared", weak(weakref.ref), lambda o: weakref.ref(o[0]) is o[1])
moves(
    "dead weakref",
    lambda: weakref.ref(Key(1)),
    lambda o: type(o) is weakref.ref and o() is None,
)
moves(
    "WeakMethod",
    lambda: [(x := Base()), weakref.WeakMethod(x.inherited)],
    lambda o: o[1]()()[1] is o[0],
)
moves("proxy", weak(weakref.proxy), lambda o: o[1].value == ("k", 1) and bool(o[0]))
moves(
    "WeakKeyDictionary",
    weak(lambda k: weakref.WeakKeyDictionary({k: [1]})),
    lambda o: o[1][o[0]] == [1] and len(o[1]) == 1,
)
moves(
    "WeakValueDictionary",
    weak(lambda k: weakref.WeakValueDictionary({"a": k})),
    lambda o: o[1]["a"] is o[0],
)
moves("WeakSet", weak(lambda k: weakref.WeakSet([k])), lambda o: list(o[1]) == [o[0]])
refused("weakref alone", lambda: weakref.ref(Kept.key), "referred to weakly")


class Kept:
    key = Key("kept")


# Threads and contexts


def event() -> Any:
    """
    @return: an event that was set.
    """
    made = threading.Event()
    made.set()
    return made


def filled() -> Any:
    """
    @return: a queue with items.
    """
    made: queue.PriorityQueue[int] = queue.PriorityQueue()
    made.put(2)
    made.put(1)
    return made


def context() -> Any:
    """
    @return: a context with a value.
    """
    made = contextvars.Context()
    made.run(VARIABLE.set, [1])
    return made


def calculating() -> Any:
    """
    @return: a context in which somebody counts to three places.
    """
    made = contextvars.Context()
    made.run(decimal.setcontext, decimal.Context(prec=3))
    return made


def held(lock: Any) -> Any:
    """
    @return: C{lock}, held.
    """
    lock.acquire()
    return lock


moves("Lock", threading.Lock, lambda o: o.acquire(False) and not o.acquire(False))
moves("RLock", threading.RLock, lambda o: o.acquire(False) and o.acquire(False))
refused("held Lock", lambda: held(threading.Lock()), "held now")
refused("held RLock", lambda: held(threading.RLock()), "held now")
moves("Event", event, lambda o: o.wait(0) is True)
moves(
    "Condition",
    threading.Condition,
    lambda o: o.__enter__() and not o.wait(0.001) and not o.__exit__(None, None, None),
)
moves("Semaphore", lambda: threading.Semaphore(1), lambda o: o.acquire(False))
moves("Queue", filled, lambda o: (o.get_nowait(), o.get_nowait()) == (1, 2))
moves("SimpleQueue", queue.SimpleQueue, lambda o: o.empty())
refused(
    "SimpleQueue with items",
    lambda: (q := queue.SimpleQueue(), q.put(1))[0],  # type: ignore[func-returns-value, var-annotated]
    "1 items",
)
refused("threading.local", threading.local, "cannot leave its process")
refused("Thread", threading.Thread, "cannot leave its process")
same("ContextVar", lambda: VARIABLE)
refused(
    "anonymous ContextVar", lambda: contextvars.ContextVar("anonymous"), "'anonymous'"
)
moves("Context", context, lambda o: o[VARIABLE] == [1] and len(o) == 1)
moves(
    "decimal Context",
    calculating,
    lambda o: str(o.run(lambda: 1 / decimal.Decimal(3))) == "0.333",
)
refused("Token", lambda: VARIABLE.set(1), "undoes one change")


# Running code


def generate() -> Any:
    """
    A generator.
    """
    yield 1


def waiting() -> Any:
    """
    @return: a generator that waits.
    """
    made = generate()
    next(made)
    return made


async def coroutine() -> None:
    """
    A coroutine.
    """


def closed(make: Callable[[], Any]) -> Callable[[], Any]:
    """
    @return: makes one that has ended.
    """

    def made() -> Any:
        ended = make()
        ended.close()
        return ended

    return made


def traceback() -> Any:
    """
    @return: a traceback.
    """
    try:
        raise Error("x", 1)
    except Error as e:
        return e.__traceback__


refused("new generator", generate, "the generator generate waits")
refused("generator", waiting, "let it finish")
moves(
    "ended generator",
    closed(generate),
    lambda o: list(o) == [] and o.__name__ == "generate",
)
moves(
    "ended coroutine",
    closed(coroutine),
    lambda o: o.cr_frame is None and o.__qualname__ == "coroutine",
)
refused("frame", lambda: sys._getframe(), "the frame of")
refused("traceback", traceback, "frames stay in their process")
refused("hash", lambda: __import__("hashlib").sha256(b"x"), "being computed")
refused("hmac", lambda: __import__("hmac").new(b"k", digestmod="md5"), "being computed")
refused("zlib", lambda: __import__("zlib").compressobj(), "under way")
refused("selector", lambda: __import__("selectors").DefaultSelector(), "the kernel")
refused(
    "SSLContext", lambda: __import__("ssl").create_default_context(), "keys of a TLS"
)


# Both sides


def environment() -> Environment:
    """
    @return: a process to move from or to.
    """
    return Environment(defaultRegistry(), Clock())


def written(row: Row, serializer: Any = TABLE_SERIALIZER) -> list[bytes]:
    """
    @return: the row's object twice in a list, written down.
    """
    made = row.make()
    dump = serializer.dump([made, made], row.name, environment())
    return list(dump.chunks)


def judged(row: Row, chunks: list[bytes], serializer: Any = TABLE_SERIALIZER) -> str:
    """
    @return: what is wrong with what arrived; nothing, if nothing is.
    """
    loader = serializer.loader(environment())
    try:
        for chunk in chunks:
            loader.feed(chunk)
        first, second = loader.finish([])
    except MigrationError as e:
        loader.discard()
        return f"{type(e).__name__}: {e}"
    loader.adopt()
    if first is not second and type(first) not in (str, bytes, int):
        return "it arrived twice"
    try:
        return "" if row.check(first) else f"arrived as {first!r}"
    except Exception as e:
        return f"{type(e).__name__}: {e}"


def dumpAll(path: str) -> None:
    """
    Write down what moves, with each serializer.
    """
    rows = {
        serializer.name: {
            row.name: [chunk.hex() for chunk in written(row, serializer)]
            for row in ROWS
            if row.refusal is None and not row.local
        }
        for serializer in SERIALIZERS
    }
    pathlib.Path(path).write_text(json.dumps(rows))


def loadAll(path: str) -> None:
    """
    Read what another Python wrote, and print what is wrong with it.
    """
    rows = json.loads(pathlib.Path(path).read_text())
    known = {row.name: row for row in ROWS}
    count = 0
    for serializer in SERIALIZERS:
        for name in known.keys() & rows[serializer.name].keys():
            count += 1
            chunks = [bytes.fromhex(chunk) for chunk in rows[serializer.name][name]]
            wrong = judged(known[name], chunks, serializer)
            if wrong:
                print(f"{name}, by the {serializer.name}: {wrong}")
    print(f"{count} rows")


if __name__ == "__main__":
    # Under its own name, for the rows' classes go by the names of this module.
    from tests import typetable

    {"dump": typetable.dumpAll, "load": typetable.loadAll}[sys.argv[1]](sys.argv[2])
