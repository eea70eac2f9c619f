"""
What threads and contexts share: locks, queues, context variables.

A lock that nobody holds is moved as a new one: who shares it in the graph goes
on sharing it.  A held lock is refused, since the thread that would release it
stays behind.  Conditions, events, semaphores, barriers and queues are objects
of Python around such locks and need no adapter of their own.

It must not know the reactor's threads.
"""

from __future__ import annotations

import concurrent.futures
import contextvars
import decimal
import queue
import threading
from typing import Any

from migrate.adapters.base import Whole, onceNot, refuse
from migrate.adapters.names import Globals
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

_LOCK: Any = type(threading.Lock())
_RLOCK: Any = type(threading.RLock())


class Lock(Whole):
    """
    Locks, and locks that their holder may take again.
    """

    def __init__(self, name: str, factory: Any) -> None:
        self.name = name
        self._factory = factory

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if _isHeld(obj):
            raise NotMovable(
                f"a {self.name} that is held now",
                "have its holder release it, and try again",
                onceNot(obj, _isHeld),
            )
        return Description(_Unlocked, (self.name,))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return self._factory()


def _isHeld(lock: Any) -> bool:
    """
    @return: whether anybody holds a lock.
    """
    # Before Python 3.14 nothing but its text says whether an RLock is held.
    return not repr(lock).startswith("<unlocked ")


class _Unlocked:
    """
    Stands for the classes of locks, which have no public name.
    """


class SimpleQueue(Whole):
    """
    Queues of C, which show nobody what is in them.
    """

    name = "simplequeue"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        if not obj.empty():
            raise NotMovable(
                f"a SimpleQueue with {obj.qsize()} items in it",
                "use queue.Queue, or have it emptied first",
                onceNot(obj, queue.SimpleQueue.qsize),
            )
        return Description(queue.SimpleQueue)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return queue.SimpleQueue()


class ContextVariable(Whole):
    """
    Context variables, by the name of the module attribute that holds them; that
    of L{decimal}, which whoever computes with it has, is held by none.
    """

    name = "contextvar"

    def __init__(self) -> None:
        self._globals = Globals(contextvars.ContextVar)

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = self._globals.nameOf(obj, capture)
        if named is not None:
            return named
        if obj is _ofDecimals():
            return Description(contextvars.ContextVar)
        raise NotMovable(
            f"no importable module has the context variable {obj.name!r}",
            "make it an attribute of a module",
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return _ofDecimals()


def _ofDecimals() -> contextvars.ContextVar[Any] | None:
    """
    @return: the variable of L{decimal}.
    """

    def find() -> contextvars.ContextVar[Any] | None:
        decimal.getcontext()
        return next(iter(contextvars.copy_context()), None)

    # The context that is asked is nobody's.
    return contextvars.Context().run(find)


class Context(Whole):
    """
    Contexts, with the values of their variables.
    """

    name = "context"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        items = list(obj.items())
        state = {
            "variables": tuple(variable for variable, _ in items),
            "values": tuple(value for _, value in items),
        }
        return Description(contextvars.Context, (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return contextvars.Context()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        for variable, value in zip(state["variables"], state["values"], strict=True):
            obj.run(variable.set, value)


def _refuseThreads(registry: Registry) -> None:
    """
    What belongs to threads that stay behind.
    """
    for name, what, remedy, cls in (
        (
            "thread",
            "a thread cannot leave its process",
            "let it end, or start it anew at the recipient",
            threading.Thread,
        ),
        (
            "threadlocal",
            "what each thread keeps cannot leave its process",
            "keep it in an object that is passed along",
            threading.local,
        ),
        (
            "executor",
            "the threads or processes of an executor cannot be moved",
            "shut it down, or provide one as a resource",
            concurrent.futures.Executor,
        ),
        (
            "token",
            "a token undoes one change in one context of this process",
            "reset the variable before the move",
            contextvars.Token,
        ),
    ):
        refuse(registry, name, what, remedy, cls)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(_LOCK, Lock("lock", threading.Lock))
    registry.register(_RLOCK, Lock("rlock", threading.RLock))
    registry.register(queue.SimpleQueue, SimpleQueue())
    registry.register(contextvars.ContextVar, ContextVariable())
    registry.register(contextvars.Context, Context())
    _refuseThreads(registry)
