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
import types
from collections import deque
from collections.abc import Collection, Iterable
from typing import Any

from twisted.internet import tcp, udp

from migrate.adoption import isPort

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
    return [each for each in gc.get_objects() if type(each) in kinds]


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


def portsOf(
    service: Any, ports: Iterable[Any], outside: Collection[object]
) -> list[Any]:
    """
    @param ports: those that may be the service's.
    @param outside: what does not belong to it, nor what only that leads to.
    @return: the ports that the service leads to, or to whose factory or protocol it
        does.
    """
    wanted: dict[int, Any] = {}
    ports = list(ports)
    for port in ports:
        wanted[id(port)] = wanted[id(_ownerOf(port))] = port
    found: dict[int, Any] = {}
    seen = {id(service), *map(id, outside)}
    waiting = deque([service])
    while waiting and len(found) < len(ports):
        thing = waiting.popleft()
        port = wanted.get(id(thing))
        if port is not None:
            found[id(port)] = port
        for each in gc.get_referents(*_stepsFrom(thing)):
            if id(each) not in seen and gc.is_tracked(each):
                seen.add(id(each))
                if not isinstance(each, _OUTSIDE):
                    waiting.append(each)
    return [port for port in ports if id(port) in found]


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
