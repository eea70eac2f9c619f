"""
Finding what a service listens on, and who is connected to it.

A service need not be movable for that, so no adapter is asked: whatever is reachable
from it by Python's own references, and is not the reactor's, a module's, a class's or
another service's.

It must not know what is done with what was found.
"""

from __future__ import annotations

import gc
import os
import time
import types
from collections import deque
from collections.abc import Iterable
from typing import Any

from twisted.internet import tcp, udp

from migrate.adoption import isPort

AT_ONCE = 200
"""
Objects that are looked at between two looks at the clock.
"""

_OUTSIDE = (
    type,
    types.ModuleType,
    types.FrameType,
    types.CodeType,
    types.BuiltinFunctionType,
)


def _instances(*classes: type) -> list[Any]:
    """
    @return: every instance of these classes that there is, and of those below them.
    """
    kinds: set[type] = set()
    waiting = list(classes)
    while waiting:
        cls = waiting.pop()
        if cls not in kinds:
            kinds.add(cls)
            waiting += cls.__subclasses__()
    # Every instance refers to its class: this looks for them at the speed of C.
    return [each for each in gc.get_referrers(*kinds) if type(each) in kinds]


def listening(reactor: Any) -> list[Any]:
    """
    @return: the ports that clients come by, whether they accept at present or not.
    """
    found = [
        each
        for each in _instances(tcp.Port, udp.Port)
        if isPort(each) and each.connected and each.reactor is reactor
    ]
    return sorted(found, key=lambda each: int(each.fileno()))


class Search:
    """
    Which ports a service leads to, or to whose factory or protocol it does; found a
    little at a time, since a service may have millions of objects, and serves
    meanwhile.
    """

    def __init__(
        self, service: Any, ports: Iterable[Any], outside: Iterable[object]
    ) -> None:
        """
        @param ports: those that may be the service's.
        @param outside: what does not belong to it, nor what only that leads to.
        """
        self._ports = list(ports)
        self._wanted: dict[int, list[Any]] = {}
        for port in self._ports:
            for each in (port, _ownerOf(port)):
                self._wanted.setdefault(id(each), []).append(port)
        self._found: set[int] = set()
        # What is known is kept, so that nothing else comes to be where it was.
        self._seen: dict[int, object] = {id(each): each for each in (service, *outside)}
        self._waiting = deque([service])

    def go(self, seconds: float) -> bool:
        """
        Look on.

        @param seconds: for about so long.
        @return: whether that is all.
        """
        end = time.monotonic() + seconds
        while self._waiting and len(self._found) < len(self._ports):
            for _ in range(min(AT_ONCE, len(self._waiting))):
                self._look(self._waiting.popleft())
            if time.monotonic() > end:
                return False
        return True

    def _look(self, thing: object) -> None:
        self._found.update(map(id, self._wanted.get(id(thing), ())))
        for each in gc.get_referents(*_stepsFrom(thing)):
            if id(each) not in self._seen and gc.is_tracked(each):
                self._seen[id(each)] = each
                if not isinstance(each, _OUTSIDE):
                    self._waiting.append(each)

    def found(self) -> list[Any]:
        """
        @return: the service's ports.
        """
        return [port for port in self._ports if id(port) in self._found]


def _stepsFrom(thing: Any) -> tuple[Any, ...]:
    """
    @return: what to look into: a function's globals are its module's.
    """
    if isinstance(thing, types.FunctionType):
        return (thing.__closure__, thing.__defaults__, thing.__kwdefaults__)
    return (thing,)


def _ownerOf(port: Any) -> Any:
    """
    @return: what makes the protocols of a port, or is its protocol.
    """
    return port.factory if isinstance(port, tcp.Port) else port.protocol


def connectionsOf(ports: Iterable[Any]) -> list[Any]:
    """
    @return: the transports that these ports have accepted, and that live, whether the
        reactor watches them at present or not.
    """
    accepted = {id(port) for port in ports}
    return [
        each
        for each in _instances(tcp.Server)
        if id(getattr(each, "server", None)) in accepted and each.connected
    ]


def absolute(port: Any) -> str | None:
    """
    @return: the path of a UNIX port, from wherever one looks; L{None} if it is none.
    """
    path = getattr(port, "_bindPath", None) or (
        port.port if isinstance(port.port, (str, bytes)) else None
    )
    if path is None:
        return None
    text: str = os.fsdecode(path)
    return text if text[:1] == "\0" else os.path.abspath(text)
