"""
Child processes.  They cannot get another parent; but their pipes and terminals
can, and how they end can be known to others where Linux tells it.

The origin goes on reaping those that have moved away, for as long as it lives;
afterwards the system does.

It must not know why anybody starts a process.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from functools import partial
from itertools import filterfalse
from typing import Any

import attrs
from twisted.internet import process
from twisted.internet.process import Process, PTYProcess
from zope.interface import implementer

from migrate.adapters.carriers import touches
from migrate.adapters.detached import ignore
from migrate.adapters.exits import Watch, answers, namespace
from migrate.adapters.numbered import NumberAdapter
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILiveAdapter, ILoading, ISeeker
from migrate.model import Actions

NAMESPACE = "@namespace"

#: What stands in for C{waitpid} with a child of another process.
_REAP = "reapProcess"


@attrs.define(eq=False)
class Orphan:
    """
    A child whose object has moved away: it is still to be reaped here.
    """

    pid: int

    def reapProcess(self) -> None:
        """
        Called by the reactor whenever some child has ended.
        """
        try:
            found, _ = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            found = self.pid
        if found:
            process.reapProcessHandlers.pop(self.pid, None)


@attrs.define(eq=False)
class Custody:
    """
    The end of one child of the origin in the janitor's hands.

    @ivar child: the object that waits for it.
    """

    child: Any

    def pause(self) -> None:
        """
        Whatever ends stays as it is until somebody asks how.
        """
        watch = _watchOf(self.child)
        if watch is None:
            process.reapProcessHandlers.pop(self.child.pid, None)
        else:
            watch.stop()

    def resume(self, reactor: Any) -> None:
        """
        Wait again, and look whether it has ended meanwhile.
        """
        watch = _watchOf(self.child)
        if watch is None:
            process.reapProcessHandlers[self.child.pid] = self.child
            reactor.callLater(0, process.reapAllProcesses)
        else:
            watch.start()

    def release(self) -> None:
        """
        The child is another one's to hear of.
        """
        watch = _watchOf(self.child)
        if watch is None:
            orphan: Any = Orphan(self.child.pid)
            process.reapProcessHandlers[orphan.pid] = orphan
            orphan.reapProcess()
        else:
            watch.close()
        # To signal it is the new owner's, too.
        self.child.__dict__.update(pid=None, proto=None, reapProcess=ignore)


def _watchOf(child: Any) -> Watch | None:
    """
    @return: what waits for a child that has been moved here.
    """
    return getattr(child.__dict__.get(_REAP), "__self__", None)


def _audit(child: Any, told: Callable[[], bool]) -> None:
    """
    @param told: tells whether others than the parent learn how a child ends.
    @raise NotMovable: they do not.
    """
    if child.pid is None or told():
        return
    raise NotMovable(
        f"the child process {child.pid} ({_commandOf(child.pid)}), of whose end this "
        "kernel tells nobody but the process that started it (Linux does since 6.15)",
        "end it, or try again once it has ended",
        over=_ending(child),
    )


def _commandOf(pid: int) -> str:
    """
    @return: what a process runs, for a person.
    """
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(200).rstrip(b"\0").split(b"\0")
    except OSError:
        return "unknown"
    return b" ".join(words).decode("utf-8", "replace") or "unknown"


def _ending(child: Any) -> Callable[[], bool]:
    """
    @return: what tells whether a child has ended.
    """
    kept = weakref.ref(child)

    def over() -> bool:
        found = kept()
        return found is None or found.pid is None

    return over


def _homeOf(child: Any) -> object:
    """
    @return: the namespace of a child's number; L{None} if it has ended.
    """
    return None if child.pid is None else namespace()


def _await(child: Any, home: Any, loading: ILoading) -> None:
    """
    Have a child that came waited for once it is adopted.

    @param home: the namespace of its number; L{None} if it has ended.
    @raise LoadError: there is no such process here.
    """
    if home is None:
        return
    if home != namespace():
        raise LoadError("a child process of another namespace cannot be waited for")
    watch = Watch(loading.reactor, child.pid, child.processEnded, child)
    try:
        watch.open()
    except OSError as error:
        raise LoadError(f"there is no process {child.pid}") from error
    loading.onDiscard(watch.close)
    child.reapProcess = watch.look
    loading.onAdopt(watch.start)


@implementer(ILiveAdapter)
class ProcessAdapter(AttributesAdapter):
    """
    Knows L{Process}, whose pipes are objects of their own.
    """

    omitted: tuple[str, ...] = (_REAP,)
    extras = (NAMESPACE,)

    def __init__(self, name: str, told: Callable[[], bool] = answers) -> None:
        """
        @param told: tells whether others than the parent learn how a child ends.
        """
        super().__init__(name)
        self._told = told

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        _audit(obj, self._told)
        return (_homeOf(obj),)

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        _await(obj, values[0], loading)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        if obj.pid is None:
            return Actions()
        custody = Custody(obj)
        resume = partial(custody.resume, capture.reactor)
        return Actions(custody.pause, resume, custody.release)


class TerminalAdapter(NumberAdapter):
    """
    Knows L{PTYProcess}, which is the end of a terminal, too.
    """

    postponable = False
    extras = (*NumberAdapter.extras, NAMESPACE)

    def __init__(self, name: str, told: Callable[[], bool] = answers) -> None:
        """
        @param told: tells whether others than the parent learn how a child ends.
        """
        super().__init__(name, "fd")
        self.omitted = (*self.omitted, _REAP)
        self._told = told

    def extract(self, obj: Any, capture: ICapture) -> tuple[object, ...]:
        """
        See L{migrate.interfaces.IDirectAdapter.extract}.
        """
        _audit(obj, self._told)
        return (*super().extract(obj, capture), _homeOf(obj))

    def restore(self, obj: Any, values: tuple[Any, ...], loading: ILoading) -> None:
        """
        See L{migrate.interfaces.IDirectAdapter.restore}.
        """
        super().restore(obj, values, loading)
        _await(obj, values[-1], loading)

    def actions(self, obj: Any, capture: ICapture) -> Actions:
        """
        See L{migrate.interfaces.ILiveAdapter.actions}.
        """
        terminal = super().actions(obj, capture)
        if obj.pid is None:
            return terminal
        custody = Custody(obj)

        def pause() -> None:
            terminal.pause()
            custody.pause()

        def resume() -> None:
            custody.resume(capture.reactor)
            terminal.resume()

        def release() -> None:
            terminal.release()
            custody.release()

        return Actions(pause, resume, release)


@implementer(ISeeker)
class ChildSeeker:
    """
    Finds the children of a graph that nothing in the graph refers to.
    """

    def seek(self, capture: ICapture) -> Iterator[object]:
        """
        See L{ISeeker.seek}.
        """
        children: list[Any] = list(process.reapProcessHandlers.values())
        readers: Any = getattr(capture.reactor, "getReaders", list)()
        # Of thousands, nearly all are in the graph.
        others = filterfalse(capture.contains, readers)
        children += [each.process for each in others if isinstance(each, Watch)]
        for child in children:
            if not capture.contains(child) and touches([child], capture.contains):
                yield child


def register(registry: Registry) -> None:
    """
    Add the adapters of child processes, and the seeker of those that nobody
    refers to.
    """
    registry.register(Process, ProcessAdapter("twisted.internet.process.Process"))
    registry.register(
        PTYProcess, TerminalAdapter("twisted.internet.process.PTYProcess")
    )
    registry.addSeeker(ChildSeeker())
