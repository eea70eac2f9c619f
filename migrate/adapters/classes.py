"""
Classes and modules: by name where another process can import them.  A class
that none can, because the main script, a prompt or a function made it, goes by
value: its metaclass, name, bases, slots and namespace.

A class that arrives by value was made once already, so nothing that runs when
a class statement does is run again: no C{__init_subclass__}, C{__set_name__},
nor C{__new__} or C{__init__} of a user's metaclass.  What these left behind in
the class arrives with its namespace; what they left elsewhere arrives if it is
in the graph, and a module that goes by name is told nothing.

It must not know what is in a namespace, except what Python itself put there.
"""

from __future__ import annotations

import abc
import contextlib
import importlib
import types
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import attrs
from twisted.python.deprecate import _ModuleProxy
from zope.interface import (
    classImplements,
    directlyProvidedBy,
    directlyProvides,
    implementedBy,
)

from migrate.adapters import recordclasses
from migrate.adapters.base import Whole, onlyByName
from migrate.adapters.names import nameOfClass, nameOfModule
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

_HEAP_TYPE = 1 << 9
_IMMUTABLE_TYPE = 1 << 8

#: What a new class makes for itself, or what other state says.
_MADE_ANEW = frozenset(
    (
        "__dict__",
        "__weakref__",
        "_abc_impl",
        "__implemented__",
        "__provides__",
        "__providedBy__",
    )
)
_COMPARING = ("__hash__", "__eq__")
_REGISTERED = "()registered"
_IMPLEMENTS = "()implements"
_PROVIDES = "()provides"


def namespaceOf(cls: type) -> dict[str, Any]:
    """
    @return: what C{cls} itself has, but for what a new class makes itself.
    """
    return {
        name: value
        for name, value in type.__getattribute__(cls, "__dict__").items()
        if name not in _MADE_ANEW and not _isSlot(cls, value)
    }


def _isSlot(cls: type, value: object) -> bool:
    """
    @return: whether C{value} reaches into the memory of instances of C{cls}.
    """
    return type(value) is types.MemberDescriptorType and value.__objclass__ is cls


def _slotsOf(cls: type) -> tuple[str, ...] | None:
    """
    @return: what has to be declared for the same layout, or L{None}: a class
        without slots has whatever a class has.
    """
    namespace = type.__getattribute__(cls, "__dict__")
    if "__slots__" not in namespace:
        return None
    slots = [name for name, value in namespace.items() if _isSlot(cls, value)]
    slots += [name for name in ("__dict__", "__weakref__") if name in namespace]
    return tuple(slots)


@contextlib.contextmanager
def quiet(bases: Sequence[type]) -> Iterator[None]:
    """
    Make a class without telling its bases.
    """
    hooked = {
        base
        for direct in bases
        for base in direct.__mro__
        if "__init_subclass__" in base.__dict__
        and base.__flags__ & _HEAP_TYPE
        and not base.__flags__ & _IMMUTABLE_TYPE
    }
    hooks = {base: base.__dict__["__init_subclass__"] for base in hooked}
    try:
        for base in hooks:
            type.__setattr__(base, "__init_subclass__", classmethod(_tellNobody))
        yield
    finally:
        for base, hook in hooks.items():
            type.__setattr__(base, "__init_subclass__", hook)


def _tellNobody(cls: type) -> None:
    """
    Stands for C{__init_subclass__} while a class is made that is not new.
    """


def makeBlank(
    meta: Any, name: str, bases: tuple[type, ...], namespace: dict[str, Any]
) -> Any:
    """
    Make a class past what its metaclass and its bases do at that.
    """
    new: Callable[..., Any] = type.__new__
    if issubclass(meta, abc.ABCMeta):
        new = abc.ABCMeta.__new__
    with quiet(bases):
        return new(meta, name, bases, namespace)


@attrs.frozen(eq=False)
class Special:
    """
    What else there is to move of certain classes.

    @ivar describe: takes a class and its namespace, from which it may drop
        what it makes again; what it returns goes along as C{state}.  L{None}
        where the class is not one of its kind.
    @ivar restore: takes a filled class and that state.
    """

    describe: Callable[[type, dict[str, Any]], dict[str, Any] | None]
    restore: Callable[[type, dict[str, Any]], None]


def _notYet(*unused: object) -> NoReturn:
    """
    Stands for what hashes and compares instances of a class that is not filled.

    @raise TypeError: always.
    """
    raise TypeError("the class of what is hashed or compared is not filled yet")


