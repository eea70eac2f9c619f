"""
Objects whose classes say themselves what they are made of: C{__reduce_ex__},
C{__reduce__}, or a function in C{copyreg.dispatch_table}.

It must not know any class.
"""

from __future__ import annotations

import copyreg
import sys
from collections.abc import Callable
from typing import Any

import attrs
from twisted.persisted.styles import Ephemeral
from zope.interface import implementer

from migrate.errors import LoadError, NotMovable
from migrate.graph.plain import className, hidesDictionary
from migrate.interfaces import IAdapter, ICapture, ILoading
from migrate.model import Description, Named

#: The protocol of L{pickle} that reductions are asked for.
_PROTOCOL = 4

_REMEDY = "register an adapter"

#: Their reductions are no account of an object: one is everybody's, the other
#: speaks of an object at rest.
_IGNORED = (object, Ephemeral)


def reduces(cls: type) -> bool:
    """
    @return: whether C{cls} has a reduction of its own.
    """
    return cls in copyreg.dispatch_table or any(
        "__reduce_ex__" in vars(base) or "__reduce__" in vars(base)
        for base in cls.__mro__
        if base not in _IGNORED
    )


def _reduced(obj: Any) -> str | tuple[Any, ...]:
    """
    @raise NotMovable: there is no way to take C{obj} apart.
    """
    cls = type(obj)
    if isinstance(obj, type) and cls not in copyreg.dispatch_table:
        raise NotMovable(f"the class {className(obj)} cannot migrate", _REMEDY)
    if hidesDictionary(cls) and not reduces(cls):
        raise NotMovable(f"{className(cls)} hides its instance dictionary", _REMEDY)
    reduce = copyreg.dispatch_table.get(cls)
    own: Any = cls.__reduce_ex__
    try:
        found: Any = reduce(obj) if reduce else own(obj, _PROTOCOL)
    except NotMovable:
        raise
    except TypeError as e:
        raise NotMovable(f"{className(cls)} cannot migrate", _REMEDY) from e
    except Exception as e:
        reason = f"{className(cls)} cannot migrate: {type(e).__name__}: {e}"
        raise NotMovable(reason, _REMEDY) from e
    if type(found) is not str and not (type(found) is tuple and 2 <= len(found) <= 6):
        raise NotMovable(f"{className(cls)} reduces to {type(found).__name__}", _REMEDY)
    return found


def _moduleOf(obj: Any, name: str) -> str:
    """
    @return: the module that has C{obj} under C{name}.
    """
    module = getattr(obj, "__module__", None)
    if isinstance(module, str):
        return module
    for candidate, loaded in list(sys.modules.items()):
        if getattr(loaded, "__dict__", {}).get(name) is obj:
            return candidate
    return "builtins"


def _classOf(obj: Any) -> type:
    """
    @return: the class of C{obj}, or L{object} where that is not called by its
        name: a reduction does not need it.
    """
    cls = type(obj)
    found: Any = sys.modules.get(cls.__module__)
    for part in cls.__qualname__.split("."):
        found = getattr(found, "__dict__", {}).get(part)
    return cls if found is cls else object


def _stateOf(reduction: tuple[Any, ...]) -> dict[str, Any] | None:
    """
    @return: what follows function and arguments in a reduction, of which the
        iterators are used up.
    """
    padded = (*reduction[2:], None, None, None, None)
    state, listed, paired, setter = padded[:4]
    found: dict[str, Any] = {}
    if state is not None:
        found["state"] = state
    if setter is not None:
        found["setter"] = setter
    if listed is not None:
        found["items"] = list(listed)
    if paired is not None:
        found["pairs"] = [part for pair in paired for part in pair]
    return found or None


def _restore(obj: Any, state: Any) -> None:
    """
    What L{pickle} does with a state.
    """
    setState: Callable[[Any], object] | None = getattr(obj, "__setstate__", None)
    if setState is not None:
        setState(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        obj.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


@implementer(IAdapter)
@attrs.frozen(eq=False)
class ReduceAdapter:
    """
    Speaks for whatever has a reduction and no other adapter.

    @cvar wholeState: C{fill} runs code of the class at once, so that the
        state has to be filled before.
    """

    name = "reduce"
    complete = True
    wholeState = True

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        reduction = _reduced(obj)
        if isinstance(reduction, str):
            return Named(_moduleOf(obj, reduction), reduction)
        arguments = (reduction[0], tuple(reduction[1]))
        return Description(_classOf(obj), arguments, _stateOf(reduction))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        function, values = arguments
        loading.permit(function)
        try:
            made = function(*values)
        except Exception as e:
            name = getattr(function, "__qualname__", type(function).__qualname__)
            raise LoadError(
                f"{className(cls)} could not be made again by {name}: "
                f"{type(e).__name__}: {e}"
            ) from e
        if not isinstance(made, cls):
            raise LoadError(f"a reduction of {className(cls)} made {type(made)!r}")
        return made

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        if "setter" in state:
            loading.permit(state["setter"])
            state["setter"](obj, state.get("state"))
        elif "state" in state:
            _restore(obj, state["state"])
        for item in state.get("items", ()):
            obj.append(item)
        pairs = state.get("pairs", ())
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            obj[key] = value
