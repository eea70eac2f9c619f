"""
What a process has at hand after a while of serving that a new one would have to make
while somebody waits for its first answer: modules that are imported when they are first
needed, and compiled regular expressions.

It must not know who tells it to whom.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeAlias

from twisted.logger import Logger

Pattern: TypeAlias = "tuple[str | bytes, int]"
"""
A regular expression and its flags.
"""

MOST = 512
"""
So many patterns are told at most: Python remembers no more.
"""

LENGTH = 64 * 1024
"""
Characters of all patterns that are told.
"""

_HARMLESS = ("twisted", "zope")
"""
Packages, beside the standard library's, of which to import a module does nothing that
anybody would notice.
"""

_NOTICED = ("antigravity", "idlelib", "lib2to3", "pdb", "test", "this", "turtledemo")
"""
Those of the standard library that are not so.
"""


def _tokenize() -> None:
    tokenize = sys.modules["tokenize"]
    list(tokenize.generate_tokens(iter(["0\n"]).__next__))


_FIRST_USES: Mapping[str, Callable[[], object]] = {"tokenize": _tokenize}
"""
By the names of modules, what has them compile their patterns that are others in every
process, since they are made of sets.
"""

_log = Logger()


def warmth() -> dict[str, Any]:
    """
    @return: C{"modules"} and C{"patterns"} of this process, for L{warm}.
    """
    return {"modules": modules(), "patterns": patterns()}


def modules() -> list[str]:
    """
    @return: the modules that are loaded here and that any process may load for
        nothing.
    """
    names = (name for name, module in list(sys.modules.items()) if module is not None)
    return sorted(name for name in names if _isHarmless(name))


def _isHarmless(name: str) -> bool:
    top, _, rest = name.partition(".")
    if top in _NOTICED or "__main__" in rest:
        return False
    return top in sys.stdlib_module_names or top in _HARMLESS


def patterns() -> list[Pattern]:
    """
    @return: what Python remembers to have compiled here; the latest come last.
    """
    # Where newer Pythons keep it, too; an older or a newer one may have it elsewhere.
    remembered: Any = getattr(re, "_cache", {})
    found: list[Pattern] = []
    room = LENGTH
    for key in islice(reversed(list(remembered)), MOST):
        kind, pattern, flags = key[:3]
        if kind in (str, bytes) and type(pattern) is kind and len(pattern) <= room:
            found.append((pattern, int(flags)))
            room -= len(pattern)
    return found[::-1]


def warm(found: Mapping[str, Any]) -> None:
    """
    Import and compile what is not yet.  What cannot be this process does without.

    @param found: what L{warmth} said elsewhere.
    """
    names: Iterable[Any] = found.get("modules", ())
    expressions: Iterable[Sequence[Any]] = found.get("patterns", ())
    for name in _missing(names):
        try:
            importlib.import_module(name)
        except Exception as error:
            _log.debug("{name} is not imported: {error}", name=name, error=error)
    for name in _FIRST_USES.keys() & set(names):
        _FIRST_USES[name]()
    for expression in expressions:
        try:
            pattern, flags = expression
            re.compile(pattern, flags)
        except Exception as error:
            _log.debug("{what!r} is no pattern: {error}", what=expression, error=error)


def _missing(names: Iterable[str]) -> Iterator[str]:
    return (name for name in names if name not in sys.modules and _isHarmless(name))
