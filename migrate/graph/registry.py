"""
The adapters of one origin or recipient, found by class and by interface.

A registry is an object that is passed in; importing a module changes none.
It must not know any particular adapter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import attrs
from zope.interface import implementedBy
from zope.interface.adapter import AdapterRegistry
from zope.interface.interface import InterfaceClass

from migrate.interfaces import IAdapter, IPreparer, ISeeker


class NameTaken(ValueError):
    """
    Two adapters have the same name.

    @ivar name: the name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"two adapters are named {name!r}")


@attrs.define
class Registry:
    """
    Adapters by class, by provided interface and by name.
    """

    _byType: dict[type, IAdapter] = attrs.field(factory=dict)
    _byInterface: Any = attrs.field(factory=AdapterRegistry)
    _interfaces: list[tuple[InterfaceClass, IAdapter]] = attrs.field(factory=list)
    _byName: dict[str, IAdapter] = attrs.field(factory=dict)
    _seekers: list[ISeeker] = attrs.field(factory=list)
    _preparers: list[IPreparer] = attrs.field(factory=list)
    _deferred: dict[str, list[Callable[[Registry], None]]] = attrs.field(factory=dict)

    def register(self, spec: type | InterfaceClass, adapter: IAdapter) -> None:
        """
        Let C{adapter} speak for a class and its subclasses, or for every
        class that implements an interface.  A later registration for the
        same class or interface replaces the earlier one.  An adapter for
        C{object} speaks for bare C{object()} instances only.

        @raise NameTaken: another adapter has the same name.
        """
        known = self._byName.setdefault(adapter.name, adapter)
        if known is not adapter:
            raise NameTaken(adapter.name)
        if isinstance(spec, InterfaceClass):
            self._interfaces.append((spec, adapter))
            self._byInterface.register([spec], IAdapter, "", adapter)
        else:
            self._byType[spec] = adapter

    def defer(
        self, packages: Iterable[str], register: Callable[[Registry], None]
    ) -> None:
        """
        Have C{register(registry)} called once somebody asks for the adapter of
        a class that is defined in one of C{packages} or below, or that derives
        from such a class, or for an adapter that is named like something in
        there.  So nobody imports what only some services need.
        """
        for package in packages:
            self._deferred.setdefault(package, []).append(register)

    def _complete(self, dotted: str) -> None:
        """
        Register what was deferred until something of that name is met.
        """
        parts = dotted.split(".")
        for length in range(1, len(parts) + 1):
            for register in self._deferred.pop(".".join(parts[:length]), ()):
                for waiting in self._deferred.values():
                    if register in waiting:
                        waiting.remove(register)
                register(self)

    def addSeeker(self, seeker: ISeeker) -> None:
        """
        Have C{seeker} asked at the end of every walk.
        """
        self._seekers.append(seeker)

    @property
    def seekers(self) -> tuple[ISeeker, ...]:
        """
        The seekers, in the order of their registration.
        """
        return tuple(self._seekers)

    def addPreparer(self, preparer: IPreparer) -> None:
        """
        Have C{preparer} told of descriptors that come ahead of a graph.
        """
        self._preparers.append(preparer)

    @property
    def preparers(self) -> tuple[IPreparer, ...]:
        """
        The preparers, in the order of their registration.
        """
        return tuple(self._preparers)

    def lookup(self, cls: type) -> IAdapter | None:
        """
        The nearest class in the order of C{cls.__mro__} decides; failing
        that, the interfaces that C{cls} implements.

        @return: the adapter that speaks for instances of C{cls}, or L{None}.
        """
        if self._deferred:
            for candidate in cls.__mro__:
                self._complete(str(candidate.__module__))
        for candidate in cls.__mro__:
            found = self._byType.get(candidate)
            if found is not None and (candidate is not object or cls is object):
                return found
        if any("__implemented__" in base.__dict__ for base in cls.__mro__):
            adapter: IAdapter | None = self._byInterface.lookup1(
                implementedBy(cls), IAdapter
            )
            return adapter
        return None

    def named(self, name: str) -> IAdapter | None:
        """
        @return: the adapter of that name, or L{None}.
        """
        if self._deferred:
            self._complete(name)
        return self._byName.get(name)

    @property
    def names(self) -> frozenset[str]:
        """
        The names of the adapters that are registered so far.
        """
        return frozenset(self._byName)

    def withoutSeekers(self) -> Registry:
        """
        @return: a copy for a graph that is to be no more than what is reachable
            from its root.
        """
        twin = self.copy()
        twin._seekers.clear()
        return twin

    def copy(self) -> Registry:
        """
        @return: a registry with the same adapters that can be added to
            without changing this one.
        """
        twin = Registry(
            byType=dict(self._byType),
            byName=dict(self._byName),
            seekers=list(self._seekers),
            preparers=list(self._preparers),
            deferred={name: list(each) for name, each in self._deferred.items()},
        )
        for spec, adapter in self._interfaces:
            twin.register(spec, adapter)
        return twin
