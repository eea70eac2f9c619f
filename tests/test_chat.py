"""
The main job at scale: a chat of a thousand people moves, again and again, and
fails to, while they talk; every byte is accounted for.
"""

from __future__ import annotations

import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
from twisted.internet.defer import inlineCallbacks
from twisted.python.failure import Failure
from twisted.python.reflect import qual
from twisted.trial.unittest import SkipTest, TestCase

from tests.children import Child
from tests.crowd import Crowd
from tests.lineservice import Troublesome
from tests.processes import Processes, descriptors, freePort
from tests.pythons import interpreters

#: For any one step, in seconds; ends a test that hangs.
PATIENCE = 60.0

#: How many people talk, and how many where that has been seen at its full size.
CROWD = 1000
FEW = 300

#: How many if the reactor asks C{select}, which knows no descriptor above 1023:
#: newcomers, pipes and files need some, too.
SELECTED = 800

#: Descriptors of a process beside those of the crowd.
BESIDE = 200

SERVICE = "chat=tests.chat.makeService"

#: An object of this class cannot be made where the environment says so.
TROUBLESOME = "tests.lineservice.Troublesome"

#: A module that one process has, and another has not.
MASCOT = '''
"""A class that is known in one directory only."""


class Mascot:
    """Something to keep."""

    def __init__(self, name):
        self.name = name
'''


@attrs.frozen
class State:
    """
    What the chat says of everybody in it.

    @ivar people: how many there are.
    @ivar timers: how many timers tick.
    @ivar halves: how many lines have come in part.
    @ivar queued: how many bytes the kernel has not taken.
    @ivar said: how many lines have been said.
    """

    people: int
    timers: int
    halves: int
    queued: int
    said: int


