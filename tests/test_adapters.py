"""
Tests for L{migrate.adapters}.
"""

from __future__ import annotations

import pkgutil
import re
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

import migrate.adapters
from migrate.adapters import DEFERRED, MODULES, defaultRegistry


class DefaultRegistryTests(SynchronousTestCase):
    """
    L{defaultRegistry}
    """

    def test_complete(self) -> None:
        """
        No module of adapters is forgotten: each one that registers anything
        is called, if not by L{defaultRegistry}, then by another one.
        """
        folder = Path(migrate.adapters.__file__).parent
        sources = {
            module.name: (folder / f"{module.name}.py").read_text()
            for module in pkgutil.iter_modules([str(folder)])
            if module.name != "_native"
        }
        registering = {
            name for name, text in sources.items() if "\ndef register(" in text
        }
        called = {
            match
            for text in sources.values()
            for match in re.findall(r"(\w+)\.register\(registry\)", text)
        }
        self.assertEqual(registering - called, {*MODULES, *DEFERRED})

    def test_fresh(self) -> None:
        """
        Every registry is a new one.
        """
        first, second = defaultRegistry(), defaultRegistry()
        self.assertIsNot(first, second)
        first.register(DefaultRegistryTests, first.named("twisted.internet.tcp.Port"))
        self.assertIsNone(second.lookup(DefaultRegistryTests))

    def test_seekers(self) -> None:
        """
        Whatever a graph has on the reactor without referring to it is sought.
        """
        self.assertEqual(
            sorted(type(seeker).__name__ for seeker in defaultRegistry().seekers),
            [
                "ChildSeeker",
                "LoopSeeker",
                "TaskSeeker",
                "ThreadWorkSeeker",
                "TimerSeeker",
                "TriggerSeeker",
                "WatchedSeeker",
            ],
        )
