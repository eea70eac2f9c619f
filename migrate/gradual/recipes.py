"""
What a service was started from, so that a successor can start its own.

It must not know how anything is started.
"""

from __future__ import annotations

from typing import Any

import attrs

from migrate.errors import MalformedTable

SERVICE = "service"
PLUGIN = "plugin"


@attrs.frozen
class Recipe:
    """
    What one service is made of.

    @ivar kind: C{"service"} or C{"plugin"}.
    @ivar text: the dotted name, or the plugin's command line.
    """

    kind: str
    text: str

    @classmethod
    def of(cls, told: Any) -> Recipe | None:
        """
        @param told: what a process said of a service; L{None} if it does not know.
        @raise MalformedTable: it is something else.
        """
        if told is None:
            return None
        if (
            not isinstance(told, (list, tuple))
            or len(told) != 2
            or not all(isinstance(each, str) for each in told)
            or told[0] not in (SERVICE, PLUGIN)
        ):
            raise MalformedTable("the origin says of a service what none is made of")
        return cls(*told)

    def told(self) -> list[str]:
        """
        @return: what L{of} understands.
        """
        return [self.kind, self.text]
