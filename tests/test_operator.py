"""
C{txmigrate}, from outside: the operator of a service, and its clients, who stay on.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from click import UsageError
from click.testing import CliRunner
from twisted.internet.defer import inlineCallbacks
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from migrate.cli.main import main
from migrate.cli.showing import milliseconds, size, span, table
from migrate.cli.steps import Steps
from migrate.cli.upgrade import changesOf
from migrate.cli.verdicts import STAYED, Found, Verdict, judge
from migrate.control import ControlAddress
from migrate.manager.witness import Owner
from tests.children import Child, Ended
from tests.managing import PATIENCE, SERVICE, ManagerTestCase

#: A service that cannot move, for a thread is something of its process.
STUCK = """
import threading
from twisted.application.service import Service

class Stuck(Service):
    def __init__(self):
        self.worker = threading.current_thread()
"""

#: A program that is not twistd, and takes over.
OWN = """
from twisted.internet import reactor
from migrate.client import MigrationClient
client = MigrationClient("unix:migrate.sock")
client.startService()
client.done.addErrback(lambda failure: reactor.stop())
reactor.run()
"""


class OperatorTestCase(ManagerTestCase):
    """
    A service without a manager.
    """

    @inlineCallbacks
    def serve(self, *options: str) -> Any:
        """
        @return: the process that serves.
        """
        server = self.processes.twistd(
            ["-n", "migrate-server", SERVICE, *options],
            self.directory,
            environment=self.environment,
        )
        yield server.line("recipients are let in", PATIENCE)
        return server

    def begin(self, *words: str, directory: Path | None = None) -> Child:
        """
        Begin a command, with an environment that has nothing of the service's.
        """
        command = ["-m", "migrate.cli", *words]
        return self.processes.python(command, directory or self.directory)

    @inlineCallbacks
    def command(self, *words: str, status: int = 0) -> Any:
        """
        @return: what a command said, once it has ended as it was to.
        """
        ended: Ended = yield self.begin(*words).ended(PATIENCE)
        self.assertEqual(ended.status, status, ended.out + ended.err)
        if status == 0:
            self.assertEqual(ended.err, "")
        else:
            # One line says why.
            self.assertRegex(ended.err, r"\Atxmigrate: [^\n]+\n\Z")
        return ended

    @inlineCallbacks
    def told(self, name: str, *words: str, status: int = 0) -> Any:
        """
        @return: what a command told a program.
        """
        ended = yield self.command(name, "--json", *words, status=status)
        return json.loads(ended.out)


class UpgradeTests(OperatorTestCase):
    """
    C{txmigrate upgrade}
    """

    @inlineCallbacks
    def test_flow(self) -> Any:
        """
        A client stays connected and is answered by the new process, of the new code,
        in the directory and environment of the old one, and in a session of its own.
        All that was done can be looked up.
        """
        server = yield self.serve()
        client = yield self.processes.connect(self.port)
        self.assertEqual((yield self.asked(client)), (server.pid, 1, "one"))
        self.edit(self.talk, '"one"', '"another"')
        control = f"unix:{self.directory / 'migrate.sock'}"
        away = self.directory / "away"
        ended = yield self.begin("upgrade", "-c", control, directory=away).ended(
            PATIENCE
        )
        self.assertEqual((ended.status, ended.err), (0, ""), ended.out)
        pid, total, said = yield self.asked(client)
        self.assertEqual((total, said), (2, "another"))
        self.assertNotEqual(pid, server.pid)
        self.assertIn(f"process {pid} is started, to take over", ended.out)
        self.assertIn(f"process {pid} serves talk in place of process", ended.out)
        self.assertRegex(ended.out, r"the pause was [\d.]+ ms")
        self.assertEqual(os.getsid(pid), pid)
        _, _, where = yield self.asked(client, "directory")
        self.assertEqual(where, str(self.directory))
        gone = yield server.exited(PATIENCE)
        self.assertEqual((gone.status, gone.signal), (0, None))
        verdict = yield self.told("upgrade", "--env", "COLOUR=red", "--nofile", "333")
        last, _, colour = yield self.asked(client, "environment COLOUR")
        self.assertEqual(colour, "red")
        self.assertEqual((yield self.asked(client, "nofile"))[2], "333")
        self.assertEqual((verdict["outcome"], verdict["reason"]), ("moved", ""))
        self.assertEqual((verdict["from"], verdict["pid"]), (pid, last))
        yield self.lookedUp(verdict)

    @inlineCallbacks
    def lookedUp(self, verdict: Any) -> Any:
        """
        What was told of the second upgrade is what the process tells by itself.
        """
        status = yield self.told("status")
        (service,) = status["services"]
        self.assertEqual((status["pid"], service["generation"]), (verdict["pid"], 3))
        self.assertEqual((status["connections"], status["ports"]), (1, 1))
        history = yield self.told("history")
        first, second = history["attempts"]
        self.assertEqual(first["recipient"], second["origin"])
        self.assertEqual([second], verdict["attempts"])
        self.assertEqual(service["last"], second)
        self.assertEqual(verdict["pause"], second["pause"])
        self.assertGreater(second["objects"], 3)
        lines = (yield self.command("history")).out.splitlines()
        self.assertEqual(len(lines), 3)
        self.assertRegex(lines[2], rf"talk +moved +{second['origin']}")

    @inlineCallbacks
    def test_broken(self) -> Any:
        """
        If the new code is broken the old one serves on, and what is wrong is told.
        """
        server = yield self.serve()
        client = yield self.processes.connect(self.port)
        text = self.talk.read_text()
        self.talk.write_text(text + "def broken(:\n")
        ended = yield self.command("upgrade", status=1)
        self.assertIn(f"process {server.pid} serves on: process ", ended.err)
        self.assertIn("SyntaxError: invalid syntax (talk.py", ended.err)
        self.assertIn("def broken(:", ended.out)
        self.assertEqual((yield self.asked(client))[0], server.pid)
        self.talk.write_text(text)
        verdict = yield self.told("upgrade", "--", "false", status=1)
        self.assertEqual((verdict["outcome"], verdict["pid"]), ("stayed", server.pid))
        self.assertIn("ended with status 1 before it served", verdict["reason"])
        history = yield self.told("history")
        (attempt,) = history["attempts"]
        self.assertEqual(attempt["outcome"], "refused")
        self.assertIn("SyntaxError", attempt["reason"])

    @inlineCallbacks
    def test_dies(self) -> Any:
        """
        A new process that is killed in the middle of taking over has changed nothing.
        """
        server = yield self.serve()
        client = yield self.processes.connect(self.port)
        yield self.asked(client, "trouble")
        ended = yield self.command("upgrade", "--env", "TROUBLE=die", status=1)
        self.assertIn(f"process {server.pid} serves on: ", ended.err)
        self.assertIn("was ended by SIGKILL", ended.err)
        self.assertEqual((yield self.asked(client))[0], server.pid)

    @inlineCallbacks
    def test_interrupted(self) -> Any:
        """
        Ctrl-C ends a new process that has not taken over, and says who serves.
        """
        server = yield self.serve()
        late = "import os, time\nif 'HANG' in os.environ:\n    time.sleep(3600)\n"
        self.talk.write_text(late + self.talk.read_text())
        upgrading = self.begin("upgrade", "--env", "HANG=1")
        started = yield upgrading.line(r"process (\d+) is started", PATIENCE)
        upgrading.signal(signal.SIGINT)
        ended = yield upgrading.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.err)
        wanted = (
            f"txmigrate: process {server.pid} serves on: interrupted; process "
            f"{started[1]} was ended before it took over\n"
        )
        self.assertEqual(ended.err, wanted)
        self.assertEqual(self.processes.running(), [server.pid])

    @inlineCallbacks
    def test_otherPrograms(self) -> Any:
        """
        Any command line may take over: a program that is not twistd; twistd as a
        daemon, from which the next one goes by the command line of the daemon.
        """
        yield self.serve()
        client = yield self.processes.connect(self.port)
        (self.directory / "own.py").write_text(OWN)
        python = sys.executable
        environment = ("--env", f"TALK_PORT={self.port}")
        own = yield self.told("upgrade", *environment, "--", python, "own.py")
        self.assertEqual((yield self.asked(client))[0], own["pid"])
        ended = yield self.command("upgrade", status=1)
        self.assertIn("-- COMMAND LINE", ended.err)
        run = "from twisted.scripts.twistd import run; run()"
        twistd = (python, "-c", run, "migrate-client", "--all")
        daemon = yield self.told("upgrade", *environment, "--", *twistd)
        self.assertEqual((yield self.asked(client))[0], daemon["pid"])
        pidFile = self.directory / "twistd.pid"
        self.assertEqual(pidFile.read_text(), str(daemon["pid"]))
        last = yield self.told("upgrade")
        self.assertEqual((yield self.asked(client))[0], last["pid"])
        self.assertEqual(pidFile.read_text(), str(last["pid"]))
        log = (self.directory / "twistd.log").read_text()
        self.assertIn(f"moved talk to process {last['pid']}", log)
        self.assertEqual(log.count("took over talk"), 2)

    @inlineCallbacks
    def test_lost(self) -> Any:
        """
        That nobody serves any more is neither of both, and has a status of its own; so
        has it that nobody did.
        """
        server = yield self.serve()
        kill = f"kill -9 {server.pid}; exit 5"
        ended = yield self.command("upgrade", "--", "sh", "-c", kill, status=3)
        self.assertIn("talk is served by nobody that answers", ended.err)
        ended = yield self.command("upgrade", status=3)
        self.assertIn("nobody answers at unix:", ended.err)


class CheckTests(OperatorTestCase):
    """
    C{txmigrate check}, and what else stops an upgrade before it is begun.
    """

    @inlineCallbacks
    def test_hindered(self) -> Any:
        """
        What cannot move is told with its path, and hinders an upgrade, too; what can is
        told with what it is made of.
        """
        (self.talk.with_name("stuck.py")).write_text(STUCK)
        server = yield self.serve("--service=stuck=talking.stuck.Stuck")
        answer = yield self.told("check", status=1)
        self.assertFalse(answer["moves"])
        survey = answer["services"]["talk"]["survey"]
        self.assertEqual((survey["ports"], survey["descriptors"]), (1, 1))
        moves = {name: each["moves"] for name, each in answer["services"].items()}
        self.assertEqual(moves, {"talk": True, "stuck": False})
        (refusal,) = answer["services"]["stuck"]["survey"]["refusals"]
        self.assertEqual(refusal["path"], "stuck.worker")
        ended = yield self.command("check", "talk")
        self.assertIn("talk would move", ended.out)
        ended = yield self.command("check", "stuck", status=1)
        self.assertIn("  cannot move:\n    stuck.worker: ", ended.out)
        self.assertEqual(ended.err, "txmigrate: stuck cannot move as it is now\n")
        ended = yield self.command("upgrade", status=1)
        self.assertIn(f"process {server.pid} serves on: stuck.worker: ", ended.err)
        self.assertNotIn("is started", ended.out)

    @inlineCallbacks
    def test_completion(self) -> Any:
        """
        A shell is given the names of services, as the process has them.
        """
        yield self.serve()
        environment = {
            "_TXMIGRATE_COMPLETE": "bash_complete",
            "COMP_WORDS": "txmigrate check ta",
            "COMP_CWORD": "2",
        }
        child = self.processes.python(
            ["-m", "migrate.cli"], self.directory, environment=environment
        )
        ended = yield child.ended(PATIENCE)
        self.assertEqual(ended.out, "plain,talk\n", ended.err)


class LineTests(SynchronousTestCase):
    """
    What is known before anybody is asked.
    """

    def run_(self, *words: str) -> Any:
        """
        @return: what came of a command line.
        """
        return CliRunner().invoke(main, words, prog_name="txmigrate")

    def test_usage(self) -> None:
        """
        A command line that makes no sense has a status of its own.
        """
        for words, why in (
            (["upgrade", "--nofile=0"], "--nofile"),
            (["upgrade", "-c", "what"], "a control endpoint is unix:PATH"),
            (["check", "--login", "me"], "go together"),
            (["completion", "ksh"], "'ksh' is not one of"),
        ):
            result = self.run_(*words)
            self.assertEqual(result.exit_code, 2, words)
            self.assertIn(why, result.output)

    def test_changes(self) -> None:
        """
        So has one that wants what does not go together.
        """
        given: dict[str, Any] = {
            **dict.fromkeys(("wait", "max_pause", "python", "env_file")),
            **dict.fromkeys(("chdir", "nofile", "output")),
            **dict.fromkeys(("env", "unset", "command"), ()),
        }
        changes = changesOf({**given, "wait": 3.0, "env": ("A=1",), "nofile": 9})
        self.assertEqual(changes.options, {"wait": "3.0"})
        self.assertEqual((changes.environment, changes.nofile), ({"A": "1"}, 9))
        for wrong in ({"env": ("A",)}, {"wait": 3.0, "command": ("true",)}):
            self.assertRaises(UsageError, changesOf, {**given, **wrong})

    def test_shells(self) -> None:
        """
        Each shell gets what it understands.
        """
        for shell in ("bash", "zsh", "fish"):
            result = self.run_("completion", shell)
            self.assertEqual(result.exit_code, 0)
            self.assertIn(f"_TXMIGRATE_COMPLETE={shell}_complete", result.output)

    def test_help(self) -> None:
        """
        The help of every command has an example of it.
        """
        seen = 0
        waiting: list[list[str]] = [[]]
        while waiting:
            path = waiting.pop()
            command: Any = main
            for name in path:
                command = command.commands[name]
            waiting += [[*path, name] for name in getattr(command, "commands", {})]
            text = self.run_(*path, "--help").output
            _, examples, rest = text.partition("Example")
            self.assertTrue(examples, path)
            self.assertIn(" ".join(["txmigrate", *path]), rest)
            seen += 1
        self.assertGreater(seen, 10)


class JudgeTests(SynchronousTestCase):
    """
    L{judge}
    """

    def setUp(self) -> None:
        """
        An old process with two services.
        """
        self.home = ControlAddress("unix", path="/home.sock")
        self.origin = Owner(11, {"talk": "available", "mail": "available"})

    def judged(self, *owners: Owner) -> Verdict | None:
        """
        @return: what is judged if these answer.
        """
        found = [Found(self.home, owner) for owner in owners]
        return judge(self.origin, ["talk", "mail"], found, "it crashed", "Traceback")

    def test_stayed(self) -> None:
        """
        All is with the old process.
        """
        verdict = self.judged(self.origin)
        assert verdict is not None
        self.assertEqual((verdict.outcome, verdict.pid), (STAYED, 11))
        self.assertEqual((verdict.reason, verdict.details), ("it crashed", "Traceback"))

    def test_moved(self) -> None:
        """
        All is with another one, whatever was thought to have gone wrong.
        """
        leaving = Owner(11, {"talk": "leaving", "mail": "departed"})
        verdict = self.judged(leaving, Owner(22, self.origin.services))
        assert verdict is not None
        self.assertTrue(verdict.moved)
        self.assertEqual((verdict.pid, verdict.reason), (22, ""))

    def test_unclear(self) -> None:
        """
        Nothing is judged while something is about to move, or has in part; in the end
        it is told who has what.
        """
        transit = Owner(11, {"talk": "available", "mail": "in transit"})
        self.assertIsNone(self.judged(transit))
        self.assertIsNone(self.judged())
        old = Owner(11, {"talk": "departed", "mail": "available"})
        parts = [old, Owner(22, {"talk": "available"})]
        self.assertIsNone(self.judged(*parts))
        found = [Found(self.home, each) for each in parts]
        names = ["talk", "mail", "web"]
        verdict = Verdict.unclear(self.origin, names, found, "it crashed")
        self.assertEqual(verdict.serving, {"talk": 22, "mail": 11})
        wanted = (
            "talk is served by process 22; mail is served by process 11; web is served "
            "by nobody that answers; it crashed"
        )
        self.assertEqual(verdict.reason, wanted)


class Terminal(io.StringIO):
    """
    A file that says it is a terminal.
    """

    def isatty(self) -> bool:
        """
        It is.
        """
        return True


class ShowingTests(SynchronousTestCase):
    """
    How things are shown.
    """

    def test_steps(self) -> None:
        """
        On a terminal each step has a line with its time, which goes on; elsewhere
        each is a line on standard output, and programs are spared.
        """
        clock, out, err = Clock(), io.StringIO(), Terminal()
        steps = Steps(clock, out=out, err=err)
        steps("one")
        clock.advance(0.2)
        steps("two\x1b[2J")
        steps.close()
        self.assertEqual(err.getvalue().count("\n"), 2)
        self.assertEqual(err.getvalue().count("\r\x1b[Kone ("), 3)
        self.assertIn("two\\x1b[2J (", err.getvalue())
        self.assertEqual((out.getvalue(), clock.getDelayedCalls()), ("", []))
        for quiet, wanted in ((False, "one\n"), (True, "")):
            out, plain = io.StringIO(), io.StringIO()
            steps = Steps(clock, quiet, out, plain)
            steps("one")
            steps.close()
            self.assertEqual((out.getvalue(), plain.getvalue()), (wanted, ""))

    def test_figures(self) -> None:
        """
        Figures have units that fit, or none is known.
        """
        self.assertEqual(span(0.4), "0 s")
        self.assertEqual(span(93_784), "1 d 2 h")
        self.assertEqual(span(3601), "1 h 1 s")
        self.assertEqual(size(512), "512 bytes")
        self.assertEqual(size(1536), "1.5 KB")
        self.assertEqual(size(1023 << 20), "1023 MB")
        self.assertEqual(milliseconds(0.0014142), "1.41 ms")
        self.assertEqual(milliseconds(2.5), "2500 ms")
        self.assertEqual(milliseconds(None), "-")

    def test_table(self) -> None:
        """
        Columns stand below each other; a name does nothing to a terminal.
        """
        lines = table(("NAME", "COUNT"), [("a\x07", "1"), ("bcdefg", "100")], right={1})
        self.assertEqual(lines, ["NAME    COUNT", "a\\x07       1", "bcdefg    100"])
