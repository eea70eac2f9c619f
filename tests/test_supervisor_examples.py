"""
The examples for supervisors are what those take: C{examples/supervisors}.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.processes import CHECKOUT
from tests.services import ServiceTestCase, freePort

EXAMPLES = CHECKOUT / "examples" / "supervisors"

#: The program of the examples, which is nowhere.
TWISTD = "/srv/chat/venv/bin/twistd"


class UnitTests(SynchronousTestCase):
    """
    The units for systemd.
    """

    def setUp(self) -> None:
        """
        systemd's own judgement is asked.
        """
        if shutil.which("systemd-analyze") is None:
            raise SkipTest("no systemd-analyze here")

    def verify(self, *names: str) -> None:
        """
        Have units judged whose program is one that is there.
        """
        directory = Path(self.mktemp())
        directory.mkdir()
        for name in names:
            text = (EXAMPLES / name).read_text()
            (directory / name).write_text(text.replace(TWISTD, "/bin/true"))
        done = subprocess.run(
            ["systemd-analyze", "verify", *names],
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_units(self) -> None:
        """
        The unit, and the socket that goes with it.
        """
        self.verify("chat.service", "chat.socket")

    def test_notifyReload(self) -> None:
        """
        The unit for newer ones.
        """
        said = subprocess.run(
            ["systemd-analyze", "--version"], capture_output=True, text=True, check=True
        )
        version = int(re.findall(r"\d+", said.stdout)[0])
        if version < 253:
            raise SkipTest(f"systemd {version} knows no Type=notify-reload")
        self.verify("chat-notify-reload.service")


class RunitTests(ServiceTestCase):
    """
    The script for runit.
    """

    @inlineCallbacks
    def test_run(self) -> Any:
        """
        runsv starts what it says, and ends it.
        """
        if shutil.which("runsv") is None:
            raise SkipTest("no runsv here")
        program = f'{sys.executable} -c "from twisted.scripts.twistd import run; run()"'
        port, text = freePort(), (EXAMPLES / "runit" / "run").read_text()
        for old, new in (
            (f"chpst -u chat {TWISTD}", program),
            ("cd /srv/chat", f"cd {self.directory.absolute()}"),
            ("chat=chat.server.makeService", "lines=tests.lineservice.lines"),
            ("ulimit -n 65536", "ulimit -n"),
        ):
            self.assertIn(old, text)
            text = text.replace(old, new)
        service = self.directory / "service"
        service.mkdir()
        (service / "run").write_text(text)
        (service / "run").chmod(0o755)
        environment = {"LINES_PORT": str(port), "PYTHONPATH": str(CHECKOUT)}
        runsv = self.processes.start(["runsv", "service"], self.directory, environment)
        yield runsv.line("recipients are let in")
        client = yield self.processes.connect(port)
        yield client.ask(b"hello")
        ended = self.processes.start(["sv", "exit", "./service"], self.directory)
        yield ended.ended()
        over = yield runsv.ended()
        self.assertEqual(over.status, 0)
