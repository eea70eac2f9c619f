"""
Tests for L{migrate.adapters.webgzip}.
"""

from __future__ import annotations

import gzip
import random
import zlib
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.server import _GzipEncoder
from zope.interface.verify import verifyObject

from migrate.adapters.webgzip import Continued, GzipAdapter
from migrate.graph import PickleSerializer, TableSerializer
from migrate.interfaces import IAdapter
from tests.inprocess import Move


class Response:
    """
    What an encoder has to know of a request.
    """

    startedWriting = True


class GzipTests(SynchronousTestCase):
    """
    Compressed responses.
    """

    def setUp(self) -> None:
        """
        Choose data that is worth while to be compressed, and some that is not.
        """
        chance = random.Random(4)
        self.parts = [
            chance.randbytes(chance.randrange(9000)) + b"again and again " * 500
            for _ in range(12)
        ]

    def move(self, encoder: Any, serializer: Any = None) -> Any:
        """
        @return: what has become of an encoder.
        """
        move = Move(encoder, Clock(), Clock())
        if serializer is not None:
            move.serializer = serializer
        return move.go()

    def test_interface(self) -> None:
        """
        It is what it has to be.
        """
        verifyObject(IAdapter, GzipAdapter("x"))

    def test_moved(self) -> None:
        """
        What is compressed in several processes is one file, of the same
        content, however often it was moved and whatever came between.
        """
        for every in (1, 2, 5):
            for serializer in (TableSerializer(), PickleSerializer()):
                encoder: Any = _GzipEncoder(9, Response())
                got = b""
                for number, part in enumerate(self.parts):
                    if number % every == 0:
                        encoder = self.move(encoder, serializer)
                    got += encoder.encode(part)
                got += encoder.finish()
                self.assertEqual(gzip.decompress(got), b"".join(self.parts))

    def test_nothing(self) -> None:
        """
        It may be moved before it was given anything, twice in a row, and once
        more before its end.
        """
        encoder = self.move(self.move(_GzipEncoder(9, Response())))
        got = encoder.encode(b"hello")
        encoder = self.move(self.move(encoder))
        self.assertEqual(gzip.decompress(got + encoder.finish()), b"hello")

    def test_finished(self) -> None:
        """
        One that has ended moves as one that has ended.
        """
        encoder = _GzipEncoder(9, Response())
        encoder.finish()
        self.assertIsNone(self.move(encoder)._zlibCompressor)

    def test_rollBack(self) -> None:
        """
        The origin's own goes on as if nothing had been.
        """
        plain, moved = _GzipEncoder(9, Response()), _GzipEncoder(9, Response())
        for part in self.parts:
            move = Move(moved, Clock(), Clock())
            move.prepare()
            move.rollBack()
            self.assertEqual(moved.encode(part), plain.encode(part))
        self.assertEqual(moved.finish(), plain.finish())

    def test_compressor(self) -> None:
        """
        It can be flushed and copied as others can.
        """
        began = zlib.compressobj(wbits=16 + zlib.MAX_WBITS)
        got = began.compress(b"one ")
        encoder: Any = _GzipEncoder(9, Response())
        encoder._zlibCompressor = began
        made: Continued = self.move(encoder)._zlibCompressor
        got += made.compress(b"two ") + made.flush(zlib.Z_SYNC_FLUSH)
        reading = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        self.assertEqual(reading.decompress(got), b"one two ")
        twin = made.copy()
        for end in (made, twin):
            whole = got + end.compress(b"three") + end.flush()
            self.assertEqual(gzip.decompress(whole), b"one two three")
