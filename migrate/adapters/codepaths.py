"""
Ways to code: from a module's attributes to a function, and from there inwards.

A path inwards is made of names, each with its number among the functions of the
same name beside it.  Comprehensions are passed over, since Python 3.12 and
later compile them in line.

It must not know when a way is taken.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any

import attrs

from migrate.errors import CannotResolve

#: A name, its number among equal names, and how many of these there are.
Step = tuple[str, int, int]
Path = tuple[Step, ...]

_INLINED = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>"))
_SCOPE = "<generic parameters of "

_ACCESSORS = ("__func__", "__wrapped__", "fget", "fset", "fdel", "func")
_HOLDERS = (staticmethod, classmethod, property, functools.partial)


def children(code: types.CodeType) -> list[types.CodeType]:
    """
    @return: the functions and classes directly inside C{code}, in the order of
        their lines, the same in every version of Python.
    """
    found: list[types.CodeType] = []
    for constant in code.co_consts:
        if not isinstance(constant, types.CodeType):
            continue
        if constant.co_name in _INLINED or constant.co_name.startswith(_SCOPE):
            found.extend(children(constant))
        else:
            found.append(constant)
    return sorted(found, key=lambda inner: inner.co_firstlineno)


def steps(code: types.CodeType) -> Iterator[tuple[Step, types.CodeType]]:
    """
    @return: the way to each of the children.
    """
    inner = children(code)
    names = [child.co_name for child in inner]
    for index, child in enumerate(inner):
        name = child.co_name
        yield (name, names[:index].count(name), names.count(name)), child


def walk(code: types.CodeType) -> Iterator[tuple[Path, types.CodeType]]:
    """
    @return: C{code} and all that is inside, nearest first, each with its path.
    """
    pending: list[tuple[Path, types.CodeType]] = [((), code)]
    for path, inner in pending:
        yield path, inner
        pending.extend(((*path, step), child) for step, child in steps(inner))


def descend(code: types.CodeType, path: Path, label: str) -> types.CodeType:
    """
    Follow a path.

    @param label: what errors call the place where the path begins.
    @raise CannotResolve: it leads nowhere here, or nowhere for certain.
    """
    for name, number, count in path:
        same = [inner for inner in children(code) if inner.co_name == name]
        if len(same) != count:
            raise CannotResolve(
                f"{label} has {len(same)} functions {name!r} in this process and "
                f"{count} where it came from"
            )
        code = same[number]
        label = f"{label}.{name}"
    return code


def fingerprint(code: types.CodeType) -> tuple[Any, ...]:
    """
    @return: what has to agree for a function's state to fit the code: its
        parameters, and the names that it takes from around it.
    """
    stars = code.co_flags & 0x0C
    count = code.co_argcount + code.co_kwonlyargcount + bin(stars).count("1")
    return (
        code.co_posonlyargcount,
        code.co_argcount,
        code.co_kwonlyargcount,
        stars,
        tuple(code.co_varnames[:count]),
        tuple(sorted(code.co_freevars)),
    )


@attrs.frozen
class Access:
    """
    How a function is reached from its module.

    @ivar names: attributes of the module and of classes in it, with dots.
    @ivar accessors: what leads from the last one's value to the function.
    """

    names: str
    accessors: tuple[str, ...] = ()

    def follow(self, module: types.ModuleType) -> types.FunctionType:
        """
        @raise CannotResolve: there is no such function.
        """
        found: Any = module
        for name in self.names.split("."):
            found = _rawAttribute(found, name)
        for accessor in self.accessors:
            found = getattr(found, accessor, None)
        if not isinstance(found, types.FunctionType):
            raise CannotResolve(
                f"{module.__name__}.{self.names} is no Python function in this process"
            )
        return found


def _rawAttribute(owner: Any, name: str) -> Any:
    """
    An attribute as it is stored, past any descriptor.
    """
    for base in getattr(owner, "__mro__", (owner,)):
        namespace = getattr(base, "__dict__", {})
        if name in namespace:
            return namespace[name]
    return None


def _unfold(value: Any) -> Iterator[tuple[tuple[str, ...], types.FunctionType]]:
    """
    @return: the functions in an attribute's value: itself, and what common
        decorators wrap.
    """
    pending: list[tuple[tuple[str, ...], Any]] = [((), value)]
    seen: set[int] = set()
    while pending:
        accessors, value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, types.FunctionType):
            yield accessors, value
        elif not isinstance(value, (*_HOLDERS, functools.cached_property)):
            continue
        for accessor in _ACCESSORS:
            inner = getattr(value, accessor, None)
            if inner is not None:
                pending.append(((*accessors, accessor), inner))


def _namespaces(module: types.ModuleType) -> Iterator[tuple[str, Any]]:
    """
    @return: the namespaces of a module and of the classes that it defines,
        each with what goes before a name in it.
    """
    pending: list[tuple[str, Any]] = [("", module.__dict__)]
    seen: set[type] = set()
    for prefix, namespace in pending:
        yield prefix, namespace
        for name, value in list(namespace.items()):
            if not isinstance(value, type) or value in seen:
                continue
            if value.__module__ == module.__name__:
                seen.add(value)
                pending.append((f"{prefix}{name}.", value.__dict__))


@attrs.define(eq=False)
class LiveModule:
    """
    The functions of one module that can be reached from its attributes.

    @ivar functions: ways by the function's identity.
    @ivar codes: ways, and paths from there, by the code's identity.
    """

    module: types.ModuleType
    functions: dict[int, Access] = attrs.field(factory=dict)
    codes: dict[int, tuple[Access, Path]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, module: types.ModuleType) -> LiveModule:
        """
        @return: the functions of C{module}.
        """
        made = cls(module)
        for prefix, namespace in _namespaces(module):
            for name, value in list(namespace.items()):
                if isinstance(name, str):
                    for accessors, function in _unfold(value):
                        made._add(Access(prefix + name, accessors), function)
        return made

    def _add(self, access: Access, function: types.FunctionType) -> None:
        """
        Remember a function, if the module defined it, and all inside it.
        """
        if function.__globals__ is not self.module.__dict__:
            return
        self.functions.setdefault(id(function), access)
        if id(function.__code__) not in self.codes:
            for path, code in walk(function.__code__):
                self.codes.setdefault(id(code), (access, path))
