"""
Where log events go: the publishers of the process stay with the process, and
are found again by name.  A L{twisted.logger.Logger} is an object like any
other, and the standard library's loggers find themselves by name.

It must not know what is logged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.logger import (
    LogBeginner,
    LogPublisher,
    globalLogBeginner,
    globalLogPublisher,
)
from twisted.python import log

from migrate.adapters.plain import AttributesAdapter
from migrate.graph.registry import Registry
from migrate.interfaces import ICapture
from migrate.model import Description, Named

_OF_THE_PROCESS: Mapping[int, Named] = {
    id(globalLogPublisher): Named("twisted.logger", "globalLogPublisher"),
    id(globalLogBeginner): Named("twisted.logger", "globalLogBeginner"),
    id(log.theLogPublisher): Named("twisted.python.log", "theLogPublisher"),
}


class PublisherAdapter(AttributesAdapter):
    """
    Knows publishers of log events: those of the process go by name, those of
    an application move.
    """

    def describe(self, obj: Any, capture: ICapture) -> Description | Named:
        """
        See L{migrate.interfaces.IAdapter.describe}.
        """
        return _OF_THE_PROCESS.get(id(obj)) or super().describe(obj, capture)


def register(registry: Registry) -> None:
    """
    Add the adapter of log publishers.
    """
    adapter = PublisherAdapter("twisted.logger.LogPublisher")
    for cls in (LogPublisher, LogBeginner, type(log.theLogPublisher)):
        registry.register(cls, adapter)
