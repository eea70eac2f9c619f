"""
Python functions and their cells: by name where another process can import them,
else by value - nested functions, closures, lambdas, and what a prompt defined.

A function by value is its code, which is found again, the globals that it
reads, the cells that it closes over, and its own attributes.  The namespace of
a module that can be imported stays outside: the function arrives with that of
the module there.

It must not know how code is found, nor what a class does with its functions.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

from migrate.adapters import codeobjects
from migrate.adapters.base import Whole
from migrate.adapters.codeobjects import Modules
from migrate.adapters.codepaths import Access
from migrate.adapters.names import (
    PerCapture,
    moduleOfNamespace,
    nameOf,
)
from migrate.errors import CannotResolve
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

#: Attributes that C{FunctionType} does not take, or that are best given once
#: all is made; in the order in which they are set.
_HOME = "__module__"
_STATE = (
    "__qualname__",
    _HOME,
    "__doc__",
    "__defaults__",
    "__kwdefaults__",
    "__annotations__",
    "__type_params__",
    "__dict__",
)


class Function(Whole):
    """
    Functions.
    """

    name = "function"

    def __init__(self, modules: PerCapture[Modules]) -> None:
        self._modules = modules

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOf(obj, obj.__module__, obj.__qualname__)
        return named or self._stored(obj, capture) or self._byValue(obj)

    def _stored(self, obj: Any, capture: ICapture) -> Named | Description | None:
        """
        @return: how a module's attributes lead to C{obj}, though it calls
            itself otherwise: a lambda, what a decorator made or wraps, the
            function of a property.
        """
        module = moduleOfNamespace(obj.__globals__)
        if module is None:
            return None
        live = self._modules.of(capture).live(module)
        access = live.functions.get(id(obj))
        if access is None:
            return None
        if not access.accessors:
            return nameOf(obj, module.__name__, access.names)
        arguments = (module, access.names, access.accessors)
        return Description(types.FunctionType, arguments)

    def _byValue(self, obj: Any) -> Description:
        """
        Say all that a function is made of.
        """
        namespace = obj.__globals__
        own = obj.__builtins__
        arguments = (
            obj.__code__,
            moduleOfNamespace(namespace) or namespace,
            obj.__name__,
            obj.__code__.co_freevars,
            obj.__closure__ or (),
            None if own is builtins.__dict__ else own,
        )
        state = {name: getattr(obj, name, None) for name in _STATE}
        # Empty ones are what a new function has anyhow.
        return Description(
            types.FunctionType,
            arguments,
            {name: value for name, value in state.items() if value or name == _HOME},
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.

        @raise CannotResolve: the code here closes over other names.
        """
        if len(arguments) == 3:
            module, names, accessors = arguments
            return Access(names, accessors).follow(module)
        code, home, name, freeNames, cells, own = arguments
        closed = dict(zip(freeNames, cells, strict=True))
        if closed.keys() != set(code.co_freevars):
            raise CannotResolve(f"{name} closes over other names in this process")
        closure = tuple(closed[free] for free in code.co_freevars) or None
        namespace = home.__dict__ if isinstance(home, types.ModuleType) else home
        if own is None:
            made = types.FunctionType(code, namespace, name, None, closure)
        else:
            made = _makeWithBuiltins(own, code, namespace, name, closure)
        made.__doc__ = None
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        for name in _STATE:
            if name in state:
                setattr(obj, name, state[name])


def _makeWithBuiltins(
    own: dict[str, Any],
    code: types.CodeType,
    namespace: dict[str, Any],
    name: str,
    closure: tuple[Any, ...] | None,
) -> types.FunctionType:
    """
    A function looks its builtins up in its globals when it is made, and these
    are perhaps still empty.
    """
    absent = object()
    before = namespace.get("__builtins__", absent)
    namespace["__builtins__"] = own
    try:
        return types.FunctionType(code, namespace, name, None, closure)
    finally:
        if before is absent:
            del namespace["__builtins__"]
        else:
            namespace["__builtins__"] = before


class Cell(Whole):
    """
    What a closure shares with its siblings and with its maker, perhaps empty.
    """

    name = "cell"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        try:
            return Description(types.CellType, (), {"content": obj.cell_contents})
        except ValueError:
            return Description(types.CellType)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return types.CellType()

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        obj.cell_contents = state["content"]


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module, and that of code.
    """
    modules = codeobjects.register(registry)
    registry.register(types.FunctionType, Function(modules))
    registry.register(types.CellType, Cell())
