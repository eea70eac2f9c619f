"""
The parts of a manager, in process: what it hears, what it watches, how it judges a new
process that does not get on, and what such a process does for it.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase, TestCase

from migrate.control import ControlAddress
from migrate.errors import MigrationError
from migrate.gate import Gate, Instructions, readable
from migrate.manager.backoff import Backoff
from migrate.manager.children import PREPARED, SERVES, describeEnd
from migrate.manager.notices import Notice, Notices
from migrate.manager.orders import Orders
from migrate.manager.post import Post
from migrate.manager.renewal import CHECK, STATE, Program, takeState
from migrate.manager.settings import Settings
from migrate.manager.upgrade import NotUpgraded, Upgrade
from migrate.manager.watching import Watching
from migrate.manager.witness import Owner
from migrate.sources import sources
from tests.processes import Processes


class NoticesTests(TestCase):
    """
    L{Notices}
    """

    timeout = 60

    def setUp(self) -> None:
        """
        A socket that notices come to.
        """
        self.path = os.path.abspath(self.mktemp())
        self.heard: list[Notice] = []
        self.waiting: list[Deferred[Notice]] = []
        self.notices = Notices(reactor, self.path, self.hear)
        self.notices.listen()
        self.addCleanup(self.notices.close)

    def hear(self, notice: Notice) -> None:
        """
        Somebody says something.
        """
        self.heard.append(notice)
        if self.waiting:
            self.waiting.pop(0).callback(notice)

    def next(self) -> Deferred[Notice]:
        """
        @return: fires with what is said next.
        """
        self.waiting.append(Deferred())
        return self.waiting[-1]

    @inlineCallbacks
    def test_sender(self) -> Any:
        """
        The kernel says who said something, whatever that says of itself.
        """
        spoken = self.next()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"READY=1\nMAINPID=1\n\nnonsense\nSTATUS=a=b", self.path)
        notice = yield spoken
        self.assertEqual(notice.pid, os.getpid())
        self.assertEqual(notice.fields, {"READY": "1", "MAINPID": "1", "STATUS": "a=b"})
        spoken = self.next()
        code = (
            "import socket, sys; "
            "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)"
            ".sendto(b'READY=1', sys.argv[1])"
        )
        child = Processes(self).python(["-c", code, self.path], self.mktemp())
        notice = yield spoken
        self.assertEqual(notice.pid, child.pid)
        yield child.ended()

    @inlineCallbacks
    def test_descriptors(self) -> Any:
        """
        Descriptors are closed at once: that is what a barrier waits for.
        """
        watched, given = os.pipe()
        self.addCleanup(os.close, watched)
        spoken = self.next()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.connect(self.path)
            socket.send_fds(sender, [b"BARRIER=1"], [given])
        os.close(given)
        yield spoken
        os.set_blocking(watched, False)
        self.assertEqual(os.read(watched, 1), b"")

    def test_private(self) -> None:
        """
        Others cannot write to it; it is gone with the manager, and what a dead one has
        left behind is no hindrance.
        """
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)
        other = Notices(reactor, self.path, self.hear)
        other.listen()
        other.close()
        self.assertFalse(os.path.exists(self.path))


class WatchingTests(SynchronousTestCase):
    """
    L{Watching}
    """

    def setUp(self) -> None:
        """
        Bells that the test rings, and a clock that it turns.
        """
        self.clock: Any = Clock()
        self.calls: list[Any] = []
        self.clock.callFromThread = lambda call, *given: self.calls.append(
            (call, given)
        )
        self.changed: list[list[str]] = []
        self.listening: list[tuple[list[str], bool]] = []
        self.rings: list[Iterable[tuple[object, str]]] = []
        self.watching = Watching(self.clock, self.changed.append, self.bells)

    def bells(
        self, paths: list[str], recursive: bool, stop: threading.Event
    ) -> Iterator[Iterable[tuple[object, str]]]:
        """
        Ring what the test has prepared.
        """
        self.listening.append((paths, recursive))
        yield from self.rings

    def ring(self, *rings: Iterable[str]) -> None:
        """
        Let files change.
        """
        self.rings = [[(2, path) for path in ring] for ring in rings]
        before = set(threading.enumerate())
        self.watching.watch(["/tree"], [])
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        self.turn()

    def turn(self) -> None:
        """
        Let what threads have asked for happen.
        """
        calls, self.calls = self.calls, []
        for call, given in calls:
            call(*given)

    def test_quiet(self) -> None:
        """
        Changes are told of once, and once all is quiet.
        """
        self.ring(["/tree/a.py"], ["/tree/b.py", "/tree/a.py"])
        self.clock.advance(0.29)
        self.assertEqual(self.changed, [])
        self.clock.advance(0.02)
        self.assertEqual(self.changed, [["/tree/a.py", "/tree/b.py"]])
        self.clock.advance(10)
        self.assertEqual(len(self.changed), 1)

    def test_stopped(self) -> None:
        """
        Nothing is told of once the watching has ended, nor is there a timer left.
        """
        self.ring(["/tree/a.py"])
        self.watching.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.turn()
        self.assertEqual(self.changed, [])

    def test_same(self) -> None:
        """
        What is watched already is left alone; trees are watched with all below them,
        directories without.
        """
        self.ring()
        self.assertFalse(self.watching.watch(["/tree"], []))
        before = set(threading.enumerate())
        self.assertTrue(self.watching.watch(["/tree"], ["/flat"]))
        for thread in set(threading.enumerate()) - before:
            thread.join(30)
        self.assertEqual(self.listening[0], (["/tree"], True))
        self.assertEqual(
            sorted(self.listening[1:]), [(["/flat"], False), (["/tree"], True)]
        )

    def test_failed(self) -> None:
        """
        What cannot be watched is told of, and watched when it is asked for again.
        """

        def broken(*_: object) -> Iterator[Iterable[tuple[object, str]]]:
            raise FileNotFoundError("/tree is gone")

        self.watching.bells = broken
        self.ring()
        self.watching.bells = self.bells
        self.assertTrue(self.watching.watch(["/tree"], []))
        self.watching.stop()


class Successor:
    """
    A process that says what the test has it say.
    """

    pid = 22
    alive = True
    isHeld = False
    complaint = None
    state = "loading"

    def __init__(self) -> None:
        self.signals: list[int] = []
        self.went = False
        self.waiting: dict[str, Deferred[bool]] = {}

    def says(self, word: str) -> Deferred[bool]:
        """
        See L{Child.says}.
        """
        self.waiting[word] = Deferred()
        return self.waiting[word]

    def ends(self) -> Deferred[bool]:
        """
        See L{Child.ends}.
        """
        done: Deferred[bool] = Deferred()
        done.callback(False)
        return done

    def go(self) -> None:
        """
        See L{Child.go}.
        """
        self.went = True

    def signal(self, number: int) -> None:
        """
        See L{Child.signal}.
        """
        self.signals.append(number)

    def describe(self) -> str:
        """
        See L{Child.describe}.
        """
        return "ended with status 3"


class UpgradeTests(SynchronousTestCase):
    """
    L{Upgrade}, with processes that are none.
    """

    def setUp(self) -> None:
        """
        An origin that owns a service, and a successor.
        """
        self.clock = Clock()
        self.successor: Any = Successor()
        self.origin: Any = Successor()
        self.origin.pid = 11
        self.owners: dict[str, Owner | None] = {}
        self.home = ControlAddress("unix", path="/home.sock")
        self.own(11, "available")
        self.post = Post(self.home, ["talk"], Settings("/"), Backoff(), self.origin)
        self.upgrade = Upgrade(
            self.clock, self, self.post, 10.0, lambda *_: self.successor
        )
        self.done = Deferred.fromCoroutine(self.upgrade.run(Settings("/")))

    def own(self, pid: int, state: str, place: str = "") -> None:
        """
        Have a process own the service.
        """
        self.owners[place or str(self.home)] = Owner(pid, {"talk": state})

    async def owner(self, control: ControlAddress, patience: Any = None) -> Any:
        """
        See L{Witness.owner}.
        """
        return self.owners.get(str(control))

    def test_order(self) -> None:
        """
        The successor may not take over before it is ready, and counts as the one that
        serves once it has said so itself.
        """
        self.assertFalse(self.successor.went)
        self.successor.waiting[PREPARED].callback(True)
        self.assertTrue(self.successor.went)
        self.own(22, "available")
        self.successor.waiting[SERVES].callback(True)
        self.assertIs(self.successResultOf(self.done), self.successor)
        self.assertEqual(self.upgrade.left, [])

    def test_left(self) -> None:
        """
        What did not move is told of.
        """
        self.successor.waiting[PREPARED].callback(True)
        self.owners[str(self.home)] = Owner(
            11, {"talk": "departed", "other": "available"}
        )
        self.own(22, "available", "unix:/home.sock.22")
        self.successor.waiting[SERVES].callback(True)
        self.assertIs(self.successResultOf(self.done), self.successor)
        self.assertEqual(self.upgrade.left, ["other"])
        self.assertEqual(self.post.names, ["talk"])

    def test_ends(self) -> None:
        """
        A successor that ends is no upgrade.
        """
        self.successor.waiting[PREPARED].callback(False)
        error = self.failureResultOf(self.done, NotUpgraded).value
        self.assertIn("process 22 ended with status 3 before it served", str(error))

    def test_hangs(self) -> None:
        """
        One that does not get on is stopped first, and killed only once the origin says
        that it owns the service.
        """
        self.own(11, "in transit")
        self.clock.advance(10.0)
        self.assertEqual(self.successor.signals, [signal.SIGSTOP])
        self.clock.pump([0.5] * 4)
        self.assertEqual(self.successor.signals, [signal.SIGSTOP])
        self.own(11, "available")
        self.clock.advance(0.5)
        self.assertEqual(self.successor.signals, [signal.SIGSTOP, signal.SIGKILL])
        self.failureResultOf(self.done, NotUpgraded)

    def test_hangsHeld(self) -> None:
        """
        One that has not been let take over owns nothing, whatever the origin says.
        """
        self.successor.isHeld = True
        self.own(11, "in transit")
        self.clock.advance(10.0)
        self.assertEqual(self.successor.signals, [signal.SIGKILL])
        self.failureResultOf(self.done, NotUpgraded)

    def test_hangsInPart(self) -> None:
        """
        Nor is one that may own some of it, and not the rest yet.
        """
        self.post.names.append("mail")
        states = {"talk": "departed", "mail": "available"}
        self.owners[str(self.home)] = Owner(11, states)
        self.clock.advance(10.0)
        self.assertEqual(self.successor.signals, [signal.SIGSTOP, signal.SIGCONT])
        self.assertNoResult(self.done)

    def test_hangsOwning(self) -> None:
        """
        One that may own the service is never killed, but waited for.
        """
        self.successor.waiting[PREPARED].callback(True)
        self.origin.alive = False
        self.owners.clear()
        self.clock.advance(10.0)
        self.assertEqual(self.successor.signals, [signal.SIGSTOP, signal.SIGCONT])
        self.assertNoResult(self.done)
        self.own(22, "available")
        self.successor.waiting[SERVES].callback(True)
        self.assertIs(self.successResultOf(self.done), self.successor)


class GateTests(SynchronousTestCase):
    """
    L{Gate}
    """

    def setUp(self) -> None:
        """
        A reactor that only knows what is read.
        """
        self.readers: list[Any] = []
        self.sent: list[dict[str, object]] = []

    def addReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet}.
        """
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """
        See L{twisted.internet.interfaces.IReactorFDSet}.
        """
        if reader in self.readers:
            self.readers.remove(reader)

    def gate(self, *imports: str) -> tuple[Gate, int]:
        """
        @return: a gate, and the descriptor that opens it.
        """
        held, given = os.pipe()
        gate = Gate(self, Instructions(held, imports), lambda **s: self.sent.append(s))
        return gate, given

    def test_none(self) -> None:
        """
        Without a manager nothing is waited for, and nobody told anything.
        """
        gate = Gate(self, Instructions.take({}), lambda **s: self.sent.append(s))
        self.assertEqual(gate.passed(5), 5)
        self.assertEqual(gate.served(6), 6)
        self.assertEqual((self.sent, self.readers), ([], []))

    def test_instructions(self) -> None:
        """
        They are for this process, and for none that it starts.
        """
        given = Instructions(7, ("a.b",))
        environ = {"TXMIGRATE_GATE": given.encode(), "A": "B"}
        self.assertEqual(Instructions.take(environ), given)
        self.assertEqual(environ, {"A": "B"})

    def test_waits(self) -> None:
        """
        All is ready, and it waits for the word; once.
        """
        gate, given = self.gate()
        self.addCleanup(os.close, given)
        done = gate.passed("x")
        self.assertEqual(self.sent[0]["X_TXMIGRATE_PREPARED"], 1)
        self.assertNoResult(done)
        os.write(given, b"!")
        gate.doRead()
        self.assertEqual(self.successResultOf(done), "x")
        self.assertEqual(gate.passed("y"), "y")
        self.assertEqual(self.readers, [])

    def test_orphaned(self) -> None:
        """
        With the manager dead nobody will say it: the services stay where they are.
        """
        gate, given = self.gate()
        done = gate.passed()
        os.close(given)
        gate.doRead()
        self.failureResultOf(done, MigrationError)

    def test_readable(self) -> None:
        """
        A traceback is that of the code which is wrong, not of whoever found out.
        """
        try:
            try:
                int("no number")
            except ValueError as error:
                raise MigrationError("cannot load") from error
        except MigrationError as error:
            told = "".join(readable(error))
        self.assertIn("ValueError: invalid literal", told)
        self.assertIn(__file__, told)
        self.assertNotIn("MigrationError", told)
        self.assertEqual(list(readable(MigrationError("no room"))), [])


