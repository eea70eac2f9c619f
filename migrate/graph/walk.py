"""
The walk over a graph: from objects to records.

Objects are numbered as they are met and visited in the order of their numbers,
so nothing recurses.  Every object that was met is kept alive until the walk is
thrown away, for it is known by its identity.

It must not know how records are encoded.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import chain, islice
from typing import Any

from migrate.errors import NotMovable
from migrate.graph import records as r
from migrate.graph.environment import Environment
from migrate.graph.natives import NATIVE, Reader
from migrate.graph.plain import Layout, PlainAdapter, className
from migrate.graph.planner import Capture, Planner, describe
from migrate.graph.records import Record, Shape
from migrate.graph.versions import versionsOf
from migrate.interfaces import IAdapter, ILiveAdapter
from migrate.model import Description, Descriptor, External, Named, Weak

_ATOMS = frozenset((type(None), bool, int, float, str, bytes))
_INLINE = frozenset((type(None), bool, float))
#: Heads of what a weak reference may mean without holding it.
_FREE = frozenset((r.TEXT, r.BYTES, r.INT, r.NAMED, r.EXTERNAL))
#: A shape has at most so many names, none longer than this.
_NAMES = 256


class _Readers(dict[type, Reader]):
    """
    Readers by class, found when the first instance is met.
    """

    def __init__(self, find: Callable[[type], Reader]) -> None:
        self._find = find

    def __missing__(self, cls: type) -> Reader:
        found = self[cls] = self._find(cls)
        return found


class Walk:
    """
    One walk over a graph.

    @ivar objects: everything that was met, by number.  The first is a list of
        the roots.
    @ivar rows: what was visited, by number: the records.
    @ivar shapes: in the order in which they were met.
    @ivar refused: what cannot be moved, in the order in which it was met.
    @ivar filenos: the descriptors, in the order of their numbers.
    @ivar live: see L{IDump.live}.
    @ivar names: see L{IDump.names}.
    @ivar externals: see L{IDump.externals}.
    @ivar capture: the walk as adapters see it.
    """

    def __init__(self, root: object, environment: Environment) -> None:
        self.objects: list[Any] = []
        self.rows: list[Record] = []
        self.shapes: list[Shape] = []
        self.refused: list[tuple[object, NotMovable]] = []
        self.filenos: list[int] = []
        self.live: list[tuple[ILiveAdapter, Any]] = []
        self.names: list[Named] = []
        self.externals: set[str] = set()
        self.capture = Capture(environment.reactor, self._contains)
        self._numbers: dict[int, int] = {}
        self._bounds: list[int] = []
        self._weak: list[int] = []
        self._sought: set[int] = set()
        self._heads: dict[tuple[Any, ...], int] = {}
        self._environment = environment
        self._planner = Planner(environment)
        self._outside = self._planner.outside()
        self._outsideTypes = self._planner.outsideTypes()
        self._readers = _Readers(self._reader)
        self._meet([root])
        self._drain()
        self._seek()
        self._bindWeak()

    # Numbers

    def _meet(self, obj: object) -> int:
        """
        @return: the number of an object, which it gets at the first time.
        """
        number = self._numbers.setdefault(id(obj), len(self.objects))
        if number == len(self.objects):
            self.objects.append(obj)
        return number

    def _contains(self, candidate: object) -> bool:
        """
        See L{ICapture.contains}.
        """
        number = self._numbers.get(id(candidate))
        if number is None or number >= len(self.rows):
            return False
        return self.rows[number][0] not in r.OUTSIDE

    def number(self, obj: object) -> int:
        """
        @return: the number of an object that was met.
        """
        return self._numbers[id(obj)]

    def parent(self, number: int) -> int:
        """
        @return: the object whose visit was the first to meet another; that of
            a root is 0.
        """
        if number in self._sought:
            return 0
        return bisect_right(self._bounds, number)

    # The visits

    def _drain(self) -> None:
        """
        Visit whatever was met and not yet visited.

        This is the one loop that runs for every element of a graph, hence in
        one piece.
        """
        objects, numbers, readers = self.objects, self._numbers, self._readers
        push, known = objects.append, numbers.get
        keep, bound = self.rows.append, self._bounds.append
        for obj in islice(objects, len(self.rows), None):
            head, elements = readers[type(obj)](obj)
            if head is None:
                keep(elements)  # type: ignore[arg-type]
                bound(len(objects))
                continue
            row: Record = [head]
            add = row.append
            for element in elements:
                kind = type(element)
                if kind in _ATOMS:
                    if kind in _INLINE:
                        add(element)
                        continue
                    if kind is int:
                        if r.LOWEST <= element <= r.HIGHEST:
                            add([element])
                            continue
                    elif len(element) <= r.SHORT:
                        add(element if kind is str else [element])
                        continue
                identity = id(element)
                number = known(identity)
                if number is None:
                    number = numbers[identity] = len(objects)
                    push(element)
                add(number)
            keep(row)
            bound(len(objects))

    def _element(self, value: object) -> Any:
        """
        @return: how one value stands in a record.
        """
        kind = type(value)
        if kind in _INLINE or (kind is str and len(value) <= r.SHORT):  # type: ignore[arg-type]
            return value
        if kind is bytes and len(value) <= r.SHORT:  # type: ignore[arg-type]
            return [value]
        if kind is int and r.LOWEST <= value <= r.HIGHEST:  # type: ignore[operator]
            return [value]
        return self._meet(value)

    def _seek(self) -> None:
        """
        Ask for what belongs to the graph and is not reachable from it, until
        that brings nothing new.  It is kept in the list of roots.
        """
        registry = self._environment.registry
        before = -1
        while registry.seekers and before != len(self.objects):
            before = len(self.objects)
            for seeker in registry.seekers:
                for found in list(seeker.seek(self.capture)):
                    if id(found) not in self._numbers:
                        element = self._element(found)
                        self.rows[0].append(element)
                        self.objects[0].append(found)
                        self._sought.add(element)
                self._drain()

    def _bindWeak(self) -> None:
        """
        Point weak references to what they mean, now that all is known that is
        in the graph.
        """
        for number in self._weak:
            target = self.objects[number].target
            if self._isHeld(target):
                self.rows[number].append(self._element(target))
                self._drain()
                continue
            self.refused.append(
                (
                    self.objects[self.parent(number)],
                    NotMovable(
                        f"{className(type(target))} is referred to weakly, and "
                        "nothing of the graph holds it",
                        "keep a reference to it inside the graph",
                    ),
                )
            )

    def _isHeld(self, target: object) -> bool:
        """
        @return: whether what a weak reference means is there without it.
        """
        if id(target) in self._numbers or type(target) in _ATOMS:
            return True
        refusals = len(self.refused)
        head, record = self._readers[type(target)](target)
        self._drain()
        del self.refused[refusals:]
        return head is None and next(iter(record)) in _FREE

    # What each class of objects is read with

    def _reader(self, cls: type) -> Reader:
        """
        @return: what reads the instances of C{cls}.
        """
        native = NATIVE.get(cls)
        reader = native or self._own(cls) or self._adapted(cls)
        return self._guarded(reader) if cls in self._outsideTypes else reader

    def _own(self, cls: type) -> Reader | None:
        """
        @return: what reads the values that adapters speak with.
        """
        own: dict[type, Reader] = {
            Descriptor: self._readDescriptor,
            Weak: self._readWeak,
        }
        return own.get(cls)

    def _readDescriptor(self, obj: Descriptor) -> tuple[None, Record]:
        """
        A descriptor goes by its place among all of them.
        """
        self.filenos.append(obj.fileno)
        return None, [r.DESCRIPTOR, [len(self.filenos) - 1]]

    def _readWeak(self, obj: Weak) -> tuple[None, Record]:
        """
        What it refers to is added once the walk has ended.
        """
        self._weak.append(self._numbers[id(obj)])
        return None, [r.WEAK]

    def _guarded(self, reader: Reader) -> Reader:
        """
        @return: C{reader} for classes of which some instances stay outside.
        """

        def read(obj: Any) -> tuple[int | None, Iterable[Any]]:
            found = self._outside.get(id(obj))
            if found is None:
                return reader(obj)
            if isinstance(found, NotMovable):
                return self._refuse(obj, found)
            self.externals.add(found.name)
            return None, [r.EXTERNAL, found.name]

        return read

    def _refuse(self, obj: object, reason: NotMovable) -> tuple[None, Record]:
        """
        Note that an object cannot be moved, and go on.
        """
        self.refused.append((obj, reason))
        return None, [r.REFUSED]

    def _adapted(self, cls: type) -> Reader:
        """
        @return: what reads the instances of C{cls} as its adapter says.
        """
        adapter = self._planner.adapterFor(cls)
        if isinstance(adapter, PlainAdapter):
            layout = adapter.layout(cls)
            if layout.dictionary is not None and not layout.slots:
                return self._plain(adapter, layout)
        live = adapter if ILiveAdapter.providedBy(adapter) else None
        capture = self.capture

        def read(obj: Any) -> tuple[int | None, Iterable[Any]]:
            try:
                found = describe(adapter, obj, capture)
                if isinstance(found, Named):
                    self.names.append(found)
                    return None, [r.NAMED, found.module, found.qualname]
                if isinstance(found, External):
                    self.externals.add(found.name)
                    return None, [r.EXTERNAL, found.name]
                if live is not None:
                    self.live.append((live, obj))
                return self._described(adapter, found)
            except NotMovable as e:
                return self._refuse(obj, e)

        return read

    def _plain(self, adapter: IAdapter, layout: Layout) -> Reader:
        """
        @return: the short way for the most frequent kind of objects, with an
            instance dictionary and nothing else.
        """
        heads: dict[tuple[str, ...], int] = {}
        dictionary: Any = layout.dictionary

        def read(obj: Any) -> tuple[int | None, Iterable[Any]]:
            attributes = dictionary(obj)
            names = tuple(attributes)
            head = heads.get(names)
            if head is not None:
                return head, attributes.values()
            try:
                description = Description(layout.cls, (), layout.state(obj))
                head, elements = self._described(adapter, description)
            except NotMovable as e:
                return self._refuse(obj, e)
            if self.shapes[head - r.FIRST].names is not True:
                heads[names] = head
            return head, elements

        return read

    def _described(
        self, adapter: IAdapter, found: Description
    ) -> tuple[int, Iterable[Any]]:
        """
        @return: the head for a description, and its elements.
        """
        state = found.state
        names = None if state is None else tuple(state)
        key = (adapter.name, id(found.cls), len(found.arguments), names)
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = self._shape(adapter, found, names)
        if state is None:
            return head, found.arguments
        if self.shapes[head - r.FIRST].names is True:
            return head, chain(found.arguments, chain.from_iterable(state.items()))
        return head, chain(found.arguments, state.values())

    def _shape(
        self, adapter: IAdapter, found: Description, names: tuple[str, ...] | None
    ) -> int:
        """
        @return: the head for a new shape.
        @raise NotMovable: the state has something else than names.
        """
        short: tuple[str, ...] | bool | None = names
        keys: tuple[object, ...] = names or ()
        for name in keys:
            if type(name) is not str:
                raise NotMovable(f"a state of {adapter.name!r} has {name!r} for a name")
            if len(name) > _NAMES or not r.encodable(name):
                short = True
        if names is not None and len(names) > _NAMES:
            short = True
        number = self._meet(found.cls)
        versions = versionsOf(found.cls)
        shape = Shape(adapter.name, number, len(found.arguments), short)
        shape.versions = versions
        self.shapes.append(shape)
        return r.FIRST + len(self.shapes) - 1
