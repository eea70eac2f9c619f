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

from migrate.graph.registry import Registry
from migrate.interfaces import ILargeBytes, IPolicy


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
    @ivar policy: what an arriving graph may name.
    """

    registry: Registry
    reactor: Any
    externals: Mapping[str, object] = attrs.field(factory=dict, converter=_withBuiltins)
    forbidden: Sequence[tuple[object, str]] = ()
    large: ILargeBytes | None = None
    policy: IPolicy = attrs.field(factory=TrustingPolicy)
