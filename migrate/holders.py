"""
The containers in which a service keeps its connections: taking some of them out,
and putting them in again elsewhere.

It must not know what a connection is, nor how anything is moved.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

_MAPPINGS = (dict, WeakKeyDictionary, WeakValueDictionary)
_SEQUENCES = (list, deque)
_SETS = (set, WeakSet)

Place = tuple[Any, ...]
"""
A container and a member, or a mapping, a key and a value.
"""


def isHolder(thing: object) -> bool:
    """
    @return: whether members can be taken out of C{thing}.
    """
    return isinstance(thing, (*_MAPPINGS, *_SEQUENCES, *_SETS))


def isMapping(thing: object) -> bool:
    """
    @return: whether C{thing} has keys and values.
    """
    return isinstance(thing, _MAPPINGS)


def isSequence(thing: object) -> bool:
    """
    @return: whether C{thing} has an order and may have a member twice.
    """
    return isinstance(thing, _SEQUENCES)


def take(holder: Any, gone: Callable[[object], bool]) -> None:
    """
    Take members out of a container; from a mapping, items of which the key or the
    value is meant.  What is left keeps its order.

    @param gone: told each member; whether it is to leave.
    """
    if isMapping(holder):
        items = list(holder.items())
        for key in [key for key, value in items if gone(key) or gone(value)]:
            del holder[key]
    elif isSequence(holder):
        left = [member for member in holder if not gone(member)]
        if len(left) < len(holder):
            holder.clear()
            holder.extend(left)
    else:
        for member in [member for member in holder if gone(member)]:
            holder.discard(member)


def places(holder: Any, members: Collection[int]) -> Iterator[Place]:
    """
    @param members: objects, by their identities.
    @return: where a container has some of these, in its order.
    """
    if isMapping(holder):
        if holds(holder, members):
            for key, value in list(holder.items()):
                if id(key) in members or id(value) in members:
                    yield (holder, key, value)
    elif holds(holder, members):
        yield from ((holder, each) for each in list(holder) if id(each) in members)


def holds(holder: Any, members: Collection[int]) -> bool:
    """
    @param members: objects, by their identities.
    @return: whether a container has any of these.
    """
    wanted = frozenset(members)
    if not wanted.isdisjoint(map(id, list(holder))):
        return True
    return isMapping(holder) and not wanted.isdisjoint(map(id, list(holder.values())))


def put(place: Place) -> bool:
    """
    Put a member back to where it was: at the end, where there is an order.

    @return: whether that was done; it is not if a mapping has something else there
        by now.
    """
    holder, *members = place
    if isMapping(holder):
        key, value = members
        return bool(holder.setdefault(key, value) is value)
    if isSequence(holder):
        holder.append(members[0])
    else:
        holder.add(members[0])
    return True
