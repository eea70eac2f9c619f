"""
Cooperative tasks.  The process's own L{Cooperator} goes by name and keeps its
timer; a task leaves it here and joins it there.

It must not know what the tasks do.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from twisted.internet import task
from twisted.internet.task import CooperativeTask, Cooperator
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.plain import AttributesAdapter, copyAttributes
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions, Description, Named

_GLOBAL = Named("twisted.internet.task", "_theCooperator")
RUNNING = "@running"


class CooperatorAdapter(AttributesAdapter):
    """
    Knows L{Cooperator}: the process's own goes by name.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        if obj is task._theCooperator:
            return _GLOBAL
        return super().describe(obj, capture)


@implementer(ILiveAdapter)
class TaskAdapter(AttributesAdapter):
    """
    Knows L{CooperativeTask}.  Its iterator is an ordinary reference: one that
    cannot move, such as a generator, refuses the task.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        state = copyAttributes(obj)
        state[RUNNING] = _runsGlobally(obj)
        return Description(type(obj), (), state)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IAdapter.fill}.
        """
        attributes = dict(state)
        running = attributes.pop(RUNNING)
        super().fill(obj, attributes, loading)
        if running:
            loading.onAdopt(partial(task._theCooperator._addTask, obj))

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{ILiveAdapter.actions}.
        """
        if not _runsGlobally(obj):
            return Actions()
        cooperator = task._theCooperator
        return Actions(
            pause=partial(cooperator._removeTask, obj),
            resume=partial(_rejoin, cooperator, obj),
        )


def _rejoin(cooperator: Any, obj: Any) -> None:
    """
    Let a task have its turns again, unless it has not been taken out yet.
    """
    if obj not in cooperator._tasks:
        cooperator._addTask(obj)


def _runsGlobally(obj: Any) -> bool:
    """
    @return: whether the process's own cooperator has the task in its round.
    """
    return (
        obj._cooperator is task._theCooperator
        and obj._completionState is None
        and not obj._pauseCount
    )


@implementer(ISeeker)
class TaskSeeker:
    """
    Finds the tasks of a graph that nothing in the graph refers to.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        for candidate in task._theCooperator._tasks:
            if touches([candidate], capture.contains):
                yield candidate


def register(registry: Registry) -> None:
    """
    Add the adapters of cooperators and their tasks, and the seeker of tasks.
    """
    registry.register(Cooperator, CooperatorAdapter("twisted.internet.task.Cooperator"))
    registry.register(
        CooperativeTask, TaskAdapter("twisted.internet.task.CooperativeTask")
    )
    registry.addSeeker(TaskSeeker())