class ProgramTests(TestCase):
    """
    L{Program}
    """

    timeout = 60

    def program(self, code: str) -> Program:
        """
        @return: a program in Python.
        """
        return Program((sys.executable, "-c", code), os.getcwd())

    @inlineCallbacks
    def test_broken(self) -> Any:
        """
        A program that would not start is not executed, and it is said why.
        """
        checked = self.program("raise RuntimeError('broken')").check(reactor)
        error = yield self.assertFailure(
            Deferred.fromCoroutine(checked), MigrationError
        )
        self.assertIn("RuntimeError: broken", str(error))

    @inlineCallbacks
    def test_asked(self) -> Any:
        """
        A program is told that it is only asked whether it would start.
        """
        code = f"import os, sys; sys.exit({CHECK!r} not in os.environ)"
        yield Deferred.fromCoroutine(self.program(code).check(reactor))

    def test_cannotExecute(self) -> None:
        """
        If it cannot be executed at all, nothing has changed.
        """
        here, mask = os.getcwd(), signal.pthread_sigmask(signal.SIG_BLOCK, [])
        fileno = os.dup(0)
        self.addCleanup(os.close, fileno)
        program = Program((sys.executable,), "/nowhere")
        self.assertRaises(MigrationError, program.execute, {}, [fileno], {})
        self.assertFalse(os.get_inheritable(fileno))
        self.assertEqual(os.getcwd(), here)
        self.assertEqual(signal.pthread_sigmask(signal.SIG_BLOCK, []), mask)

    def test_state(self) -> None:
        """
        The state is for the process that kept it only, and for none that it starts.
        """
        environ = {STATE: f'{{"manager": {os.getpid()}, "posts": []}}'}
        self.assertEqual(takeState(environ), {"posts": []})
        self.assertIsNone(takeState(environ))
        self.assertIsNone(takeState({STATE: '{"manager": 1}'}))


