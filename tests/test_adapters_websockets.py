"""
Tests for L{migrate.adapters.websockets}.
"""

from __future__ import annotations

import gc
import os
import zlib
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from zope.interface.verify import verifyObject

try:
    from autobahn.websocket import compress_deflate, utf8validator, xormasker
except ImportError:
    raise SkipTest("no autobahn here") from None

from migrate.adapters.websockets import (
    DeflateAdapter,
    MaskerAdapter,
    ValidatorAdapter,
)
from migrate.errors import CannotMigrate, LoadError, NotMovable
from migrate.graph import TableSerializer
from migrate.graph.pickling import PickleSerializer
from migrate.interfaces import IAdapter
from tests.adapting import Capture, Loading
from tests.inprocess import Move

Utf8Validator: Any = utf8validator.Utf8Validator
makeMasker: Any = xormasker.create_xor_masker


def moved(obj: Any, serializer: Any = None) -> Any:
    """
    @return: the same in another place.
    """
    move = Move(obj, Clock(), Clock(), serializer=serializer or TableSerializer())
    return move.go()


class Compression(compress_deflate.PerMessageDeflate):
    """
    One end of a compressed connection.
    """

    def __init__(self, isServer: bool, forgets: bool = False) -> None:
        super().__init__(isServer, forgets, forgets, 0, 0, None)

    def send(self, *parts: bytes) -> list[bytes]:
        """
        @return: the pieces of a message.
        """
        self.start_compress_message()
        pieces = [self.compress_message_data(part) for part in parts]
        return [*pieces, self.end_compress_message()]

    def receive(self, pieces: list[bytes]) -> bytes:
        """
        @return: a message.
        """
        self.start_decompress_message()
        message = b"".join(map(self.decompress_message_data, pieces))
        self.end_decompress_message()
        return message


class WebSocketTests(SynchronousTestCase):
    """
    What Autobahn keeps in C
    """

    def test_interfaces(self) -> None:
        """
        They are what they have to be.
        """
        for adapter in (ValidatorAdapter(), MaskerAdapter(), DeflateAdapter("x")):
            verifyObject(IAdapter, adapter)

    def test_validator(self) -> None:
        """
        It goes on in every state: what may come after it is the same.
        """
        characters = "\xe9\u0800\ud000\ue000\U00010000\U00040000\U0010f000"
        leads = {c.encode()[:n] for c in characters for n in range(len(c.encode()))}
        ends = [b"x", b"\x80", b"\xbf", b"\x80\x80", b"\xbf\xbf", b"\x8f\x80\x80"]
        for serializer in (TableSerializer(), PickleSerializer()):
            for lead in leads:
                for end in ends:
                    validator = Utf8Validator()
                    validator.validate(b"before")
                    validator.validate(lead)
                    made = moved(validator, serializer)
                    self.assertEqual(made.validate(end), validator.validate(end))

    def test_wrong(self) -> None:
        """
        What was no text is none afterwards.
        """
        validator = Utf8Validator()
        validator.validate(b"one\xff")
        made = moved(validator)
        self.assertEqual(made.validate(b"more"), validator.validate(b"more"))
        for each in (made, validator):
            each.reset()
            self.assertEqual(each.validate(b"more"), (True, True, 4, 4))

    def test_hostile(self) -> None:
        """
        A state that there is none of is refused, and a count that is beyond
        everything takes no time.
        """
        adapter = ValidatorAdapter()
        loading = Loading(Clock())
        made = adapter.make(object, (0, 1 << 62), loading)
        self.assertEqual(made.validate(b"x")[3], (1 << 62) + 1)
        self.assertRaises(KeyError, adapter.make, object, (9, 0), loading)

    def test_masker(self) -> None:
        """
        It goes on where it was, the short kind and the long kind.
        """
        for length in (5, 500):
            for place in range(6):
                masker = makeMasker(b"\x01\x20\x03\x40", length)
                masker.process(bytes(place))
                made = moved(masker)
                self.assertIs(type(made), type(masker))
                self.assertEqual(made.pointer(), place)
                data = os.urandom(200)
                self.assertEqual(made.process(data), masker.process(data))

    def test_unmasked(self) -> None:
        """
        One that masks nothing counts on.
        """
        masker = xormasker.XorMaskerNull()
        masker.process(bytes(7))
        self.assertEqual(moved(masker).pointer(), 7)

    def test_untouched(self) -> None:
        """
        To be described changes nothing.
        """
        validator, masker = Utf8Validator(), makeMasker(b"mask", 5)
        validator.validate(b"abc\xe2")
        masker.process(b"abc")
        for obj, adapter in (
            (validator, ValidatorAdapter()),
            (masker, MaskerAdapter()),
        ):
            before = adapter.describe(obj, Capture(Clock()))
            self.assertEqual(adapter.describe(obj, Capture(Clock())), before)
        self.assertEqual(validator.validate(b"\x82\xac"), (True, True, 2, 6))

    def test_hidden(self) -> None:
        """
        What keeps its state in another way is refused.
        """

        class Other:
            """
            Tells nothing.
            """

            def pointer(self) -> int:
                """
                Where it is.
                """
                return 0

        for adapter in (ValidatorAdapter(), MaskerAdapter()):
            error = self.assertRaises(
                NotMovable, adapter.describe, Other(), Capture(Clock())
            )
            self.assertIn("AUTOBAHN_USE_NVX=0", str(error))


