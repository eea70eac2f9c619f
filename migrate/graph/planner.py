"""
Who speaks for an object: what is known natively, what an adapter was
registered for, and what stands for itself.

It must not know how what they say is written.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from zope.interface import implementer

from migrate.errors import Forbidden, LoadError, NotMovable
from migrate.graph.environment import Environment
from migrate.graph.names import ADAPTERS, resolve, verify
from migrate.graph.plain import PlainAdapter, className, isPlain
from migrate.graph.reduction import reduces
from migrate.interfaces import IAdapter, ICapture, IDirectAdapter
from migrate.model import Description, External, Named


@attrs.define(eq=False)
class Planner:
    """
    Finds adapters, and asks them.

    @ivar environment: the process.
    """

    environment: Environment

    @property
    def plain(self) -> PlainAdapter:
        """
        Speaks for the instances of plain classes.
        """
        return self.environment.knowledge.plain

    def adapterFor(self, cls: type) -> IAdapter:
        """
        @return: the adapter that speaks for the instances of C{cls}.
        """
        adapters = self.environment.knowledge.adapters
        adapter = adapters.get(cls)
        if adapter is None:
            adapter = adapters[cls] = self._find(cls)
        return adapter

    def learn(self, name: Named) -> None:
        """
        Find out what a loading will need to know about what a name means.

        @raise migrate.errors.CannotResolve: it means nothing here.
        @raise Forbidden: the policy keeps it out.
        """
        knowledge, policy = self.environment.knowledge, self.environment.policy
        resolved = knowledge.resolved(policy)
        if name not in resolved:
            resolved[name] = resolve(name, policy)
        found: Any = resolved[name]
        if isinstance(found, type):
            adapter = self.adapterFor(found)
            if isinstance(adapter, PlainAdapter):
                adapter.layout(found)
            knowledge.claimed(found)

    def _find(self, cls: type) -> IAdapter:
        found = self.environment.registry.lookup(cls)
        if found is not None:
            return found
        if isPlain(cls) and not reduces(cls):
            return self.plain
        return self.environment.knowledge.reduce

    def named(self, name: str) -> IAdapter:
        """
        @return: the adapter of that name.
        @raise LoadError: there is none.
        @raise Forbidden: the policy keeps it out.
        """
        for own in (self.plain, self.environment.knowledge.reduce):
            if own.name == name:
                return own
        if not self.environment.policy.permits(ADAPTERS, name):
            raise Forbidden(
                f"the policy of this process keeps out what the adapter {name!r} makes"
            )
        found = self.environment.registry.named(name)
        if found is None:
            raise LoadError(f"no adapter of this process is called {name!r}")
        return found

    def outside(self) -> dict[int, External | NotMovable]:
        """
        @return: by identity, what stays outside the graph, and what it must
            not reach.
        """
        return self.environment.known().things

    def outsideTypes(self) -> frozenset[type]:
        """
        @return: the classes of whatever L{outside} knows.
        """
        return frozenset(self.environment.known().types)


def isDirect(adapter: IAdapter, cls: type) -> bool:
    """
    @return: whether the attributes of instances of C{cls} are read and written
        without asking C{adapter} about them: see L{IDirectAdapter}.
    """
    if not cls.__dictoffset__ or not IDirectAdapter.providedBy(adapter):
        return False
    direct: Any = adapter
    return bool(direct.isDirect(cls))


def describe(
    adapter: IAdapter, obj: object, capture: ICapture
) -> Description | Named | External:
    """
    Ask C{adapter} what C{obj} is.

    @raise NotMovable: it cannot be moved, or its name is not its own, or the
        adapter failed.
    """
    try:
        found: Any = adapter.describe(obj, capture)
    except NotMovable:
        raise
    except Exception as e:
        raise NotMovable(
            f"{className(type(obj))}: the adapter {adapter.name!r} failed: "
            f"{type(e).__name__}: {e}"
        ) from e
    if isinstance(found, Named):
        verify(obj, found)
    if not isinstance(found, Description | Named | External):
        raise NotMovable(
            f"{className(type(obj))}: the adapter {adapter.name!r} describes it as "
            f"{type(found).__name__}"
        )
    return found


def _nothing(candidate: object) -> bool:
    """
    @return: whether something is in a graph of which nothing was visited yet.
    """
    return False


@implementer(ICapture)
@attrs.define(eq=False)
class Capture:
    """
    A walk, as adapters see it.

    @ivar reactor: see L{ICapture}.
    @ivar contains: see L{ICapture}; that of the walk's visits, which is asked about
        everything that the reactor knows.
    """

    reactor: Any
    contains: Callable[[object], bool] = attrs.field(default=_nothing)
    _readers: frozenset[int] | None = None
    _writers: frozenset[int] | None = None

    def reading(self, selectable: object) -> bool:
        """
        See L{ICapture.reading}.
        """
        return id(selectable) in self.readers

    def writing(self, selectable: object) -> bool:
        """
        See L{ICapture.writing}.
        """
        return id(selectable) in self.writers

    @property
    def readers(self) -> frozenset[int]:
        """
        The identities of all that the reactor watches for what comes.
        """
        if self._readers is None:
            self._readers = self._watched("getReaders")
        return self._readers

    @property
    def writers(self) -> frozenset[int]:
        """
        The same of those that are watched for room to write.
        """
        if self._writers is None:
            self._writers = self._watched("getWriters")
        return self._writers

    def _watched(self, method: str) -> frozenset[int]:
        """
        A reactor that watches nothing, such as a Clock, has no such method.
        """
        return frozenset(map(id, getattr(self.reactor, method, tuple)()))
