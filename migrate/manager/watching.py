"""
Tells when files of Python code have changed.

It must not know whose code it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import attrs
from twisted.logger import Logger

from migrate.errors import MigrationError

DEBOUNCE = 0.3
"""
Seconds for which all has to be quiet after a change: an editor writes more than one
file, and more than once.
"""

_SOON = 200
"""
Milliseconds within which a thread notices that it is to stop.
"""


class IBells(Protocol):
    """
    Rings whenever files change: blocks in a thread of its own.
    """

    def __call__(
        self, paths: list[str], recursive: bool, stop: threading.Event
    ) -> Iterator[Iterable[tuple[object, str]]]:
        """
        @return: the changes, as they come: of what kind, and the path; until
            C{stop} is set.
        """


def installedBells() -> IBells:
    """
    @raise MigrationError: the library for that is not installed.
    """
    try:
        from watchfiles import PythonFilter, watch
    except ImportError as error:
        raise MigrationError(
            f"--watch needs watchfiles ({error}): pip install 'txmigrate[watch]'"
        ) from error

    def bells(
        paths: list[str], recursive: bool, stop: threading.Event
    ) -> Iterator[Iterable[tuple[object, str]]]:
        yield from watch(
            *paths,
            watch_filter=PythonFilter(),
            debounce=_SOON,
            rust_timeout=_SOON,
            stop_event=stop,
            recursive=recursive,
            raise_interrupt=False,
            ignore_permission_denied=True,
        )

    return bells


@attrs.define(eq=False)
class Watching:
    """
    Watches directories.

    @ivar reactor: keeps the time, and is called by threads.
    @ivar changed: called with the paths that have changed, once all is quiet.
    @ivar bells: see L{IBells}.
    """

    _log = Logger()

    reactor: Any
    changed: Callable[[list[str]], object]
    bells: IBells
    debounce: float = DEBOUNCE
    _watched: tuple[frozenset[str], frozenset[str]] = attrs.field(
        default=(frozenset(), frozenset()), init=False
    )
    _stops: list[threading.Event] = attrs.field(factory=list, init=False)
    _pending: dict[str, None] = attrs.field(factory=dict, init=False)
    _timer: Any = attrs.field(default=None, init=False)

    def watch(self, trees: Iterable[str], directories: Iterable[str]) -> bool:
        """
        Watch these, and nothing else.

        @param trees: directories with all below them.
        @param directories: directories by themselves.
        @return: whether that is new.
        """
        wanted = frozenset(trees), frozenset(directories)
        if wanted == self._watched:
            return False
        self._silence()
        self._watched = wanted
        for paths, recursive in zip(wanted, (True, False), strict=True):
            if paths:
                self._listen(sorted(paths), recursive)
        return True

    def _listen(self, paths: list[str], recursive: bool) -> None:
        stop = threading.Event()
        self._stops.append(stop)
        # It blocks for as long as nothing changes, so none of the pool is taken; and a
        # process that ends, or executes another program, does not wait for it.
        threading.Thread(
            target=self._run,
            args=(paths, recursive, stop),
            name="watching",
            daemon=True,
        ).start()

    def _run(self, paths: list[str], recursive: bool, stop: threading.Event) -> None:
        try:
            for changes in self.bells(paths, recursive, stop):
                if stop.is_set():
                    return
                found = sorted({path for _, path in changes})
                self.reactor.callFromThread(self._heard, found, stop)
        except Exception as error:
            # One of them may be gone: whoever looks next begins anew.
            self.reactor.callFromThread(self._failed, error, stop)

    def _heard(self, paths: list[str], stop: threading.Event) -> None:
        if stop.is_set():
            return
        self._pending.update(dict.fromkeys(paths))
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.reactor.callLater(self.debounce, self._ring)

    def _failed(self, error: Exception, stop: threading.Event) -> None:
        if stop.is_set():
            return
        self._log.error("files are watched no more: {error}", error=str(error))
        self._silence()
        self._watched = frozenset(), frozenset()

    def _ring(self) -> None:
        self._timer = None
        paths, self._pending = list(self._pending), {}
        self.changed(paths)

    def _silence(self) -> None:
        for stop in self._stops:
            stop.set()
        self._stops.clear()

    def stop(self) -> None:
        """
        Watch nothing any more.
        """
        self._silence()
        self._watched = frozenset(), frozenset()
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
