"""
The compiled transcoder between the table's notation and pickles: what it does is what
L{pickle} would do, and what it does not know it leaves to it.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from migrate.errors import MalformedTable
from migrate.graph import PickleSerializer, pickling
from migrate.graph import records as r
from migrate.graph.compiled import native
from tests.graphs import Thing, environment

_ATOMS = (
    st.none()
    | st.booleans()
    | st.integers(r.LOWEST, r.HIGHEST)
    | st.sampled_from([0, 127, 128, 255, 256, 65535, 65536, 1 << 31, r.HIGHEST])
    | st.sampled_from([-1, -32, -33, -128, -129, -32769, -(1 << 31) - 1, r.LOWEST])
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
)

#: Of every length at which one of the notations changes.
LENGTHS = (0, 1, 15, 16, 31, 32, 255, 256, 1001, 65535, 65536)

FEW = settings(
    max_examples=100,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)

VALUES = st.lists(st.recursive(_ATOMS, lambda inner: st.lists(inner, max_size=20)))


def otherwise(value: Any, protocol: int, fast: bool) -> bytes:
    """
    @return: a pickle by the standard library.
    """
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream, protocol)
    pickler.fast = fast
    pickler.dump(value)
    return stream.getvalue()


def depth(value: Any) -> int:
    """
    @return: how deep lists are nested.
    """
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


class TranscoderTests(SynchronousTestCase):
    """
    From chunks to pickles, and back.
    """

    def setUp(self) -> None:
        if native is None:
            raise SkipTest("nothing is compiled")

    @FEW
    @given(VALUES)
    def test_bothWays(self, value: list[Any]) -> None:
        """
        The pickle is of what the chunk holds, and so is the chunk that it becomes.
        """
        data = native.pickled(r.packed(value))
        if data is None:
            self.assertGreater(depth(value), 8)
            return
        self.assertEqual(pickle.loads(data), value)
        self.assertEqual(_decoded(native.unpickled(data)), value)

    def test_lengths(self) -> None:
        for length in LENGTHS:
            value = [
                "x" * length,
                b"x" * length,
                [1] * length,
                [[]] * length,
                "é" * length,
            ]
            data = native.pickled(r.packed(value))
            self.assertEqual(pickle.loads(data), value)
            self.assertEqual(_decoded(native.unpickled(data)), value)

    @FEW
    @given(VALUES, st.integers(2, pickle.HIGHEST_PROTOCOL), st.booleans())
    def test_otherPicklers(self, value: list[Any], protocol: int, fast: bool) -> None:
        """
        What plain Python writes is read where it has no references, and otherwise
        left to plain Python.
        """
        data = otherwise(value, protocol, fast)
        chunk = native.unpickled(data)
        if chunk is None:
            self.assertFalse(fast and protocol == pickle.HIGHEST_PROTOCOL)
        else:
            self.assertEqual(_decoded(chunk), value)

    @FEW
    @given(VALUES, st.data())
    def test_damaged(self, value: list[Any], draw: Any) -> None:
        """
        A pickle with a few other bytes is read as plain Python reads it, or left to it.
        """
        data = bytearray(otherwise(value, pickle.HIGHEST_PROTOCOL, True))
        for _ in range(draw.draw(st.integers(1, 3))):
            at = draw.draw(st.integers(0, len(data) - 1))
            data[at] = draw.draw(st.integers(0, 255) | st.sampled_from(b"](aeKMN\x94"))
        chunk = native.unpickled(bytes(data))
        if chunk is None:
            return
        try:
            found = _decoded(chunk)
        except MalformedTable:
            return
        self.assertEqual(repr(found), repr(pickle.loads(data)))

    def test_leftToPlainCode(self) -> None:
        """
        References, tuples, dictionaries, names, and what is no whole pickle.
        """
        twice = ["twice"]
        whole = otherwise([1], 5, True)
        for data in (
            *(pickle.dumps(value) for value in ([twice, twice], (1,), {}, len, Thing)),
            *(b"", b".", b"a.", b"](.", b"N", whole[:-1], whole + b".", b"]]."),
            *(b"Na.", b"e.", b"](N.", b"NNa.", b"N(e.", b"\x80\x06].", b"K", b"X\xff."),
            b"\x80\x05\x95" + b"\xff" * 8 + b"].",
            b"\x8a\x09" + b"\x01" * 9 + b".",
        ):
            self.assertIdentical(native.unpickled(data), None, data)

    def test_itemByItem(self) -> None:
        """
        A list that got few items and then more is left to plain code, which can.
        """
        data = b"\x80\x02]K\x01aK\x02a."
        self.assertIdentical(native.unpickled(data), None)
        self.assertEqual(r.decoded(pickling._chunkOf(b"\x80\x02]](K\x05ea.")), [[5]])

    def test_inBatches(self) -> None:
        """
        Long lists are extended a thousand items at a time by other picklers.
        """
        value = [list(range(2500))]
        data = otherwise(value, 5, True)
        appends = [op.name for op, _, _ in pickletools.genops(data)].count("APPENDS")
        self.assertEqual(appends, 3)
        self.assertEqual(_decoded(native.unpickled(data)), value)

    def test_noBytes(self) -> None:
        for function in (native.pickled, native.unpickled):
            self.assertRaises(TypeError, function, "text")

    def test_noChunk(self) -> None:
        """
        What is cut short, or is something that no record has.
        """
        for chunk in (b"", b"\x92\x01", b"\xa5text", b"\x91\xc1"):
            self.assertRaises(MalformedTable, native.pickled, chunk)
        for chunk in (b"\x01\x01", b"\x91" * 9 + b"\xc0", b"\xcf" + b"\xff" * 8):
            self.assertIdentical(native.pickled(chunk), None)

    def test_eitherWay(self) -> None:
        """
        One side has nothing compiled.
        """
        graph = [
            Thing("x" * 300),
            1 << 40,
            -5,
            {"k": (None, True, 1.5)},
            "\ud800",
            b"b",
        ]
        process = environment()
        chunks = [list(_dump(graph, process))]
        self.patch(pickling, "native", None)
        chunks.append(list(_dump(graph, process)))
        for plain in (None, native):
            self.patch(pickling, "native", plain)
            for each in chunks:
                loader = PickleSerializer().loader(environment())
                for chunk in each:
                    loader.feed(chunk)
                arrived = loader.finish(())
                self.assertEqual(arrived[1:], graph[1:])
                self.assertEqual(arrived[0].tag, "x" * 300)


def _dump(graph: Any, process: Any) -> Any:
    return PickleSerializer().dump(graph, "r", process).chunks


def _decoded(chunk: bytes) -> Any:
    """
    @return: what a chunk holds, whatever that is.
    @raise MalformedTable: it holds nothing.
    """
    try:
        return msgspec.msgpack.decode(chunk)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise MalformedTable(str(e)) from e
