"""
What a record of each head becomes: how its object is made and filled.

It must not know in which order objects are made and filled.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any

import attrs

from migrate.errors import LoadError, MalformedTable
from migrate.graph import records as r
from migrate.graph.loading import Loading
from migrate.graph.plain import Layout, className
from migrate.graph.planner import Planner, isDirect
from migrate.graph.records import Record, Shape, references
from migrate.graph.versions import upgradesOf
from migrate.interfaces import IAdapter
from migrate.model import Named


class _Missing:
    """
    Stands for what is not made yet.
    """

    def __repr__(self) -> str:
        return "<not made yet>"


MISSING: Any = _Missing()

#: More elements than any record has.
ALL = sys.maxsize

_ATOMS = frozenset((type(None), bool, int, float, str, bytes))


def atoms(elements: Sequence[Any]) -> Any:
    """
    @param elements: the pieces of a raw record.
    @return: what they hold, one after the other.
    @raise MalformedTable: that is no atoms.
    """
    for piece in elements:
        if type(piece) is not list or not _ATOMS.issuperset(map(type, piece)):
            raise MalformedTable("a raw record holds something else than atoms")
    return chain.from_iterable(elements)


#: Finds what brings the instances of a class up to date.
Upgrades = Callable[[Any], Sequence[Callable[[Any], object]]]


@attrs.define(eq=False, kw_only=True)
class Kind:
    """
    Records of one head.

    @ivar says: what an error calls such an object.
    @ivar blank: makes the object as soon as the record comes; L{None} if it
        needs more.
    @ivar needed: how many elements have to be made before the object.
    @ivar cls: the class, as the number of an object, if that is needed first.
    @ivar make: makes the object of the elements that are needed, and of the
        class, where there is no C{blank}.
    @ivar complete: whether what is needed has to be whole.
    @ivar hashes: whether what is needed is only hashed.
    @ivar fill: gives the object its elements, all of them; L{None} if there
        is nothing left to do.
    @ivar partial: the same for elements of which some are L{MISSING}; what
        comes later has no trace of it.
    @ivar again: the same as C{fill}, after C{partial}.
    @ivar early: whether C{fill} runs no code of classes or adapters, but for
        hashing keys.
    @ivar whole: whether C{fill} wants elements that are whole.
    @ivar keys: which elements of a record C{fill} hashes; L{None} if none.
    @ivar raw: whether the elements are not values but pieces.
    @ivar upgrades: what brings such an object up to date, once all is filled.
    @ivar names: what the last elements are called, where all records have the same.
    @ivar maker: for described objects, what C{make} leads to: called with the class,
        the arguments in a tuple, and the loading.
    @ivar known: the class, where it is not an object of the graph.
    @ivar filler: for described objects, what C{fill} leads to: called with an object,
        a dictionary of its state, and the loading.
    @ivar restorer: for direct adapters, what does the C{restore} of L{IDirectAdapter}.
    @ivar extras: how many of the last elements are its values.
    @ivar immediate: whether that looks at nothing beside the object: it may be
        filled before others are.
    @ivar swift: a class whose instances are filled by setting these names, one after
        the other, as C{object.__setattr__} does.
    @ivar adapter: the name of the one that speaks for such objects, if one does.
    """

    says: str
    blank: Callable[[], Any] | None = None
    needed: int = 0
    cls: int | None = None
    make: Callable[[Sequence[Any], Any], Any] | None = None
    complete: bool = False
    hashes: bool = False
    fill: Callable[[Any, Sequence[Any]], object] | None = None
    partial: Callable[[Any, Sequence[Any]], object] | None = None
    again: Callable[[Any, Sequence[Any]], object] | None = None
    early: bool = False
    whole: bool = False
    keys: slice | None = None
    raw: bool = False
    upgrades: Upgrades | None = None
    names: tuple[str, ...] | None = None
    maker: Callable[[Any, tuple[Any, ...], Any], Any] | None = None
    known: type | None = None
    filler: Callable[[Any, dict[str, Any], Any], object] | None = None
    restorer: Callable[[Any, tuple[Any, ...], Any], object] | None = None
    extras: int = 0
    immediate: bool = False
    swift: type | None = None
    adapter: str | None = None

    def needs(self, record: Record) -> list[int]:
        """
        @return: the numbers of what has to be made before.
        """
        found = references(record[1 : 1 + self.needed]) if self.needed else []
        if self.cls is not None:
            found.append(self.cls)
        return found


def _replaceList(obj: list[Any], elements: Sequence[Any]) -> None:
    """
    Give a list its elements.
    """
    obj[:] = elements


def _updateDict(obj: dict[Any, Any], elements: Sequence[Any]) -> None:
    """
    @param elements: keys and values by turns.
    """
    if len(elements) % 2:
        raise MalformedTable("a dict has a key without a value")
    obj.update(zip(elements[::2], elements[1::2], strict=True))


def _makeDeque(elements: Sequence[Any], cls: Any) -> deque[Any]:
    """
    @param elements: how long it may be; L{None} for as long as it gets.
    """
    if not elements or type(elements[0]) not in (int, type(None)):
        raise MalformedTable("a deque does not say how long it may be")
    return deque(maxlen=elements[0])


def _fillDeque(obj: deque[Any], elements: Sequence[Any]) -> None:
    """
    Give a deque its elements, which follow how long it may be.
    """
    obj.clear()
    obj.extend(elements[1:])


def _updateRawDict(obj: dict[Any, Any], elements: Sequence[Any]) -> None:
    """
    @param elements: pieces of keys and of values by turns.
    """
    obj.update(zip(atoms(elements[::2]), atoms(elements[1::2]), strict=True))


def _number(pieces: Sequence[Any], cls: Any) -> int:
    """
    @param pieces: the bytes of an integer.
    """
    return int.from_bytes(b"".join(pieces), "little", signed=True)


def _unfinished(elements: Sequence[Any], cls: Any) -> Any:
    """
    @raise MalformedTable: always: such bytes are made of their parts.
    """
    raise MalformedTable("parts of a large byte string are missing")


def natives(loading: Loading) -> dict[int, Kind]:
    """
    @return: what records become of which the head is no shape's.
    """
    odd, every = slice(1, None, 2), slice(1, None)
    return {
        r.TEXT: Kind(says="text", make=lambda e, _: "".join(e), needed=ALL),
        r.BYTES: Kind(says="bytes", make=lambda e, _: b"".join(e), needed=ALL),
        r.INT: Kind(says="an integer", make=_number, needed=ALL),
        r.BLOB: Kind(says="bytes", make=_unfinished, needed=ALL),
        r.NAMED: Kind(
            says="a name",
            make=lambda e, _: loading.resolve(namedBy(*e)),
            needed=ALL,
        ),
        r.EXTERNAL: Kind(
            says="an external", make=lambda e, _: loading.external(*e), needed=ALL
        ),
        r.DESCRIPTOR: Kind(
            says="a descriptor", make=lambda e, _: loading.descriptor(*e), needed=ALL
        ),
        r.WEAK: Kind(says="a weak reference", make=lambda e, _: e[0], needed=ALL),
        r.LIST: Kind(says="a list", blank=list, fill=_replaceList, early=True),
        r.TUPLE: Kind(says="a tuple", make=lambda e, _: tuple(e), needed=ALL),
        r.SET: Kind(says="a set", blank=set, fill=set.update, early=True, keys=every),
        r.FROZENSET: Kind(
            says="a frozenset",
            make=lambda e, _: frozenset(e),
            needed=ALL,
            complete=True,
            hashes=True,
        ),
        r.DICT: Kind(says="a dict", blank=dict, fill=_updateDict, early=True, keys=odd),
        r.DEQUE: Kind(
            says="a deque", make=_makeDeque, needed=1, fill=_fillDeque, early=True
        ),
        **_raws(),
    }


def _raws() -> dict[int, Kind]:
    """
    @return: what becomes of containers of nothing but atoms.
    """
    return {
        r.RAW_LIST: Kind(
            says="a list",
            blank=list,
            fill=lambda obj, e: obj.extend(atoms(e)),
            early=True,
            raw=True,
        ),
        r.RAW_TUPLE: Kind(
            says="a tuple", make=lambda e, _: tuple(atoms(e)), needed=ALL, raw=True
        ),
        r.RAW_SET: Kind(
            says="a set",
            blank=set,
            fill=lambda obj, e: obj.update(atoms(e)),
            early=True,
            raw=True,
        ),
        r.RAW_FROZENSET: Kind(
            says="a frozenset",
            make=lambda e, _: frozenset(atoms(e)),
            needed=ALL,
            raw=True,
        ),
        r.RAW_DICT: Kind(
            says="a dict", blank=dict, fill=_updateRawDict, early=True, raw=True
        ),
    }


def namedBy(module: Any, qualname: Any) -> Named:
    """
    @raise MalformedTable: that is no name.
    """
    if type(module) is not str or type(qualname) is not str:
        raise MalformedTable(f"{module!r}, {qualname!r} are no name")
    return Named(module, qualname)


@attrs.frozen(eq=False)
class Shapes:
    """
    Makes kinds of shapes.

    @ivar planner: knows the adapters.
    @ivar loading: the arrival.
    """

    planner: Planner
    loading: Loading

    def kind(self, shape: Shape) -> Kind:
        """
        @return: what becomes of the objects of one shape.
        @raise LoadError: there is no such adapter or class.
        """
        adapter = self.planner.named(shape.adapter)
        plain = shape.adapter == self.planner.plain.name
        if plain and shape.arguments:
            raise MalformedTable("a plain object has no arguments")
        if shape.module is None:
            return self._deferred(shape, adapter)
        cls = self.loading.resolve(namedBy(shape.module, shape.qualname))
        if not isinstance(cls, type):
            raise LoadError(f"{shape.module}.{shape.qualname} is no class here")
        if plain:
            return self._plain(shape, self.planner.plain.layout(cls))
        return self._deferred(shape, adapter, cls)

    def _upgrades(self, shape: Shape, known: Any) -> Upgrades | None:
        """
        @return: finds the upgrades of a class; L{None} if there are none.
        """
        versions: Any = dict(
            zip(shape.versions[::2], shape.versions[1::2], strict=True)
        )
        if known is None:
            return lambda cls: upgradesOf(cls, versions)
        steps = upgradesOf(known, versions)
        return (lambda cls: steps) if steps else None

    def _deferred(self, shape: Shape, adapter: IAdapter, known: Any = None) -> Kind:
        """
        @param known: the class; L{None} if it is itself an object of the graph.
        @return: what becomes of objects for which C{adapter} speaks.
        """
        loading = self.loading

        def make(arguments: Sequence[Any], cls: Any) -> Any:
            return adapter.make(known or cls, tuple(arguments), loading)

        def fill(obj: Any, elements: Sequence[Any]) -> None:
            adapter.fill(obj, _stateOf(shape, elements), loading)

        says = f"{shape.module}.{shape.qualname}" if known else "an instance"
        names = _shared(shape)
        extras = self._extras(adapter, known, names)
        swift = extras is not None and not shape.arguments
        if swift and known is not None:
            _prime(known, (names or ())[: len(names or ()) - (extras or 0)])
        return Kind(
            says=f"{says} (adapter {adapter.name!r})",
            needed=shape.arguments,
            cls=None if known else shape.cls,
            make=make,
            complete=adapter.complete,
            fill=None if shape.names is None else fill,
            whole=getattr(adapter, "wholeState", False),
            upgrades=self._upgrades(shape, known),
            names=names,
            maker=adapter.make,
            adapter=adapter.name,
            known=known,
            swift=known if swift else None,
            restorer=_restorerOf(adapter, loading) if swift else None,
            extras=extras or 0,
            immediate=getattr(adapter, "immediate", False),
            filler=None if shape.names is None else adapter.fill,
        )

    def _extras(
        self, adapter: IAdapter, cls: type | None, names: tuple[str, ...] | None
    ) -> int | None:
        """
        @return: how many values an adapter is given beside the attributes, which are
            set as they are; L{None} if it fills all by itself.
        """
        if cls is None or names is None or not isDirect(adapter, cls):
            return None
        direct: Any = adapter
        count = len(direct.extras)
        at = len(names) - count
        if names[at:] != direct.extras or vars(object)["__new__"] is not cls.__new__:
            return None
        return count if self._claimed(cls).isdisjoint(names) else None

    def _claimed(self, cls: type) -> frozenset[str]:
        return self.planner.environment.knowledge.claimed(cls)

    def _plain(self, shape: Shape, layout: Layout) -> Kind:
        """
        @return: what becomes of the instances of a plain class.
        """

        def fill(obj: Any, elements: Sequence[Any]) -> None:
            layout.fill(obj, _stateOf(shape, elements))

        def partial(obj: Any, elements: Sequence[Any]) -> None:
            state = _stateOf(shape, elements)
            known = {n: v for n, v in state.items() if v is not MISSING}
            layout.fill(obj, known)

        names = _shared(shape)
        unclaimed = self._claimed(layout.cls).isdisjoint(names or ())
        short = _shortWay(shape, layout, unclaimed)
        swift = short is not None and unclaimed
        if swift:
            _prime(layout.cls, names or ())
        return Kind(
            says=className(layout.cls),
            blank=layout.blank,
            fill=short or fill,
            partial=partial,
            again=fill,
            early=True,
            upgrades=self._upgrades(shape, layout.cls),
            names=names,
            filler=lambda obj, state, _: layout.fill(obj, state),
            swift=layout.cls if swift else None,
        )


def _stateOf(shape: Shape, elements: Sequence[Any]) -> dict[str, Any]:
    """
    @param elements: all of a record.
    @return: the state that it holds.
    @raise MalformedTable: it does not fit the shape.
    """
    values = elements[shape.arguments :]
    names: Sequence[Any] = shape.names if isinstance(shape.names, tuple) else ()
    if shape.names is True:
        names, values = values[::2], values[1::2]
    if len(names) != len(values) or not all(type(name) is str for name in names):
        raise MalformedTable("a record does not fit its shape")
    return dict(zip(names, values, strict=True))


def _prime(cls: type, names: Iterable[str]) -> None:
    """
    Have the instances of C{cls} share the names of their attributes.  Python notes a
    name for all only while there are few instances, and here all come to be before one
    has an attribute: each would have a dictionary of its own, of twice the size.
    """
    if hasattr(cls, "__del__"):
        # That would be told of the end of an instance that was none.
        return
    one: Any = object.__new__(cls)
    for name in names:
        object.__setattr__(one, name, None)


def _shared(shape: Shape) -> tuple[str, ...] | None:
    """
    @return: the names of a shape, as all code of this process means them.
    """
    if not isinstance(shape.names, tuple):
        return None
    return tuple(map(sys.intern, shape.names))


def _shortWay(shape: Shape, layout: Layout, unclaimed: bool) -> Any:
    """
    @param unclaimed: whether setting attributes of its names gives them to instances.
    @return: fills instances that have an instance dictionary and nothing
        else; L{None} if the shape is not that simple.
    """
    dictionary, names = layout.dictionary, shape.names
    if dictionary is None or layout.slots or not isinstance(names, tuple):
        return None
    if any(name.startswith("\0") for name in names):
        return None
    shared = _shared(shape) or ()
    if unclaimed:
        give = object.__setattr__

        def giveAll(obj: Any, elements: Sequence[Any]) -> None:
            # Not its dictionary: who asks for that makes it slower for good.
            for name, value in zip(shared, elements, strict=True):
                give(obj, name, value)

        return giveAll

    def fill(obj: Any, elements: Sequence[Any]) -> None:
        attributes = dictionary(obj)
        if attributes:
            attributes.clear()
        attributes.update(zip(shared, elements, strict=True))

    return fill


def _restorerOf(adapter: Any, loading: Loading) -> Any:
    """
    @return: what does the C{restore} of an adapter for one loading; L{None} if it has
        none.
    """
    restorer = getattr(adapter, "restorer", None)
    return getattr(adapter, "restore", None) if restorer is None else restorer(loading)
