"""
C{twistd migrate-manager} from outside: real processes, and clients that stay on.
"""

from __future__ import annotations

import os
import signal
from shutil import copytree
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest

from tests.managing import PATIENCE, ManagerTestCase
from tests.processes import freePort


class UpgradeTests(ManagerTestCase):
    """
    Upgrades that somebody asks for.
    """

    @inlineCallbacks
    def test_flow(self) -> Any:
        """
        The new process gets ready, is let take over, and serves; the old one ends
        with status 0; a client stays on.  At the manager's end nothing is left.
        """
        manager, first = yield self.manager()
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.asked(client)), (first, 1, "one"))
        _, report = yield self.order("upgrade")
        self.assertTrue(report["upgraded"], report)
        (post,) = report["posts"]
        second = post["pid"]
        self.assertEqual((post["from"], post["services"]), (first, ["talk"]))
        self.assertEqual((yield self.asked(client)), (second, 2, "one"))
        yield manager.line(f"process {first} is done, and ended with status 0")
        steps = (
            f"process {second} is started, to take over from process {first}",
            f"process {second} is ready; process {first} hands over",
            "took over talk",
            f"process {second} serves talk .generation 2",
            f"process {first} is done",
        )
        said = "\n".join(manager.lines)
        self.assertRegex(said, "(?s)" + ".*".join(steps))
        _, status = yield self.order("status")
        self.assertEqual(
            [status["posts"][0]["pid"], status["upgrades"], status["leaving"]],
            [second, 1, []],
        )
        ended, _ = yield self.order("stop")
        self.assertEqual((ended.status, ended.err), (0, ""))
        ended = yield manager.ended(PATIENCE)
        self.assertEqual((ended.status, ended.signal), (0, None), ended.out)
        self.assertEqual(self.processes.running(), [])
        left = {path.name for path in self.directory.iterdir()}
        self.assertEqual(left, {"talking"})

    @inlineCallbacks
    def test_settings(self) -> Any:
        """
        The environment, the working directory and the limit of open files are the new
        process's own; the environment is read again whenever one is started.
        """
        manager, _ = yield self.manager()
        client = yield self.processes.connect(self.port)
        colours = self.directory / "colours"
        colours.write_text("# of paint\nCOLOUR='light green'\n")
        # The code is looked for in the working directory: here is a newer one.
        copytree(self.talk.parent, self.directory / "elsewhere" / "talking")
        elsewhere = self.directory / "elsewhere" / "talking" / "talk.py"
        self.edit(elsewhere, '"one"', '"new"')
        options = ("--environment-file=colours", "--nofile=333")
        ended, _ = yield self.order("upgrade", *options, "--directory=elsewhere")
        self.assertEqual(ended.err, "")

        def seen(line: str) -> Any:
            return self.asked(client, line).addCallback(lambda answer: answer[2])

        self.assertEqual((yield seen("environment COLOUR")), "light green")
        self.assertEqual((yield seen("nofile")), "333")
        self.assertEqual((yield seen("directory")), str(self.directory / "elsewhere"))
        colours.write_text("COLOUR=red")
        manager.signal(signal.SIGHUP)
        yield manager.line("process .* serves talk .generation 3", PATIENCE)
        self.assertEqual((yield seen("environment COLOUR")), "red")
        self.assertEqual((yield seen("nofile")), "333")
        colours.write_text("no assignment")
        pid, *_ = yield self.asked(client)
        ended, answer = yield self.order("upgrade")
        self.assertEqual((ended.status, answer), (1, None))
        self.assertIn("colours, line 1: it has to be NAME=VALUE", ended.err)
        self.assertEqual((yield self.asked(client))[0], pid)

    @inlineCallbacks
    def test_successorInTrouble(self) -> Any:
        """
        A new process that is killed, or hangs, changes nothing: the old one serves on,
        and hands over to the next one.
        """
        manager, first = yield self.manager("--deadline=1", "--ready-deadline=3")
        client = yield self.processes.connect(self.port)
        yield self.asked(client, "trouble")
        trouble = self.directory / "trouble"
        for how, why in (("die", "was ended by SIGKILL"), ("hang", "and was killed")):
            trouble.write_text(f"TROUBLE={how}")
            ended, report = yield self.order("upgrade", "--environment-file=trouble")
            self.assertEqual(ended.status, 1)
            self.assertIn(why, ended.err)
            self.assertFalse(report["upgraded"])
            self.assertEqual((yield self.asked(client))[0], first)
        trouble.write_text("")
        _, report = yield self.order("upgrade")
        self.assertTrue(report["upgraded"], report)
        self.assertEqual((yield self.asked(client))[0], report["posts"][0]["pid"])
        yield manager.line(f"process {first} is done")
        self.assertEqual(
            set(self.processes.running()), {manager.pid, report["posts"][0]["pid"]}
        )


