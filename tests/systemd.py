"""
A real systemd for tests: process 1 of namespaces of its own, in a control group of its
own, with no units but those of the test.

It must not know what its units run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest

from tests.children import Child
from tests.processes import NeverCame, Processes

#: Where systemd may be: it is no command for people, and not on their path.
PLACES = ("/usr/lib/systemd/systemd", "/lib/systemd/systemd")

#: In a control group and namespaces of its own; what is left of the group is removed.
OUTER = r"""
set -e
groups=$(mktemp -d)
mount -t cgroup2 none "$groups"
own="$groups/txmigrate-test-$$"
mkdir "$own"
echo $$ > "$own/cgroup.procs"
trap 'echo $$ > "$groups/cgroup.procs"
      find "$own" -depth -type d -exec rmdir {} \;
      umount "$groups"; rmdir "$groups"' EXIT
unshare --cgroup --pid --mount --uts --ipc --fork --kill-child=KILL --mount-proc \
    sh -ec "$INNER"
"""

INNER = r"""
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd/system
umount -R /sys/fs/cgroup 2>/dev/null || mount -t tmpfs tmpfs /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount --bind "$(tty)" /dev/console
exec env -i PATH="$PATH" container=other SYSTEMD_UNIT_PATH="$DIRECTORY/units" \
    SYSTEMD_LOG_COLOR=0 \
    "$SYSTEMD" --system --log-target=console --log-level=debug --show-status=0 \
    --unit=test.target
"""

TARGET = "[Unit]\nDescription=Nothing by itself\nDefaultDependencies=no\n"


class Systemd:
    """
    One systemd, which ends with the test, and all its services with it.

    @ivar directory: its C{units} are in it.
    """

    process: Child

    def __init__(self, processes: Processes, directory: Path) -> None:
        self.processes = processes
        self.directory = directory

    def unit(self, name: str, text: str) -> None:
        """
        Write a unit; before L{start}, or call C{systemctl daemon-reload}.
        """
        units = self.directory / "units"
        units.mkdir(parents=True, exist_ok=True)
        (units / name).write_text(text)

    @inlineCallbacks
    def start(self, testCase: Any) -> Any:
        """
        Start it.

        @raise SkipTest: this machine has none, or does not let it run.
        """
        systemd = next(filter(os.path.exists, PLACES), None)
        missing = [
            n for n in ("systemctl", "unshare", "nsenter") if not shutil.which(n)
        ]
        if systemd is None or missing:
            raise SkipTest(f"no {', '.join(missing) or 'systemd'} here")
        if os.geteuid() != 0:
            raise SkipTest("only root can start a systemd in namespaces of its own")
        self.unit("test.target", TARGET)
        environment = {
            "INNER": INNER,
            "DIRECTORY": str(self.directory),
            "SYSTEMD": systemd,
        }
        self.process = self.processes.start(
            ["unshare", "--mount", "sh", "-ec", OUTER],
            self.directory,
            environment,
            pty=True,
        )
        testCase.addCleanup(self.stop)
        try:
            yield self.process.line("Startup finished")
        except NeverCame as error:
            if self.process.running:
                raise
            said = " ".join(self.process.written.split())
            raise SkipTest(f"systemd does not run here: {said}") from error

    @property
    def log(self) -> str:
        """
        What it has logged.
        """
        return self.process.written

    @property
    def pid(self) -> int:
        """
        Its process id, outside of its namespaces.
        """
        pid = self.process.pid
        for _ in range(2):
            # The shell, its unshare, and what that has forked.
            pid = int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        return pid

    def command(self, *words: str | Path) -> Child:
        """
        Run a command where it is.
        """
        enter = ["nsenter", f"--target={self.pid}", "--all", "--wd=" + str(os.getcwd())]
        return self.processes.start([*enter, *words], self.directory)

    @inlineCallbacks
    def ctl(self, *words: str, status: int | None = 0) -> Any:
        """
        Run C{systemctl}.

        @param status: what it has to end with; L{None} for anything.
        @return: fires with what it wrote.
        """
        child = self.command("systemctl", *words)
        ended = yield child.ended()
        if status is not None and ended.status != status:
            raise AssertionError(f"{words}: {child.written}\n{self.log[-4000:]}")
        return ended.out

    @inlineCallbacks
    def show(self, unit: str, *properties: str) -> Any:
        """
        @return: fires with properties of a unit, by name.
        """
        out = yield self.ctl("show", unit, "-p", ",".join(properties))
        return dict(line.split("=", 1) for line in out.splitlines())

    @inlineCallbacks
    def stop(self) -> Any:
        """
        End it, with all that it runs.
        """
        if self.process.running:
            os.kill(self.pid, 9)
            yield self.process.ended()
