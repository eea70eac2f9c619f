"""
Tests for L{migrate.adapters.deflate}.
"""

from __future__ import annotations

import contextlib
import random
import zlib
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from migrate.adapters import deflate

#: What compresses well, and what does not.
WORDS = b" ".join(b"bottle %d" % number for number in range(9000))
NOISE = random.Random(1951).randbytes(60_000)


def streams(windowBits: int = 15) -> tuple[Any, Any]:
    """
    @return: both ends of a compression.
    """
    return (
        zlib.compressobj(wbits=-windowBits),
        zlib.decompressobj(-windowBits),
    )


def send(compressor: Any, text: bytes) -> bytes:
    """
    @return: what a compressor makes of C{text} for whom it is flushed.
    """
    compressed: bytes = compressor.compress(text) + compressor.flush(zlib.Z_SYNC_FLUSH)
    return compressed


class WindowTests(SynchronousTestCase):
    """
    What a decompressor remembers
    """

    def test_lengths(self) -> None:
        """
        It is the end of the text, to the byte, however long that is.
        """
        for source in (WORDS, NOISE):
            for length in (0, 1, 2, 257, 258, 259, 4097, 32767, 32768, 50_000):
                compressor, decompressor = streams()
                decompressor.decompress(send(compressor, source[:length]))
                self.assertTrue(deflate.isBetweenBlocks(decompressor))
                window = deflate.windowOf(decompressor)
                self.assertEqual(window, source[:length][-deflate.FARTHEST :])

    def test_small(self) -> None:
        """
        A small window is no larger than it may be.
        """
        compressor, decompressor = streams(9)
        decompressor.decompress(send(compressor, WORDS))
        self.assertEqual(deflate.windowOf(decompressor), WORDS[-512:])

    def test_untouched(self) -> None:
        """
        To be asked changes nothing.
        """
        compressor, decompressor = streams()
        decompressor.decompress(send(compressor, WORDS))
        deflate.isBetweenBlocks(decompressor)
        deflate.windowOf(decompressor)
        again = decompressor.decompress(send(compressor, WORDS[-30_000:]))
        self.assertEqual(again, WORDS[-30_000:])

    def test_continued(self) -> None:
        """
        Another decompressor with the window goes on, again and again.
        """
        compressor, decompressor = streams()
        for text in (b"", WORDS, NOISE, NOISE[-20_000:], WORDS[-9_000:], b"bottle"):
            self.assertEqual(decompressor.decompress(send(compressor, text)), text)
            window = deflate.windowOf(decompressor)
            decompressor = deflate.decompressorWith(window, 15)

    def test_between(self) -> None:
        """
        There is one place where it has nothing but a window: where the other
        end has flushed.
        """
        compressor, decompressor = streams()
        first = send(compressor, WORDS[:2000])
        data = first + send(compressor, WORDS[2000:9000])
        found = []
        for place in range(len(data) + 1):
            if deflate.isBetweenBlocks(decompressor):
                found.append(place)
            decompressor.decompress(data[place : place + 1])
        self.assertEqual(found, [0, len(first), len(data)])

    def test_odd(self) -> None:
        """
        Between two blocks, but not between two bytes, is somewhere else.
        """
        for bits in range(64):
            decompressor = zlib.decompressobj(-15)
            # An empty block of ten bits, and six of what comes then, unless
            # there is nothing like that.
            with contextlib.suppress(zlib.error):
                decompressor.decompress(bytes((2, bits << 2)))
                self.assertFalse(deflate.isBetweenBlocks(decompressor), bits)

    def test_ended(self) -> None:
        """
        Nothing comes after the end, and nothing may be left over.
        """
        compressor, decompressor = streams()
        data = compressor.compress(WORDS) + compressor.flush()
        decompressor.decompress(data, 100)
        self.assertFalse(deflate.isBetweenBlocks(decompressor))
        while not decompressor.eof:
            decompressor.decompress(decompressor.unconsumed_tail, 1 << 20)
        self.assertFalse(deflate.isBetweenBlocks(decompressor))


class FlushedTests(SynchronousTestCase):
    """
    What a compressor holds back
    """

    def test_flushed(self) -> None:
        """
        A new one holds nothing, nor does one that was flushed.
        """
        compressor, _ = streams()
        self.assertTrue(deflate.isFlushed(compressor))
        for text in (b"x", WORDS, b"", NOISE):
            compressor.compress(text)
            self.assertEqual(deflate.isFlushed(compressor), not text)
            compressor.flush(zlib.Z_SYNC_FLUSH)
            self.assertTrue(deflate.isFlushed(compressor))

    def test_untouched(self) -> None:
        """
        To be asked changes nothing.
        """
        asked, _ = streams()
        left, _ = streams()
        for text in (WORDS, NOISE):
            self.assertEqual(asked.compress(text), left.compress(text))
            deflate.isFlushed(asked)
        self.assertEqual(asked.flush(), left.flush())

    def test_replaced(self) -> None:
        """
        A new one goes on in its place.
        """
        compressor, decompressor = streams()
        decompressor.decompress(send(compressor, WORDS))
        another, _ = streams()
        self.assertEqual(decompressor.decompress(send(another, WORDS)), WORDS)
