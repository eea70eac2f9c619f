"""
The frames of the primary stream: what is written is read again in any
chunking, and nothing else is.
"""

from __future__ import annotations

import struct
import time
import typing
from collections.abc import Callable
from itertools import pairwise

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from migrate import messages, wire
from migrate.errors import CannotMigrate, LocalProtocolError, MalformedFrame, Refusal

_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_names = st.lists(st.tuples(_text, _text), max_size=5)
_bytes = st.binary(max_size=40)
_count = st.integers(0, (1 << 48) - 1)
_small = st.integers(0, (1 << 31) - 1)
_role = st.sampled_from(typing.get_args(messages.Role))

_seconds = st.floats(0, 1e9)
_labels = st.lists(_text, max_size=3)

EXAMPLES: dict[type[wire.Message], st.SearchStrategy[wire.Message]] = {
    wire.Hello: st.builds(
        wire.Hello,
        _count,
        _text,
        _text,
        st.dictionaries(_text, _text, max_size=3),
        _small,
        _role,
        _bytes,
        _text,
        _text,
    ),
    wire.LoginStart: st.builds(wire.LoginStart, _text, _text),
    wire.LoginChallenge: st.builds(wire.LoginChallenge, _text),
    wire.LoginProof: st.builds(wire.LoginProof, _text),
    wire.LoginAccepted: st.builds(wire.LoginAccepted, _text),
    wire.Welcome: st.builds(wire.Welcome, st.booleans(), _bytes, _bytes),
    wire.Attach: st.builds(wire.Attach, _bytes),
    wire.Attached: st.builds(wire.Attached),
    wire.List: st.builds(wire.List),
    wire.Services: st.builds(
        wire.Services,
        st.lists(st.builds(wire.ServiceStatus, _text, _text), max_size=3),
    ),
    wire.Claim: st.builds(wire.Claim, _text, _text, _seconds, _labels, st.booleans()),
    wire.Check: st.builds(wire.Check, _text, _text, _labels),
    wire.Waiting: st.builds(wire.Waiting, _text),
    wire.NamesPart: st.builds(wire.NamesPart, _names),
    wire.Manifest: st.builds(
        wire.Manifest, _text, _names, _count, _count, _labels, _count
    ),
    wire.Try: st.builds(wire.Try),
    wire.Rehearsed: st.builds(wire.Rehearsed, _seconds, _seconds),
    wire.Report: st.builds(
        wire.Report,
        st.dictionaries(_text, _count, max_size=3),
        st.dictionaries(_text, _seconds, max_size=3),
    ),
    wire.Question: st.builds(
        wire.Question, _text, st.dictionaries(_text, _count, max_size=3)
    ),
    wire.Answer: st.builds(wire.Answer, st.dictionaries(_text, _count, max_size=3)),
    wire.Ready: st.builds(wire.Ready),
    wire.Refused: st.builds(wire.Refused, _text, _text),
    wire.Records: st.builds(wire.Records, st.binary(max_size=400)),
    wire.End: st.builds(wire.End, _count, _count),
    wire.Prepared: st.builds(wire.Prepared),
    wire.Commit: st.builds(wire.Commit),
    wire.Rollback: st.builds(wire.Rollback, _text),
    wire.Adopted: st.builds(wire.Adopted),
    wire.Failed: st.builds(wire.Failed, _text, _text),
}

anything = st.one_of(*EXAMPLES.values())
ordinary = st.one_of(
    *(
        example
        for cls, example in EXAMPLES.items()
        if cls not in (wire.LoginProof, wire.LoginAccepted)
    )
)
KEY = b"k" * 32


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """
    @return: C{data} in pieces, cut at C{places} modulo its length.
    """
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


def framed(payload: bytes) -> bytes:
    """
    @return: any payload as a frame.
    """
    return struct.pack("!I", len(payload)) + payload


