"""
What was found out about classes, kept from one walk or loading to the next one of
the same claim: the audit, or the preparing, finds it out while the service is served,
and the transfer has it at hand.

It must not outlive the claim: classes may change.
"""

from __future__ import annotations

from typing import Any

import attrs

from migrate.graph.plain import PlainAdapter
from migrate.graph.reduction import ReduceAdapter
from migrate.interfaces import IAdapter, IPolicy
from migrate.model import Named


@attrs.define(eq=False)
class Knowledge:
    """
    @ivar plain: speaks for instances of plain classes; it keeps their layouts.
    @ivar reduce: speaks for what takes itself apart.
    @ivar adapters: who speaks for the instances of a class.
    @ivar names: module and qualified name of classes that go by name, or two L{None}.
    """

    plain: PlainAdapter = attrs.field(factory=PlainAdapter)
    reduce: IAdapter = attrs.field(factory=ReduceAdapter)
    adapters: dict[type, IAdapter] = attrs.field(factory=dict)
    names: dict[type, tuple[str | None, str | None]] = attrs.field(factory=dict)
    _claimed: dict[type, frozenset[str]] = attrs.field(factory=dict)
    _policy: IPolicy | None = None
    _resolved: dict[Named, Any] = attrs.field(factory=dict)

    def claimed(self, cls: type) -> frozenset[str]:
        """
        @return: the names of attributes that C{cls} has set elsewhere than in its
            instances' dictionaries: slots, properties, and other such descriptors.
        """
        found = self._claimed.get(cls)
        if found is None:
            found = self._claimed[cls] = frozenset(
                name
                for base in cls.__mro__
                for name, value in vars(base).items()
                if hasattr(type(value), "__set__") or hasattr(type(value), "__delete__")
            )
        return found

    def resolved(self, policy: IPolicy) -> dict[Named, Any]:
        """
        @return: what names mean that this very policy has permitted.
        """
        if self._policy is not policy:
            self._policy, self._resolved = policy, {}
        return self._resolved
