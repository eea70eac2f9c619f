"""
Real processes in trial tests: every wait has a deadline, every process is
reaped, however the test ends.

It must not know what this project does: it starts commands, reads what they
print, and counts what they hold.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.endpoints import clientFromString, connectProtocol
from twisted.internet.task import LoopingCall
from twisted.trial.unittest import TestCase

from tests.children import Child, Daemon, Ended
from tests.clients import Client
from tests.procfs import alive, descriptors, residentBytes
from tests.waiting import DEADLINE, Expectations, NeverCame

__all__ = [
    "CHECKOUT",
    "DEADLINE",
    "Child",
    "Client",
    "Daemon",
    "Ended",
    "NeverCame",
    "Processes",
    "descriptors",
    "freePort",
    "freePorts",
    "residentBytes",
]

#: The top of this checkout: what a started Python imports C{migrate} from.
CHECKOUT = Path(__file__).resolve().parent.parent

#: How often a condition is looked at that cannot announce itself, in seconds.
POLL_INTERVAL = 0.02

#: Where Linux says which ports it gives to clients.
EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")

#: What twistd calls the reactors that a test may run under.
REACTORS = {
    "EPollReactor": "epoll",
    "PollReactor": "poll",
    "SelectReactor": "select",
    "AsyncioSelectorReactor": "asyncio",
}

#: Carried by every started process and inherited by all that it starts in turn.
MARK = "TXMIGRATE_TEST_PROCESS"


def _candidates() -> Iterator[int]:
    """
    @return: port numbers that the kernel gives to nobody by itself, in no
        order: one that it might give to a client may be taken again by the
        time that a server wants it.
    """
    lowest = 1 << 15
    with suppress(OSError, ValueError):
        lowest = int(EPHEMERAL.read_text().split()[0])
    return iter(random.SystemRandom().sample(range(10_000, lowest), 1000))


def freePorts(count: int, kind: int = socket.SOCK_STREAM) -> list[int]:
    """
    @param count: how many.
    @param kind: the type of socket that they are for.
    @return: port numbers of the loopback interface, all different, that
        nothing was bound to.
    """
    with ExitStack() as held:
        ports: list[int] = []
        for port in _candidates():
            bound = held.enter_context(socket.socket(socket.AF_INET, kind))
            with suppress(OSError):
                bound.bind(("127.0.0.1", port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise AssertionError(f"no {count} free ports on this machine")


def freePort(kind: int = socket.SOCK_STREAM) -> int:
    """
    @param kind: the type of socket that it is for.
    @return: one port number, as L{freePorts}.
    """
    return freePorts(1, kind)[0]


def importPath() -> str:
    """
    @return: what every started Python imports from first.  Whoever runs tests in
        several processes gives them all of this Python's own path, which is
        nothing for another one.
    """
    inherited = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    own = (sys.prefix, sys.base_prefix)
    others = [each for each in inherited if each and not each.startswith(own)]
    return os.pathsep.join([str(CHECKOUT), *others])


class Processes:
    """
    The processes and clients of one test::

        def setUp(self):
            self.processes = Processes(self)

        @inlineCallbacks
        def test_echo(self):
            port = freePort()
            child = self.processes.twistd(["-n", "echo", f"{port}"], self.mktemp())
            yield child.line(f"starting on {port}")
            client = yield self.processes.connect(port)
            self.assertEqual((yield client.ask(b"hello")), b"hello")

    At the end of the test, however it ends, all of them are ended and reaped:
    the children, whatever these have started, and daemons too.
    """

    def __init__(self, testCase: TestCase, reactor: Any = None) -> None:
        """
        @param testCase: the test that owns them all.
        @param reactor: the running reactor, unless it is the installed one.
        """
        if reactor is None:
            from twisted.internet import reactor
        self.reactor: Any = reactor
        self._mark = uuid.uuid4().hex
        self._children: list[Child] = []
        self._daemons: list[Daemon] = []
        self._clients: list[Client] = []
        testCase.addCleanup(self.reap)

    def start(
        self,
        command: Sequence[str | Path],
        directory: str | Path,
        environment: Mapping[str, str | None] | None = None,
        pty: bool = False,
    ) -> Child:
        """
        Start a command.  A Python that it runs can import this checkout, and
        writes every line at once.

        @param command: the program and its arguments.
        @param directory: where it runs; made if it does not exist.
        @param environment: changes to this process's environment; a variable
            with the value L{None} is taken out.
        @param pty: whether its standard input and outputs are a terminal.
        """
        Path(directory).mkdir(parents=True, exist_ok=True)
        argv = [str(part) for part in command]
        child = Child(self.reactor, " ".join(argv))
        self.reactor.spawnProcess(
            child,
            argv[0],
            argv,
            env=self._environment(environment or {}),
            path=str(directory),
            usePTY=pty,
        )
        self._children.append(child)
        return child

    def python(
        self,
        arguments: Sequence[str | Path],
        directory: str | Path,
        interpreter: str | Path = sys.executable,
        environment: Mapping[str, str | None] | None = None,
    ) -> Child:
        """
        Start a Python.

        @param arguments: those of C{python}.
        @param interpreter: the running one, unless said otherwise.
        @return: as L{start}.
        """
        return self.start([interpreter, *arguments], directory, environment)

    def twistd(
        self,
        arguments: Sequence[str | Path],
        directory: str | Path,
        interpreter: str | Path = sys.executable,
        environment: Mapping[str, str | None] | None = None,
    ) -> Child:
        """
        Start twistd.  With C{-n} among the arguments it stays a child and its
        log comes line by line; else it becomes a daemon, see L{daemon}.  It
        runs under the same reactor as the test, unless told otherwise.

        @param arguments: those of C{twistd}.
        @param interpreter: the Python that runs it, of any version.
        @return: as L{start}.
        """
        # Not the script beside the interpreter: that one may be another's.
        run = "from twisted.scripts.twistd import run; run()"
        same = REACTORS.get(type(self.reactor).__name__)
        told = any(str(argument).startswith(("-r", "--r")) for argument in arguments)
        reactor = [f"--reactor={same}"] if same and not told else []
        command = ["-c", run, *reactor, *arguments]
        return self.python(command, directory, interpreter, environment)

    def daemon(
        self, pidFile: str | Path, deadline: float = DEADLINE
    ) -> Deferred[Daemon]:
        """
        Wait for a process that writes its id to a file.

        @param pidFile: the file; it may not be there yet.
        @param deadline: in seconds.
        @return: fires once the file names a process that lives.
        """

        def probe() -> Daemon | None:
            with suppress(FileNotFoundError, ValueError, ProcessLookupError):
                return self.watch(int(Path(pidFile).read_text()))
            return None

        return self.until(probe, f"a living process named by {pidFile}", deadline)

    def watch(self, pid: int) -> Daemon:
        """
        @return: a process that something else has started.  It is ended with
            the test.
        @raise ProcessLookupError: there is none.
        """
        daemon = Daemon(self.reactor, pid)
        self._daemons.append(daemon)
        return daemon

    def connect(self, where: int | str, deadline: float = DEADLINE) -> Deferred[Client]:
        """
        Connect a client.

        @param where: a TCP port of the loopback interface, or the description
            of a client endpoint, such as C{"unix:path"}.
        @param deadline: in seconds.
        @return: fires with the connected client, or fails as the endpoint does.
        """
        place = f"tcp:127.0.0.1:{where}" if isinstance(where, int) else where
        if place.startswith("unix:/"):
            # From here, as there is not much room for it.
            place = f"unix:{os.path.relpath(place.removeprefix('unix:'))}"
        client = Client(self.reactor)
        self._clients.append(client)
        endpoint = clientFromString(self.reactor, place)
        return connectProtocol(endpoint, client).addTimeout(deadline, self.reactor)

    def until(
        self, probe: Callable[[], Any], what: str, deadline: float = DEADLINE
    ) -> Deferred[Any]:
        """
        Wait for what cannot announce itself, such as a file.

        @param probe: returns what is waited for, or something false.
        @param what: what is waited for, for a person.
        @param deadline: in seconds.
        @return: fires with what C{probe} returned; fails with L{NeverCame}.
        """
        waiting = Expectations(self.reactor, str)
        outcome = waiting.expect(lambda: probe() or None, what, deadline)
        if not outcome.called:
            looking = LoopingCall(waiting.look)
            looking.clock = self.reactor
            looking.start(POLL_INTERVAL, now=False)

            def stop(result: Any) -> Any:
                looking.stop()
                return result

            outcome.addBoth(stop)
        return outcome

    def running(self) -> list[int]:
        """
        @return: the ids of all living processes that come from this test: its
            children and what was started by them, daemons included.
        """
        ours = {child.pid for child in self._children if child.running}
        ours |= {daemon.pid for daemon in self._daemons if daemon.running}
        mark = f"{MARK}={self._mark}".encode()
        living = list(alive())
        ours |= {pid for pid, _, environ in living if mark in environ.split(b"\0")}
        # A parent may have a higher id than its child: until nothing is added.
        while more := {pid for pid, parent, _ in living if parent in ours} - ours:
            ours |= more
        return sorted(ours & {pid for pid, _, _ in living})

    @inlineCallbacks
    def reap(self) -> Any:
        """
        End all that is left.  Called by itself at the end of the test.
        """
        for client in self._clients:
            if client.transport is not None and client.alive:
                client.transport.abortConnection()
        try:
            yield self.until(self._noneIsLeft, "the end of all that was started")
        finally:
            for daemon in self._daemons:
                daemon.forget()

    def _noneIsLeft(self) -> bool:
        left = self.running()
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        clients = (
            client.transport is not None and client.alive for client in self._clients
        )
        children = (child.running for child in self._children)
        return not left and not any(children) and not any(clients)

    def _environment(self, changes: Mapping[str, str | None]) -> dict[str, str]:
        merged: dict[str, str | None] = {
            **os.environ,
            "PYTHONPATH": importPath(),
            "PYTHONUNBUFFERED": "1",
            **changes,
            MARK: self._mark,
        }
        return {name: value for name, value in merged.items() if value is not None}
