"""
The demonstration's server processes: started, watched, and always ended.

It must not know what they serve.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from terminal import Silence

#: Between two looks at a log or a process, in seconds.
_INTERVAL = 0.02


def versionOf(python: str) -> str:
    """
    @param python: the path of an interpreter.
    @return: what its C{sys.version} is.
    """
    command = [python, "-c", "import sys; print(sys.version.replace(chr(10), ' '))"]
    return subprocess.check_output(command, text=True).strip()


class Server:
    """
    One twistd that stays in the foreground and logs to a file.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self.log = log
        self.pid = process.pid

    def waitForLine(self, pattern: str, deadline: float) -> re.Match[str]:
        """
        @param pattern: a regular expression.
        @param deadline: in seconds.
        @raise Silence: no such line was logged.
        """
        end = time.monotonic() + deadline
        while time.monotonic() < end:
            ended = self._process.poll() is not None
            match = re.search(pattern, self.log.read_text(errors="replace"))
            if match is not None:
                return match
            if ended:
                break
            time.sleep(_INTERVAL)
        raise Silence(f"process {self.pid} did not log {pattern!r}")

    def waitForEnd(self, deadline: float) -> int:
        """
        @param deadline: in seconds.
        @return: the exit status.
        @raise Silence: it goes on.
        """
        try:
            return self._process.wait(deadline)
        except subprocess.TimeoutExpired:
            raise Silence(f"process {self.pid} did not end") from None

    @property
    def running(self) -> bool:
        """
        Whether it has not ended yet.
        """
        return self._process.poll() is None

    def stop(self, patience: float = 5.0) -> None:
        """
        End it, gently for as long as C{patience} (in seconds), and reap it.
        """
        self._process.terminate()
        try:
            self._process.wait(patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Servers:
    """
    All of them; used as a context, at whose end none is left.
    """

    def __init__(self, directory: Path, root: Path) -> None:
        """
        @param directory: where they run, and where their logs are.
        @param root: what they import the package and the example from.
        """
        self._directory = directory
        self._root = root
        self._stack = ExitStack()
        self._started: list[Server] = []

    def __enter__(self) -> Servers:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def start(
        self, python: str, arguments: str, environment: Mapping[str, str] | None = None
    ) -> Server:
        """
        Start a twistd.

        @param python: the interpreter.
        @param arguments: those of C{twistd}, with blanks between them.
        @param environment: what to add to this process's.
        """
        log = self._directory / f"twistd-{len(self._started) + 1}.log"
        run = "from twisted.scripts.twistd import run; run()"
        path = os.pathsep.join(filter(None, [str(self._root), os.getenv("PYTHONPATH")]))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [python, "-c", run, *arguments.split()],
                cwd=self._directory,
                env={**os.environ, **(environment or {}), "PYTHONPATH": path},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        server = Server(process, log)
        self._stack.callback(server.stop)
        self._started.append(server)
        return server

    def logs(self) -> str:
        """
        @return: the end of everything that was logged.
        """
        parts = []
        for server in self._started:
            last = server.log.read_text(errors="replace").splitlines()[-25:]
            parts.append("\n".join([f"--- log of process {server.pid}", *last]))
        return "\n".join(parts)
