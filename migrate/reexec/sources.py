"""
The modules of this process as they were when they were loaded: whatever becomes of the
files, the program that runs now can be begun again.

It must not know what that is needed for.
"""

from __future__ import annotations

import os
import sys
import zlib
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES, ModuleSpec
from typing import Any

import attrs

from migrate.reexec.bootstrap import GUARD

LARGEST = 4 << 20
"""
Bytes of a compiled module that is kept; a larger one is taken from disk, whatever that
has by then.
"""

_SITES = ("site-packages", "dist-packages")


@attrs.frozen
class Kept:
    """
    One module.

    @ivar path: of its file, absolute.
    @ivar package: whether there are modules below it.
    @ivar extension: whether it is compiled.
    @ivar stamp: when the file was changed last, in nanoseconds, and its size.
    @ivar data: what was in it, compressed.
    """

    path: str
    package: bool
    extension: bool
    stamp: tuple[int, int]
    data: bytes

    def content(self) -> bytes:
        """
        @return: what was in the file.
        """
        return zlib.decompress(self.data)


@attrs.define(eq=False)
class Keeper:
    """
    Keeps every module from outside of the standard library, those that are there, and
    those that will be imported.

    @ivar modules: what is kept, by name.
    """

    modules: dict[str, Kept] = attrs.field(factory=dict)
    _own: tuple[str, ...] = attrs.field(factory=lambda: _standard())

    def start(self) -> None:
        """
        Begin.  To be called once in a process, early.
        """
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str):
                loader = getattr(module, "__loader__", None)
                self._keep(name, path, hasattr(module, "__path__"), loader)
        self._restored()
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """
        Keep nothing more.
        """
        sys.meta_path[:] = [each for each in sys.meta_path if each is not self]

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> ModuleSpec | None:
        """
        See L{importlib.abc.MetaPathFinder.find_spec}: what others find is kept.
        """
        for finder in self._others():
            spec: ModuleSpec | None = finder.find_spec(name, path, target)
            if spec is not None:
                if isinstance(spec.origin, str):
                    package = spec.submodule_search_locations is not None
                    self._keep(name, spec.origin, package, spec.loader)
                return spec
        return None

    def _others(self) -> Iterator[Any]:
        """
        @return: the finders that come after this one.
        """
        found = list(sys.meta_path)
        after = found.index(self) + 1 if self in found else 0
        for finder in found[after:]:
            if hasattr(finder, "find_spec"):
                yield finder

    def _keep(self, name: str, path: str, package: bool, loader: object) -> None:
        extension = path.endswith(tuple(EXTENSION_SUFFIXES))
        script = name == "__main__"
        if not (extension or script or path.endswith(".py")) or self._isStandard(path):
            return
        # Not by its class: that of the memory file is another one.
        if getattr(loader, "restored", False):
            return
        path = os.path.abspath(path)
        try:
            status = os.stat(path)
            if extension and status.st_size > LARGEST:
                return
            with open(path, "rb") as file:
                data = zlib.compress(file.read(), 1)
        except OSError:
            # An archive's, or gone already.
            return
        stamp = (status.st_mtime_ns, status.st_size)
        self.modules[name] = Kept(path, package, extension, stamp, data)

    def _restored(self) -> None:
        """
        Keep what was not on disk any more when this program was begun.
        """
        guard: Any = sys.modules.get(GUARD)
        if guard is None:
            return
        for name, entry in guard.sources.entries.items():
            if name in guard.sources.changed:
                self.modules[name] = Kept(
                    entry["path"],
                    entry["package"],
                    entry["extension"],
                    tuple(entry["stamp"]),
                    zlib.compress(guard.sources.read(name), 1),
                )

    def _isStandard(self, path: str) -> bool:
        within = path.startswith(self._own)
        return within and not any(site in path for site in _SITES)


def _standard() -> tuple[str, ...]:
    """
    @return: where the standard library is.
    """
    # Not by sysconfig: that reads a file of the building, which not every user may.
    found = {os.path.dirname(os.__file__)}
    found |= {os.path.realpath(each) for each in found}
    return tuple(f"{each}{os.sep}" for each in found)
