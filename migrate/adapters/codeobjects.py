"""
Code objects, which are found again and not shipped: byte code of one Python is
nothing to another one, and the code of a newer release is what an upgrade is
for.

Code is known by its place, which is one of three:

  - C{live}: inside a function that can be reached from a module's attributes;
  - C{module}: inside the code of a module, in a function that cannot be reached
    so, such as a lambda in a table; only as long as the module's source is the
    one that was imported, which the comparison of both codes tells;
  - C{source}: inside a text that no module has: what was typed at a prompt,
    generated, or run as the main script.  Then the text goes along.

From there on a path leads inwards: names, each with its number among the
functions of the same name beside it.  Comprehensions are passed over, since
Python 3.12 and later compile them in line.

It must not know functions: a code object has neither globals nor defaults.
"""

from __future__ import annotations
import __future__

import functools
import linecache
import os
import tokenize
import types
from collections.abc import Iterator
from typing import Any

import attrs

from migrate.adapters.base import Whole
from migrate.adapters.names import PerCapture, importableModules
from migrate.errors import CannotResolve, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

#: A name, its number among equal names, and how many of these there are.
Step = tuple[str, int, int]
Path = tuple[Step, ...]

_INLINED = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>"))
_SCOPE = "<generic parameters of "

_FUTURE = 0
for _feature in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _feature).compiler_flag

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


class Modules:
    """
    What one walk over a graph found out about modules and their code.
    """

    def __init__(self) -> None:
        self._live: dict[str, LiveModule] = {}
        self._texts: dict[str, list[str]] = {}
        self._compiled: dict[tuple[str, int], list[Any]] = {}
        self._loaded: dict[str, types.CodeType | None] = {}
        self._byFile: dict[str, list[types.ModuleType]] | None = None

    def live(self, module: types.ModuleType) -> LiveModule:
        """
        @return: the reachable functions of C{module}.
        """
        name = module.__name__
        if name not in self._live:
            self._live[name] = LiveModule.of(module)
        return self._live[name]

    def of(self, code: types.CodeType) -> list[types.ModuleType]:
        """
        @return: the modules that C{code} may have been compiled in.
        """
        if self._byFile is None:
            self._byFile = {}
            for name, module in importableModules():
                for filename in (getattr(module, "__file__", None), f"<frozen {name}>"):
                    if isinstance(filename, str):
                        self._byFile.setdefault(filename, []).append(module)
        return self._byFile.get(code.co_filename, [])

    def loaded(self, module: types.ModuleType) -> types.CodeType | None:
        """
        @return: the code of C{module} as its loader would run it now.
        """
        name = module.__name__
        if name not in self._loaded:
            self._loaded[name] = loadedCode(module)
        return self._loaded[name]

    def compiled(self, code: types.CodeType) -> list[tuple[str, types.CodeType]]:
        """
        @return: the texts known under the name of C{code}'s file, compiled.
        """
        key = (code.co_filename, code.co_flags & _FUTURE)
        if key not in self._compiled:
            self._compiled[key] = []
            for text in _texts(code.co_filename):
                try:
                    made = compileText(text, *key)
                except (SyntaxError, ValueError):
                    continue
                self._compiled[key].append((text, made))
        return self._compiled[key]


def loadedCode(module: types.ModuleType) -> types.CodeType | None:
    """
    @return: the code of C{module} as its loader would run it now, or L{None}.
    """
    spec = getattr(module, "__spec__", None)
    try:
        code = spec.loader.get_code(spec.name)  # type: ignore[union-attr]
    except Exception:
        return None
    return code if isinstance(code, types.CodeType) else None


def compileText(text: str, filename: str, flags: int) -> types.CodeType:
    """
    @param flags: the future features.
    """
    made: types.CodeType = compile(text, filename, "exec", flags, dont_inherit=True)
    return made


def _texts(filename: str) -> Iterator[str]:
    """
    @return: the texts that are known under a file's name: in L{linecache}, and
        on disk, where another one may stand.
    """
    entry = linecache.cache.get(filename)
    if entry is not None and len(entry) == 4:
        yield "".join(entry[2])
    text = _readText(filename)
    if text is not None:
        yield text


def _readText(filename: str) -> str | None:
    """
    @return: the source in a file, or L{None} if there is none.
    """
    if not os.path.isfile(filename):
        return None
    try:
        with tokenize.open(filename) as source:
            return source.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


