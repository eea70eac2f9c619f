"""
What tests of graphs share: a registry in which classes, functions and modules
go by name, and the way of a graph from one environment to another.
"""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from migrate.graph import Environment, Registry, TableSerializer
from migrate.interfaces import IAdapter, ICapture, ILoading, ISerializer
from migrate.model import Named


@implementer(IAdapter)
class ByName:
    """
    Whatever has a module and a qualified name goes by those.
    """

    name = "by name"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Named:
        if isinstance(obj, types.ModuleType):
            return Named(obj.__name__)
        return Named(obj.__module__, obj.__qualname__)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        raise AssertionError("a name is made by nobody")

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        raise AssertionError("a name is filled by nobody")


def registry() -> Registry:
    """
    @return: a registry without any adapter but for names.
    """
    found = Registry()
    byName = ByName()
    for cls in (
        type,
        types.ModuleType,
        types.FunctionType,
        types.BuiltinFunctionType,
    ):
        found.register(cls, byName)
    return found


def environment(reactor: object = None, **options: Any) -> Environment:
    """
    @return: a process with that registry.
    """
    options.setdefault("registry", registry())
    return Environment(reactor=reactor, **options)


def moved(
    root: Any,
    origin: Environment | None = None,
    recipient: Environment | None = None,
    serializer: ISerializer | None = None,
    filenos: Sequence[int] = (),
) -> Any:
    """
    @return: what arrives of a graph and is adopted.
    """
    serializer = serializer or TableSerializer()
    dump = serializer.dump(root, "root", origin or environment())
    loader = serializer.loader(recipient or origin or environment())
    for chunk in dump.chunks:
        loader.feed(chunk)
    arrived = loader.finish(filenos)
    loader.adopt()
    return arrived


class Thing:
    """
    Told apart by identity.
    """

    def __init__(self, tag: object = None) -> None:
        self.tag = tag


class Slotted:
    """
    No instance dictionary; one name is mangled, one may be unset.
    """

    __slots__ = ("__hidden", "maybe", "tag")

    def __init__(self, tag: object = None) -> None:
        self.tag = tag
        self.__hidden = tag

    def hidden(self) -> object:
        return self.__hidden


class Key:
    """
    Hashed and compared by what it holds.
    """

    def __init__(self, tag: object, part: object = None) -> None:
        self.tag = tag
        self.part = part
        self.other: object = None

    def __hash__(self) -> int:
        return hash((self.tag, self.part))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Key) and self.tag == other.tag and self.part == other.part
        )


class Rich(Key):
    """
    Hashed by the members of the dictionaries and sets that it holds.
    """

    def __init__(self, tag: object, members: list[Any]) -> None:
        super().__init__(tag)
        self.table = {member: [member] for member in members}
        self.members = [set(members)]

    def __hash__(self) -> int:
        return hash((self.tag, frozenset(self.table), frozenset(self.members[0])))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Rich)
            and self.tag == other.tag
            and self.table.keys() == other.table.keys()
            and self.members == other.members
        )


ATOMS = (type(None), bool, int, float, str, bytes)


def signature(value: Any) -> Any:
    """
    @return: what tells members of one set apart, here and there.
    """
    if isinstance(value, tuple):
        return ("tuple", tuple(signature(each) for each in value))
    if isinstance(value, frozenset):
        return ("frozenset", tuple(sorted(map(repr, map(signature, value)))))
    if isinstance(value, ATOMS):
        return (type(value).__name__, repr(value))
    return (type(value).__name__, value.tag)


def parts(value: Any) -> list[Any]:
    """
    @return: what an object consists of, in the same order here and there.
    """
    if isinstance(value, list | tuple):
        return list(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=lambda each: repr(signature(each)))
    if isinstance(value, dict):
        return [part for pair in value.items() for part in pair]
    if isinstance(value, Slotted):
        names = ("tag", "_Slotted__hidden", "maybe")
        return [getattr(value, name, "unset") for name in names]
    return [part for pair in vars(value).items() for part in pair]


def difference(one: Any, two: Any) -> str | None:
    """
    @return: where two graphs differ in shape, types or atoms; L{None} if they
        are isomorphic.
    """
    there: dict[int, Any] = {}
    back: dict[int, Any] = {}
    work = [(one, two)]
    while work:
        a, b = work.pop()
        if type(a) is not type(b):
            return f"{a!r} became {b!r}"
        if isinstance(a, ATOMS):
            if repr(a) != repr(b):
                return f"{a!r} became {b!r}"
            continue
        if a in ((), frozenset()) if isinstance(a, tuple | frozenset) else False:
            if len(b):
                return f"{a!r} became {b!r}"
            continue
        if there.setdefault(id(a), b) is not b or back.setdefault(id(b), a) is not a:
            return f"the identity of a {type(a).__name__} is lost"
        if back[id(b)] is a and (id(a), "seen") in there:
            continue
        there[(id(a), "seen")] = True  # type: ignore[index]
        ours, theirs = parts(a), parts(b)
        if len(ours) != len(theirs):
            return f"a {type(a).__name__} has {len(theirs)} parts"
        work.extend(zip(ours, theirs, strict=True))
    return None