class Class(Whole):
    """
    Classes.

    @ivar specials: kinds of classes with more to them, by name.
    """

    name = "class"

    def __init__(self, specials: dict[str, Special]) -> None:
        self._specials = specials

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOfClass(obj)
        if named is not None:
            return named
        self._admit(obj)
        return self._byValue(obj)

    def _admit(self, cls: Any) -> None:
        """
        @raise NotMovable: the class is one of C, or its metaclass is.
        """
        for one in (cls, *type(cls).__mro__[:-2]):
            if not one.__flags__ & _HEAP_TYPE or (
                one is cls and cls.__flags__ & _IMMUTABLE_TYPE
            ):
                raise NotMovable(
                    f"the class {cls.__module__}.{cls.__qualname__} is built in and "
                    "cannot be found by its name"
                )

    def _byValue(self, cls: Any) -> Description:
        """
        Say all that a class is made of.
        """
        state = namespaceOf(cls)
        for name, special in self._specials.items():
            more = special.describe(cls, state)
            if more is not None:
                state.update({f"()({name}){key}": more[key] for key in more})
        state[_IMPLEMENTS] = _declared(cls)
        state[_PROVIDES] = tuple(directlyProvidedBy(cls))
        if isinstance(cls, abc.ABCMeta):
            state[_REGISTERED] = _registered(cls)
        return Description(
            type,
            (
                type(cls),
                cls.__name__,
                cls.__qualname__,
                cls.__bases__,
                _slotsOf(cls),
                tuple(name for name in _COMPARING if name in vars(cls)),
            ),
            state,
        )

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        meta, name, qualname, bases, slots, comparing = arguments
        # Until the class has its own, nobody may take an instance for one that
        # is told by its identity.
        namespace: dict[str, Any] = dict.fromkeys(comparing, _notYet)
        namespace["__qualname__"] = qualname
        if slots is not None:
            namespace["__slots__"] = slots
        return makeBlank(meta, name, bases, namespace)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        restoreClass(obj, state, self._specials)


def restoreClass(cls: Any, state: dict[str, Any], specials: dict[str, Special]) -> None:
    """
    Give a blank class its namespace, and what its declarations say.
    """
    declared, provided = state.pop(_IMPLEMENTS), state.pop(_PROVIDES)
    registered = state.pop(_REGISTERED, ())
    extra: dict[str, dict[str, Any]] = {}
    for key, value in state.items():
        if key.startswith("()("):
            name, _, rest = key[3:].partition(")")
            extra.setdefault(name, {})[rest] = value
        else:
            type.__setattr__(cls, key, value)
    for name, more in extra.items():
        specials[name].restore(cls, more)
    for other in registered:
        abc.ABCMeta.register(cls, other)
    # Under another name the type checker takes this for no declaration of its own.
    declare: Callable[..., object] = classImplements
    if declared:
        declare(cls, *declared)
    if provided:
        directlyProvides(cls, *provided)


def _declared(cls: type) -> tuple[Any, ...]:
    """
    @return: the interfaces that C{cls} itself declares to implement.
    @raise NotMovable: it declares more than that.
    """
    if "__implemented__" not in cls.__dict__:
        return ()
    declarations = implementedBy(cls)
    if declarations.inherit is not cls:
        raise NotMovable(
            f"the class {cls.__qualname__} implements only some interfaces of its "
            "bases (implementer_only)",
            "define it in a module",
        )
    return tuple(declarations.declared)


def _registered(cls: Any) -> tuple[type, ...]:
    """
    @return: the classes that an abstract one was told to be a base of.
    """
    getDump: Any = importlib.import_module("_abc")._get_dump
    found = (reference() for reference in getDump(cls)[0])
    return tuple(other for other in found if other is not None)


class Module(Whole):
    """
    Modules, by name.
    """

    name = "module"

    def describe(self, obj: Any, capture: ICapture) -> Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOfModule(obj)
        if named is None:
            raise NotMovable(
                f"no other process can import the module {obj.__name__!r}",
                "put it into a file, or keep what is needed of it",
            )
        return named

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    dataclass = Special(recordclasses.describe, recordclasses.restore)
    registry.register(type, Class({"dataclass": dataclass}))
    module = Module()
    registry.register(types.ModuleType, module)
    # What C{sys.modules} holds instead of a module with deprecated attributes.
    registry.register(_ModuleProxy, module)
