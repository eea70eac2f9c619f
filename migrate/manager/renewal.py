"""
The manager itself is upgraded by executing its program anew, under the same process
id: its processes stay its children, and the sockets that it listens on stay open.

It must not know what a manager does.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import attrs
from twisted.internet.utils import getProcessOutputAndValue

from migrate.errors import MigrationError

STATE = "TXMIGRATE_MANAGER"
"""
The environment variable that tells a manager what it was before it executed its program
anew.
"""

CHECK = "TXMIGRATE_MANAGER_CHECK"
"""
The environment variable by which a manager is asked only whether it could start.
"""

HELD = frozenset(
    {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR2, signal.SIGCHLD}
)
"""
Signals that wait while a program takes the place of another one.
"""


def listenAgain() -> None:
    """
    Let signals come that have waited.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)


def takeState(environ: MutableMapping[str, str]) -> dict[str, Any] | None:
    """
    @return: what this manager was before, and nobody else's; L{None} if it is new.
    """
    text = environ.pop(STATE, "")
    if not text:
        return None
    state: dict[str, Any] = json.loads(text)
    # Who starts a manager from a process of one is not that one.
    return state if state.pop("manager") == os.getpid() else None


@attrs.frozen
class Program:
    """
    How this very program was started.

    @ivar command: the program and its arguments.
    @ivar directory: where that was.
    """

    command: tuple[str, ...]
    directory: str

    @classmethod
    def running(cls, inserted: Sequence[str], directory: str) -> Program:
        """
        @param inserted: options of C{twistd} that hold the next time, before those that
            were given.
        @param directory: where it was started.
        """
        given = sys.argv[1:]
        start = sys.orig_argv[: len(sys.orig_argv) - len(given)]
        return cls((*start, *inserted, *given), directory)

    async def check(self, reactor: Any) -> None:
        """
        See whether it would start, as it is now.

        @raise MigrationError: it would not.
        """
        out, err, code = await getProcessOutputAndValue(
            sys.executable,
            self.command[1:],
            env={**os.environ, CHECK: "1"},
            path=self.directory,
            reactor=reactor,
        )
        if code:
            lines = (out + err).decode("utf-8", "replace").strip().splitlines()
            why = lines[-1].strip() if lines else f"it ends with status {code}"
            raise MigrationError(f"the new manager would not start: {why}")

    def execute(
        self, state: Mapping[str, Any], kept: Sequence[int], environ: Mapping[str, str]
    ) -> None:
        """
        Become it.  This returns only if that fails.

        @param state: what it is to know.
        @param kept: the descriptors that it is to have.
        @raise MigrationError: it cannot be executed; nothing has changed.
        """
        here = os.getcwd()
        told = json.dumps({**state, "manager": os.getpid()})
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for fileno in kept:
            os.set_inheritable(fileno, True)
        # Until it listens to them, they would end it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
        try:
            os.chdir(self.directory)
            os.execve(sys.executable, self.command, {**environ, STATE: told})
        except (OSError, ValueError) as error:
            for fileno in kept:
                os.set_inheritable(fileno, False)
            os.chdir(here)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise MigrationError(f"cannot be executed: {error}") from error
