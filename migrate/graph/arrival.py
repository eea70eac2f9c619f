"""
What a pickle of a graph becomes: each operation that it calls makes or fills
one object.

What it may call are those operations, and what they return; it names nothing
else.  It must not know where the bytes come from.
"""

from __future__ import annotations

import copyreg
import io
import pickle
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import attrs
from twisted.persisted.styles import Versioned

from migrate.errors import LoadError, MalformedTable
from migrate.graph import calls
from migrate.graph.hooks import hears
from migrate.graph.keyed import AllKeyed, Keyed
from migrate.graph.kinds import namedBy
from migrate.graph.loading import Loading
from migrate.graph.plain import className
from migrate.graph.planner import Planner
from migrate.graph.records import asInCode
from migrate.graph.versions import upgradesOf
from migrate.interfaces import IAdapter

#: What to do about a graph that is beyond this serializer.
HINT = "the default serializer (table) may be able to move this graph"


def _wrong(what: str, error: Exception) -> LoadError:
    """
    @return: that one object could not be made or filled, and why.
    """
    if isinstance(error, LoadError):
        return error
    return LoadError(f"{what}: {type(error).__name__}: {error}")


def _asInCode(values: Iterable[Any]) -> list[Any]:
    """
    @return: the values, text as L{asInCode} gives it.
    """
    return [asInCode(value) if type(value) is str else value for value in values]


@attrs.define(eq=False)
class Maker:
    """
    Makes objects that one adapter described alike.

    @ivar names: what the values of a state are called; L{None} if it comes as
        a dictionary.
    @ivar versions: see L{migrate.graph.versions.versionsOf}.
    """

    _arrival: Arrival
    _adapter: IAdapter
    _cls: type
    _names: tuple[str, ...] | None
    _versions: dict[str, int]
    _hears: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """
        Find out once for all of them whether they want to be told.
        """
        self._hears = hears(self._cls)

    @property
    def says(self) -> str:
        """
        What an error calls such an object.
        """
        return f"{className(self._cls)} (adapter {self._adapter.name!r})"

    def __call__(self, *arguments: Any) -> Any:
        """
        @return: a blank.
        @raise LoadError: it cannot be made.
        """
        loading = self._arrival.turn(self)
        try:
            made = self._adapter.make(self._cls, tuple(_asInCode(arguments)), loading)
        except Exception as e:
            raise _wrong(self.says, e) from e
        if self._hears:
            loading.onAdopted(lambda: made.migrated())
        if issubclass(type(made), Versioned):
            self._arrival.versioned.append((loading.number, made, self._versions))
        return made

    def fill(self, obj: Any, values: Any) -> None:
        """
        Give a blank its state.

        @raise LoadError: that cannot be done.
        """
        loading = self._arrival.turn(self)
        try:
            names = self._names
            if names is None:
                state = values
            else:
                state = dict(zip(names, _asInCode(values), strict=True))
            self._adapter.fill(obj, state, loading)
        except Exception as e:
            raise _wrong(self.says, e) from e


