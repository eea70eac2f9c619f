"""
Tests for a real systemd that follows a migration.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.processes import CHECKOUT, Processes, freePort
from tests.systemd import Systemd

TWISTD = f'{sys.executable} -c "from twisted.scripts.twistd import run; run()" -n'

UNIT = """
[Unit]
DefaultDependencies=no

[Service]
Type=notify
NotifyAccess={access}
WorkingDirectory={directory}
Environment=PYTHONPATH={checkout} LINES_PORT={port} PYTHONUNBUFFERED=1
ExecStart={twistd} --pidfile= migrate-server --service lines=tests.lineservice.lines
StandardOutput=append:{directory}/log
StandardError=append:{directory}/log
KillMode=mixed
{more}
"""


class SystemdTests(TestCase):
    """
    A unit that runs a migration server.
    """

    timeout = 120.0

    def setUp(self) -> None:
        """
        A systemd, not started yet.
        """
        self.processes = Processes(self)
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.systemd = Systemd(self.processes, self.directory)
        self.port = freePort()

    def unit(self, more: str = "", access: str = "main") -> None:
        """
        Write the unit.
        """
        text = UNIT.format(
            access=access,
            directory=self.directory,
            checkout=CHECKOUT,
            port=self.port,
            twistd=TWISTD,
            more=more,
        )
        self.systemd.unit("lines.service", text)

    @inlineCallbacks
    def test_byHand(self) -> Any:
        """
        A recipient that root has started in a shell becomes the main process of the
        unit, and one of its control group; the unit never stops.
        """
        self.unit()
        yield self.systemd.start(self)
        yield self.systemd.ctl("start", "lines.service")
        client = yield self.processes.connect(self.port)
        first = (yield client.ask(b"one")).split()[0]
        recipient = self.systemd.command(
            "sh",
            "-c",
            f"cd {self.directory}; exec {TWISTD} --pidfile= migrate-client --all",
        )
        yield recipient.line("recipients are let in")
        print(
            (
                yield self.systemd.show(
                    "lines.service",
                    "MainPID",
                    "ActiveState",
                    "SubState",
                    "StatusText",
                    "ControlGroup",
                    "NRestarts",
                )
            )
        )
        print(first, (yield client.ask(b"one")))
        print(self.systemd.log[-3000:])
        print((yield self.systemd.ctl("status", "lines.service", status=None)))
