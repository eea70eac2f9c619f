"""
The serializer that writes with L{pickle}: the same walk, the same adapters, and
no table.

A C{Pickler} writes the graph itself.  Builtin atoms and containers are its own
business; for every other object it asks, by C{reducer_override}, and is told
what the object's adapter said in the walk.  Left to itself it would recurse as
deeply as the graph does, fill a container before the keys that lie on a cycle
with it, and make an object twice whose arguments lead back to it.  So it is
given the objects one after the other, in an order in which what each mentions
was written before.

A pickle can have anything called that a policy lets it name, so this is for
processes that trust each other: those of one user.

It must not know what any adapter does.
"""

from __future__ import annotations

import io
import pickle
import struct
import zlib
from collections.abc import Iterable
from itertools import chain
from typing import Any

from zope.interface import implementer

from migrate.errors import MalformedTable
from migrate.graph import calls
from migrate.graph import records as r
from migrate.graph.arrival import Arrival
from migrate.graph.calls import Call, Operation
from migrate.graph.dumping import surveyed, written
from migrate.graph.environment import Environment
from migrate.graph.loader import GraphLoader
from migrate.graph.order import FILL, KEEP, MAKE, PART, Order, Step
from migrate.graph.planner import Planner
from migrate.graph.records import CHUNK, Record
from migrate.graph.survey import Survey
from migrate.graph.walk import Walk
from migrate.interfaces import IDump, ILoader, ISerializer

#: The protocol: every Python that this package runs on has it.
_PROTOCOL = 5

#: Length and checksum of what follows.
_HEAD = struct.Struct("!QI")


class _Pickler(pickle.Pickler):
    """
    Writes one walk.
    """

    def __init__(self, stream: io.BytesIO, walk: Walk, order: Order) -> None:
        super().__init__(stream, _PROTOCOL)
        self._walk = walk
        self._order = order
        self._makers = [
            calls.MAKER(
                shape.adapter,
                walk.objects[shape.cls],
                shape.names if isinstance(shape.names, tuple) else None,
                shape.versions,
            )
            for shape in walk.shapes
        ]
        self._fillers = [calls.FILLER(maker) for maker in self._makers]
        self._parts: dict[tuple[int, tuple[int, ...]], Call] = {}

    def write(self) -> None:
        """
        Write what has to be there from the start, then the steps.
        """
        self._writeFirst()
        self.dump([self._step(step) for step in self._order.steps])

    def _writeFirst(self) -> None:
        """
        Write what is outside, and those containers that are filled later:
        something stands for each, and is taken for it from then on.
        """
        objects, rows = self._walk.objects, self._walk.rows
        stand: list[tuple[object, object]] = [
            (calls.EXTERNAL(row[1]), objects[number])
            for number, row in enumerate(rows)
            if row[0] == r.EXTERNAL
        ]
        stand += [
            (type(objects[number])(), objects[number]) for number in self._order.blanks
        ]
        self.dump([one for one, _ in stand])
        meant = {id(one): other for one, other in stand}
        # The pickler finds what it has written by the object, whatever the key.
        self.memo = {
            index: (index, meant.get(id(obj), obj))
            for index, obj in self.memo.copy().values()
        }

    # What L{pickle} asks

    def reducer_override(self, obj: Any) -> Any:
        """
        @return: how an object is made and filled, as L{pickle} has it.
        """
        kind = type(obj)
        if kind is Call:
            return obj.function, obj.arguments
        if kind is Operation:
            return obj.name
        number = self._walk.number(obj)
        row = self._walk.rows[number]
        head = row[0]
        if head >= r.FIRST:
            return self._described(number, row)
        if head == r.NAMED:
            return calls.NAMED, (row[1], row[2])
        operation = calls.WEAK if head == r.WEAK else calls.DESCRIPTOR
        return operation, tuple(self._values(row))

    def _described(self, number: int, row: Record) -> tuple[Any, ...]:
        """
        @return: the same for what an adapter described.
        """
        index = row[0] - r.FIRST
        shape = self._walk.shapes[index]
        values = self._values(row)
        maker, count = self._makers[index], shape.arguments
        if shape.names is None or number in self._order.early:
            return maker, tuple(values[:count])
        state = self._state(shape.names, values[count:])
        return maker, tuple(values[:count]), state, None, None, self._fillers[index]

    def _values(self, row: Record) -> list[Any]:
        """
        @return: the elements of a record as the objects that they are.
        """
        objects = self._walk.objects
        return [
            objects[e] if type(e) is int else e[0] if type(e) is list else e
            for e in row[1:]
        ]

    def _state(self, names: Any, values: list[Any]) -> Any:
        """
        @param names: those of a shape.
        @return: the state: values alone where a maker knows the names.
        """
        if names is True:
            return dict(zip(values[::2], values[1::2], strict=True))
        return tuple(values)

    # The steps

    def _step(self, step: Step) -> Any:
        """
        @return: what is written for one step.
        """
        obj = self._walk.objects[step.number]
        if step.verb == MAKE:
            return obj
        if step.verb == FILL:
            return self._filling(step.number, obj)
        if step.verb == PART:
            return self._part(step, obj)
        if step.verb == KEEP:
            return calls.KEEP(obj, len(obj))
        return calls.TRY(*obj)

    def _filling(self, number: int, obj: Any) -> Call:
        """
        @return: what fills an object that is made.
        """
        row = self._walk.rows[number]
        head = row[0]
        if head == r.LIST:
            return calls.EXTEND(obj, *obj)
        if head == r.SET:
            return calls.ADD(obj, *obj)
        if head == r.DICT:
            return calls.PAIR(obj, *chain.from_iterable(obj.items()))
        shape = self._walk.shapes[head - r.FIRST]
        values = self._values(row)[shape.arguments :]
        return Call(
            self._fillers[head - r.FIRST], (obj, self._state(shape.names, values))
        )

    def _part(self, step: Step, obj: Any) -> Call:
        """
        @return: what gives a plain object some of its attributes.
        """
        row = self._walk.rows[step.number]
        index = row[0] - r.FIRST
        shape, values = self._walk.shapes[index], self._values(row)
        if not isinstance(shape.names, tuple):
            # Names stand at the even places, each before its value.
            pairs = [(values[at - 1], values[at]) for at in step.places if at % 2]
            return Call(self._fillers[index], (obj, dict(pairs)))
        filler: Any = self._parts.get((index, step.places))
        if filler is None:
            names = tuple(shape.names[at] for at in step.places)
            cls = self._walk.objects[shape.cls]
            maker = calls.MAKER(shape.adapter, cls, names, shape.versions)
            filler = self._parts[index, step.places] = calls.FILLER(maker)
        return Call(filler, (obj, tuple(values[at] for at in step.places)))


