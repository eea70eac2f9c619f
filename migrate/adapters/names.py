"""
The names of objects that stay outside a graph: classes, functions, modules,
and the sentinels that some module holds.

It must not know how any of them is moved when it has no name.
"""

from __future__ import annotations

import sys
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

from migrate.interfaces import ICapture
from migrate.model import Named

T = TypeVar("T")

#: What newer Pythons call otherwise, and have under the older name too.
_OLDER = {("enum", "EnumType"): "EnumMeta"}

#: Set in C{__flags__} of classes that are made at run time.
_HEAP_TYPE = 1 << 9

#: Classes that call themselves by a name which their module does not have.
_PUBLIC_NAMES = ("types", "_collections_abc", "_sitebuiltins", "_thread")


class PerCapture(Generic[T]):
    """
    Something worked out once a capture, or a loading, and dropped with it.

    @ivar make: works it out.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._capture: weakref.ref[Any] | None = None
        self._value: T | None = None

    def of(self, capture: Any) -> T:
        """
        @return: what was worked out for C{capture}.
        """
        if (
            self._value is None
            or self._capture is None
            or self._capture() is not capture
        ):
            self._value = self._make()
            self._capture = weakref.ref(capture, self._forget)
        return self._value

    def _forget(self, reference: weakref.ref[Any]) -> None:
        """
        The capture has ended: keep nothing of it alive.
        """
        if reference is self._capture:
            self._value = None


class PerLoading(Generic[T]):
    """
    Something that one loading has for all objects of an adapter, and that is dropped
    with it.

    @ivar make: makes it; called with the loading, which it must not keep.
    """

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make = make
        self._found: weakref.WeakKeyDictionary[Any, T] = weakref.WeakKeyDictionary()
        self._last: Callable[[], Any] = _nobody
        self._lately: Any = None

    def of(self, loading: Any) -> T:
        """
        @return: what there is for C{loading}.
        """
        if self._last() is not loading:
            found = self._found.get(loading)
            if found is None:
                found = self._found[loading] = self._make(loading)
            self._lately = found
            self._last = weakref.ref(loading, self._forget)
        lately: T = self._lately
        return lately

    def _forget(self, reference: weakref.ref[Any]) -> None:
        """
        The loading has ended: keep nothing of it alive.
        """
        if reference is self._last:
            self._last, self._lately = _nobody, None


def _nobody() -> None:
    """
    @return: no loading.
    """
    return None


def importable(moduleName: object) -> types.ModuleType | None:
    """
    @return: the module of that name, if another process can import it too.
        The main script is none: another process has another one.
    """
    if not isinstance(moduleName, str) or moduleName in ("__main__", "__mp_main__"):
        return None
    module = sys.modules.get(moduleName)
    if module is None or getattr(module, "__spec__", None) is None:
        return None
    return module


def lookup(moduleName: str, qualname: str) -> object | None:
    """
    @return: what a name means among the modules that are loaded, or L{None}.
    """
    found: object = sys.modules.get(moduleName)
    for part in qualname.split("."):
        try:
            found = getattr(found, part)
        except Exception:
            return None
    return found


def nameOf(obj: object, moduleName: object, qualname: object) -> Named | None:
    """
    @return: the name, if another process can import it and it means C{obj}
        itself here.  The name of a package is preferred to that of a private
        module of it, for other versions may have other private modules.
    """
    if not isinstance(qualname, str) or "<locals>" in qualname or not qualname:
        return None
    if importable(moduleName) is None or not isinstance(moduleName, str):
        return None
    if lookup(moduleName, qualname) is not obj:
        return None
    package, private, _ = moduleName.partition("._")
    if private and importable(package) and lookup(package, qualname) is obj:
        moduleName = package
    return Named(moduleName, _OLDER.get((moduleName, qualname), qualname))


def nameOfClass(cls: type) -> Named | None:
    """
    @return: the name by which any process finds C{cls}, or L{None}.
    """
    namespace = type.__getattribute__(cls, "__dict__")
    module = namespace.get("__module__", None)
    if not isinstance(module, str):
        module = cls.__module__
    found = nameOf(cls, module, cls.__qualname__)
    if found is None and not cls.__flags__ & _HEAP_TYPE:
        for public in (module, *_PUBLIC_NAMES):
            for name, value in vars(sys.modules.get(public, sys)).items():
                if value is cls:
                    return Named(public, name)
    return found


def nameOfModule(module: types.ModuleType) -> Named | None:
    """
    @return: the name of a module that any process can import, or L{None}.
    """
    for name in (getattr(module, "__name__", None), _specName(module)):
        if isinstance(name, str) and importable(name) is module:
            return Named(name)
    for name, candidate in list(sys.modules.items()):
        if candidate is module and importable(name) is module:
            return Named(name)
    return None


def _specName(module: types.ModuleType) -> object:
    """
    The name under which a module was imported, whatever it calls itself.
    """
    return getattr(getattr(module, "__spec__", None), "name", None)


def moduleOfNamespace(namespace: dict[str, Any]) -> types.ModuleType | None:
    """
    @return: the importable module whose own dictionary C{namespace} is, or
        L{None}.
    """
    module = importable(namespace.get("__name__"))
    if module is not None and module.__dict__ is namespace:
        return module
    return None


def importableModules() -> Iterator[tuple[str, types.ModuleType]]:
    """
    @return: the loaded modules that any process can import, by name.
    """
    for name, module in list(sys.modules.items()):
        if isinstance(module, types.ModuleType) and importable(name) is module:
            yield name, module


class Globals:
    """
    The attributes of modules that hold objects of certain classes.

    @ivar classes: the exact classes.
    """

    def __init__(self, *classes: type) -> None:
        self._classes = frozenset(classes)
        self._index = PerCapture(self._build)

    def nameOf(self, obj: object, capture: ICapture) -> Named | None:
        """
        @return: the name of a module's attribute that is C{obj} itself, or
            L{None}.
        """
        return self._index.of(capture).get(id(obj))

    def _build(self) -> dict[int, Named]:
        """
        Names by the identity of what they mean.  Modules hold the objects, so
        no identity is used again while a capture lasts.
        """
        found: dict[int, Named] = {}
        for moduleName, module in importableModules():
            for name, value in list(vars(module).items()):
                if type(value) in self._classes and isinstance(name, str):
                    self._prefer(found, value, Named(moduleName, name))
        return found

    def _prefer(self, found: dict[int, Named], value: object, name: Named) -> None:
        """
        Of several modules that hold one object, choose the one where it is
        at home: a package re-exports what its private module defines.
        """
        known = found.get(id(value))
        home = getattr(value, "__module__", None)
        if known is None or (known.module != home and name.module == home):
            found[id(value)] = name
