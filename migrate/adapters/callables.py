"""
What is called and is no Python function: bound methods, builtin functions, the
descriptors of classes, partial applications, and the decorators of classes.

A method goes as its owner and its name, so that it is the owner's method at the
recipient too, as that is now.

It must not know how functions and classes move.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator
from typing import Any

from migrate.adapters.attributes import readAttributes, writeAttributes
from migrate.adapters.base import Whole, onlyByName
from migrate.adapters.names import PerCapture, nameOf, nameOfClass
from migrate.errors import CannotResolve, NotMovable
from migrate.graph.records import METHODS
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named


def _stored(owner: type, name: str) -> Any:
    """
    An attribute as a class or one of its bases stores it.

    @raise CannotResolve: none does.
    """
    for base in owner.__mro__:
        namespace = type.__getattribute__(base, "__dict__")
        if name in namespace:
            return namespace[name]
    raise CannotResolve(f"{owner.__qualname__} has no {name!r} in this process")


def _owners(target: Any) -> Iterator[type]:
    """
    @return: the classes where the methods of C{target} may be defined: those
        of its class, and its own if it is one.
    """
    if isinstance(target, type):
        yield from target.__mro__
    yield from type(target).__mro__


class Method(Whole):
    """
    Bound methods: of instances and of classes, inherited ones, those called by
    C{super()}, and those with private names, which no C{getattr} finds by
    C{__name__}.
    """

    name = METHODS

    def __init__(self) -> None:
        # Thousands of objects of one class have their timers call one method.
        self._homes: PerCapture[dict[Any, tuple[Any, ...]]] = PerCapture(dict)
        self._functions: PerCapture[dict[Any, Any]] = PerCapture(dict)

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        target, function = obj.__self__, obj.__func__
        if isinstance(target, type):
            return Description(types.MethodType, (target, *_homeOf(target, function)))
        homes = self._homes.of(capture)
        # The walk keeps the method, and so the function.
        key = (type(target), id(function))
        home = homes.get(key)
        if home is None:
            home = homes[key] = _homeOf(target, function)
        return Description(types.MethodType, (target, *home))

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if len(arguments) == 2:
            target, function = arguments
            return types.MethodType(function, target)
        target, owner, name = arguments
        functions = self._functions.of(loading)
        found = functions.get((owner, name))
        if found is None:
            found = functions[owner, name] = _functionOf(owner, name)
        return types.MethodType(found, target)


def _functionOf(owner: type, name: str) -> Any:
    """
    @return: the function that a class has as a method.
    @raise CannotResolve: there is no such method.
    """
    found = _stored(owner, name)
    if isinstance(found, classmethod):
        found = found.__func__
    if not callable(found):
        raise CannotResolve(f"{owner.__qualname__}.{name} is no method any more")
    return found


def _homeOf(target: Any, function: Any) -> tuple[Any, ...]:
    """
    @return: the class that has C{function} as a method for C{target}, and what it
        calls it; or the function itself, if none has.
    """
    owners = list(_owners(target))
    guess = str(getattr(function, "__name__", ""))
    # Nearly always it is called what it calls itself.
    for names in ((guess,), None):
        for owner in owners:
            for name in _namesOf(owner, function, names):
                if nameOfClass(owner) is not None:
                    return owner, name
    return (function,)


def _namesOf(owner: type, function: Any, names: Iterable[str] | None) -> Iterator[str]:
    """
    @param names: where to look; L{None} for everywhere.
    @return: the names under which C{owner} itself has C{function} as a method.
    """
    namespace = type.__getattribute__(owner, "__dict__")
    for name in namespace if names is None else names:
        if name in namespace and _methodOf(namespace[name]) is function:
            yield name


def _methodOf(value: Any) -> Any:
    """
    @return: the function that a class's attribute gives to be bound.
    """
    return value.__func__ if isinstance(value, classmethod) else value


class BuiltinFunction(Whole):
    """
    Functions of C modules, by name; methods of C classes, by what they are
    bound to.
    """

    name = "builtin"

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{IAdapter.describe}.
        """
        target = obj.__self__
        if target is None or isinstance(target, types.ModuleType):
            for module in (obj.__module__, getattr(target, "__name__", None)):
                named = nameOf(obj, module, obj.__qualname__)
                if named is not None:
                    return named
            raise NotMovable(
                f"the builtin function {obj.__name__} cannot be found by its name",
                "keep it in an importable module",
            )
        if getattr(target, obj.__name__, None) == obj:
            return Description(types.BuiltinFunctionType, (target, obj.__name__))
        for owner in _owners(target):
            if self._bound(owner, obj.__name__, target) == obj:
                return Description(
                    types.BuiltinFunctionType, (target, owner, obj.__name__)
                )
        raise NotMovable(f"{obj!r} is no method of what it is bound to")

    def _bound(self, owner: type, name: str, target: Any) -> Any:
        """
        @return: what C{owner} itself binds to C{target} under a name.
        """
        found = type.__getattribute__(owner, "__dict__").get(name)
        if isinstance(found, staticmethod | types.BuiltinFunctionType):
            # tp_new of a class is a static method bound to that class.
            return getattr(owner, name)
        if isinstance(found, types.ClassMethodDescriptorType):
            return found.__get__(None, target) if isinstance(target, type) else None
        if isinstance(found, types.MethodDescriptorType):
            return found.__get__(target) if isinstance(target, owner) else None
        return None

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        if len(arguments) == 2:
            return getattr(*arguments)
        target, owner, name = arguments
        for base in owner.__mro__:
            found = self._bound(base, name, target)
            if found is not None:
                return found
        raise CannotResolve(f"{owner.__qualname__} has no {name!r} in this process")


