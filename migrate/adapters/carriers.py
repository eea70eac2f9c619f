"""
Looking into what only carries other objects about: functions with closures,
bound methods, partial calls, Deferreds, loops.

It must not know why anybody looks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from queue import Queue
from threading import Thread
from types import (
    BuiltinMethodType,
    CellType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any

from twisted.application.service import Service
from twisted.internet import tcp, udp
from twisted.internet._baseprocess import BaseProcess
from twisted.internet.abstract import FileDescriptor
from twisted.internet.base import BaseConnector
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConsumer, IProtocol
from twisted.internet.protocol import (
    AbstractDatagramProtocol,
    BaseProtocol,
    Factory,
    ProcessProtocol,
)
from twisted.internet.stdio import StandardIO
from twisted.internet.task import CooperativeTask, LoopingCall

# Python shares equal ones of these between code that has nothing to do with
# each other, the empty one above all.
_SHARED = (tuple, frozenset)

# Whoever knows one of these is not known to it for that.
_HOSTS = (asyncio.AbstractEventLoop,)


def touches(roots: Iterable[object], wanted: Callable[[object], bool | None]) -> bool:
    """
    @param wanted: told what is met on the way; never an immutable container.  It
        returns L{None} of what is not wanted, and must not be looked into either.
    @return: whether any of C{roots}, or anything that they carry, is wanted.
    """
    waiting = list(roots)
    # The objects are kept so that no identity is used twice.
    seen: dict[int, object] = {}
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if type(item) not in _SHARED and not isinstance(item, _HOSTS):
            verdict = wanted(item)
            if verdict:
                return True
            if verdict is None:
                continue
        waiting.extend(carried(item))
    return False


def carried(item: Any) -> Iterable[object]:
    """
    @return: the objects that C{item} carries about; empty for whatever is
        more than a carrier.
    """
    look = _lookAt(type(item))
    if look is not None:
        return look(item)
    if "<locals>" in type(item).__qualname__:
        # A class inside of a function is a closure, too.
        return list(vars(type(item)).values())
    return ()


def _ofFunction(item: FunctionType) -> Iterator[object]:
    """
    Defaults, attributes, and what the closure has got hold of.
    """
    yield from item.__closure__ or ()
    yield from item.__defaults__ or ()
    yield from (item.__kwdefaults__ or {}).values()
    yield from item.__dict__.values()


def _ofCell(item: CellType) -> Iterator[object]:
    """
    The content, if there is any yet.
    """
    try:
        yield item.cell_contents
    except ValueError:
        return


def _ofDeferred(item: Any) -> Iterator[object]:
    """
    Whoever waits for the result.
    """
    for pair in item._callbacks:
        for function, arguments, keywords in pair:
            yield function
            yield from arguments
            yield from keywords.values()


def _ofSuspended(item: Any) -> list[object]:
    """
    The local variables of a generator or coroutine.
    """
    frame = getattr(item, "gi_frame", None) or getattr(item, "cr_frame", None)
    return [] if frame is None else list(frame.f_locals.values())


def _ofTask(item: Any) -> Iterator[object]:
    """
    What a cooperative task goes through, and whoever waits for its end.  The
    iterator of an application is nobody else's, so its attributes are looked at
    too.
    """
    yield item._iterator
    yield from getattr(item._iterator, "__dict__", {}).values()
    yield from item._deferreds


def _ofFuture(item: Any) -> Iterator[object]:
    """
    Whoever waits for it.
    """
    for callback, _context in item._callbacks or ():
        yield callback


def _ofAsyncioTask(item: Any) -> Iterator[object]:
    """
    The same, and its coroutine with all that this awaits.
    """
    yield from _ofFuture(item)
    yield from coroutinesOf(item)


def coroutinesOf(task: Any) -> Iterator[Any]:
    """
    @return: the coroutine of a task of asyncio, what that awaits, and so on.
    """
    one = task.get_coro()
    while one is not None:
        yield one
        one = getattr(one, "cr_await", None) or getattr(one, "gi_yieldfrom", None)


def _instanceAttributes(*names: str) -> Callable[[Any], Iterable[object]]:
    """
    @return: what looks at some attributes of an instance, if it has them.
    """
    return lambda item: [item.__dict__[name] for name in names if name in item.__dict__]


def _ofProtocol(item: Any) -> list[object]:
    """
    What a protocol or a factory works for: its owners, whoever waits for what it
    gets, and where it hands that on to.  Whatever else it refers to may well be
    somebody else's, too.
    """
    return [
        value
        for name, value in getattr(item, "__dict__", {}).items()
        if name == "factory" or isinstance(value, _SERVED) or _takes(type(value))
    ]


def _ofReceiver(item: Any) -> list[object]:
    """
    The same, and whoever waits in a queue of a protocol, as for the answers to
    several questions.  The queue itself may be shared.
    """
    found = _ofProtocol(item)
    for value in getattr(item, "__dict__", {}).values():
        if type(value) in _QUEUES:
            members = value.values() if isinstance(value, dict) else value
            found += [member for member in members if isinstance(member, _WAITING)]
    return found


def _takeOver(cls: type) -> bool:
    """
    @return: whether instances of C{cls} take what somebody else gets or makes.
    """
    return (
        _implements(cls, IConsumer)
        or _implements(cls, IProtocol)
        or any(_nameOf(base) in _NAMED for base in cls.__mro__)
    )


_takes: Callable[[type], bool] = lru_cache(maxsize=4096)(_takeOver)


def _nameOf(cls: type) -> str:
    """
    @return: what L{_NAMED} calls a class.
    """
    return f"{cls.__module__}.{cls.__qualname__}"


def _implements(cls: type, interface: Any) -> bool:
    """
    @return: whether C{cls} says that it implements C{interface}; whoever asks
        zope notes an answer in the class, even if that has said nothing at all.
    """
    said = any("__implemented__" in base.__dict__ for base in cls.__mro__)
    return said and bool(interface.implementedBy(cls))


def _findLook(cls: type) -> Callable[[Any], Iterable[object]] | None:
    """
    @return: what looks into instances of C{cls}, if they are carriers.
    """
    for base in cls.__mro__:
        look = _CARRIERS.get(base) or _NAMED.get(_nameOf(base))
        if look is not None:
            return look
    return _ofReceiver if _implements(cls, IProtocol) else None


_lookAt: Callable[[type], Callable[[Any], Iterable[object]] | None] = lru_cache(
    maxsize=4096
)(_findLook)


_WAITING = (Deferred, FunctionType, MethodType, partial)
_SERVED = (Service, Factory, BaseProtocol, AbstractDatagramProtocol, *_WAITING)
_QUEUES = (list, tuple, deque, set, frozenset, dict)


def _ofSelectable(item: Any) -> Iterator[object]:
    """
    Whoever is told of what the reactor watches: by a protocol, by what joins
    two descriptors, or by functions that are told of files.
    """
    attributes = vars(item)
    yield from (attributes[name] for name in ("protocol", "proc") if name in attributes)
    for watch in attributes.get("_watchpoints", {}).values():
        yield from watch.callbacks


_CARRIERS: dict[type, Callable[[Any], Iterable[object]]] = {
    FunctionType: _ofFunction,
    CellType: _ofCell,
    MethodType: lambda item: (item.__self__, item.__func__),
    staticmethod: lambda item: (item.__func__,),
    classmethod: lambda item: (item.__func__,),
    BuiltinMethodType: lambda item: (item.__self__,),
    partial: lambda item: (item.func, *item.args, *item.keywords.values()),
    Deferred: _ofDeferred,
    LoopingCall: lambda item: (
        item.f,
        item._deferred,
        *item.a,
        *item.kw.values(),
    ),
    CooperativeTask: _ofTask,
    asyncio.Future: _ofFuture,
    asyncio.Task: _ofAsyncioTask,
    asyncio.BaseTransport: _instanceAttributes("_protocol"),
    asyncio.BaseProtocol: _ofProtocol,
    # Nothing but the reactor need know of a connection, and nothing at all of
    # one that is paused; still it belongs to its port and to its factory.  The
    # port, which decides about most of them, is looked at first.
    tcp.Connection: _instanceAttributes("protocol", "connector", "server"),
    FileDescriptor: _ofSelectable,
    StandardIO: _instanceAttributes("protocol"),
    BaseProcess: _instanceAttributes("proto"),
    BaseProtocol: _ofReceiver,
    AbstractDatagramProtocol: _ofReceiver,
    ProcessProtocol: _ofReceiver,
    Factory: _ofProtocol,
    BaseConnector: _instanceAttributes("factory"),
    tcp.Port: _instanceAttributes("factory"),
    udp.Port: _instanceAttributes("protocol"),
    GeneratorType: _ofSuspended,
    CoroutineType: _ofSuspended,
    tuple: tuple,
    list: list,
    deque: list,
    # What a thread is about to do is in its queue, or not even begun.
    Queue: lambda item: (item.queue,),
    Thread: lambda item: (item.__dict__.get("_target"),),
    set: list,
    frozenset: list,
    dict: lambda item: list(item.values()),
}

#: The same for classes of modules that need not be loaded.
_NAMED: dict[str, Callable[[Any], Iterable[object]]] = {
    # What an HTTP client is answered, of which the body goes to a protocol.
    "twisted.web._newclient.Response": _instanceAttributes("_bodyProtocol"),
}
