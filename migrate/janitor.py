"""
The janitor of one transfer: pauses, resumes and releases what the adapters
registered, in order.

It must not know what is being paused, nor why a transfer failed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.logger import Logger

from migrate.interfaces import ICapture, ILiveAdapter
from migrate.model import Actions


@attrs.define
class Janitor:
    """
    @ivar live: the live objects of a graph, each with its adapter, in the order of
        the walk.
    @ivar capture: the walk.
    """

    _log = Logger()

    live: Sequence[tuple[ILiveAdapter, Any]]
    capture: ICapture
    _begun: bool = attrs.field(init=False, default=False)
    _paused: dict[int, Actions] = attrs.field(init=False, factory=dict)

    def pause(self) -> None:
        """
        Take everything out of the reactor's hands, but for what need not be before
        the reactor runs again: see L{hold}.  Called again, it does the same to what
        has become known since.  If one action fails, what was paused until then is
        resumed, and the failure is raised.
        """
        self._begun = True
        try:
            for place, (adapter, _) in enumerate(self.live):
                postponed = getattr(adapter, "postponable", False)
                if not postponed and place not in self._paused:
                    self._pause(place)
        except BaseException:
            self.resume()
            raise

    def _pause(self, place: int) -> None:
        adapter, thing = self.live[place]
        actions = adapter.actions(thing, self.capture)
        # Noted first: half a pause has to be resumed as well.
        self._paused[place] = actions
        actions.pause()

    def hold(self) -> None:
        """
        The reactor is going to run: pause what was put off.
        """
        for place in range(len(self.live)) if self._begun else ():
            if place not in self._paused:
                self._attempt("pause", partial(self._pause, place))

    def resume(self) -> None:
        """
        Put back everything that was paused, in reverse order.  Safe to call
        at any time; does nothing for what is not paused.
        """
        self._begun = False
        while self._paused:
            _, actions = self._paused.popitem()
            self._attempt("resume", actions.resume)

    def release(self) -> None:
        """
        Let go of everything that was paused: it belongs to another process.
        """
        self.hold()
        self._begun = False
        paused, self._paused = self._paused, {}
        for place in sorted(paused):
            self._attempt("release", paused[place].release)

    def _attempt(self, what: str, action: Callable[[], object]) -> None:
        """
        One failing action must not keep the others from being done.
        """
        try:
            action()
        except Exception:
            self._log.failure("could not {what} a part of a service", what=what)