class SourcesTests(SynchronousTestCase):
    """
    L{sources}
    """

    def module(self, name: str, path: str, package: bool = False) -> ModuleType:
        """
        @return: a module that was loaded from there.
        """
        module = ModuleType(name)
        module.__file__ = path
        if package:
            module.__path__ = [os.path.dirname(path)]
        return module

    def test_own(self) -> None:
        """
        What is worked on is found: the outermost package, or the directory of a module
        that is in none.  What is installed is not, unless it is meant.
        """
        lib = "/venv/lib/python3.11/site-packages"
        loaded = {
            "chat": self.module("chat", "/srv/chat/__init__.py", package=True),
            "chat.rooms": self.module("chat.rooms", "/srv/chat/rooms/__init__.py"),
            "space.part": self.module("space.part", "/srv/space/part.py"),
            "lone": self.module("lone", "/srv/other/lone.py"),
            "attr": self.module("attr", f"{lib}/attr/__init__.py", package=True),
            "game": self.module("game", f"{lib}/game/__init__.py", package=True),
            "json": self.module("json", os.__file__),
            "builtin": ModuleType("builtin"),
            "migrate": sys.modules["migrate"],
        }
        self.assertEqual(
            sources(["game.makeService"], loaded),
            {
                "trees": ["/srv/chat", "/srv/space", f"{lib}/game"],
                "directories": ["/srv/other"],
            },
        )


