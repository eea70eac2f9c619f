"""
What is done when somebody presses Ctrl-C, or a supervisor ends the command.

It must not know what it interrupts.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from types import TracebackType
from typing import Any

import click

from migrate.cli.running import UNCLEAR

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """
    While this context lasts the first signal asks for an end, and the second one ends
    this process.
    """

    def __init__(
        self, reactor: Any, ask: Callable[[], object], hurry: Callable[[], str]
    ) -> None:
        """
        @param ask: called, in the reactor, at the first signal.
        @param hurry: called at the second; returns what is said then.
        """
        self._reactor = reactor
        self._ask = ask
        self._hurry = hurry
        self._count = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        """
        Heed the signals.
        """
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._came)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """
        Have them mean what they meant before.
        """
        for number, before in self._before.items():
            signal.signal(number, before)

    def _came(self, number: int, frame: object) -> None:
        self._count += 1
        if self._count == 1:
            self._reactor.callFromThread(self._ask)
            return
        click.echo(f"\ntxmigrate: {self._hurry()}", err=True)
        os._exit(UNCLEAR)
