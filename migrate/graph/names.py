"""
Objects that stay outside a graph and are found again by their names.

It must not know which objects those are.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any

from migrate.errors import CannotResolve, Forbidden, NotMovable
from migrate.interfaces import IPolicy
from migrate.model import Named

#: No module and no path inside one has a longer name.
LONGEST = 4096

#: Made anew by each look at an attribute, and equal where they are the same.
_BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)


def resolve(named: Named, policy: IPolicy) -> Any:
    """
    Import what a name means, as C{policy} permits.

    @raise CannotResolve: there is no such module or attribute.
    @raise Forbidden: the policy keeps it out; nothing was imported.
    """
    if not policy.permits(named.module, named.qualname):
        raise Forbidden(f"{named}: the policy of this process keeps it out")
    found = sys.modules.get(named.module) or _imported(named)
    return _attribute(found, named)


def _imported(named: Named) -> types.ModuleType:
    """
    @raise CannotResolve: the module cannot be imported, whatever the reason.
    """
    try:
        return importlib.import_module(named.module)
    except Exception as e:
        raise CannotResolve(
            f"{named}: cannot import {named.module}: {type(e).__name__}: {e}"
        ) from e


def _attribute(found: Any, named: Named) -> Any:
    """
    @raise CannotResolve: there is no such attribute.
    """
    for part in named.qualname.split(".") if named.qualname else ():
        try:
            found = getattr(found, part)
        except Exception as e:
            raise CannotResolve(f"{named}: there is no such name here") from e
    return found


def verify(obj: object, named: Named) -> None:
    """
    Make sure that a name means C{obj} in this process, without an import.

    @raise NotMovable: it does not.
    """
    if len(named.module) + len(named.qualname) > LONGEST:
        raise NotMovable(f"{named.module[:80]}: the name is too long")
    module = sys.modules.get(named.module)
    if module is None:
        raise NotMovable(f"{named}: there is no such module", "move it by value")
    try:
        found = _attribute(module, named)
    except CannotResolve as e:
        raise NotMovable(
            f"{named} cannot be found by that name",
            "define it at the top of a module that can be imported",
        ) from e
    if found is not obj and not (
        isinstance(obj, _BOUND) and type(found) is type(obj) and found == obj
    ):
        raise NotMovable(
            f"{named} means another object than this one",
            "keep one object of that name, or register an adapter",
        )