class OrdersTests(SynchronousTestCase):
    """
    L{Orders}, and other small things.
    """

    def test_commands(self) -> None:
        """
        The first process makes the services, the others take them over; both in
        whatever directory.
        """
        orders = Orders(
            ("--reactor=poll",),
            ("--deadline=10",),
            (),
            ("--wait", "5"),
            {"a": "m.a", "c": "m:c"},
            {"b": "web --path=."},
        )
        control = ControlAddress("unix", path="/a:b.sock", mode=0o660)
        endpoint = r"unix:/a\:b.sock:mode=660:backlog=50"
        self.assertEqual(ControlAddress.parse(endpoint), control)
        start = ["-n", "--pidfile=", "--reactor=poll"]
        common = ["--control", endpoint, "--deadline=10"]
        first = orders.first("/python", control, ["a", "b"])
        self.assertEqual(first[0], "/python")
        self.assertEqual(
            first[3:],
            [
                *(*start, "migrate-server", *common),
                *("--service", "a=m.a", "--plugin", "b=web --path=."),
            ],
        )
        self.assertEqual(
            orders.next("/python", control)[3:],
            [*start, "migrate-client", *common, "--wait", "5", "--all"],
        )
        self.assertEqual(orders.makers(), ["m.a", "m.c"])

    def test_ends(self) -> None:
        """
        How a process ended is told to people.
        """
        self.assertEqual(describeEnd(0), "ended with status 0")
        self.assertEqual(describeEnd(3 << 8), "ended with status 3")
        self.assertEqual(describeEnd(signal.SIGKILL), "was ended by SIGKILL")
        self.assertIn("nobody can tell", describeEnd(None))
