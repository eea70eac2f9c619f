"""
The code that a process of a test runs, where that is not what all the others
run: another release, or one that lacks something.

It must not know what is moved.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import attrs

from migrate.errors import CannotResolve
from migrate.graph import TrustingPolicy, resolve
from migrate.graph.names import homeOf
from migrate.model import Named

_LACKING: Any = object()


@attrs.define(eq=False)
class Release:
    """
    What names mean in one process, while it is that process's turn.
    """

    _code: dict[Named, Any] = attrs.field(factory=dict)

    def redefine(self, old: Any, new: Any) -> None:
        """
        Know a class or a function by C{new}.

        @param old: a class or a function that can be imported.
        @param new: takes its place; it is given the name and module of C{old}.
            A class must not derive from C{old}, which this process has not.
        @raise ValueError: C{old} cannot be imported.
        """
        home = _homeOf(old)
        new.__module__ = old.__module__
        new.__name__, new.__qualname__ = old.__name__, old.__qualname__
        self._code[home] = new

    def moveTo(self, old: Any, new: Any) -> None:
        """
        Know a class or a function by the name of C{old} for C{new}, which keeps
        its own name: as a module does that still leads to what has been moved
        to another one.

        @param new: it has to be there for all processes.
        @raise ValueError: C{old} cannot be imported.
        """
        self._code[_homeOf(old)] = new

    def lack(self, thing: Any) -> None:
        """
        Know nothing of a module, a class or a function.

        @raise ValueError: it cannot be imported anywhere.
        """
        self._code[_homeOf(thing)] = _LACKING

    @contextmanager
    def entered(self) -> Iterator[None]:
        """
        For as long as this lasts, names mean what they do in this process.
        """
        with ExitStack() as stack:
            for named, thing in self._code.items():
                module = not named.qualname
                stack.enter_context(
                    _withoutModule(named.module) if module else _meaning(named, thing)
                )
            yield


def _homeOf(thing: Any) -> Named:
    """
    @return: the name of a module, a class or a function.
    @raise ValueError: it cannot be found by that.
    """
    home = homeOf(thing)
    try:
        if home is not None and resolve(home, TrustingPolicy()) is thing:
            return home
    except CannotResolve:
        pass
    raise ValueError(f"{thing!r} cannot be imported by its name")


@contextmanager
def _meaning(named: Named, thing: Any) -> Iterator[None]:
    """
    For as long as this lasts, a name means C{thing}; or nothing.
    """
    path, _, last = named.qualname.rpartition(".")
    owner = resolve(Named(named.module, path), TrustingPolicy())
    before = getattr(owner, last)
    if thing is _LACKING:
        delattr(owner, last)
    else:
        setattr(owner, last, thing)
    try:
        yield
    finally:
        setattr(owner, last, before)


@contextmanager
def _withoutModule(name: str) -> Iterator[None]:
    """
    For as long as this lasts, a module cannot be imported.
    """
    modules: dict[str, Any] = sys.modules
    before = modules[name]
    # This is how the import system is told that there is none.
    modules[name] = None
    try:
        yield
    finally:
        modules[name] = before