class ClassAttribute(Whole):
    """
    Descriptors that a class of C, or a class's slots, brought: by their class
    and name.  Those wrapped around an object as its methods, too.
    """

    name = "descriptor"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        owner, name = obj.__objclass__, obj.__name__
        if isinstance(obj, types.MethodWrapperType):
            return Description(type(obj), (owner, name, obj.__self__))
        for stored, value in type.__getattribute__(owner, "__dict__").items():
            if value is obj:
                return Description(type(obj), (owner, stored))
        raise NotMovable(f"{obj!r} is no attribute of its class any more")

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        owner, name, *target = arguments
        found = _stored(owner, name)
        return found.__get__(target[0]) if target else found


class Partial(Whole):
    """
    Partial applications, whose parts may lead back to them.
    """

    name = "partial"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        base: Any = functools.partial
        state = readAttributes(obj)
        parts = ("func", "args", "keywords")
        state.update(
            {f"()({part})": getattr(base, part).__get__(obj) for part in parts}
        )
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return functools.partial.__new__(cls, _blank)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        parts = [state.pop(f"()({part})") for part in ("func", "args", "keywords")]
        base: Any = functools.partial
        base.__setstate__(obj, (*parts, None))
        writeAttributes(obj, state)


def _blank() -> None:
    """
    What a partial application calls until it is filled.
    """


class Cached(Whole):
    """
    Functions with a cache (C{functools.lru_cache}), which shows nobody what is
    in it: by name.
    """

    name = "lru_cache"

    def describe(self, obj: Any, capture: ICapture) -> Named:
        """
        See L{IAdapter.describe}.
        """
        named = nameOf(obj, obj.__module__, obj.__qualname__)
        if named is None:
            raise NotMovable(
                f"no importable module has {obj.__qualname__}, and its cache shows "
                "nobody what is in it",
                "decorate a function of a module",
            )
        return named

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        onlyByName()


class Wrapper(Whole):
    """
    Static and class methods as a class stores them.
    """

    def __init__(self, name: str, base: Any) -> None:
        self.name = name
        self._base = base

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        state = readAttributes(obj)
        state["()"] = self._base.__func__.__get__(obj)
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return self._base.__new__(cls, _blank)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        self._base.__init__(obj, state.pop("()"))
        # The constructor copied attributes of a function that has none yet.
        obj.__dict__.clear()
        writeAttributes(obj, state)


class Property(Whole):
    """
    Properties and their subclasses.
    """

    name = "property"

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        state = readAttributes(obj)
        for part in ("fget", "fset", "fdel", "__doc__"):
            state[f"()({part})"] = property.__dict__[part].__get__(obj)
        named = property.__dict__.get("__name__")
        if named is not None:
            state["()(name)"] = getattr(obj, "__name__", None)
        return Description(type(obj), (), state)

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.
        """
        return property.__new__(cls)

    def fill(self, obj: Any, state: dict[str, Any], loading: ILoading) -> None:
        """
        See L{IAdapter.fill}.
        """
        parts = ("fget", "fset", "fdel", "__doc__")
        property.__init__(obj, *[state.pop(f"()({part})") for part in parts])
        name = state.pop("()(name)", None)
        if name is not None and "__name__" in property.__dict__:
            property.__dict__["__name__"].__set__(obj, name)
        writeAttributes(obj, state)


def register(registry: Registry) -> None:
    """
    Let C{registry} know the adapters of this module.
    """
    registry.register(types.MethodType, Method())
    registry.register(types.BuiltinFunctionType, BuiltinFunction())
    attribute = ClassAttribute()
    for cls in (
        types.WrapperDescriptorType,
        types.MethodWrapperType,
        types.MethodDescriptorType,
        types.ClassMethodDescriptorType,
        types.GetSetDescriptorType,
        types.MemberDescriptorType,
    ):
        registry.register(cls, attribute)
    registry.register(functools.partial, Partial())
    registry.register(functools._lru_cache_wrapper, Cached())
    registry.register(property, Property())
    registry.register(staticmethod, Wrapper("staticmethod", staticmethod))
    registry.register(classmethod, Wrapper("classmethod", classmethod))
