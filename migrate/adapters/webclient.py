"""
Responses that a client of the web decompresses as they come: what has come to
its end moves, and what has not will have, if the server is any good.

It must not know what is fetched.
"""

from __future__ import annotations

import gzip
import zlib
from typing import Any

from twisted.web import client

from migrate.adapters.base import onceNot
from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

_STATE = "_zlibDecompress"


class DecompressionAdapter(AttributesAdapter):
    """
    Knows what L{client.GzipDecoder} puts in front of whoever takes a response.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if _isUnderWay(obj):
            raise NotMovable(
                "a response that is being decompressed keeps its state in C, which "
                "shows it to nobody",
                "let it come to its end",
                onceNot(obj, _isUnderWay),
            )
        state = copyAttributes(obj)
        del state[_STATE]
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        super().fill(obj, state, loading)
        ended = zlib.decompressobj(16 + zlib.MAX_WBITS)
        ended.decompress(gzip.compress(b""))
        setattr(obj, _STATE, ended)


def _isUnderWay(decompression: Any) -> bool:
    """
    @return: whether the end of what was compressed has not come.
    """
    return not getattr(decompression, _STATE).eof


def register(registry: Registry) -> None:
    """
    Add the adapter of responses that are decompressed.
    """
    registry.register(
        client._GzipProtocol, DecompressionAdapter("twisted.web.client._GzipProtocol")
    )
