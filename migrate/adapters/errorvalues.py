"""
Exceptions and failures, as values.

What was raised is moved whole: arguments, attributes, notes, cause and context,
and what the classes of C keep beside (C{errno}, C{filename}, C{value}).  The
traceback stays behind, for its frames are the process's own; a
L{twisted.python.failure.Failure} keeps its frames as text.

It must not know who waits for an error.
"""

from __future__ import annotations

import builtins
import types
from collections.abc import Iterator
from typing import Any

from twisted.python.failure import Failure

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole
from migrate.errors import CannotResolve, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description

#: Python 3.10 has none.
_Group: Any = getattr(builtins, "BaseExceptionGroup", None)

_HEAP_TYPE = 1 << 9
_FIELD = (types.MemberDescriptorType, types.GetSetDescriptorType)

#: What every exception has, in the order in which it is set: a cause sets the
#: suppression of the context.
_COMMON = ("args", "__cause__", "__context__", "__suppress_context__")


def _builtinBase(cls: type) -> Any:
    """
    @return: the nearest class of C, which alone can make an instance.
    """
    return next(base for base in cls.__mro__ if not base.__flags__ & _HEAP_TYPE)


def _fields(cls: type) -> Iterator[tuple[str, Any]]:
    """
    @return: what the classes of C below L{BaseException} keep in an instance.
    """
    for base in _builtinBase(cls).__mro__:
        if base is BaseException:
            return
        for name, field in base.__dict__.items():
            if isinstance(field, _FIELD) and not name.startswith("_"):
                yield name, field


class Error(Whole):
    """
    Exceptions, groups of them included.
    """

    name = "exception"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        state = readAttributes(obj)
        for name in _COMMON:
            state[f"()({name})"] = BaseException.__dict__[name].__get__(obj)
        arguments: tuple[Any, ...] = ()
        if _Group is not None and isinstance(obj, _Group):
            arguments = (obj.message, obj.exceptions)
        else:
            state.update(self._own(obj))
        return Description(type(obj), arguments, state)

    def _own(self, obj: Any) -> dict[str, Any]:
        """
        @return: the fields that are set.
        """
        found: dict[str, Any] = {}
        for name, field in _fields(type(obj)):
            try:
                value = field.__get__(obj)
            except (AttributeError, TypeError):
                # Not set: characters_written of most, a field of a decoding
                # error that was never initialized.
                continue
            if value is not None:
                found[f"()[{name}]"] = value
        return found

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return _builtinBase(cls).__new__(cls, *arguments)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.

        @raise CannotResolve: exceptions here lack a field.
        """
        fields = dict(_fields(type(obj)))
        for name in _COMMON:
            BaseException.__dict__[name].__set__(obj, state.pop(f"()({name})"))
        for key in [key for key in state if key.startswith("()[")]:
            name = key[3:-1]
            if name not in fields:
                raise CannotResolve(f"{type(obj).__qualname__} has no {name!r} here")
            fields[name].__set__(obj, state.pop(key))
        writeAttributes(obj, state)


class FailureAdapter(Error):
    """
    Failures, with their frames as text.
    """

    name = "failure"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if obj.captureVars and obj.tb is not None:
            raise NotMovable(
                "a Failure that captured the variables of its frames",
                "call its cleanFailure(), or do not capture variables",
            )
        description = super().describe(obj, capture)
        state = dict(description.state or {})
        if state.get("tb") is not None:
            state["tb"] = None
            state["_frames"] = _framesOf(obj)
        return Description(description.cls, description.arguments, state)


def _framesOf(failure: Any) -> list[tuple[Any, ...]]:
    """
    Read the traceback as C{Failure.frames} does, without keeping the result in
    the failure as that would.
    """
    found: list[tuple[Any, ...]] = list(failure.__dict__.get("_frames", ()))
    if found:
        return found
    trace = failure.tb
    while trace is not None:
        code = trace.tb_frame.f_code
        found.append((code.co_name, code.co_filename, trace.tb_lineno, (), ()))
        trace = trace.tb_next
    return found


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(BaseException, Error())
    registry.register(Failure, FailureAdapter())