def _pickled(walk: Walk, environment: Environment) -> list[bytes]:
    """
    @return: a walk in pieces of bounded size.
    """
    stream = io.BytesIO()
    _Pickler(stream, walk, Order(walk, Planner(environment))).write()
    data = stream.getvalue()
    whole = _HEAD.pack(len(data), zlib.crc32(data)) + data
    return [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]


class PickleLoader(GraphLoader):
    """
    Makes one graph again.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._planner = Planner(environment)
        self._chunks: list[bytes] = []

    def _take(self, chunk: bytes) -> None:
        """
        Keep a piece: nothing of a pickle can be read before all of it is there.
        """
        self._chunks.append(chunk)

    def _make(self) -> list[Any]:
        """
        See L{GraphLoader}.
        """
        whole = b"".join(self._chunks)
        self._chunks = []
        if len(whole) < _HEAD.size:
            raise MalformedTable("a pickle ends too soon")
        length, checksum = _HEAD.unpack_from(whole)
        data = memoryview(whole)[_HEAD.size :]
        if len(data) != length or zlib.crc32(data) != checksum:
            raise MalformedTable("a pickle is not what was sent")
        return Arrival(data, self._planner, self._loading).run()

    def _forget(self) -> None:
        """
        See L{GraphLoader}.
        """
        self._chunks = []


@implementer(ISerializer)
class PickleSerializer:
    """
    Writes and reads graphs with L{pickle}.
    """

    name = "pickle"

    def dump(self, root: object, label: str, environment: Environment) -> IDump:
        """
        See L{ISerializer.dump}.
        """

        def notation(walk: Walk) -> Iterable[bytes]:
            return _pickled(walk, environment)

        return written(root, label, environment, notation)

    def survey(self, root: object, label: str, environment: Environment) -> Survey:
        """
        See L{ISerializer.survey}.
        """
        return surveyed(root, label, environment)

    def loader(self, environment: Environment) -> ILoader:
        """
        See L{ISerializer.loader}.
        """
        return PickleLoader(environment)
