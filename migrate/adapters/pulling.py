"""
Generators that have nothing to remember from one turn to the next, and so may be
begun anew on arrival: loops that pull a producer, or take bytes apart.  Whether
such a loop has turns at present is for the cooperative task to say that runs it.

It must not know what is produced, nor for whom.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import attrs

from migrate.adapters.names import PerCapture
from migrate.adapters.suspended import Suspended, drivenNow, endedGenerator
from migrate.errors import LoadError
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description


@attrs.frozen
class Loop:
    """
    A method whose generators begin each turn alike.

    @ivar module: where its class is defined.
    @ivar qualname: what its generators are called.
    @ivar arguments: the local variables that it was called with, and that it
        never assigns to; the first one is its instance.
    @ivar last: a local variable that is true once there is no other turn; empty
        if there always is.
    """

    module: str
    qualname: str
    arguments: tuple[str, ...]
    last: str = ""

    @property
    def owner(self) -> str:
        """
        The name of its class.
        """
        return self.qualname.rpartition(".")[0]

    @property
    def method(self) -> str:
        """
        The name of the method.
        """
        return self.qualname.rpartition(".")[2]

    def classHere(self) -> Any:
        """
        @return: the class, or L{None} in a process that has not imported it.
        """
        return getattr(sys.modules.get(self.module), self.owner, None)


_LOOPS = (
    Loop(
        "twisted.internet._producer_helpers",
        "_PullToPush._pull",
        ("self",),
    ),
    Loop(
        "twisted.web.client",
        "FileBodyProducer._writeloop",
        ("self", "consumer"),
    ),
    Loop(
        "wsproto.frame_protocol",
        "FrameProtocol._parse_more_gen",
        ("self",),
        "closed",
    ),
)


class Pulling(Suspended):
    """
    Knows generators: these loops move, any other one as L{Suspended} says.
    """

    def __init__(self) -> None:
        super().__init__("generator", endedGenerator, PerCapture(drivenNow))

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        loop = _loopOf(obj)
        if loop is None:
            return super().describe(obj, capture)
        known = obj.gi_frame.f_locals
        if known.get(loop.last):
            return self.asEnded(obj)
        return Description(
            loop.classHere(), tuple(known[name] for name in loop.arguments)
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.

        @raise LoadError: that is no loop of an instance of C{cls}.
        """
        for loop in _LOOPS:
            if cls is not loop.classHere():
                continue
            owner, *others = arguments
            if not isinstance(owner, cls):
                raise LoadError(f"a {type(owner).__name__} has no {loop.qualname}")
            return getattr(cls, loop.method)(owner, *others)
        return super().make(cls, arguments, loading)


def _loopOf(obj: Any) -> Loop | None:
    """
    @return: the loop that a generator is between two turns of, if any.
    """
    if obj.gi_frame is None or obj.gi_running:
        return None
    for loop in _LOOPS:
        function = getattr(loop.classHere(), loop.method, None)
        if getattr(function, "__code__", None) is obj.gi_code:
            return loop
    return None


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapter of generators.
    """
    registry.register(types.GeneratorType, Pulling())
