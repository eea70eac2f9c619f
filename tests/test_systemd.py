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

#: A process of the control group, as C{systemctl status} lists them.
WITHIN = r"CGroup: (?s:.*)\b%s .*migrate-client"

#: How often the unit is looked at, at most.
LOOKS = 100

UNIT = """
[Unit]
DefaultDependencies=no

[Service]
Type=notify
NotifyAccess=main
WorkingDirectory={directory}
Environment=PYTHONPATH={checkout} LINES_PORT={port} PYTHONUNBUFFERED=1
ExecStart={twistd} --pidfile= migrate-server {options} \\
    --service lines=tests.lineservice.lines
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

    def unit(self, more: str, options: str) -> None:
        """
        Write the unit.
        """
        text = UNIT.format(
            directory=self.directory,
            checkout=CHECKOUT,
            port=self.port,
            twistd=TWISTD,
            more=more,
            options=options,
        )
        self.systemd.unit("lines.service", text)

    @inlineCallbacks
    def begin(self, more: str = "", options: str = "") -> Any:
        """
        Start the unit.

        @return: fires with a client, and the main process as the unit knows it.
        """
        self.unit(more, options)
        yield self.systemd.start(self)
        yield self.systemd.ctl("start", "lines.service")
        client = yield self.processes.connect(self.port)
        pid = (yield client.ask(b"who")).split()[0]
        yield self.serves(pid)
        return client, pid

    @inlineCallbacks
    def serves(self, pid: bytes) -> Any:
        """
        The unit is active, has never been restarted, and this is its main process.
        """
        wanted = {
            "MainPID": pid.decode(),
            "ActiveState": "active",
            "NRestarts": "0",
        }
        for _ in range(LOOKS):
            # It hears of that from its notify socket, in its own time.
            found = yield self.systemd.show("lines.service", *wanted)
            if found == wanted:
                break
        self.assertEqual(found, wanted)

    @inlineCallbacks
    def test_byHand(self) -> Any:
        """
        A recipient that root has started in a shell becomes the main process of the
        unit, and one of its control group; the unit never stops.
        """
        client, first = yield self.begin()
        recipient = self.systemd.command(
            "sh",
            "-c",
            f"cd {self.directory}; exec {TWISTD} --pidfile= migrate-client --all",
        )
        yield recipient.line("recipients are let in")
        second = (yield client.ask(b"who")).split()[0]
        self.assertNotEqual(second, first)
        yield self.serves(second)
        listing = yield self.systemd.ctl("status", "lines.service")
        self.assertRegex(
            listing, rf"CGroup: (?s:.*)\b{second.decode()} .*migrate-client"
        )
        self.assertIn("serving lines", listing)

    @inlineCallbacks
    def test_reload(self) -> Any:
        """
        A reload is a live upgrade, again and again: C{systemctl} returns when the
        successor serves, which is the main process of the unit then.
        """
        client, before = yield self.begin(
            "ExecReload=/bin/kill -HUP $MAINPID", "--reload-signal HUP"
        )
        for _ in range(2):
            yield self.systemd.ctl("reload", "lines.service")
            now = before
            while now == before:
                now = (yield client.ask(b"who")).split()[0]
            yield self.serves(now)
            before = now
