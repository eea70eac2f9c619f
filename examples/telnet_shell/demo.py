"""
Moves a live telnet session from one Python to another, before your eyes.

Run it as a program::

    python demo.py --python PATH --other-python PATH

Either may be any Python in which the packages are installed that this project
depends on, with Twisted's conch.  It ends with status 0 if everything held,
and with status 1 and a line that says what did not.  Nothing of it is left
behind.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

from pause import PauseMeter
from servers import Server, Servers, versionOf
from terminal import Keyboard, Screen, Silence, TelnetProgram, TelnetSocket

ROOT = Path(__file__).resolve().parents[2]
USER, PASSWORD = "admin", "let-me-in"
SERVER = "-n migrate-server --service shell=examples.telnet_shell.shell.makeService"
CLIENT = "-n migrate-client --service shell"

_BEFORE = """\
import os, sys
os.getpid()
sys.version
answer = 6 * 7
def twice(x):
    return 2 * x

class Counter:
    count = 0
    def add(self, n):
        self.count += n
        return self.count

def adder(n):
    return lambda x: x + n

counter = Counter()
counter.add(answer)
plus = adder(100)
"""

_AFTER = {
    "answer": "42",
    "twice(answer)": "84",
    "counter.add(8)": "50",
    "isinstance(counter, Counter)": "True",
    "plus(1)": "101",
}


class DemoFailed(Exception):
    """
    Something did not hold.
    """


def say(text: str) -> None:
    """
    Print a line as soon as it is there.
    """
    print(text, flush=True)


def check(held: object, reason: str) -> None:
    """
    @raise DemoFailed: C{held} is false.
    """
    if not held:
        raise DemoFailed(reason)


def expect(session: Keyboard, question: str, answer: str) -> None:
    """
    @raise DemoFailed: the shell answers another thing.
    """
    lines = session.ask(question)
    check(lines == [answer], f"{question} was answered with {lines}, not {answer}")


def connect(port: int, deadline: float) -> Keyboard:
    """
    @return: a session before everybody's eyes, not logged in yet.
    """
    screen = Screen(lambda line: say(f"    {line}"))
    if shutil.which("telnet"):
        say(f"$ telnet 127.0.0.1 {port}")
        return TelnetProgram(port, screen, deadline)
    say(f"(there is no telnet program here; this is a socket to port {port})")
    return TelnetSocket(port, screen, deadline)


def typeScript(session: Keyboard, script: str) -> list[list[str]]:
    """
    @return: for every line, what the shell answered.
    """
    return [
        session.ask(line) if line else session.enter() for line in script.splitlines()
    ]


def before(session: Keyboard, server: Server, version: str) -> None:
    """
    Log in, look around, define things, and stop in the middle of a line.
    """
    session.login(USER, PASSWORD)
    answers = typeScript(session, _BEFORE)
    check(answers[1] == [str(server.pid)], f"os.getpid() is {answers[1]}")
    seen = " ".join(answers[2])
    check(version.split()[0] in seen, f"sys.version is {seen}, not {version}")
    session.type('"half a line, " +')


def after(session: Keyboard, old: Server, new: Server, version: str) -> None:
    """
    Finish the line, and look for everything that was there before.
    """
    session.type(' "and the rest"')
    lines = session.enter()
    check(lines == ["'half a line, and the rest'"], f"the half-typed line gave {lines}")
    expect(session, "os.getpid()", str(new.pid))
    lines = session.ask("sys.version")
    check(version.split()[0] in " ".join(lines), f"sys.version is {lines}")
    lines = session.ask(f"os.kill({old.pid}, 0)")
    check(
        lines[-1:] == ["ProcessLookupError: [Errno 3] No such process"],
        f"the old process {old.pid} was found: {lines}",
    )
    for question, answer in _AFTER.items():
        expect(session, question, answer)
    history = [f"os.kill({old.pid}, 0)", *_AFTER]
    for line in [*reversed(history), "sys.version", "os.getpid()"]:
        session.press(b"\x1b[A", f">>> {line}")
    session.press(b"\x1b[A", '>>> "half a line, " + "and the rest"')
    session.press(b"\x1b[A", ">>> plus = adder(100)")
    session.enter()


def migrate(
    servers: Servers, old: Server, python: str, deadline: float
) -> tuple[Server, float]:
    """
    Start the recipient, and wait for the end of the origin.

    @return: the recipient, and when it was started, in seconds of the
        monotonic clock.
    """
    since = time.monotonic()
    new = servers.start(python, CLIENT)
    say(f"$ twistd {CLIENT}    # pid {new.pid}")
    end = since + deadline
    while old.running and time.monotonic() < end:
        check(new.running, f"the new process {new.pid} ended; see its log")
        time.sleep(0.02)
    status = old.waitForEnd(0.1)
    check(status == 0, f"the old process ended with status {status}")
    return new, since


def tell(options: argparse.Namespace, servers: Servers, stack: ExitStack) -> str:
    """
    The whole story.

    @return: its last line.
    """
    versions = versionOf(options.python), versionOf(options.other)
    old = servers.start(
        options.python,
        SERVER,
        {"SHELL_PORT": "0", "SHELL_USER": USER, "SHELL_PASSWORD": PASSWORD},
    )
    say(f"$ twistd {SERVER}    # pid {old.pid}, Python {versions[0]}")
    port = int(old.waitForLine(r"starting on (\d+)", options.deadline)[1])
    session = stack.enter_context(closing(connect(port, options.deadline)))
    before(session, old, versions[0])
    say(f"    {session.screen.current}")
    second = stack.enter_context(
        closing(TelnetSocket(port, Screen(), options.deadline))
    )
    second.login(USER, PASSWORD)
    meter = PauseMeter(second)
    meter.start()
    stack.callback(meter.finish)
    stack.callback(second.hangUp)
    new, since = migrate(servers, old, options.other, options.deadline)
    after(session, old, new, versions[1])
    meter.finish()
    check(meter.failure is None, str(meter.failure))
    check(new.running, f"the new process {new.pid} ended")
    check(old.pid != new.pid, "the process is the same")
    longest, usual = meter.figures(since)
    say("")
    say(
        f"The client saw a pause of {1e3 * max(0, longest - usual):.1f} ms: "
        f"its longest wait for an answer was {1e3 * longest:.1f} ms, the usual one "
        f"{1e3 * usual:.1f} ms."
    )
    shorts = [version.split()[0] for version in versions]
    return (
        f"Moved from process {old.pid}, Python {shorts[0]}, "
        f"to process {new.pid}, Python {shorts[1]}."
    )


def run(options: argparse.Namespace) -> int:
    """
    @return: the exit status.
    """
    with ExitStack() as outer:
        directory = Path(
            outer.enter_context(tempfile.TemporaryDirectory(prefix="telnet-shell-"))
        )
        servers = outer.enter_context(Servers(directory, ROOT))
        try:
            with ExitStack() as inner:
                say(tell(options, servers, inner))
        except (DemoFailed, Silence, OSError) as error:
            print(servers.logs(), file=sys.stderr)
            print(f"demo failed: {error}", file=sys.stderr)
            return 1
    return 0


def main(arguments: list[str]) -> int:
    """
    @param arguments: those of the command line, without the program's name.
    @return: the exit status.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument(
        "--python", default=sys.executable, help="runs the server; this one by default"
    )
    parser.add_argument(
        "--other-python", dest="other", help="takes over; the same by default"
    )
    parser.add_argument(
        "--deadline", type=float, default=30.0, help="for any one step, in seconds"
    )
    options = parser.parse_args(arguments)
    options.other = options.other or options.python
    # An ended demonstration cleans up too, whichever way it is ended.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    return run(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
