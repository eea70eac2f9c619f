"""
Standard input and output as a transport, and the pipes that it is made of.

It must not know what is said.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from twisted.internet.process import ProcessReader, ProcessWriter
from twisted.internet.stdio import StandardIO

from migrate.adapters.numbered import NumberAdapter
from migrate.adapters.plain import AttributesAdapter
from migrate.errors import NotMovable
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture


class PipeAdapter(NumberAdapter):
    """
    Knows L{ProcessReader} and L{ProcessWriter}.
    """

    def audit(self, obj: Any, capture: ICapture) -> None:
        """
        See L{migrate.adapters.transports.SocketAdapter.audit}.
        """
        super().audit(obj, capture)
        if not obj.disconnected and _isOwnTerminal(obj.fd):
            raise NotMovable(
                "the terminal of the session that this process leads, which the "
                "kernel hangs up for everybody once this process ends",
                "start it from a shell, or without setsid",
            )


def _isOwnTerminal(descriptor: int) -> bool:
    """
    @return: whether a descriptor is the controlling terminal of a session whose
        leader is this process.
    """
    if os.getsid(0) != os.getpid():
        return False
    with suppress(OSError):
        # Answered of the controlling terminal only.
        os.tcgetpgrp(descriptor)
        return True
    return False


def register(registry: Registry) -> None:
    """
    Add the adapters of pipes and of what joins two of them.
    """
    for cls in (ProcessReader, ProcessWriter):
        name = f"twisted.internet.process.{cls.__name__}"
        registry.register(cls, PipeAdapter(name, "fd"))
    registry.register(StandardIO, AttributesAdapter("twisted.internet.StandardIO"))
