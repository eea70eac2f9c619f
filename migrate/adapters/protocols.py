"""
Protocols are plain objects, unless they are on the stack: one that is just
receiving would believe so for ever after.

It must not know what is received.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from twisted.protocols.basic import LineReceiver

from migrate.adapters.base import onceNot
from migrate.adapters.compiled import native
from migrate.adapters.plain import AttributesAdapter, Extract
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture


class ReceiverAdapter(AttributesAdapter):
    """
    Knows L{LineReceiver}, which notes that it is busy and then leaves what
    comes to the one who is on the stack.
    """

    immediate = True

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        if obj._busyReceiving:
            raise NotMovable(
                "a protocol that is receiving data at this moment",
                "claim the service from outside of its own protocols",
                onceNot(obj, attrgetter("_busyReceiving")),
            )
        return ()

    def extractor(self, capture: ICapture) -> Extract:
        """
        See L{migrate.interfaces.IDirectAdapter}.
        """
        if native is None or type(self) is not ReceiverAdapter:
            return self.extract
        found: Extract = native.quietExtractor(self.extract, "_busyReceiving", ())
        return found


def register(registry: Registry) -> None:
    """
    Add the adapter of protocols that receive lines.
    """
    registry.register(LineReceiver, ReceiverAdapter("twisted.protocols.LineReceiver"))