class MessageTests(SynchronousTestCase):
    """
    Every message.
    """

    def test_examplesAreComplete(self) -> None:
        """
        No message can be added without being tested.
        """
        self.assertEqual(set(EXAMPLES), set(wire.MESSAGES))
        declared = {
            value
            for value in vars(messages).values()
            if isinstance(value, type)
            and issubclass(value, wire.Message)
            and value is not wire.Message
            and not value.__name__.startswith("_")
        }
        self.assertEqual(declared, set(wire.MESSAGES))

    @given(st.data())
    @settings(max_examples=30, deadline=None)
    def test_roundTrip(self, data: st.DataObject) -> None:
        """
        Each message is read as it was written.
        """
        for example in EXAMPLES.values():
            message = data.draw(example)
            self.assertEqual(wire.decode(wire.encode(message)), message)

    @given(st.binary(max_size=200))
    def test_noise(self, payload: bytes) -> None:
        """
        Bytes are a message or malformed: no other error comes out.
        """
        try:
            message = wire.decode(payload)
        except MalformedFrame:
            return
        self.assertIsInstance(message, wire.Message)

    @given(anything, st.integers(0), st.integers(0, 255))
    def test_damage(self, message: wire.Message, place: int, value: int) -> None:
        """
        So are the bytes of a message of which one was changed.
        """
        payload = bytearray(wire.encode(message))
        payload[place % len(payload)] = value
        try:
            changed = wire.decode(bytes(payload))
        except MalformedFrame:
            return
        self.assertIsInstance(changed, wire.Message)

    def test_types(self) -> None:
        """
        A field of another type, out of its range or too long, a missing one,
        one too many and an unknown message are malformed.
        """
        claim = {"type": "Claim", "service": "s", "serializer": "jelly"}
        self.assertEqual(
            wire.decode(msgspec.msgpack.encode(claim)), wire.Claim("s", "jelly")
        )
        for wrong in (
            claim | {"service": 1},
            claim | {"service": "s" * 4097},
            claim | {"more": 1},
            claim | {"type": "Unknown"},
            {"type": "Claim", "service": "s"},
            {"type": "End", "descriptors": -1, "chunks": 0},
            {"type": "End", "descriptors": 1 << 48, "chunks": 0},
            {"type": "Manifest", "service": "s", "names": [["a"]]},
            {"type": "Services", "services": [{"name": "a", "state": "b", "c": 1}]},
            [],
            None,
        ):
            payload = msgspec.msgpack.encode(wrong)
            self.assertRaises(MalformedFrame, wire.decode, payload)

    def test_depth(self) -> None:
        """
        Nesting without end is malformed, not the end of the process.
        """
        payload = b"\x82\xa4type\xa5Hello\xa1z" + b"\x91" * 60000
        self.assertRaises(MalformedFrame, wire.decode, payload)

    def test_errorIsShort(self) -> None:
        """
        What a hostile peer sent does not fill the log.
        """
        payload = wire.encode(wire.Claim("s", "j")).replace(b"Claim", b"Cla\nm")
        error = self.assertRaises(MalformedFrame, wire.decode, payload)
        self.assertNotIn("\n", str(error))
        offer = {"type": "Claim" + "x" * 60000}
        error = self.assertRaises(
            MalformedFrame, wire.decode, msgspec.msgpack.encode(offer)
        )
        self.assertLess(len(str(error)), 300)

    def test_helloOfTheFuture(self) -> None:
        """
        A greeting may have fields that this version does not know.
        """
        hello = wire.Hello(99, "4.0", "30.1", {}, 1, "origin", b"n")
        fields = msgspec.msgpack.decode(wire.encode(hello)) | {"colour": "green"}
        self.assertEqual(wire.decode(msgspec.msgpack.encode(fields)), hello)

    def test_tooLongToSend(self) -> None:
        """
        What no peer takes is not sent.
        """
        records = wire.Records(bytes(wire.MAX_FRAME))
        self.assertRaises(LocalProtocolError, wire.encode, records)

    def test_textThatIsNone(self) -> None:
        """
        A name that is no Unicode is said in an error of this package.
        """
        claim = wire.Claim("\udc80", "jelly")
        error = self.assertRaises(LocalProtocolError, wire.encode, claim)
        self.assertIn("\\udc80", str(error))


