"""
The walk over a graph: from objects to records.

Objects are numbered as they are met and visited in the order of their numbers,
so nothing recurses.  Every object that was met is kept alive until the walk is
thrown away, for it is known by its identity.

It must not know how records are encoded.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from migrate.errors import NotMovable
from migrate.graph import records as r
from migrate.graph import visits as plain
from migrate.graph.compiled import native
from migrate.graph.environment import Environment
from migrate.graph.large import Outgoing, Uncopied
from migrate.graph.natives import HEADS, NATIVE, Reader
from migrate.graph.plain import Layout, PlainAdapter, className
from migrate.graph.planner import Capture, Planner, describe, isDirect
from migrate.graph.records import Record, Shape
from migrate.graph.versions import versionsOf
from migrate.graph.visits import (
    CONTAINER,
    DESCRIBED,
    DIRECT,
    HANDED,
    PLAIN,
    READ,
    Plan,
)
from migrate.interfaces import IAdapter, ILiveAdapter
from migrate.model import Description, Descriptor, External, Named, Weak

_ATOMS = frozenset((type(None), bool, int, float, str, bytes))
#: Heads of what a weak reference may mean without holding it.
_FREE = frozenset((r.TEXT, r.BYTES, r.INT, r.NAMED, r.EXTERNAL))
#: A shape has at most so many names, none longer than this.
_NAMES = 256


class Walk:
    """
    One walk over a graph.

    @ivar objects: everything that was met, by number.  The first is a list of
        the roots.
    @ivar root: where it begins.
    @ivar shapes: in the order in which they were met.
    @ivar refused: what cannot be moved, in the order in which it was met.
    @ivar filenos: the descriptors, in the order of their numbers; those that were sent
        ahead come first.
    @ivar ahead: the places of those of these that can be mentioned and have not been
        yet: see L{Ahead.places}.
    @ivar live: see L{IDump.live}.
    @ivar names: see L{IDump.names}.
    @ivar externals: see L{IDump.externals}.
    @ivar capture: the walk as adapters see it.
    """

    def __init__(self, root: object, environment: Environment, keep: bool) -> None:
        """
        @param keep: whether records are kept; else L{run} gives them as chunks.
        """
        self.shapes: list[Shape] = []
        self.refused: list[tuple[object, NotMovable]] = []
        self.filenos = list(environment.ahead.filenos)
        self.ahead = environment.ahead.places()
        self._gone = len(self.filenos) - len(self.ahead)
        self.live: list[tuple[ILiveAdapter, Any]] = []
        self.names: list[Named] = []
        self.externals: set[str] = set()
        self.capture = Capture(environment.reactor)
        self._weak: list[int] = []
        self._sought: set[int] = set()
        self._heads: dict[tuple[Any, ...], int] = {}
        self._environment = environment
        self._planner = Planner(environment)
        self._outside = self._planner.outside()
        self._outsideTypes = self._planner.outsideTypes()
        self._visits = (native or plain).Visits(self, keep)
        self.capture.contains = self._visits.moves
        large = Uncopied() if keep and environment.large else environment.large
        self._outgoing = None if large is None else Outgoing(large, self.filenos)
        self.objects = self._visits.objects
        self.root = root
        self._visits.meet([root])

    @classmethod
    def over(cls, root: object, environment: Environment) -> Walk:
        """
        @return: a walk that is over, with its records.
        """
        walk = cls(root, environment, keep=True)
        for _ in walk.run():
            pass
        return walk

    @property
    def rows(self) -> list[Record]:
        """
        What was visited, by number: the records, where they are kept.
        """
        rows: list[Record] | None = self._visits.rows
        assert rows is not None
        return rows

    def number(self, obj: object) -> int:
        """
        @return: the number of an object that was met.
        """
        number: int = self._visits.number(obj)
        return number

    def parent(self, number: int) -> int:
        """
        @return: the object whose visit was the first to meet another; that of
            a root is 0.
        """
        if number in self._sought:
            return 0
        parent: int = self._visits.parent(number)
        return parent

    def knots(self) -> bool:
        """
        @return: whether objects may need each other before they can be made.
        """
        return bool(self._visits.knots())

    def counts(self) -> Counter[type]:
        """
        @return: how many objects move, by class.  The list of roots is none.
        """
        counts = self._visits.counts()
        counts[list] -= 1
        return +Counter(counts)

    @property
    def beside(self) -> int:
        """
        How many bytes went beside the records.
        """
        return 0 if self._outgoing is None else self._outgoing.total

    @property
    def spare(self) -> int:
        """
        How many of the descriptors have not been mentioned.
        """
        return self._gone + len(self.ahead)

    def forget(self) -> None:
        """
        Let go of all objects.  Nothing of them is known from now on.
        """
        self._visits.forget()

    # The visits

    def run(self) -> Iterator[bytes]:
        """
        Visit everything.

        @return: what is written meanwhile, as soon as there is enough of it.
        """
        visits = self._visits
        yield from self._drain()
        yield from self._seek()
        yield from self._bindWeak()
        if self._outgoing is not None:
            yield from self._write(self._outgoing.rest())
        if visits.rows is None:
            visits.end()
            yield from visits.take()

    def _drain(self) -> Iterator[bytes]:
        """
        Visit whatever was met and not yet visited.
        """
        done = False
        while not done:
            done = self._visits.drain()
            yield from self._visits.take()
            if self._outgoing is not None and not self._visits.amid():
                yield from self._write(self._outgoing.full())

    def _write(self, files: Iterable[list[Record]]) -> Iterator[bytes]:
        """
        Have each file sent before there is another one.
        """
        for records in files:
            self._visits.add(records)
            yield from self._visits.take()

    def _seek(self) -> Iterator[bytes]:
        """
        Ask for what belongs to the graph and is not reachable from it, until
        that brings nothing new.  It is kept in the list of roots.
        """
        registry, visits = self._environment.registry, self._visits
        before = -1
        while registry.seekers and before != len(self.objects):
            before = len(self.objects)
            for seeker in registry.seekers:
                for found in list(seeker.seek(self.capture)):
                    if visits.number(found) < 0:
                        visits.later(0, found)
                        self.objects[0].append(found)
                        self._sought.add(visits.number(found))
                yield from self._drain()

    def _bindWeak(self) -> Iterator[bytes]:
        """
        Point weak references to what they mean, now that all is known that is
        in the graph.
        """
        visits = self._visits
        for number in self._weak:
            target = self.objects[number].target
            held = self._isHeld(target)
            if held:
                visits.later(number, target)
            yield from self._drain()
            if held:
                continue
            self.refused.append(
                (
                    self.objects[self.parent(number) if visits.rows else number],
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
        if self._visits.number(target) >= 0 or type(target) in _ATOMS:
            return True
        refusals = len(self.refused)
        head, record = self.plan(type(target)).reader(target)
        del self.refused[refusals:]
        return head is None and next(iter(record)) in _FREE

    # What each class of objects is read with

    def plan(self, cls: type) -> Plan:
        """
        @return: how the instances of C{cls} are read.
        """
        plan = self._native(cls) or self._own(cls) or self._adapted(cls)
        if cls not in self._outsideTypes:
            return plan
        reader = self._guarded(plan.reader)
        if plan.way != CONTAINER:
            return Plan(READ, reader)
        return plan._replace(reader=reader, outside=self._outside)

    def _native(self, cls: type) -> Plan | None:
        """
        @return: how builtin values are read.
        """
        reader = NATIVE.get(cls)
        if reader is None:
            return None
        if cls is bytes and self._outgoing is not None:
            reader = self._readBytes
        return Plan(CONTAINER if cls in HEADS else READ, reader, HEADS.get(cls, 0))

    def _own(self, cls: type) -> Plan | None:
        """
        @return: how the values are read that adapters speak with.
        """
        if cls is Descriptor:
            before = self.ahead or None
            return Plan(
                HANDED, self._readDescriptor, adapter=self.filenos, outside=before
            )
        if cls is deque and self._planner.adapterFor(cls).name == r.DEQUES:
            reader = self._shortDeque(self._adapted(cls).reader)
            return Plan(CONTAINER, reader, r.DEQUE)
        return Plan(READ, self._readWeak) if cls is Weak else None

    def _shortDeque(self, reader: Reader) -> Reader:
        """
        @param reader: of long ones.
        @return: what reads deques.
        """

        def read(obj: deque[Any]) -> tuple[int | None, Iterable[Any]]:
            if len(obj) < r.MANY:
                return r.DEQUE, (obj.maxlen, *obj)
            return reader(obj)

        return read

    def _readBytes(self, obj: bytes) -> tuple[int | None, Iterable[Any]]:
        """
        Large ones go beside the records.
        """
        if len(obj) < r.LARGE or self._outgoing is None:
            return NATIVE[bytes](obj)
        return None, self._outgoing.add(self._visits.number(obj), obj)

    def _readDescriptor(self, obj: Descriptor) -> tuple[None, Record]:
        """
        A descriptor goes by its place among all of them.
        """
        place = self.ahead.pop(obj.fileno, -1)
        if place < 0:
            place = len(self.filenos)
            self.filenos.append(obj.fileno)
        return None, [r.DESCRIPTOR, [place]]

    def _readWeak(self, obj: Weak) -> tuple[None, Record]:
        """
        What it refers to is added once the walk has ended.
        """
        self._weak.append(self._visits.number(obj))
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

    def _adapted(self, cls: type) -> Plan:
        """
        @return: how the instances of C{cls} are read as its adapter says.
        """
        adapter = self._planner.adapterFor(cls)
        if isinstance(adapter, PlainAdapter):
            layout = adapter.layout(cls)
            if layout.dictionary is not None and not layout.slots:
                return Plan(PLAIN, self._plain(adapter, layout), adapter=adapter)
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

        way = DIRECT if isDirect(adapter, cls) else DESCRIBED
        return Plan(way, read, adapter=adapter, live=live is not None)

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
        head = self.headOf(adapter, found)
        state = found.state
        if state is None:
            return head, found.arguments
        if self.shapes[head - r.FIRST].names is True:
            return head, chain(found.arguments, chain.from_iterable(state.items()))
        return head, chain(found.arguments, state.values())

    def headOf(self, adapter: IAdapter, found: Description) -> int:
        """
        @return: the head for a description.
        @raise NotMovable: the state has something else than names.
        """
        state = found.state
        names = None if state is None else tuple(state)
        key = (adapter.name, id(found.cls), len(found.arguments), names)
        head = self._heads.get(key)
        if head is None:
            head = self._heads[key] = self._shape(adapter, found, names)
        return head

    def headOfPlain(self, adapter: PlainAdapter, obj: Any) -> int | None:
        """
        @return: the head for a plain object that was read; L{None} if names stand
            in its record.
        """
        layout = adapter.layout(type(obj))
        head = self.headOf(adapter, Description(layout.cls, (), layout.state(obj)))
        return None if self.shapes[head - r.FIRST].names is True else head

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
        shape = Shape(
            adapter.name,
            self._visits.meet(found.cls),
            len(found.arguments),
            short,
            *self._nameOf(found.cls),
            versionsOf(found.cls),
        )
        self.shapes.append(shape)
        return r.FIRST + len(self.shapes) - 1

    def _nameOf(self, cls: type) -> tuple[str | None, str | None]:
        """
        @return: the name by which a class goes, if it does.
        """
        names = self._environment.knowledge.names
        name = names.get(cls)
        if name is None:
            name = names[cls] = self._findName(cls)
        return name

    def _findName(self, cls: type) -> tuple[str | None, str | None]:
        if id(cls) in self._outside:
            return None, None
        adapter = self._planner.adapterFor(type(cls))
        try:
            found = describe(adapter, cls, self.capture)
        except NotMovable:
            return None, None
        if isinstance(found, Named):
            return found.module, found.qualname
        return None, None