class ChatTestCase(TestCase):
    """
    Starts a chat, fills it, and moves it.
    """

    timeout = 300
    most = CROWD

    def setUp(self) -> None:
        """
        A directory and a port of its own.
        """
        self.processes = Processes(self)
        self.directory = Path(self.mktemp())
        self.port = freePort()
        self._allowDescriptors(CROWD + BESIDE)

    def _allowDescriptors(self, count: int) -> None:
        """
        Let this process, and those that it starts, open as many as it may.
        """
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < count:
            raise SkipTest(f"{count} descriptors are needed, {hard} are allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))

    @property
    def size(self) -> int:
        """
        How many people this reactor can serve.
        """
        selects = type(self.processes.reactor).__name__ == "SelectReactor"
        return min(self.most, SELECTED) if selects else self.most

    def twistd(self, *arguments: str, **keywords: Any) -> Child:
        """
        Start a twistd that stays in the foreground.
        """
        environment = {
            "CHAT_PORT": str(self.port),
            **keywords.pop("environment", {}),
        }
        keywords.setdefault("directory", self.directory)
        return self.processes.twistd(
            ["-n", *arguments], environment=environment, **keywords
        )

    @inlineCallbacks
    def serve(self, interpreter: str = sys.executable) -> Any:
        """
        Start the chat, and fill it with people who talk.
        """
        self.server = self.twistd(
            "migrate-server", "--service", SERVICE, interpreter=interpreter
        )
        yield self.server.line("recipients are let in", PATIENCE)
        self.steward = yield self.processes.connect(self.port)
        self.crowd = Crowd(self.processes.reactor, self.port, self.size)
        self.addCleanup(self.crowd.abort)
        yield self.until(self.crowd.connect, "everybody's welcome")
        self.good()
        self.held = len(descriptors(self.server.pid))
        self.crowd.talk()

    def until(self, probe: Any, what: str) -> Any:
        """
        Wait for what the crowd sees.
        """
        return self.processes.until(probe, what, PATIENCE)

    @inlineCallbacks
    def state(self) -> Any:
        """
        @return: what the chat says.
        """
        answer = yield self.steward.ask(b"state", PATIENCE)
        return State(*map(int, answer.split()))

    @inlineCallbacks
    def stateLike(self, wanted: Callable[[State], bool], what: str) -> Any:
        """
        Ask the chat until its state is as it has to become.

        @param what: what is waited for, for a person.
        """
        end = time.monotonic() + PATIENCE
        while True:
            state = yield self.state()
            if wanted(state):
                return state
            self.good()
            self.assertLess(time.monotonic(), end, f"{what} never came: {state}")

    @inlineCallbacks
    def tell(self, line: str, answer: bytes) -> Any:
        """
        Have the steward do something.
        """
        self.assertEqual((yield self.steward.ask(line.encode(), PATIENCE)), answer)

    def good(self) -> None:
        """
        Nobody has anything to complain of.
        """
        # A comparison of lists would be told at length, which takes minutes.
        self.assertFalse(self.crowd.failed, self.crowd.report())

    @inlineCallbacks
    def inTheMiddle(self, hop: int = 0) -> Any:
        """
        Have some stop in the middle of a line, and some not read.

        @param hop: chooses others each time.
        @return: who.
        """
        members = self.crowd.members
        halfway, asleep = members[hop % 7 :: 7], members[hop % 19 + 1 :: 19]
        self.crowd.hold(halfway)
        self.crowd.sleep([member for member in asleep if not member.asleep])
        chosen = [*halfway, *asleep]
        state = yield self.stateLike(
            lambda state: state.halves >= len(halfway) and state.queued > 0,
            "half lines and queued output",
        )
        self.assertEqual((state.people, state.timers), (self.size, self.size))
        return chosen

    @inlineCallbacks
    def move(self, *options: str, interpreter: str = sys.executable) -> Any:
        """
        Have the chat moved to a new process.
        """
        origin = self.server
        self.server = self.twistd(
            "migrate-client", "--service", "chat", *options, interpreter=interpreter
        )
        yield self.server.line("recipients are let in", PATIENCE)
        ended = yield origin.ended(PATIENCE)
        self.assertEqual((ended.status, ended.signal), (0, None), ended.out)
        self.assertEqual(self.processes.running(), [self.server.pid])

    @inlineCallbacks
    def goOn(self, chosen: Any) -> Any:
        """
        All talk and read again, and tick, and are served by the process that
        has to.
        """
        self.crowd.rouse(chosen)
        pid = self.server.pid
        service = self.until(lambda: self.crowd.served(pid), f"service by {pid}")
        yield service.addErrback(self._tellWhoWaits, pid)
        self.good()

    def _tellWhoWaits(self, failure: Failure, pid: int) -> None:
        waiting = self.crowd.unserved(pid)
        self.fail(f"{failure.getErrorMessage()}: {len(waiting)} wait: {waiting[:9]}")

    @inlineCallbacks
    def settle(self) -> Any:
        """
        The talk comes to its end: both sides have the same account of it.
        """
        self.crowd.quiet()
        self.crowd.rouse(self.crowd.members)
        # The second time nobody has anything more to say.
        for _ in range(2):
            self.crowd.ask()
            yield self.until(self.crowd.summed, "all sums")
            self.good()
        self.crowd.heardAll()
        self.good()
        # Ticks may be on their way.
        due = State(self.size, self.size, 0, 0, self.crowd.said)
        yield self.stateLike(lambda state: state == due, str(due))
        self.assertGreater(self.crowd.knocked, 0)
        self.assertEqual(self.crowd.answered, self.crowd.knocked)
        yield self.until(
            lambda: len(descriptors(self.server.pid)) == self.held,
            f"the {self.held} descriptors that there were",
        )

    @inlineCallbacks
    def leave(self) -> Any:
        """
        All go, and nothing of them stays.
        """
        self.crowd.leave()
        yield self.until(lambda: self.crowd.left, "everybody's leave")
        self.good()
        gone = State(0, 0, 0, 0, self.crowd.said)
        yield self.stateLike(lambda state: state == gone, str(gone))


class TravelTestCase(ChatTestCase):
    """
    The chat moves through every Python there is, and back to the first.
    """

    @inlineCallbacks
    def travel(self, serializer: str) -> Any:
        """
        Move, again and again, under continuous load.
        """
        first, *others = interpreters()
        yield self.serve(first.path)
        pids = [self.server.pid]
        # They miss all of it.
        absent = self.crowd.members[::97]
        self.crowd.sleep(absent)
        for hop, interpreter in enumerate([*others, first, first]):
            chosen = yield self.inTheMiddle(hop)
            yield self.move("--serializer", serializer, interpreter=interpreter.path)
            yield self.goOn([each for each in chosen if each not in absent])
            pids.append(self.server.pid)
        yield self.settle()
        # What was queued for the absent comes from each process, too.
        for member in self.crowd.members:
            self.assertEqual(member.pids, pids)
        yield self.leave()


class TableTests(TravelTestCase):
    """
    It does in the package's own notation.
    """

    def test_moves(self) -> Any:
        """
        With everybody there.
        """
        return self.travel("table")


class PickleTests(TravelTestCase):
    """
    It does in pickle's.
    """

    most = FEW

    def test_moves(self) -> Any:
        """
        With some of them.
        """
        return self.travel("pickle")


class FailingTests(ChatTestCase):
    """
    Moves that fail are not noticed by anybody in the chat.
    """

    most = FEW

    @inlineCallbacks
    def moveInVain(self, *options: str, **keywords: Any) -> Any:
        """
        Have the chat moved to a process that cannot take it.

        @return: how it ended.
        """
        chosen = yield self.inTheMiddle()
        said = len(self.server.lines)
        recipient = self.twistd(
            "migrate-client", "--service", "chat", *options, **keywords
        )
        ended = yield recipient.ended(PATIENCE)
        yield self.server.line("a recipient got nothing", PATIENCE, said)
        yield self.goOn(chosen)
        self.assertTrue(self.server.running)
        return ended

    @inlineCallbacks
    def test_failures(self) -> Any:
        """
        A recipient that does not know a class, one that cannot make an object
        and one that is killed while it makes it leave everybody with the
        origin; then the chat moves.
        """
        self.directory.mkdir(parents=True)
        (self.directory / "mascot.py").write_text(MASCOT)
        elsewhere = Path(self.mktemp())
        control = str((self.directory / "migrate.sock").absolute())
        yield self.serve()
        yield self.tell("keep mascot.Mascot mouse", b"kept")
        ended = yield self.moveInVain(
            "--control", f"unix:{control}", directory=elsewhere
        )
        self.assertEqual(ended.status, 1, ended.out)
        self.assertIn("mascot", ended.err)

        trouble = {"TROUBLE": "1"}
        yield self.tell(f"keep {qual(Troublesome)} raise", b"kept")
        ended = yield self.moveInVain(environment=trouble)
        self.assertEqual(ended.status, 1, ended.out)
        self.assertIn("this cannot be made here", ended.err)

        yield self.tell(f"keep {qual(Troublesome)} die", b"kept")
        ended = yield self.moveInVain(environment=trouble)
        self.assertEqual(ended.signal, signal.SIGKILL)

        yield self.settle()
        for member in self.crowd.members:
            self.assertEqual(member.pids, [self.server.pid])
        self.crowd.talk()
        chosen = yield self.inTheMiddle()
        yield self.move()
        yield self.goOn(chosen)
        yield self.settle()
        yield self.leave()
