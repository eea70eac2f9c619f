"""
Serial ports: the settings of the line are the kernel's, and go along with the
descriptor.

It must not know what is at the other end.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from serial import Serial  # type: ignore[import-untyped]
from twisted.internet.serialport import SerialPort
from zope.interface import implementer

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.adapters.detached import Hold, abandon
from migrate.adapters.numbered import closeQuietly, watch
from migrate.adapters.transports import SocketAdapter
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description, Descriptor

#: Where a port keeps numbers: that of the device, and the pipes by which
#: another thread interrupts whoever waits for it.
_NUMBERS = (
    "fd",
    "pipe_abort_read_r",
    "pipe_abort_read_w",
    "pipe_abort_write_r",
    "pipe_abort_write_w",
)


@implementer(ILiveAdapter)
class SerialAdapter(Whole):
    """
    Knows L{Serial} of POSIX systems.
    """

    name = "serial.serialposix.Serial"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = readAttributes(obj)
        for name in _NUMBERS:
            if state.get(name) is not None:
                state[name] = Descriptor(state[name])
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        made = cls.__new__(cls)
        # What its end looks at, should it never be filled.
        made.is_open = False
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        loading.onDiscard(partial(_letGo, obj))
        attributes = dict(state)
        for name in _NUMBERS:
            if isinstance(state.get(name), Descriptor):
                attributes[name] = loading.own(state[name])
                writeAttributes(obj, {name: attributes[name]})
        writeAttributes(obj, attributes)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        return Actions(release=partial(_letGo, obj))


def _letGo(port: Any) -> None:
    """
    Close this process's copies, and leave a port that is closed.
    """
    for name in _NUMBERS:
        number = vars(port).get(name)
        if number is not None:
            closeQuietly(number)
            setattr(port, name, None)
    port.is_open = False


class PortAdapter(SocketAdapter):
    """
    Knows L{SerialPort}, whose descriptor is its L{Serial}'s.
    """

    immediate = False

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        super().restore(obj, values, loading)
        loading.onDiscard(partial(abandon, obj))
        watch(obj, values, loading)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if obj.disconnected:
            return Actions()
        return Hold(obj, capture.reading(obj), capture.writing(obj)).actions()


def register(registry: Registry) -> None:
    """
    Add the adapters of serial ports.
    """
    registry.register(Serial, SerialAdapter())
    registry.register(
        SerialPort, PortAdapter("twisted.internet._posixserialport.SerialPort")
    )
