"""
Responses of Twisted Web that are being compressed.

What C keeps of a compression that is under way it shows to nobody.  But a copy
of it can be ended in two ways: with a mark after which the stream may go on
without any memory of what came before, and for good, which tells the sums that
the end of the whole has to tell.  So the recipient sends what the copy held back
up to the mark, and goes on from there with a new compression.

It must not know what a request is.
"""

from __future__ import annotations

import zlib
from typing import Any

import attrs
from twisted.web.server import _GzipEncoder

from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

_COMPRESSOR = "_zlibCompressor"

#: A compression without a header and a trailer of its own.
_RAW = -zlib.MAX_WBITS

#: How long each of the two sums is with which a file of gzip ends, in bytes.
_SUM = 4


@attrs.define(eq=False, slots=False)
class Continued:
    """
    A compression in the format of gzip whose beginning was made elsewhere.

    @ivar held: what has been compressed and not been given out.
    @ivar checksum: the CRC-32 of all that came before.
    @ivar length: how much that was, modulo 2 to the power of 32, in bytes.
    """

    held: bytes
    checksum: int
    length: int

    def __attrs_post_init__(self) -> None:
        self._compressor = zlib.compressobj(wbits=_RAW)

    def compress(self, data: bytes) -> bytes:
        """
        @return: some of what has been compressed, perhaps nothing.
        """
        self.checksum = zlib.crc32(data, self.checksum)
        self.length = (self.length + len(data)) & 0xFFFFFFFF
        held, self.held = self.held, b""
        return held + self._compressor.compress(data)

    def flush(self, mode: int = zlib.Z_FINISH) -> bytes:
        """
        @param mode: one of zlib's; without it, this is the end.
        @return: all that has not been given out.
        """
        held, self.held = self.held, b""
        held += self._compressor.flush(mode)
        if mode == zlib.Z_FINISH:
            held += _toBytes(self.checksum) + _toBytes(self.length)
        return held

    def copy(self) -> Continued:
        """
        @return: another one, in the same state.
        """
        twin = Continued(self.held, self.checksum, self.length)
        twin._compressor = self._compressor.copy()
        return twin


def _toBytes(number: int) -> bytes:
    """
    @return: a number as the trailer has it.
    """
    return number.to_bytes(_SUM, "little")


class GzipAdapter(AttributesAdapter):
    """
    Knows what compresses a response.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        compressor = state.get(_COMPRESSOR)
        if compressor is not None:
            held = compressor.copy().flush(zlib.Z_FULL_FLUSH)
            end = compressor.copy().flush()
            checksum, length = (
                int.from_bytes(part, "little") for part in (end[-8:-4], end[-4:])
            )
            state[_COMPRESSOR] = (held, checksum, length)
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = dict(state)
        parts = attributes.get(_COMPRESSOR)
        if parts is not None:
            attributes[_COMPRESSOR] = Continued(*parts)
        super().fill(obj, attributes, loading)


def register(registry: Registry) -> None:
    """
    Add the adapter of what compresses a response.
    """
    registry.register(_GzipEncoder, GzipAdapter("twisted.web.server._GzipEncoder"))