class Arrival(pickle.Unpickler):
    """
    Makes one graph.

    @ivar versioned: objects whose classes have versions: which turn made each,
        the object, and the versions at the origin.
    """

    def __init__(
        self, data: bytes | memoryview, planner: Planner, loading: Loading
    ) -> None:
        self._stream = io.BytesIO(data)
        super().__init__(self._stream)
        self._planner = planner
        self._loading = loading
        self._keyed = AllKeyed(HINT)
        self._turns: list[Maker] = []
        self.versioned: list[tuple[int, Any, dict[str, int]]] = []
        self._operations: dict[str, Callable[..., Any]] = {
            calls.NAMED.name: self._named,
            calls.EXTERNAL.name: loading.external,
            calls.DESCRIPTOR.name: loading.descriptor,
            calls.WEAK.name: lambda target: target,
            calls.MAKER.name: self._maker,
            calls.FILLER.name: lambda maker: maker.fill,
            calls.EXTEND.name: self._extend,
            calls.ADD.name: self._fillKeyed,
            calls.PAIR.name: self._fillKeyed,
            calls.TRY.name: self._try,
            calls.KEEP.name: self._keep,
        }

    # What the pickle may name

    def find_class(self, module: str, name: str) -> Any:
        """
        @return: an operation.
        @raise MalformedTable: there is none of that name.
        """
        if module != calls.__name__ or name not in self._operations:
            raise MalformedTable(f"a pickle names {module}.{name}")
        return self._operations[name]

    def persistent_load(self, pid: Any) -> Any:
        """
        @raise MalformedTable: always.
        """
        raise MalformedTable("a pickle refers to what is outside of it")

    # The operations

    def turn(self, maker: Maker) -> Loading:
        """
        Begin to make or fill an object.  What is begun earlier is settled
        earlier: others hold it.
        """
        self._turns.append(maker)
        self._loading.number = -len(self._turns)
        return self._loading

    def _named(self, module: Any, qualname: Any) -> Any:
        """
        See L{calls.NAMED}.
        """
        return self._loading.resolve(namedBy(module, qualname))

    def _maker(self, adapter: str, cls: Any, names: Any, versions: Any) -> Maker:
        """
        See L{calls.MAKER}.
        """
        if not isinstance(cls, type):
            raise LoadError(f"{cls!r} is no class here")
        if names is not None:
            names = tuple(map(sys.intern, names))
        known = dict(zip(versions[::2], versions[1::2], strict=True))
        return Maker(self, self._planner.named(adapter), cls, names, known)

    def _extend(self, obj: list[Any], *elements: Any) -> None:
        """
        See L{calls.EXTEND}.
        """
        obj[:] = elements

    def _fillKeyed(self, obj: Any, *content: Any) -> None:
        """
        See L{calls.ADD} and L{calls.PAIR}.
        """
        size = len(content) // 2 if type(obj) is dict else len(content)
        self._keyed.add(Keyed(obj, content, size))

    def _try(self, *members: Any) -> None:
        """
        See L{calls.TRY}.
        """
        try:
            frozenset(members)
        except Exception as e:
            raise LoadError(
                "a frozenset could not be made, as its members could not be hashed: "
                f"{type(e).__name__}: {e}; {HINT}"
            ) from e

    def _keep(self, obj: Any, size: int) -> None:
        """
        See L{calls.KEEP}.
        """
        self._keyed.add(Keyed(obj, None, size))

    # All of it

    def run(self) -> list[Any]:
        """
        @return: the roots.
        @raise LoadError: the graph cannot be made.
        """
        roots = self._read()
        if type(roots) is not list or not roots:
            raise MalformedTable("a pickle has no root")
        self._keyed.settle()
        self._upgrade()
        try:
            self._loading.settle()
        except Exception as e:
            turn = -self._loading.number
            raise _wrong(self._turns[turn - 1].says if turn else "a graph", e) from e
        self._keyed.finish()
        return roots

    def _read(self) -> Any:
        """
        Have everything called that the pickle calls.

        @return: the last of it.
        """
        # Numbers that stand for names mean what is cached, past find_class.
        copyreg.clear_extension_cache()
        try:
            self.load()
            steps = self.load()
            rest = self._stream.read(1)
        except LoadError:
            raise
        except Exception as e:
            raise MalformedTable(
                f"no pickle of a graph: {type(e).__name__}: {e}"
            ) from e
        if rest or type(steps) is not list or not steps:
            raise MalformedTable("no pickle of a graph, or more than one")
        return steps[-1]

    def _upgrade(self) -> None:
        """
        Have objects brought up to date that come from older classes.
        """
        for number, obj, versions in self.versioned:
            for step in upgradesOf(type(obj), versions):
                action: Callable[[], Any] = partial(step, obj)
                self._loading.number = number
                self._loading.afterFill(action)
