"""
The processes of the benchmarks: started, waited for by what they write, always ended.

It must not know what is measured.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent

#: Seconds that any one step of a benchmark may take.
DEADLINE = 300

#: Between two looks at what a process has written, in seconds: often enough, and no
#: load for those who are measured.
_INTERVAL = 0.02

_TWISTD = [sys.executable, "-c", "from twisted.scripts.twistd import run; run()"]

#: What a migration server, and a client once it is one, writes when it is ready.
READY = "recipients are let in"

#: What an origin writes of a move.
MOVED = re.compile(
    r"moved \S+ to process (\d+) in ([\d.]+) ms: (\d+) objects, "
    r"(\d+) descriptors, (\d+) bytes \(([^)]*)\)"
)


def stepsOf(moved: re.Match[str]) -> dict[str, float]:
    """
    @param moved: a match of L{MOVED}.
    @return: the parts of the pause, in seconds, by name, in their order.
    """
    parts = (each.split(" ", 1) for each in moved[6].split(", "))
    return {name: float(took.removesuffix(" ms")) / 1000 for name, took in parts}


class Program:
    """
    A process whose lines are waited for.

    @ivar process: it.
    @ivar pid: its process id.
    """

    def __init__(self, command: list[str], where: str, **environment: str) -> None:
        """
        @param where: the directory that it runs in.
        @param environment: variables beside this process's own.
        """
        # A file and not a pipe: nobody reads while a line is waited for elsewhere.
        self._log = Path(tempfile.mkstemp(dir=where)[1])
        with self._log.open("w") as out:
            self.process = subprocess.Popen(
                command,
                cwd=where,
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONPATH": str(TOP), **environment},
            )
        self.pid = self.process.pid

    @property
    def written(self) -> str:
        """
        All that it has written, to standard output and standard error.
        """
        return self._log.read_text(errors="replace")

    def say(self, line: str) -> None:
        """
        Write a line to its standard input.
        """
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def line(
        self,
        pattern: str | re.Pattern[str],
        after: int = 0,
        beside: Program | None = None,
    ) -> re.Match[str]:
        """
        Wait for what it writes.

        @param after: how many characters to pass over.
        @param beside: another one that must not end meanwhile.
        @raise SystemExit: it ended, or the other one did, without that.
        """
        end = time.monotonic() + DEADLINE
        needed = [each for each in (self, beside) if each is not None]
        while time.monotonic() < end:
            over = any(each.process.poll() is not None for each in needed)
            found = re.compile(pattern).search(self.written, after)
            if found is not None:
                return found
            if over:
                break
            time.sleep(_INTERVAL)
        said = "\n".join(each.written[-3000:] for each in needed)
        raise SystemExit(
            f"no line like {pattern!r} from {self.process.args!r}:\n{said}"
        )

    def ask(self, line: str, rest: float = 0) -> re.Match[str]:
        """
        Write a line to its standard input.

        @param rest: seconds that nobody need look for the answer.
        @return: the JSON object that it answers with.
        """
        before = len(self.written)
        self.say(line)
        time.sleep(rest)
        return self.line(r"\{.*\}\n", before)

    def ended(self) -> int:
        """
        Wait for its end.

        @return: its exit status.
        """
        return self.process.wait(DEADLINE)

    def end(self) -> None:
        """
        End it.
        """
        self.process.kill()
        self.process.wait()
        assert self.process.stdin is not None
        self.process.stdin.close()


class Stand:
    """
    A directory and a port of its own, for a service and those who talk to it.

    @ivar port: a free port of the loopback interface.
    @ivar where: the directory.
    """

    def __init__(self, stack: ExitStack, **environment: str) -> None:
        """
        @param stack: when it is closed, all ends that was started.
        @param environment: variables that every process gets.
        """
        self.port = freePort()
        self.where = stack.enter_context(tempfile.TemporaryDirectory())
        self._stack = stack
        self.environment = environment

    def start(self, command: list[str], **environment: str) -> Program:
        """
        Start a process that ends with the measurement.
        """
        program = Program(command, self.where, **{**self.environment, **environment})
        self._stack.callback(program.end)
        return program

    def python(self, *arguments: str) -> Program:
        """
        Start a Python, such as that of this process.
        """
        return self.start([sys.executable, *arguments])

    def twistd(self, *arguments: str) -> Program:
        """
        Start twistd, in the foreground.
        """
        return self.start([*_TWISTD, "-n", "--pidfile=", *arguments])

    def serve(self, *arguments: str) -> Program:
        """
        Start C{twistd migrate-server}, and wait until it serves.
        """
        served = self.twistd("migrate-server", *arguments)
        served.line(READY)
        return served

    def take(self, *arguments: str) -> Program:
        """
        Start C{twistd migrate-client}, which takes all over.
        """
        return self.twistd("migrate-client", "--all", *arguments)

    def succeed(self, origin: Program, *arguments: str) -> Program:
        """
        Move everything of an origin, and wait for its end.

        @return: what serves it now.
        """
        taken = self.take(*arguments)
        taken.line(READY)
        origin.ended()
        return taken


def freePort() -> int:
    """
    @return: a port of the loopback interface that nobody has.
    """
    # Late: what it imports need not be there when results are only shown.
    from tests.processes import freePort

    return freePort()
