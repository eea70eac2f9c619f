"""
Code objects, which are found again and not shipped: byte code of one Python is
nothing to another one, and the code of a newer release is what an upgrade is
for.

Code is known by its place, which is one of these:

  - C{live}: inside a function that can be reached from a module's attributes;
  - C{module}: inside the code of a module, in a function that cannot be reached
    so, such as a lambda in a table; only as long as the module's source is the
    one that was imported, which the comparison of both codes tells;
  - C{source}: inside a text that no module has: what was typed at a prompt,
    generated, or run as the main script.  Then the text goes along;
  - C{namedtuple}: what L{collections} compiles for a named tuple.

From there on a path leads inwards (L{migrate.adapters.codepaths}).

It must not know functions: a code object has neither globals nor defaults.
"""

from __future__ import annotations
import __future__

import collections
import functools
import linecache
import os
import tokenize
import types
from collections.abc import Iterator
from typing import Any

from migrate.adapters.base import Whole
from migrate.adapters.codepaths import (
    Access,
    LiveModule,
    Path,
    descend,
    fingerprint,
    walk,
)
from migrate.adapters.names import PerCapture, importableModules
from migrate.errors import CannotResolve, NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture, ILoading
from migrate.model import Description, Named

_FUTURE = 0
for _feature in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _feature).compiler_flag


class Modules:
    """
    What one walk over a graph found out about modules and their code.
    """

    def __init__(self) -> None:
        self._live: dict[int, LiveModule] = {}
        self._compiled: dict[tuple[str, int], list[Any]] = {}
        self._loaded: dict[int, types.CodeType | None] = {}
        self._byFile: dict[str, list[types.ModuleType]] | None = None

    def live(self, module: types.ModuleType) -> LiveModule:
        """
        @return: the reachable functions of C{module}.
        """
        # Several modules may have one name: one was imported, and one replaced.
        if id(module) not in self._live:
            self._live[id(module)] = LiveModule.of(module)
        return self._live[id(module)]

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
        if id(module) not in self._loaded:
            self._loaded[id(module)] = loadedCode(module)
        return self._loaded[id(module)]

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
        place = (
            self._inModule(obj, modules)
            or self._inText(obj, modules)
            or self._ofNamedTuple(obj)
        )
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
                access, inwards = found
                return ("live", module, access.names, access.accessors, inwards)
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
        for text, compiled in modules.compiled(code):
            path = _find(compiled, code)
            if path is not None:
                features = code.co_flags & _FUTURE
                return ("source", text, code.co_filename, features, path)
        return None

    def _ofNamedTuple(self, code: types.CodeType) -> Any:
        """
        @return: kind, names of the fields, and nothing more; or L{None}.
        """
        fields = code.co_varnames[1 : code.co_argcount]
        if code.co_varnames[:1] != ("_cls",) or _newOfNamedTuple(fields) != code:
            return None
        return ("namedtuple", fields, "", (), ())

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
        elif kind == "namedtuple":
            whole, label = _newOfNamedTuple(where) or self._load(types), "named tuples"
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


def _newOfNamedTuple(fields: tuple[str, ...]) -> types.CodeType | None:
    """
    @return: the code that makes named tuples with these fields, which L{collections}
        compiles of a text that it throws away; L{None} if these are no fields.
    """
    makeModel: Any = collections.namedtuple
    try:
        # The name of the class is no part of the code.
        model: Any = makeModel("model", fields)
    except ValueError:
        return None
    code: types.CodeType = model.__new__.__code__
    return code


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
    loading.onDiscard(functools.partial(linecache.cache.__delitem__, filename))


def register(registry: Registry) -> PerCapture[Modules]:
    """
    Let C{registry} know the adapters of this module.

    @return: what the adapters of functions share with that of code.
    """
    modules: PerCapture[Modules] = PerCapture(Modules)
    registry.register(types.CodeType, Code(modules))
    return modules
