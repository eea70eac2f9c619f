"""
What the reactor watches by a bare number: the ends of pipes, terminals, and
what the kernel tells of files.

It must not know what comes out of them.
"""

from __future__ import annotations

import os
from contextlib import suppress
from functools import partial
from typing import Any

from zope.interface import implementer

from migrate.adapters.detached import Hold, abandon
from migrate.adapters.transports import SocketAdapter
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Descriptor

NUMBER = "@number"

#: The standard ones: other code of the process takes them for granted, so that
#: nothing else may ever get such a number.
_STANDARD = 3


@implementer(ILiveAdapter)
class NumberAdapter(SocketAdapter):
    """
    Knows L{twisted.internet.abstract.FileDescriptor}s whose descriptor is the
    number that one of their attributes is.
    """

    immediate = False
    extras = (*SocketAdapter.extras, NUMBER)

    def __init__(self, name: str, attribute: str) -> None:
        """
        @param attribute: where the number is.
        """
        super().__init__(name)
        self._attribute = attribute
        self.omitted = (*SocketAdapter.omitted, attribute)

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        number = obj.__dict__.get(self._attribute, -1)
        isOpen = not obj.disconnected and number >= 0
        descriptor = Descriptor(number) if isOpen else None
        return (*super().extract(obj, capture), descriptor)

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        super().restore(obj, values, loading)
        descriptor = values[7]
        setattr(obj, self._attribute, -1)
        if descriptor is not None:
            setattr(obj, self._attribute, loading.own(descriptor))
            loading.onDiscard(partial(self._letGo, obj))
            watch(obj, values, loading)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if obj.disconnected:
            return Actions()
        hold = Hold(obj, capture.reading(obj), capture.writing(obj))
        return Actions(hold.pause, hold.resume, partial(self._letGo, obj))

    def _letGo(self, obj: Any) -> None:
        """
        Close this process's copy, and leave a transport that does nothing.
        """
        abandon(obj)
        closeQuietly(getattr(obj, self._attribute))
        setattr(obj, self._attribute, -1)


def watch(obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
    """
    Have the reactor watch what it watched at the origin, from the adoption on.

    @param values: see L{SocketAdapter.extract}.
    """
    reactor = loading.reactor
    reading, writing = values[4:6]
    if reading:
        loading.onAdopt(partial(reactor.addReader, obj))
    if writing:
        loading.onAdopt(partial(reactor.addWriter, obj))


def closeQuietly(number: int) -> None:
    """
    Close a descriptor.  A standard one leads nowhere from then on, instead: the
    next file that this process opens must not be taken for it.
    """
    with suppress(OSError):
        if number >= _STANDARD:
            os.close(number)
        elif number >= 0:
            nowhere = os.open(os.devnull, os.O_RDWR)
            os.dup2(nowhere, number)
            os.close(nowhere)