class CrashTests(ManagerTestCase):
    """
    Processes that end by no will of their own.
    """

    @inlineCallbacks
    def test_crash(self) -> Any:
        """
        A service is made anew when its process has crashed, and the log says that its
        state is lost; when that fails too often in a row, the manager gives up, with
        status 1.
        """
        manager, first = yield self.manager("--restarts=2")
        client = yield self.processes.connect(self.port)
        yield self.asked(client)
        os.kill(first, signal.SIGKILL)
        yield manager.line(
            f"process {first} was ended by SIGKILL; its connections and all state of "
            "talk are lost.*0.5 s .1 of 2"
        )
        line = yield manager.line(r"process (\d+) serves talk .generation 2", PATIENCE)
        second = int(line[1])
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.asked(client)), (second, 1, "one"))
        self.edit(self.factory, "TCPServer(", "NoServer(")
        os.kill(second, signal.SIGKILL)
        yield manager.line(f"process {second} was ended by SIGKILL.*1 s .2 of 2")
        ended = yield manager.ended(PATIENCE)
        self.assertEqual((ended.status, ended.signal), (1, None))
        self.assertRegex(ended.err, "migrate-manager: process .*'NoServer'.*too often")
        self.assertEqual(self.processes.running(), [])

    @inlineCallbacks
    def test_managerDies(self) -> Any:
        """
        Services live on when their manager dies, and a new one finds them and starts no
        second process.
        """
        manager, first = yield self.manager("--output=services.log")
        client = yield self.processes.connect(self.port)
        yield self.asked(client)
        manager.signal(signal.SIGKILL)
        yield manager.ended(PATIENCE)
        self.assertEqual((yield self.asked(client)), (first, 2, "one"))
        manager = self.start("--output=services.log")
        yield manager.line(f"process {first} serves already", PATIENCE)
        _, report = yield self.order("upgrade")
        second = report["posts"][0]["pid"]
        yield manager.line(f"process {first} is done")
        self.assertEqual((yield self.asked(client)), (second, 3, "one"))
        self.assertEqual(set(self.processes.running()), {manager.pid, second})
        other = yield self.start(twistd=["-n", "--pidfile="]).ended(PATIENCE)
        self.assertEqual(other.status, 1)
        self.assertIn("there is one manager at an endpoint", other.err)
        self.assertEqual((yield self.asked(client)), (second, 4, "one"))
        _, answer = yield self.order("stop", "--leave")
        yield manager.ended(PATIENCE)
        self.assertTrue(answer["left"])
        self.assertEqual((yield self.asked(client)), (second, 5, "one"))

    @inlineCallbacks
    def test_cannotStart(self) -> Any:
        """
        A service that cannot be started at all is told of at once.
        """
        self.edit(self.factory, "TALK_PORT", "NO_SUCH_PORT")
        ended = yield self.start(twistd=[]).ended(PATIENCE)
        self.assertEqual(ended.status, 1)
        self.assertIn("migrate-manager: process", ended.err)
        self.assertIn("KeyError: 'NO_SUCH_PORT'", ended.err)
        self.assertEqual(self.processes.running(), [])


class PartialTests(ManagerTestCase):
    """
    Some services move, and others cannot.
    """

    @inlineCallbacks
    def test_partly(self) -> Any:
        """
        What cannot move is served on by its process, and both are kept from then on,
        also by the next manager.
        """
        other = freePort()
        self.environment["LINES_PORT"] = str(other)
        options = ("--service=lines=tests.lineservice.lines", "--output=services.log")
        manager, first = yield self.manager(*options)
        client = yield self.processes.connect(self.port)
        stuck = yield self.processes.connect(other)
        yield stuck.ask(b"bad")
        ended, report = yield self.order("upgrade")
        self.assertEqual(ended.status, 1)
        self.assertIn("lines could not move", ended.err)
        self.assertIn("a frame cannot be moved", ended.err)
        second = report["posts"][0]["pid"]
        self.assertEqual((yield self.asked(client))[0], second)
        answer = yield stuck.ask(b"good")
        self.assertEqual(int(answer.split()[0]), first)
        manager.signal(signal.SIGKILL)
        yield manager.ended(PATIENCE)
        manager = self.start(*options)
        yield manager.line(f"process {first} serves already", PATIENCE)
        yield manager.line(f"process {second} serves already", PATIENCE)
        _, report = yield self.order("upgrade")
        new = {
            name: post["pid"] for post in report["posts"] for name in post["services"]
        }
        self.assertEqual((yield self.asked(client))[0], new["talk"])
        answer = yield stuck.ask(b"x")
        self.assertEqual(int(answer.split()[0]), new["lines"])
        yield manager.line(f"process {first} is done")
        yield manager.line(f"process {second} is done")
        self.assertEqual(set(self.processes.running()), {manager.pid, *new.values()})