class Code(Whole):
    """
    Code objects, each its own object of the graph.
    """

    name = "code"

    def __init__(self, modules: PerCapture[Modules]) -> None:
        self._modules = modules
        self._arrived: PerCapture[dict[Any, types.CodeType]] = PerCapture(dict)

    def describe(self, obj: Any, capture: ICapture) -> Description:
        """
        See L{IAdapter.describe}.
        """
        modules = self._modules.of(capture)
        place = self._inModule(obj, modules) or self._inText(obj, modules)
        if place is None:
            name = getattr(obj, "co_qualname", obj.co_name)
            raise NotMovable(
                f"the code of {name} ({obj.co_filename}, line {obj.co_firstlineno}) "
                "cannot be found again: no importable module leads to it, and its "
                "source is not known or has changed",
                "define it in a module, or give its source to linecache",
            )
        return Description(types.CodeType, (*place, fingerprint(obj)))

    def _inModule(self, code: types.CodeType, modules: Modules) -> Any:
        """
        @return: kind, module, names, accessors and path; or L{None}.
        """
        candidates = modules.of(code)
        for module in candidates:
            found = modules.live(module).codes.get(id(code))
            if found is not None:
                access, path = found
                return ("live", module, access.names, access.accessors, path)
        for module in candidates:
            whole = modules.loaded(module)
            path = None if whole is None else _find(whole, code)
            if path is not None:
                return ("module", module, "", (), path)
        return None

    def _inText(self, code: types.CodeType, modules: Modules) -> Any:
        """
        @return: kind, text, file name, features and path; or L{None}.
        """
        for text, whole in modules.compiled(code):
            path = _find(whole, code)
            if path is not None:
                features = code.co_flags & _FUTURE
                return ("source", text, code.co_filename, features, path)
        return None

    def make(self, cls: Any, arguments: tuple[Any, ...], loading: ILoading) -> Any:
        """
        See L{IAdapter.make}.

        @raise CannotResolve: the code here is other code.
        """
        kind, where, names, how, path, expected = arguments
        if kind == "live":
            whole = Access(names, how).follow(where).__code__
            label = f"{where.__name__}.{names}"
        elif kind == "module":
            whole, label = self._load(where), where.__name__
        else:
            whole, label = self._compile(where, names, how, loading), names
        made = descend(whole, path, label)
        if fingerprint(made) != expected:
            raise CannotResolve(
                f"{made.co_name} in {label} takes other parameters, or other names "
                "from around it, in this process"
            )
        return made

    def _load(self, module: types.ModuleType) -> types.CodeType:
        """
        @raise CannotResolve: the module has no code.
        """
        code = loadedCode(module)
        if code is None:
            raise CannotResolve(f"{module.__name__} has no code in this process")
        return code

    def _compile(
        self, text: str, filename: str, features: int, loading: ILoading
    ) -> types.CodeType:
        """
        Compile a text that came along, once a loading, if the policy lets the
        graph bring code of its own.
        """
        arrived = self._arrived.of(loading)
        key = (text, filename, features)
        if key not in arrived:
            loading.resolve(Named("builtins", "compile"))
            try:
                arrived[key] = compileText(text, filename, features)
            except (SyntaxError, ValueError) as e:
                raise CannotResolve(
                    f"the source of {filename} means nothing to this Python: {e}"
                ) from e
            _remember(text, filename, loading)
        return arrived[key]


def _find(whole: types.CodeType, code: types.CodeType) -> Path | None:
    """
    @return: the path to what does the very same as C{code}.
    """
    for path, inner in walk(whole):
        if inner.co_name == code.co_name and inner == code:
            return path
    return None


def _remember(text: str, filename: str, loading: ILoading) -> None:
    """
    Let L{linecache} know a text that no file here has, for tracebacks and for
    the next move.
    """
    if text in _texts(filename):
        return
    lines = text.splitlines(keepends=True)
    # Without a time of modification the entry is never checked against a file.
    linecache.cache[filename] = (len(text), None, lines, filename)
    loading.onDiscard(lambda: linecache.cache.pop(filename, None))


def register(registry: Registry) -> PerCapture[Modules]:
    """
    Let C{registry} know the adapters of this module.

    @return: what the adapters of functions share with that of code.
    """
    modules: PerCapture[Modules] = PerCapture(Modules)
    registry.register(types.CodeType, Code(modules))
    return modules
