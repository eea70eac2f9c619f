"""
What Autobahn's WebSockets keep outside of Python: how far the text of a message
was checked, where in its mask a frame is, and the windows of compressions.

It must not know what is said over them.
"""

from __future__ import annotations

import weakref
from functools import cache, partial
from importlib import import_module
from typing import Any

from autobahn.websocket.compress_deflate import PerMessageDeflate
from zope.interface import implementer

from migrate.adapters import deflate
from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description

# These have no annotations.
Utf8Validator: Any = import_module("autobahn.websocket.utf8validator").Utf8Validator
makeMasker: Any = import_module("autobahn.websocket.xormasker").create_xor_masker

#: From so many bytes on Autobahn masks with other code, see C{xormasker.py}.
_LONG = 128
#: What leads from the start of a character to each state of the validator
#: (C{UTF8VALIDATOR_DFA}), of which the second one is an error.
_LEADS = {
    0: b"",
    1: b"\xff",
    2: b"\xc2",
    3: b"\xe1",
    4: b"\xe0",
    5: b"\xed",
    6: b"\xf0",
    7: b"\xf1",
    8: b"\xf4",
}
_HIDDEN = "a part of a WebSocket that keeps its state in C, in a way of its own"
_REMEDY = "start the service with AUTOBAHN_USE_NVX=0 in its environment"
# What is in the place of the compressors.
INCOMING = "@incoming"
OUTGOING = "@outgoing"


class Validator:
    """
    Stands for the validator of text, which is made of C in one installation and
    of Python in another.
    """


@implementer(IAdapter)
class ValidatorAdapter:
    """
    Knows C{Utf8Validator}: the state of its automaton, and how much it has seen.
    """

    name = "autobahn.websocket.utf8validator.Utf8Validator"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if hasattr(obj, "_vld"):
            if not _isValidatorKnown():
                raise NotMovable(_HIDDEN, _REMEDY)
            total = _second(obj, obj._vld)[0]
            return Description(Validator, (_stateOf(obj), total))
        if hasattr(obj, "_state"):
            return Description(Validator, (obj._state, obj._index))
        raise NotMovable(_HIDDEN, _REMEDY)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        state, total = arguments
        made = Utf8Validator()
        made.validate(_LEADS[state])
        if not hasattr(made, "_vld"):
            made._index = total
        elif _isValidatorKnown():
            _second(made, made._vld)[0] = total
        else:
            raise LoadError(_HIDDEN)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """


def _second(holder: Any, pointer: Any) -> Any:
    """
    @return: a pointer to the second number behind one that C keeps; both have
        the size of an address.
    """
    return holder.ffi.cast("size_t *", pointer) + 1


def _stateOf(validator: Any) -> int:
    """
    @return: the state of a validator made of C, behind what it has counted.  It
        tells nobody who asks, so memory is looked at.
    """
    state: int = validator.ffi.cast("int *", _second(validator, validator._vld) + 1)[0]
    return state


@cache
def _isValidatorKnown() -> bool:
    """
    @return: whether validators made of C lie in memory as they are thought to.
    """
    for state, lead in _LEADS.items():
        probe = Utf8Validator()
        seen = probe.validate(b"lead")[2] + probe.validate(lead)[2]
        if (_second(probe, probe._vld)[0], _stateOf(probe)) != (seen, state):
            return False
    return True


@cache
def _isMaskerKnown() -> bool:
    """
    @return: whether the same is true of maskers.
    """
    probe = makeMasker(b"mask", 0)
    probe.process(b"lead")
    return bool(_second(probe, probe._masker)[0] == len(b"lead"))


class Masker:
    """
    Stands for the classes of maskers, see L{Validator}.
    """


@implementer(IAdapter)
class MaskerAdapter:
    """
    Knows what masks one frame, and how much of it was masked.
    """

    name = "autobahn.websocket.xormasker"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        long = type(obj) is _LONG_MASKER
        return Description(Masker, (_maskOf(obj), obj.pointer(), long))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        mask, pointer, long = arguments
        made = makeMasker(mask, _LONG if long else 0)
        if hasattr(made, "_ptr"):
            made._ptr = pointer
        elif _isMaskerKnown():
            _second(made, made._masker)[0] = pointer
        else:
            raise LoadError(_HIDDEN)
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """


def _maskOf(masker: Any) -> bytes:
    """
    @return: the four bytes.
    @raise NotMovable: nobody is told.
    """
    if hasattr(masker, "_mask_buffer"):
        return bytes(masker.ffi.buffer(masker._mask_buffer))
    if hasattr(masker, "_mskarray"):
        return bytes(masker._mskarray[0])
    if hasattr(masker, "_msk"):
        return bytes(masker._msk)
    raise NotMovable(_HIDDEN, _REMEDY)


_SHORT_MASKER: Any = type(makeMasker(b"mask", 0))
_LONG_MASKER: Any = type(makeMasker(b"mask", _LONG))


class DeflateAdapter(AttributesAdapter):
    """
    Knows C{PerMessageDeflate}, the compression of one connection.

    What comes in may refer to all that has come in, so that goes along.  What
    goes out need not refer to anything, so it starts anew.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        state = copyAttributes(obj)
        incoming = state.pop("_decompressor")
        outgoing = state.pop("_compressor")
        if not _isWhole(incoming, outgoing):
            raise NotMovable(
                "a compressed message of which a part is under way, whose "
                "compression keeps its state in C",
                "try again once the message is complete, or do without "
                "perMessageCompressionAccept",
                partial(_hasBecomeWhole, weakref.ref(obj)),
            )
        state[INCOMING] = None if incoming is None else deflate.windowOf(incoming)
        state[OUTGOING] = outgoing is not None
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        attributes = dict(state)
        window = attributes.pop(INCOMING)
        outgoing = attributes.pop(OUTGOING)
        super().fill(obj, attributes, loading)
        obj._decompressor = obj._compressor = None
        if window is not None:
            size = (
                obj.client_max_window_bits
                if obj._is_server
                else obj.server_max_window_bits
            )
            obj._decompressor = deflate.decompressorWith(window, size)
        if outgoing:
            obj.start_compress_message()


def _isWhole(incoming: Any, outgoing: Any) -> bool:
    """
    @return: whether neither of two compressions holds anything back, or is
        there at all.
    """
    return (incoming is None or deflate.isBetweenBlocks(incoming)) and (
        outgoing is None or deflate.isFlushed(outgoing)
    )


def _hasBecomeWhole(reference: Any) -> bool:
    """
    @return: whether that is so of a compression that is referred to weakly.
    """
    obj = reference()
    return obj is None or _isWhole(obj._decompressor, obj._compressor)


def register(registry: Registry) -> None:
    """
    Add the adapters of Autobahn's objects.
    """
    registry.register(Utf8Validator, ValidatorAdapter())
    masker = MaskerAdapter()
    for cls in (_SHORT_MASKER, _LONG_MASKER):
        registry.register(cls, masker)
    name = "autobahn.websocket.compress_deflate.PerMessageDeflate"
    registry.register(PerMessageDeflate, DeflateAdapter(name))