class ReasonTests(ManagerTestCase):
    """
    Upgrades that nobody asks for.
    """

    @inlineCallbacks
    def test_memory(self) -> Any:
        """
        A process that has come to use too much memory is replaced, and a client stays
        on.
        """
        manager, first = yield self.manager("--memory-limit=150M")
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.asked(client))[0], first)
        yield self.asked(client, "leak 150000000")
        yield manager.line(
            rf"process {first} has \d+M in use, and may have 150M", PATIENCE
        )
        line = yield manager.line(r"process (\d+) serves talk .generation 2", PATIENCE)
        self.assertEqual((yield self.asked(client)), (int(line[1]), 3, "one"))
        _, status = yield self.order("status")
        self.assertLess(status["posts"][0]["resident"], 150 << 20)

    @inlineCallbacks
    def test_edits(self) -> Any:
        """
        A good edit is in use a moment later, the state and the client being the same; a
        broken one changes nothing and is told of with its traceback, by the lines of
        the new code; the next good one is in use.
        """
        try:
            import watchfiles  # noqa: F401
        except ImportError as error:
            raise SkipTest(str(error)) from error
        manager, first = yield self.manager("--watch")
        yield manager.line(f"are watched in .*{self.talk.parent}", PATIENCE)
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.asked(client)), (first, 1, "one"))
        self.edit(self.talk, '"one"', '"two"')
        line = yield manager.line(r"process (\d+) serves talk .generation 2", PATIENCE)
        second = int(line[1])
        self.assertEqual((yield self.asked(client)), (second, 2, "two"))
        self.edit(self.talk, "LEAK = []", "LEAK = [](")
        yield manager.line("process .* serves on as before", PATIENCE)
        yield manager.line("SyntaxError.*talk.py, line 6", PATIENCE)
        said = "\n".join(manager.lines)
        self.assertRegex(
            said,
            r'Traceback .*\n.*talking/service.py", line 5, in <module>\n'
            r'.*import Talk\n.*talking/talk.py", line 6\n.*LEAK = \[\]\(\n',
        )
        self.assertEqual((yield self.asked(client)), (second, 3, "two"))
        self.edit(self.talk, "LEAK = [](", "LEAK = [1]")
        line = yield manager.line(r"process (\d+) serves talk .generation 3", PATIENCE)
        self.assertEqual((yield self.asked(client)), (int(line[1]), 4, "two"))


class RenewalTests(ManagerTestCase):
    """
    The manager itself is upgraded.
    """

    @inlineCallbacks
    def test_renewed(self) -> Any:
        """
        A manager, a daemon even, executes its program anew: its process id stays, its
        processes are its children still, and no order is refused; a client notices
        nothing.
        """
        started = yield self.start(twistd=[]).ended(PATIENCE)
        self.assertEqual(started.status, 0, started.err)
        manager = yield self.processes.daemon(self.directory / "twistd.pid")
        client = yield self.processes.connect(self.port)
        first, *_ = yield self.asked(client)
        ended, _ = yield self.order("reexec")
        self.assertEqual((ended.status, ended.err), (0, ""))
        _, status = yield self.order("status")
        self.assertEqual((status["pid"], status["renewals"]), (manager.pid, 1))
        self.assertEqual(status["posts"][0]["pid"], first)
        _, report = yield self.order("upgrade")
        second = report["posts"][0]["pid"]
        self.assertEqual((yield self.asked(client)), (second, 2, "one"))
        log = self.directory / "twistd.log"
        # Only a parent is told.
        done = f"process {first} is done, and ended with status 0"
        yield self.processes.until(lambda: done in log.read_text(), done)
        pid = (self.directory / "twistd.pid").read_text()
        self.assertEqual(int(pid), manager.pid)
        manager.signal(signal.SIGTERM)
        yield manager.ended(PATIENCE)
        yield self.processes.until(
            lambda: not self.processes.running(), "the end of all"
        )
        self.assertFalse((self.directory / "twistd.pid").exists())
