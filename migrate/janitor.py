"""
The janitor of one transfer: pauses, resumes and releases what the adapters
registered, in order.

It must not know what is being paused, nor why a transfer failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
from twisted.logger import Logger

from migrate.interfaces import ICapture, ILiveAdapter
from migrate.model import Actions


@attrs.define
class Janitor:
    """
    @ivar actions: what there is to do, in the order of the walk.
    """

    _log = Logger()

    actions: Sequence[Actions]
    _paused: list[Actions] = attrs.field(init=False, factory=list)

    @classmethod
    def of(cls, live: Iterable[tuple[ILiveAdapter, Any]], capture: ICapture) -> Janitor:
        """
        Ask every adapter what there is to do.
        """
        return cls([adapter.actions(thing, capture) for adapter, thing in live])

    def pause(self) -> None:
        """
        Take everything out of the reactor's hands.  If one action fails, what
        was paused until then is resumed, and the failure is raised.
        """
        try:
            for action in self.actions:
                # Noted first: half a pause has to be resumed as well.
                self._paused.append(action)
                action.pause()
        except BaseException:
            self.resume()
            raise

    def resume(self) -> None:
        """
        Put back everything that was paused, in reverse order.  Safe to call
        at any time; does nothing for what is not paused.
        """
        while self._paused:
            self._attempt("resume", self._paused.pop().resume)

    def release(self) -> None:
        """
        Let go of everything that was paused: it belongs to another process.
        """
        paused, self._paused = self._paused, []
        for action in paused:
            self._attempt("release", action.release)

    def _attempt(self, what: str, action: Callable[[], None]) -> None:
        """
        One failing action must not keep the others from being done.
        """
        try:
            action()
        except Exception:
            self._log.failure("could not {what} a part of a service", what=what)
