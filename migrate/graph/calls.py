"""
What a pickle of a graph has called on arrival: the few operations that it may
name, and calls of them.

At the origin nothing is done by calling one: that makes a L{Call}, which is
written down and takes place where it is read.

It must not know what the operations do.
"""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen(eq=False)
class Call:
    """
    A call that takes place when it is read.  What it will return can be called
    in turn.

    @ivar function: an operation, or a call that returns what is called.
    @ivar arguments: what it is called with.
    """

    function: Any
    arguments: tuple[Any, ...]

    def __call__(self, *arguments: Any) -> Call:
        """
        @return: a call of what this call will return.
        """
        return Call(self, arguments)


@attrs.frozen(eq=False)
class Operation:
    """
    Something that a pickle may name.

    @ivar name: its name in this module.
    """

    name: str

    def __call__(self, *arguments: Any) -> Call:
        """
        @return: a call of it.
        """
        return Call(self, arguments)


#: C{NAMED(module, qualname)}: what goes by a name.
NAMED = Operation("NAMED")
#: C{EXTERNAL(name)}: what takes the place of something outside.
EXTERNAL = Operation("EXTERNAL")
#: C{DESCRIPTOR(index)}: one of the descriptors that come along.
DESCRIPTOR = Operation("DESCRIPTOR")
#: C{WEAK(target)}: the target, which others hold.
WEAK = Operation("WEAK")
#: C{MAKER(adapter, cls, names, versions)}: what makes blanks of their arguments.
MAKER = Operation("MAKER")
#: C{FILLER(maker)}: what gives such a blank the values of its state; or the
#: state, where the maker was told no names.
FILLER = Operation("FILLER")
#: C{EXTEND(list, *elements)}: fills an empty list.
EXTEND = Operation("EXTEND")
#: C{ADD(set, *members)}: fills an empty set.
ADD = Operation("ADD")
#: C{PAIR(dict, *keys and values)}: fills an empty dictionary.
PAIR = Operation("PAIR")
#: C{TRY(*members)}: finds out whether a frozenset can be made.
TRY = Operation("TRY")
#: C{KEEP(frozenset, size)}: has it looked at again in the end.
KEEP = Operation("KEEP")

OPERATIONS = (
    NAMED,
    EXTERNAL,
    DESCRIPTOR,
    WEAK,
    MAKER,
    FILLER,
    EXTEND,
    ADD,
    PAIR,
    TRY,
    KEEP,
)
