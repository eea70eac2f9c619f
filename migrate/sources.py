"""
Where the code of this process comes from that is not installed, but worked on.

It must not know who asks.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

_NOT_OURS = frozenset({"__main__", "migrate", "twisted"})


def sources(
    named: Iterable[str] = (), modules: Mapping[str, ModuleType] | None = None
) -> dict[str, Any]:
    """
    @param named: packages or modules that are meant wherever they come from.
    @param modules: those that are loaded, by name; this process's by default.
    @return: C{trees}, the directories of packages, and C{directories}, those of modules
        that are in no package, each sorted.
    """
    loaded = dict(sys.modules if modules is None else modules)
    meant = {name.partition(".")[0] for name in named}
    trees, directories = set(), set()
    for name, module in loaded.items():
        top = name.partition(".")[0]
        path = _fileOf(module)
        if path is None or top in _NOT_OURS:
            continue
        if top not in meant and _isInstalled(path):
            continue
        if "." in name or hasattr(module, "__path__"):
            trees.add(_top(loaded.get(top), path))
        else:
            directories.add(os.path.dirname(path))
    return {"trees": sorted(_outermost(trees)), "directories": sorted(directories)}


def _fileOf(module: Any) -> str | None:
    found = getattr(module, "__file__", None)
    return os.path.realpath(found) if isinstance(found, str) and found else None


def _isInstalled(path: str) -> bool:
    """
    @return: whether a file is of this Python, or of what was installed into it.
    """
    parts = path.split(os.sep)
    if "site-packages" in parts or "dist-packages" in parts:
        return True
    library = os.path.dirname(os.__file__)
    return path.startswith((library + os.sep, os.path.realpath(library) + os.sep))


def _top(package: Any, path: str) -> str:
    """
    @return: the directory of the outermost package that is one, and no mere directory.
    """
    found = None if package is None else _fileOf(package)
    return os.path.dirname(path if found is None else found)


def _outermost(trees: set[str]) -> set[str]:
    return {
        tree
        for tree in trees
        if not any(tree.startswith(other + os.sep) for other in trees)
    }
