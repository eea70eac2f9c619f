"""
Futures of asyncio, and tasks that have ended.

They must not know what is waited for, nor how a loop works.
"""

from __future__ import annotations

import asyncio
import gc
from functools import partial
from typing import Any

from zope.interface import implementer

from migrate.adapters.base import onceNot
from migrate.adapters.carriers import coroutinesOf
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading
from migrate.model import Actions, Description

#: How a future stands.
PENDING, RESULT, EXCEPTION, CANCELLED = "pending", "result", "exception", "cancelled"


@implementer(ILiveAdapter)
class FutureAdapter:
    """
    Knows L{asyncio.Future}.  Who waits for it is called by the loop of the
    process that it is in then.
    """

    name = "asyncio.Future"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if _isAwaited(obj):
            raise NotMovable(
                "a future that a task of asyncio waits for",
                "let the task end, or have a callback wait",
                onceNot(obj, _isAwaited),
            )
        return _describe(obj, type(obj))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{migrate.interfaces.IAdapter.make}.
        """
        made = cls.__new__(cls)
        asyncio.Future.__init__(made, loop=arguments[0])
        loading.onDiscard(partial(_silence, made))
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        for name, value in state["attributes"].items():
            setattr(obj, name, value)
        outcome, value = state["outcome"]
        if outcome == RESULT:
            obj.set_result(value)
        elif outcome == EXCEPTION:
            obj.set_exception(value)
            if state["reported"]:
                _silence(obj)
        elif outcome == CANCELLED:
            obj.cancel(value)
        for callback, context in state["callbacks"]:
            obj.add_done_callback(callback, context=context)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        return Actions(release=partial(_silence, obj))


class TaskAdapter(FutureAdapter):
    """
    Knows L{asyncio.Task}: one that has ended is a future that has its result.
    """

    name = "asyncio.Task"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if obj.done():
            return _describe(obj, asyncio.Future)
        raise NotMovable(
            f"the task {obj.get_name()} of asyncio {_whereIs(obj)}, and a frame "
            "cannot be moved",
            "let it finish, or keep its state in an object with callbacks",
            onceNot(obj, _isRunning),
        )


def _describe(future: Any, cls: type) -> Description:
    """
    @return: what a future is, as one of C{cls}.
    """
    outcome = _outcomeOf(future)
    state = {
        "attributes": _attributesOf(future, outcome[1]),
        "outcome": outcome,
        "reported": not future._log_traceback,
        "callbacks": list(future._callbacks or ()),
    }
    return Description(cls, (future.get_loop(),), state)


def _outcomeOf(future: Any) -> tuple[str, object]:
    """
    @return: how a future stands, and what came of it.  To ask for an exception
        in the usual way would count as having seen to it.
    """
    if not future.done():
        return PENDING, None
    if future.cancelled():
        return CANCELLED, future._cancel_message
    if future._exception is not None:
        return EXCEPTION, future._exception
    return RESULT, future._result


def _attributesOf(future: Any, value: object) -> dict[str, Any]:
    """
    @return: what anybody has set beside what belongs to a future.  It is in a
        dictionary, but only the garbage collector is shown that.
    """
    for known in gc.get_referents(future):
        if type(known) is dict and known is not value:
            return dict(known)
    return {}


def _isRunning(task: Any) -> bool:
    """
    @return: whether a task has not ended.
    """
    return not task.done()


def _isAwaited(future: Any) -> bool:
    """
    @return: whether a task is going to be resumed by a future.
    """
    return any(
        isinstance(getattr(callback, "__self__", None), asyncio.Task)
        for callback, _ in future._callbacks or ()
    )


def _whereIs(task: Any) -> str:
    """
    @return: the place at which a task goes on.
    """
    frames = [getattr(one, "cr_frame", None) for one in coroutinesOf(task)]
    for frame in reversed([frame for frame in frames if frame is not None]):
        return f"waits in line {frame.f_lineno} of {frame.f_code.co_filename}"
    return "is about to run"


def _silence(future: Any) -> None:
    """
    Do not complain of an exception that nobody asked for: the other process
    does.
    """
    if future._log_traceback:
        future._log_traceback = False


def register(registry: Registry) -> None:
    """
    Add the adapters of futures and tasks.
    """
    registry.register(asyncio.Future, FutureAdapter())
    registry.register(asyncio.Task, TaskAdapter())
