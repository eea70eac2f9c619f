"""
What adapters see of a graph that arrives, and what becomes of it: descriptors
have one owner at every instant, and every action runs once.

It must not know how the graph was written.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

from twisted.logger import Logger
from zope.interface import implementer

from migrate.errors import CannotResolve, LoadError, LocalProtocolError, MalformedTable
from migrate.graph.absent import ABSENT, Absent
from migrate.graph.environment import REACTOR, Environment
from migrate.graph.names import permitCall, resolve
from migrate.interfaces import ILoading
from migrate.model import Descriptor, Named

Action = Callable[[], None]


@implementer(ILoading)
class Loading:
    """
    One arrival.

    @ivar reactor: see L{ILoading}.
    @ivar filenos: the descriptors that came, in their order.
    @ivar unowned: those of them that no adapter owns.
    @ivar read: how many bytes came in files and were read.
    @ivar number: the object that is being made or filled; whatever it asks to
        be done after the fill is done in the reverse order of these.
    """

    _log = Logger()

    def __init__(self, environment: Environment) -> None:
        self.reactor = environment.reactor
        self.number = 0
        self._environment = environment
        self.filenos: list[int] = []
        self.unowned: set[int] = set()
        self._resolved = environment.knowledge.resolved(environment.policy)
        self._afterFill: list[tuple[int, Action]] = []
        self._onAdopt: list[Action] = []
        self._onAdopted: list[Action] = []
        self._onDiscard: list[Action] = []
        self.read = 0
        self.ended = False

    # What adapters may ask for

    def own(self, descriptor: Descriptor) -> int:
        """
        See L{ILoading.own}.
        """
        if descriptor.fileno not in self.unowned:
            raise MalformedTable(f"descriptor {descriptor.fileno} has an owner")
        self.unowned.remove(descriptor.fileno)
        return descriptor.fileno

    def external(self, name: str) -> Any:
        """
        See L{ILoading.external}.
        """
        if name == REACTOR:
            return self.reactor
        if name.startswith(ABSENT):
            return Absent()
        try:
            return self._environment.externals[name]
        except KeyError as e:
            raise CannotResolve(f"this process provides no {name!r}") from e

    def resolve(self, name: Named) -> Any:
        """
        See L{ILoading.resolve}.
        """
        if name not in self._resolved:
            self._resolved[name] = resolve(name, self._environment.policy)
        return self._resolved[name]

    def permit(self, function: Any) -> None:
        """
        See L{ILoading.permit}.
        """
        permitCall(function, self._environment.policy)

    def afterFill(self, action: Action) -> None:
        """
        See L{ILoading.afterFill}.
        """
        self._afterFill.append((self.number, action))

    def onAdopt(self, action: Action) -> None:
        """
        See L{ILoading.onAdopt}.
        """
        self._onAdopt.append(action)

    def onAdopted(self, action: Action) -> None:
        """
        See L{ILoading.onAdopted}.
        """
        self._onAdopted.append(action)

    def onDiscard(self, action: Action) -> None:
        """
        See L{ILoading.onDiscard}.
        """
        self._onDiscard.append(action)

    # What the loader does

    def receive(self, filenos: Sequence[int]) -> None:
        """
        Own descriptors that came, until adapters do.
        """
        self.filenos += filenos
        self.unowned.update(filenos)

    def check(self, filenos: Sequence[int]) -> None:
        """
        The same for some of which it is not known how they came.

        @raise LoadError: one of them is no open descriptor.
        """
        self.receive(filenos)
        for fileno in filenos:
            try:
                os.set_inheritable(fileno, False)
            except OSError as e:
                self.unowned.discard(fileno)
                raise LoadError(f"descriptor {fileno} is not open: {e}") from e

    def descriptor(self, place: Any) -> Descriptor:
        """
        @param place: a descriptor's number in the records.
        @raise MalformedTable: there is no such descriptor.
        """
        if type(place) is not int or not 0 <= place < len(self.filenos):
            raise MalformedTable(f"there is no descriptor {place!r}")
        return Descriptor(self.filenos[place])

    def spend(self, place: Any) -> None:
        """
        Close a file of which all has been read.

        @raise MalformedTable: there is none that nobody owns.
        """
        fileno = self.own(self.descriptor(place))
        self.read += os.fstat(fileno).st_size
        os.close(fileno)

    def settle(self) -> None:
        """
        Do what was to be done after the fill: the object that was met last
        comes first.
        """
        while self._afterFill:
            actions, self._afterFill = self._afterFill, []
            actions.sort(key=itemgetter(0), reverse=True)
            for number, action in actions:
                self.number = number
                action()

    def adopt(self) -> None:
        """
        Run what was registered for it, then close what nobody owns.  An action
        that fails is logged and keeps no other from running: from here on
        this process is the only owner.
        """
        self._end()
        for action in [*self._onAdopt, *self._onAdopted]:
            self._perform(action)
        self._close()

    def discard(self) -> None:
        """
        Undo, in reverse order, and close what nobody owns.
        """
        if self.ended:
            return
        self._end()
        for action in reversed(self._onDiscard):
            self._perform(action)
        self._close()

    def _end(self) -> None:
        """
        @raise LocalProtocolError: it was adopted or discarded before.
        """
        if self.ended:
            raise LocalProtocolError("the graph was adopted or discarded before")
        self.ended = True

    def _perform(self, action: Action) -> None:
        """
        Run one action; whatever happens, the next has to run.
        """
        try:
            action()
        except Exception:
            self._log.failure("an adapter's last action on a graph failed")

    def _close(self) -> None:
        """
        Close the descriptors that nobody owns.
        """
        while self.unowned:
            with suppress(OSError):
                os.close(self.unowned.pop())