class HelperTests(SynchronousTestCase):
    """
    What makes messages out of other things.
    """

    def test_reasons(self) -> None:
        """
        An error's text reaches the peer, whatever it holds.
        """
        error = CannotMigrate([Refusal("a.\udc80b", "is a lock")])
        for cls in (wire.Refused, wire.Failed):
            message = cls("CannotMigrate", wire.explain(str(error)))
            self.assertEqual(message.reason, "a.\\udc80b: is a lock")
            self.assertEqual(wire.decode(wire.encode(message)), message)

    @given(st.integers(0, 100))
    @settings(max_examples=10, deadline=None)
    def test_longReason(self, more: int) -> None:
        """
        A reason that is too long keeps its beginning and its end.
        """
        text = "begin" + "\U0001f40d" * (wire.MAX_REASON - 10 + more) + "final"
        error = CannotMigrate([Refusal("p", text)])
        message = wire.Refused("CannotMigrate", wire.explain(str(error)))
        self.assertLessEqual(len(message.reason), wire.MAX_REASON)
        self.assertTrue(message.reason.startswith("p: begin"))
        self.assertTrue(message.reason.endswith("final"))
        self.assertEqual(wire.decode(wire.encode(message)), message)

    @given(st.lists(st.tuples(_text, st.integers(1, 40000)), max_size=40))
    @settings(max_examples=20, deadline=None)
    def test_manifest(self, shape: list[tuple[str, int]]) -> None:
        """
        All names arrive in their order, in frames that are taken.
        """
        names = [(module, "é" * length) for module, length in shape]
        *parts, last = wire.manifest("s", iter(names), 3, 4, ["r"], 5)
        self.assertIsInstance(last, wire.Manifest)
        received: list[wire.Name] = []
        for part in parts:
            self.assertIsInstance(part, wire.NamesPart)
        for message in [*parts, last]:
            payload = wire.encode(message)
            self.assertLess(len(payload), 2 * wire.NAMES_BYTES)
            received += typing.cast(wire.Manifest, wire.decode(payload)).names
        self.assertEqual(received, names)
        self.assertEqual(last, wire.Manifest("s", last.names, 3, 4, ["r"], 5))

    def test_tooManyNames(self) -> None:
        """
        A manifest that no peer takes is not sent.
        """
        names = (("m", "") for _ in range(wire.MAX_NAMES + 1))
        parts = wire.manifest("s", names, 0, 0)
        self.assertRaises(LocalProtocolError, list, parts)

    def test_slices(self) -> None:
        """
        A piece of any size is cut so that every frame takes it.
        """
        chunk = bytes(range(256)) * (wire.CHUNK // 100)
        parts = list(wire.slices(chunk))
        self.assertEqual(b"".join(part.data for part in parts), chunk)
        self.assertEqual(len(parts), 3)
        self.assertTrue(all(len(part.data) <= wire.CHUNK for part in parts))
        self.assertEqual(list(wire.slices(b"")), [])


class FrameTests(SynchronousTestCase):
    """
    Frames without a key.
    """

    @given(st.lists(ordinary, max_size=8), st.lists(st.integers(0), max_size=12))
    @settings(deadline=None)
    def test_anyChunking(
        self, conversation: list[wire.Message], places: list[int]
    ) -> None:
        """
        However the stream is cut, the same messages come out of it.
        """
        writer = wire.FrameWriter()
        stream = b"".join(map(writer.frame, conversation))
        reader = wire.FrameReader()
        received: list[wire.Message] = []
        for piece in cut(stream, places):
            received += reader.feed(piece)
        self.assertEqual(received, conversation)
        self.assertFalse(reader.partial)
        self.assertEqual(reader.greeting, writer.greeting)

    def test_byteByByte(self) -> None:
        """
        A message comes out with its last byte, and not before.
        """
        frame = wire.FrameWriter().frame(wire.Claim("s", "jelly"))
        reader = wire.FrameReader()
        for byte in frame[:-1]:
            self.assertEqual(reader.feed(bytes([byte])), [])
            self.assertTrue(reader.partial)
        self.assertEqual(reader.feed(frame[-1:]), [wire.Claim("s", "jelly")])
        self.assertFalse(reader.partial)

    def test_hostileLengths(self) -> None:
        """
        A length out of bounds is refused as soon as it is read.
        """
        for length in (0, wire.MAX_GREETING + 1, wire.MAX_FRAME, 0xFFFFFFFF):
            reader = wire.FrameReader()
            self.assertRaises(MalformedFrame, reader.feed, struct.pack("!I", length))

    def test_limit(self) -> None:
        """
        A trusted peer may send longer frames, up to the bound.
        """
        writer = wire.FrameWriter()
        empty = len(writer.frame(wire.Records(b"")))
        largest = wire.Records(bytes(wire.MAX_FRAME - empty - 3 + 4))
        frame = writer.frame(largest)
        self.assertEqual(len(frame), wire.MAX_FRAME + 4)
        self.assertRaises(MalformedFrame, wire.FrameReader().feed, frame)
        reader = wire.FrameReader()
        reader.limit = wire.MAX_FRAME
        self.assertEqual(reader.feed(frame), [largest])
        over = struct.pack("!I", wire.MAX_FRAME + 1)
        self.assertRaises(MalformedFrame, reader.feed, over)

    def test_brokenStaysBroken(self) -> None:
        """
        After a malformed frame nothing is read any more, not even what would
        be well-formed by itself.
        """
        writer = wire.FrameWriter()
        reader = wire.FrameReader()
        bad = writer.frame(wire.List()) + framed(b"nonsense")
        self.assertRaises(MalformedFrame, reader.feed, bad)
        self.assertFalse(reader.partial)
        again = self.assertRaises(MalformedFrame, reader.feed, b"")
        self.assertIn("no message", str(again))
        self.assertRaises(MalformedFrame, reader.feed, writer.frame(wire.List()))

    def spent(self, action: Callable[[], object]) -> float:
        """
        @return: seconds of processor time that C{action} took.
        """
        before = time.process_time()
        action()
        return time.process_time() - before

    def test_manyFramesAtOnce(self) -> None:
        """
        Frames are not moved once for each frame before them: 1.6 MB of small
        ones in one piece take a fraction of a second, and would take minutes.
        """
        stream = wire.FrameWriter().frame(wire.List()) * 100_000
        reader = wire.FrameReader()
        self.assertLess(self.spent(lambda: reader.feed(stream)), 5)

    def test_manyPieces(self) -> None:
        """
        A frame is not copied once for each of its pieces: 4 MB in pieces of
        32 bytes take a fraction of a second, and would take minutes.
        """
        message = wire.Records(bytes(wire.MAX_FRAME - 100))
        frame = wire.FrameWriter().frame(message)
        pieces = [frame[start : start + 32] for start in range(0, len(frame), 32)]
        reader = wire.FrameReader(limit=wire.MAX_FRAME)
        received: list[wire.Message] = []

        def feed() -> None:
            for piece in pieces:
                received.extend(reader.feed(piece))

        self.assertLess(self.spent(feed), 5)
        self.assertEqual(received, [message])


class AuthenticatedTests(SynchronousTestCase):
    """
    Frames with a key.
    """

    conversation = (wire.List(), wire.Claim("s", "j"), wire.Ready(), wire.Ready())

    def frames(self, key: bytes = KEY) -> list[bytes]:
        """
        @return: the conversation, framed.
        """
        writer = wire.FrameWriter(key)
        return [writer.frame(message) for message in self.conversation]

    @given(st.lists(anything, max_size=8), st.lists(st.integers(0), max_size=12))
    @settings(deadline=None)
    def test_anyChunking(
        self, conversation: list[wire.Message], places: list[int]
    ) -> None:
        """
        However the stream is cut, the same messages come out of it.
        """
        writer, reader = wire.FrameWriter(KEY), wire.FrameReader(KEY)
        stream = b"".join(map(writer.frame, conversation))
        received: list[wire.Message] = []
        for piece in cut(stream, places):
            received += reader.feed(piece)
        self.assertEqual(received, conversation)

    @given(st.integers(0), st.integers(1, 255))
    def test_tampered(self, place: int, change: int) -> None:
        """
        No bit of the stream can be changed without the frame that it is in,
        and all after it, being refused.
        """
        frames = self.frames()
        stream = bytearray(b"".join(frames))
        place %= len(stream)
        stream[place] ^= change
        reader = wire.FrameReader(KEY)
        received: list[wire.Message] = []
        try:
            for start in range(len(stream)):
                received += reader.feed(stream[start : start + 1])
        except MalformedFrame:
            pass
        else:
            # A length that was made longer waits for more than there is.
            self.assertTrue(reader.partial)
        before = 0
        while sum(map(len, frames[: before + 1])) <= place:
            before += 1
        self.assertEqual(received, list(self.conversation[:before]))

    def refuse(self, frames: list[bytes], good: int) -> None:
        """
        Check that only the first C{good} frames are taken.
        """
        reader = wire.FrameReader(KEY)
        for frame, message in zip(frames[:good], self.conversation, strict=False):
            self.assertEqual(reader.feed(frame), [message])
        self.assertRaises(MalformedFrame, reader.feed, frames[good])

    def test_replayed(self) -> None:
        """
        A frame cannot be sent twice.
        """
        one, two, *_ = self.frames()
        self.refuse([one, two, two], 2)

    def test_leftOut(self) -> None:
        """
        A frame cannot be left out, though the next one be like it.
        """
        one, two, _, four = self.frames()
        self.refuse([one, two, four], 2)

    def test_reordered(self) -> None:
        """
        Frames cannot change places.
        """
        one, two, *_ = self.frames()
        self.refuse([two, one], 0)

    def test_injected(self) -> None:
        """
        A frame without the key, or with another's, is not taken.
        """
        self.refuse([wire.FrameWriter().frame(wire.List())], 0)
        self.refuse(self.frames(b"x" * 32), 0)
        self.refuse([framed(wire.encode(wire.List()) + bytes(32))], 0)

    def test_tooShort(self) -> None:
        """
        A frame with an authenticator and nothing else is refused at once.
        """
        reader = wire.FrameReader(KEY)
        self.assertRaises(MalformedFrame, reader.feed, struct.pack("!I", 32))

    def test_limitIsOfTheMessage(self) -> None:
        """
        The authenticator does not count for the limit.
        """
        message = wire.Records(bytes(70))
        size = len(wire.encode(message))
        frame = wire.FrameWriter(KEY).frame(message)
        exact = wire.FrameReader(KEY, limit=size)
        self.assertEqual(exact.feed(frame), [message])
        less = wire.FrameReader(KEY, limit=size - 1)
        self.assertRaises(MalformedFrame, less.feed, frame)


class SecureTests(SynchronousTestCase):
    """
    The change from frames without a key to frames with one.
    """

    def login(self, *more: bytes) -> tuple[wire.FrameReader, list[wire.Message]]:
        """
        @return: a reader that was fed the end of a login and what comes behind
            it in one piece, and the messages that it gave.
        """
        stream = wire.FrameWriter().frame(wire.LoginAccepted("v=x")) + b"".join(more)
        reader = wire.FrameReader()
        return reader, reader.feed(stream)

    def test_heldBack(self) -> None:
        """
        What comes right behind the login is read with the key, though it came
        in the same piece.
        """
        writer = wire.FrameWriter()
        stream = writer.frame(wire.LoginAccepted("v=x"))
        writer.secure(KEY)
        stream += writer.frame(wire.Ready()) + writer.frame(wire.List())
        reader = wire.FrameReader()
        self.assertEqual(reader.feed(stream[:-3]), [wire.LoginAccepted("v=x")])
        self.assertEqual(reader.secure(KEY), [wire.Ready()])
        self.assertEqual(reader.feed(stream[-3:]), [wire.List()])

    def test_injectedBehindTheLogin(self) -> None:
        """
        A frame without a key that was put behind the login is refused, not
        read before the key is set.
        """
        reader, received = self.login(wire.FrameWriter().frame(wire.Ready()))
        self.assertEqual(received, [wire.LoginAccepted("v=x")])
        self.assertEqual(reader.feed(b""), [])
        self.assertRaises(MalformedFrame, reader.secure, KEY)

    def test_tooMuchHeld(self) -> None:
        """
        What can be held back is bounded.
        """
        reader, _ = self.login(bytes(wire.MAX_GREETING))
        self.assertRaises(MalformedFrame, reader.feed, b"x")

    def test_proof(self) -> None:
        """
        The recipient's side of a login has the same boundary.
        """
        frame = wire.FrameWriter().frame
        reader = wire.FrameReader()
        stream = frame(wire.LoginProof("p")) + frame(wire.List())
        self.assertEqual(reader.feed(stream), [wire.LoginProof("p")])

    def test_once(self) -> None:
        """
        A key cannot be changed.
        """
        reader, writer = wire.FrameReader(), wire.FrameWriter()
        self.assertEqual(reader.secure(KEY), [])
        writer.secure(KEY)
        self.assertRaises(LocalProtocolError, reader.secure, b"y" * 32)
        self.assertRaises(LocalProtocolError, writer.secure, b"y" * 32)

    def test_keyIsNotShown(self) -> None:
        """
        No key is in a representation.
        """
        for secret in (wire.FrameReader(KEY), wire.FrameWriter(KEY)):
            self.assertNotIn("kkkk", repr(secret))

    def test_greeting(self) -> None:
        """
        Both sides have the same digest of the first message, and of no other,
        with the fields that only one of them knows.
        """
        fields = msgspec.msgpack.decode(
            wire.encode(wire.Hello(1, "3", "26", {}, 1, "origin", b"n"))
        )
        plain, odd = (wire.FrameReader() for _ in range(2))
        self.assertIsNone(plain.greeting)
        plain.feed(framed(msgspec.msgpack.encode(fields)))
        odd.feed(framed(msgspec.msgpack.encode(fields | {"colour": "green"})))
        self.assertNotEqual(plain.greeting, odd.greeting)
        kept = plain.greeting
        plain.feed(wire.FrameWriter().frame(wire.List()))
        self.assertEqual(plain.greeting, kept)
