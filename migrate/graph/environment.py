"""
What a walk or a loading needs to know of the process that it runs in.

It must not know where any of it comes from.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import NotMovable
from migrate.graph.ahead import Ahead
from migrate.graph.knowledge import Knowledge
from migrate.graph.registry import Registry
from migrate.interfaces import ILargeBytes, IPolicy
from migrate.model import External

REACTOR = "reactor"


@implementer(IPolicy)
@attrs.frozen
class TrustingPolicy:
    """
    The policy for a peer that could do anything to this process anyhow, such
    as one of the same user: every name is permitted.
    """

    def permits(self, module: str, qualname: str) -> bool:
        """
        See L{IPolicy.permits}.
        """
        return True


def _withBuiltins(externals: Mapping[str, object]) -> Mapping[str, object]:
    """
    Every namespace that code was run in refers to the builtins: they are the
    interpreter's own.
    """
    return {"builtins": vars(builtins), **externals}


@attrs.define(eq=False)
class Outside:
    """
    What stays outside of graphs, by identity.  Whoever keeps one for many walks
    may change it between them; what it knows has to be kept alive meanwhile.

    @ivar things: what each is to a walk: an external object, or one that it must
        not reach.
    @ivar types: their classes.
    """

    things: dict[int, External | NotMovable] = attrs.field(factory=dict)
    types: set[type] = attrs.field(factory=set)

    def add(self, thing: object, meaning: External | NotMovable) -> None:
        """
        Have something stay outside.
        """
        self.things[id(thing)] = meaning
        self.types.add(type(thing))


@attrs.frozen
class Environment:
    """
    @ivar registry: the adapters.
    @ivar reactor: the reactor of this process; it is external by itself, as
        C{"reactor"}.
    @ivar externals: names to what stays outside the graph, beside the reactor.
        The namespace of the builtins is external by itself, as
        C{"builtins"}.
    @ivar forbidden: objects that a graph must not reach, each with the reason
        that a report gives, such as another published service.
    @ivar large: where large byte strings go; L{None} if they stand in the records.
    @ivar ahead: descriptors that have been sent before.
    @ivar policy: what an arriving graph may name.
    @ivar outside: what stays outside of graphs, where somebody keeps account of that
        for many walks; otherwise each walk works it out from the attributes above.
    @ivar knowledge: what is known of classes, by this environment and those that are
        evolved from it.
    """

    registry: Registry
    reactor: Any
    externals: Mapping[str, object] = attrs.field(factory=dict, converter=_withBuiltins)
    forbidden: Sequence[tuple[object, str]] = ()
    large: ILargeBytes | None = None
    ahead: Ahead = attrs.field(factory=Ahead)
    policy: IPolicy = attrs.field(factory=TrustingPolicy)
    outside: Outside | None = None
    knowledge: Knowledge = attrs.field(factory=Knowledge)

    def known(self) -> Outside:
        """
        @return: what stays outside of a graph.
        """
        if self.outside is not None:
            return self.outside
        found = Outside()
        for name, thing in self.externals.items():
            found.add(thing, External(name))
        if self.reactor is not None:
            found.add(self.reactor, External(REACTOR))
        for thing, reason in self.forbidden:
            found.add(thing, NotMovable(reason))
        return found
