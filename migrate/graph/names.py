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

#: Where a policy is told that adapters are.
ADAPTERS = "migrate.adapters"

#: Made anew by each look at an attribute, and equal where they are the same.
_ATTRIBUTES = (
    types.ClassMethodDescriptorType,
    types.GetSetDescriptorType,
    types.MemberDescriptorType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
)
_BOUND = (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType)


def resolve(named: Named, policy: IPolicy) -> Any:
    """
    Import what a name means, as C{policy} permits.

    @raise CannotResolve: there is no such module or attribute.
    @raise Forbidden: the policy keeps it out; nothing was imported.
    """
    _ask(policy, named)
    module = sys.modules.get(named.module) or _imported(named)
    found = _attribute(module, named, policy)
    home = homeOf(found)
    if home is not None and home != named:
        _ask(policy, home)
    return found


def permitCall(function: object, policy: IPolicy) -> None:
    """
    Make sure that a graph may have this called, whatever led to it.

    @raise Forbidden: the policy keeps it out.
    """
    home = homeOf(function) or homeOf(type(function))
    assert home is not None
    _ask(policy, home)


def _ask(policy: IPolicy, named: Named) -> None:
    """
    @raise Forbidden: the policy keeps it out.
    """
    if not policy.permits(named.module, named.qualname):
        raise Forbidden(
            f"{named}: the policy of this process keeps it out; "
            f"--allow {str(named).rstrip(':')} would let it in"
        )


def homeOf(obj: Any) -> Named | None:
    """
    @return: where a module, class, function or method is defined; L{None} for
        what is none of these.
    """
    if isinstance(obj, types.ModuleType):
        return Named(obj.__name__)
    if isinstance(obj, types.MethodType):
        return homeOf(obj.__func__)
    if isinstance(obj, _ATTRIBUTES):
        return _inside(obj.__objclass__, obj.__name__)
    if isinstance(obj, types.MethodWrapperType):
        return _inside(type(obj.__self__), obj.__name__)
    if isinstance(obj, types.BuiltinFunctionType):
        target = obj.__self__
        if target is not None and not isinstance(target, types.ModuleType):
            owner = target if isinstance(target, type) else type(target)
            return _inside(owner, obj.__name__)
    elif not isinstance(obj, type | types.FunctionType):
        return None
    return Named(str(obj.__module__), obj.__qualname__)


def _inside(owner: type, name: str) -> Named:
    """
    @return: the name of an attribute of a class.
    """
    return Named(owner.__module__, f"{owner.__qualname__}.{name}")


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


def _attribute(found: Any, named: Named, policy: IPolicy | None = None) -> Any:
    """
    @param policy: what has to permit every module on the way, if anything.
    @raise CannotResolve: there is no such attribute.
    @raise Forbidden: the policy keeps it out.
    """
    for part in named.qualname.split(".") if named.qualname else ():
        if policy is not None and isinstance(found, types.ModuleType):
            _passThrough(found, part, named, policy)
        try:
            found = getattr(found, part)
        except Exception as e:
            raise CannotResolve(f"{named}: there is no such name here") from e
    return found


def _passThrough(
    module: types.ModuleType, part: str, named: Named, policy: IPolicy
) -> None:
    """
    @raise Forbidden: a name leads into a module that has another one, whose
        attribute is not permitted.
    """
    if module.__name__ != named.module and not policy.permits(module.__name__, part):
        raise Forbidden(f"{named}: the policy of this process keeps it out")


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
