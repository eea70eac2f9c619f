"""
How a person gets to an object of a walk, and why some cannot be moved.

It must not know how anything is written or moved.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from migrate.errors import NotMovable, Refusal
from migrate.graph import records as r
from migrate.graph.plain import className
from migrate.graph.records import Record, references
from migrate.graph.walk import Walk

#: A key that is longer is cut.
_KEY = 40


def refusals(walk: Walk, label: str) -> list[Refusal]:
    """
    @param label: what the root is called.
    @return: every object that cannot be moved, once, in the order in which
        the walk met them.
    """
    found: dict[int, NotMovable] = {}
    for obj, reason in walk.refused:
        found.setdefault(walk.number(obj), reason)
    if walk.knots():
        for number, reason in cycles(walk):
            found.setdefault(number, reason)
    return [
        Refusal(
            pathTo(walk, number, label),
            found[number].reason,
            found[number].remedy,
            found[number].over,
        )
        for number in sorted(found)
    ]


def pathTo(walk: Walk, number: int, label: str) -> str:
    """
    @return: the way from a root to an object, by those who were the first to
        meet it.
    """
    steps: list[str] = []
    while True:
        parent = walk.parent(number)
        if parent == 0:
            break
        steps.append(step(walk, parent, number))
        number = parent
    if number != walk.number(walk.objects[0][0]):
        label += f"<{_spoken(type(walk.objects[number]))}>"
    return label + "".join(reversed(steps))


def _spoken(cls: type) -> str:
    """
    @return: the name of a class as one says it: C{DelayedCall} is a delayed
        call.
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", cls.__name__).lower()


def step(walk: Walk, parent: int, child: int) -> str:
    """
    @return: how a path goes on from an object to one that it mentions.
    """
    record = walk.rows[parent]
    for at in range(1, len(record)):
        if type(record[at]) is int and record[at] == child:
            return _position(walk, walk.objects[parent], record, at)
    return ".__class__"


def _position(walk: Walk, obj: Any, record: Record, at: int) -> str:
    """
    @param at: the place in the record, the head being 0.
    """
    head = record[0]
    if head >= r.FIRST:
        return _attribute(walk, record, at)
    if head in (r.SET, r.FROZENSET):
        return f"{{{className(type(walk.objects[record[at]]))}}}"
    if head == r.DICT:
        key = list(obj)[(at - 1) // 2]
        return f"<key {_shown(key)}>" if at % 2 else f"[{_shown(key)}]"
    return f"[{at - 1}]"


def _attribute(walk: Walk, record: Record, at: int) -> str:
    """
    @return: how to get at part of what an adapter described.
    """
    shape = walk.shapes[record[0] - r.FIRST]
    if at <= shape.arguments:
        return f"<argument {at - 1}>"
    place = at - 1 - shape.arguments
    if isinstance(shape.names, tuple):
        return f".{shape.names[place]}".replace("\0", "")
    return f".{record[at - 1]}"


def _shown(key: Any) -> str:
    """
    @return: a key as a person writes it.  No C{__repr__} of an application is
        called: it may do anything.
    """
    if type(key) in (str, bytes, int, float, bool, type(None)):
        text = repr(key)
        return text if len(text) <= _KEY else f"{text[:_KEY]}..."
    if type(key) is tuple:
        return f"({', '.join(map(_flat, key))})"
    return className(type(key))


def _flat(key: Any) -> str:
    """
    @return: part of a key, not to any depth.
    """
    return _shown(key) if type(key) is not tuple else "(...)"


def needs(walk: Walk, number: int) -> list[int]:
    """
    @return: what has to be made before an object can be.
    """
    record = walk.rows[number]
    head = record[0]
    if head >= r.FIRST:
        shape = walk.shapes[head - r.FIRST]
        found = references(record[1 : 1 + shape.arguments])
        if walk.rows[shape.cls][0] != r.NAMED:
            found.append(shape.cls)
        return found
    if head in (r.TUPLE, r.FROZENSET, r.WEAK):
        return references(record[1:])
    return []


def cycles(walk: Walk) -> Iterator[tuple[int, NotMovable]]:
    """
    Find what could never be made: objects that need each other.

    @return: one object of every such cycle, and what the cycle is.
    """
    done = bytearray(len(walk.rows))
    for start in _suspects(walk):
        path: list[int] = []
        stack = [start]
        while stack:
            number = stack.pop()
            if number < 0:
                done[path.pop()] = 2
                continue
            if done[number] == 1:
                cycle = path[path.index(number) :]
                yield min(cycle), _circular(walk, cycle)
            if done[number]:
                continue
            done[number] = 1
            path.append(number)
            stack.append(-1)
            stack.extend(needs(walk, number))


def _suspects(walk: Walk) -> list[int]:
    """
    @return: objects that need what needs something itself.  Tuples and
        frozensets make no cycle among themselves, so each cycle has one.
    """
    described = {
        r.FIRST + at
        for at, shape in enumerate(walk.shapes)
        if shape.arguments or walk.rows[shape.cls][0] != r.NAMED
    } | {r.WEAK}
    needy = described | {r.TUPLE, r.FROZENSET}
    rows = walk.rows
    return [
        number
        for number, record in enumerate(rows)
        if record[0] in described
        and any(rows[other][0] in needy for other in needs(walk, number))
    ]


def _circular(walk: Walk, cycle: list[int]) -> NotMovable:
    """
    @return: why the objects of C{cycle} cannot be moved.
    """
    names = ", ".join(className(type(walk.objects[number])) for number in cycle)
    return NotMovable(
        f"a cycle through the arguments of {names}: none can be made before the others",
        "break the cycle, or register an adapter that keeps it in the state",
    )