class CompressionTests(SynchronousTestCase):
    """
    C{PerMessageDeflate}
    """

    def test_continued(self) -> None:
        """
        Both ends go on after moves, whether they remember earlier messages.
        """
        text = os.urandom(500) * 20
        for forgets in (False, True):
            server, client = Compression(True, forgets), Compression(False, forgets)
            for message in (text, b"", text[:9000], os.urandom(40_000), text):
                self.assertEqual(server.receive(client.send(message)), message)
                self.assertEqual(client.receive(server.send(message)), message)
                server, client = moved(server), moved(client)

    def test_unused(self) -> None:
        """
        One that was never used is that afterwards.
        """
        made = moved(Compression(True))
        self.assertIsNone(made._compressor)
        self.assertIsNone(made._decompressor)

    def test_incoming(self) -> None:
        """
        A message that has come in part is waited for.
        """
        server, client = Compression(True), Compression(False)
        (first, second) = client.send(os.urandom(4000))
        server.start_decompress_message()
        data = first + second
        server.decompress_message_data(data[:1000])
        over = self.refused(server)
        self.assertFalse(over())
        server.decompress_message_data(data[1000:])
        server.end_decompress_message()
        self.assertTrue(over())
        moved(server)

    def test_outgoing(self) -> None:
        """
        So is one that has been sent in part.
        """
        server = Compression(True)
        server.start_compress_message()
        server.compress_message_data(b"something")
        over = self.refused(server)
        self.assertFalse(over())
        server.end_compress_message()
        self.assertTrue(over())
        moved(server)

    def test_gone(self) -> None:
        """
        A connection that is no more is not waited for, nor kept.
        """
        server = Compression(True)
        server.start_compress_message()
        server.compress_message_data(b"something")
        over = self.refused(server)
        del server
        gc.collect()
        self.assertTrue(over())

    def test_misled(self) -> None:
        """
        What a window is of has to be a window.
        """
        server, client = Compression(True), Compression(False)
        server.receive(client.send(b"text"))
        adapter = DeflateAdapter("x")
        description = adapter.describe(server, Capture(Clock()))
        state = {**(description.state or {}), "@incoming": 5}
        self.assertRaises(
            (TypeError, LoadError, zlib.error),
            adapter.fill,
            Compression.__new__(Compression),
            state,
            Loading(Clock()),
        )

    def refused(self, compression: Any) -> Any:
        """
        @return: what tells whether the reason is over.
        """
        error = self.assertRaises(CannotMigrate, moved, compression)
        self.assertIn("a compressed message of which a part", str(error))
        return error.refusals[0].over
