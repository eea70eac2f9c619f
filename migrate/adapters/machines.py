"""
State machines that L{automat.TypeMachineBuilder} built, such as the one inside
a L{twisted.application.internet.ClientService}: the machine itself is code and
goes by name; what moves is the state that it is in, and its core.

It must not know what any machine does.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from automat._core import Transitioner
from automat._typed import InputImplementer, TypeMachine
from zope.interface import implementer

from migrate.adapters.base import onceNot, onlyByName
from migrate.errors import LoadError, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named


@implementer(IAdapter)
class MachineAdapter:
    """
    Knows the instances that a L{TypeMachine} makes.
    """

    name = "automat.InputImplementer"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        machine = _machineOf(type(obj))
        if machine is None:
            raise NotMovable(
                f"a state machine that no module names ({type(obj).__name__})",
                "keep what TypeMachineBuilder.build() returns in a module",
            )
        if _isInTransition(obj):
            raise NotMovable(
                "a state machine in the middle of a transition",
                "claim the service from outside of its own callbacks",
                onceNot(obj, _isInTransition),
            )
        state = {
            "core": obj.__automat_core__,
            "data": obj.__automat_data__,
            "state": obj.__automat_transitioner__._state.name,
        }
        return Description(InputImplementer, (machine,), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        (machine,) = arguments
        if not isinstance(machine, TypeMachine):
            raise LoadError(f"{machine!r} is no state machine")
        made = machine.__automat_type__
        return made.__new__(made)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.

        @raise LoadError: the machine of this process has no such state.
        """
        machine = _machineOf(type(obj))
        assert machine is not None, "it was made of one"
        automaton = machine.__automat_automaton__
        for known in automaton.states():
            if known.name == state["state"]:
                break
        else:
            raise LoadError(f"{type(obj).__name__} has no state {state['state']!r}")
        obj.__automat_core__ = state["core"]
        obj.__automat_data__ = state["data"]
        obj.__automat_postponed__ = None
        obj.__automat_transitioner__ = Transitioner(automaton, known)


@implementer(IAdapter)
class FactoryAdapter:
    """
    Knows L{TypeMachine}, which goes by the name that a module gives it.
    """

    name = "automat.TypeMachine"
    complete = False

    def describe(self, obj: Any, capture: ICapture) -> Named:
        """
        See L{IAdapter.describe}.
        """
        for named, machine in _machines():
            if machine is obj:
                return named
        raise NotMovable(
            "a state machine that no module names",
            "keep what TypeMachineBuilder.build() returns in a module",
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        onlyByName()


def _isInTransition(obj: Any) -> bool:
    """
    @return: whether a machine is on the stack.
    """
    return obj.__automat_postponed__ is not None


def _machines() -> Iterator[tuple[Named, Any]]:
    """
    @return: all the machines that modules name.
    """
    for moduleName, module in list(sys.modules.items()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if type(value) is TypeMachine:
                yield Named(moduleName, name), value


def _machineOf(cls: type) -> Any:
    """
    @return: the machine that makes instances of C{cls}, or L{None}.
    """
    for _named, machine in _machines():
        if machine.__automat_type__ is cls:
            return machine
    return None


def register(registry: Registry) -> None:
    """
    Add the adapters of state machines.
    """
    registry.register(InputImplementer, MachineAdapter())
    registry.register(TypeMachine, FactoryAdapter())
