"""
Type variables: by name where a module has them, else by value.

It must not know what is generic in them.
"""

from __future__ import annotations

import typing
from typing import Any

from migrate.adapters.base import Whole
from migrate.adapters.names import nameOf
from migrate.errors import CannotResolve
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

_FLAGS = ("__covariant__", "__contravariant__", "__infer_variance__")
_KINDS = ("TypeVar", "ParamSpec", "TypeVarTuple")


class TypeVariable(Whole):
    """
    Type variables, parameter specifications and the like.
    """

    name = "typevar"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOf(obj, getattr(obj, "__module__", None), obj.__name__)
        if named is not None:
            return named
        options: list[Any] = []
        for flag in _FLAGS:
            if getattr(obj, flag, False):
                options += [flag.strip("_"), True]
        if getattr(obj, "__bound__", None) is not None:
            options += ["bound", obj.__bound__]
        if getattr(obj, "has_default", bool)():
            options += ["default", obj.__default__]
        constraints = tuple(getattr(obj, "__constraints__", ()))
        module = getattr(obj, "__module__", None)
        return Description(
            type(obj), (obj.__name__, module, constraints, tuple(options))
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.

        @raise CannotResolve: type variables here lack an option.
        """
        name, module, constraints, flat = arguments
        options = dict(zip(flat[::2], flat[1::2], strict=True))
        try:
            made = cls(name, *constraints, **options)
        except TypeError as e:
            raise CannotResolve(f"the type variable {name}: {e}") from e
        made.__module__ = module
        return made


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    adapter = TypeVariable()
    for name in _KINDS:
        # Newer versions have more of them.
        kind = getattr(typing, name, None)
        if kind is not None:
            registry.register(kind, adapter)
