"""
Running benchmarks in tests.

It must not know what they measure.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.processes import CHECKOUT, Processes

#: Long enough for any part, in small.
PATIENCE = 120.0


class BenchmarksTestCase(TestCase):
    """
    Runs benchmarks.
    """

    timeout = 240.0

    def setUp(self) -> None:
        self.processes = Processes(self)

    @inlineCallbacks
    def measure(self, module: str, *options: str, limit: str = "") -> Any:
        """
        @param limit: what a shell is to do before.
        @return: fires with what was written as JSON, and what was printed.
        """
        told = Path(self.mktemp()).absolute()
        command = f'{limit} exec "$0" -m "$@"'
        python = [sys.executable, module, *options, "--json", told]
        shell = self.processes.start(["/bin/sh", "-c", command, *python], CHECKOUT)
        ended = yield shell.ended(PATIENCE)
        self.assertEqual(ended.status, 0, ended.err)
        return json.loads(told.read_text()), ended.out
