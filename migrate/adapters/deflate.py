"""
Compressions by DEFLATE that are under way, without a header of their own: what
is said of them only by what they do to a crafted piece of input.

zlib keeps its state to itself.  But the state of a stream that was flushed is no
more than its window, the last 32 KiB of the text, and a copy of a decompressor
that is told to repeat all of it does say it.

It must not know what is compressed, nor for whom.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any

#: How far back a reference can reach, in bytes of text.
FARTHEST = 1 << 15
#: What one reference of the longest kind repeats, in bytes of text.
_LONGEST = 258

# A block that is not the last one, with the codes that RFC 1951 fixes
# (3.2.6), each with its first bit first; and the code that ends a block.
_BLOCK = (0, 1, 0)
_END = (0,) * 7
_LONGEST_CODE = 0b11000101


def _bits(value: int, length: int) -> Iterator[int]:
    """
    @return: the bits of a code, or of a number the other way round, first to
        last.
    """
    return ((value >> place) & 1 for place in reversed(range(length)))


def _packed(bits: Iterable[int]) -> bytes:
    """
    @return: bits as bytes, the first bit being the lowest one.
    """
    number = length = 0
    for bit in bits:
        number |= bit << length
        length += 1
    return number.to_bytes((length + 7) // 8, "little")


def _literal(octet: int) -> Iterator[int]:
    """
    @return: the code of one byte of text.
    """
    return _bits(0x30 + octet, 8) if octet < 144 else _bits(0x190 + octet - 144, 9)


def _distance(distance: int) -> Iterator[int]:
    """
    @return: the code of a distance, and what it leaves open (3.2.5).
    """
    code = distance - 1
    extra = max(0, code.bit_length() - 2)
    if extra:
        code = 2 * extra + (code >> extra)
    yield from _bits(code, 5)
    for place in range(extra):
        yield (distance - 1) >> place & 1


@lru_cache(maxsize=64)
def _repetition(distance: int, times: int) -> bytes:
    """
    @return: a block that repeats, so many times, what stands so far back.
    """
    reference = [*_bits(_LONGEST_CODE, 8), *_distance(distance)]
    return _packed([*_BLOCK, *(reference * times), *_END])


def _says(decompressor: Any, block: bytes) -> bytes | None:
    """
    @return: what a copy makes of one more block, or L{None} if that is none.
    """
    try:
        text: bytes = decompressor.copy().decompress(block)
    except zlib.error:
        return None
    return text


def isBetweenBlocks(decompressor: Any) -> bool:
    """
    @return: whether a decompressor has nothing but its window: it is between
        two blocks and between two bytes, as after each flush of the other end.
    """
    if decompressor.eof or decompressor.unconsumed_tail:
        return False
    # Anywhere else these bits mean something else; nobody has chosen them.
    text = os.urandom(16)
    bits = [bit for octet in text for bit in _literal(octet)]
    return _says(decompressor, _packed([*_BLOCK, *bits, *_END])) == text


def windowOf(decompressor: Any) -> bytes:
    """
    @param decompressor: one for which L{isBetweenBlocks} is true.
    @return: the text that what comes may refer to, perhaps none.
    """
    low, high, tried = 0, FARTHEST, FARTHEST
    while low < high:
        if _says(decompressor, _repetition(tried, 1)) is None:
            high = tried - 1
        else:
            low = tried
        tried = (low + high + 1) // 2
    if not low:
        return b""
    text = _says(decompressor, _repetition(low, -(-low // _LONGEST)))
    assert text is not None, "it could be repeated a moment ago"
    return text[:low]


def decompressorWith(window: bytes, windowBits: int) -> Any:
    """
    @param windowBits: the logarithm of the window's size.
    @return: a decompressor that goes on after C{window}.
    """
    if not window:
        return zlib.decompressobj(-windowBits)
    return zlib.decompressobj(-windowBits, zdict=window)


def isFlushed(compressor: Any) -> bool:
    """
    @return: whether all that went into a compressor has come out of it, so that
        a new one can go on in its place: it will not refer to earlier text.
    """
    # A second flush of the same kind has nothing to say; the first one of a
    # compressor that was never used says an empty block.
    return compressor.copy().flush(zlib.Z_SYNC_FLUSH) in (b"", b"\0\0\0\xff\xff")
