"""
Re-execution, from outside: a process executes its new program, with its id, its clients
and all its state.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import SkipTest

from tests.processes import freePort
from tests.pythons import interpreters
from tests.services import ServiceTestCase

#: A service whose answers tell the process, how many it has given, and the release;
#: with a place for what a release does when it is imported.
RELEASE = """
import os
from twisted.application.internet import TCPServer
from twisted.internet.protocol import Factory
from twisted.protocols.basic import LineReceiver

{more}

class Echo(LineReceiver):
    count = 0

    def lineReceived(self, line):
        self.count += 1
        said = b" ".join([line, os.environ.get("COLOUR", "none").encode()])
        self.sendLine(b"%d %d {release} %s" % (os.getpid(), self.count, said))

def makeService():
    port = int(os.environ["ECHO_PORT"])
    return TCPServer(port, Factory.forProtocol(Echo), interface="127.0.0.1")
"""


class ReexecTests(ServiceTestCase):
    """
    C{txmigrate reexec}
    """

    def release(self, release: str, more: str = "") -> None:
        """
        Put a release where the process finds it.
        """
        text = RELEASE.format(release=release, more=more)
        (self.directory / "echoing.py").write_text(text)

    @inlineCallbacks
    def begin(self, *options: str) -> Any:
        """
        Serve the first release.

        @return: fires with a client.
        """
        self.directory.mkdir(exist_ok=True)
        self.release("v1")
        self.echoPort = freePort()
        yield self.serve(
            "--service",
            "echo=echoing.makeService",
            *options,
            environment={"ECHO_PORT": str(self.echoPort)},
        )
        self.pid = self.server.pid
        client = yield self.processes.connect(self.echoPort)
        return client

    @inlineCallbacks
    def reexec(self, *options: str, status: int = 0) -> Any:
        """
        @return: fires with what the command says in JSON, or as the reason.
        """
        command = ["-m", "migrate.cli", "reexec", "--json", *options]
        child = self.processes.python(command, self.directory)
        ended = yield child.ended()
        self.assertEqual(ended.status, status, ended.out + ended.err)
        return json.loads(ended.out) if not status else ended.err

    @inlineCallbacks
    def answers(self, client: Any, line: bytes, count: int, release: str) -> Any:
        """
        The same process answers, and knows how often it has.
        """
        answer = yield client.ask(line)
        wanted = [str(self.pid), str(count), release]
        self.assertEqual(answer.decode().split()[:3], wanted)

    def descriptors(self) -> int:
        """
        @return: how many the process has open.
        """
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    @inlineCallbacks
    def test_program(self) -> Any:
        """
        The new release has the connections of the old one, amid a line too, and the
        environment and limits that it was given; whoever did it is told the pause.
        Nothing is left over, however often that is done.
        """
        client = yield self.begin()
        yield self.answers(client, b"one", 1, "v1")
        client.send(b"half of ")
        before = self.descriptors()
        for generation in range(1, 4):
            release = f"v{generation + 1}"
            self.release(release)
            options = ["--env", f"COLOUR=c{generation}", "--nofile", "1000"]
            told = yield self.reexec(*options)
            self.assertEqual((told["pid"], told["generation"]), (self.pid, generation))
            self.assertGreater(told["outcome"]["pause"], 0)
            answer = yield client.ask(b"a line")
            wanted = f"{self.pid} {generation + 1} {release}".encode()
            self.assertTrue(answer.startswith(wanted), answer)
            self.assertTrue(answer.endswith(b"a line c%d" % generation), answer)
            self.assertEqual(b"half of" in answer, generation == 1)
        self.assertEqual(self.descriptors(), before)
        limits = Path(f"/proc/{self.pid}/limits").read_text()
        self.assertRegex(limits, r"Max open files +1000 ")

    @inlineCallbacks
    def test_refused(self) -> Any:
        """
        What cannot be loaded by the new program is found out by a rehearsal; a program
        that is not there is not executed.  The service has never stood still.
        """
        client = yield self.begin()
        self.release("v2", more="this is no Python")
        why = yield self.reexec(status=1)
        self.assertRegex(why, "was not begun: .*cannot import echoing: SyntaxError")
        self.assertEqual(why.count("\n"), 1)
        why = yield self.reexec("--python", "/nowhere/python", status=1)
        self.assertIn("/nowhere/python", why)
        yield self.answers(client, b"one", 1, "v1")

    @inlineCallbacks
    def test_oldComesBack(self) -> Any:
        """
        If it turns out only in the process itself that the new program cannot load, the
        old one comes back, which is nowhere on disk any more; and the next one can.
        """
        client = yield self.begin()
        client.send(b"half of ")
        only = f"if os.getpid() == {self.pid}:\n    raise ValueError('not in earnest')"
        self.release("v2", more=only)
        for count in (1, 2):
            why = yield self.reexec(status=1)
            self.assertRegex(why, "the old program serves on: .*not in earnest")
            yield self.answers(client, b"a line", count, "v1")
        self.release("v3")
        yield self.reexec()
        yield self.answers(client, b"one", 3, "v3")

    @inlineCallbacks
    def test_signal(self) -> Any:
        """
        A signal does it, where that was asked for, again and again.
        """
        client = yield self.begin("--reexec-signal", "USR2")
        for generation in (1, 2):
            self.release(f"v{generation + 1}")
            self.server.signal(signal.SIGUSR2)
            yield self.server.line(f"executed anew, generation {generation}")
            yield self.answers(client, b"one", generation, f"v{generation + 1}")

    @inlineCallbacks
    def test_otherPython(self) -> Any:
        """
        The program may be another Python; afterwards it migrates to a process of this
        one as any other.
        """
        others = [each for each in interpreters() if each.version != "3.11"]
        if not others:
            raise SkipTest("no other Python here")
        client = yield self.begin()
        told = yield self.reexec("--python", others[-1].path)
        self.assertEqual(told["pid"], self.pid)
        yield self.answers(client, b"one", 1, "v1")
        program = os.readlink(f"/proc/{self.pid}/exe")
        self.assertEqual(program, os.path.realpath(others[-1].path))
        yield self.move()
        self.pid = self.server.pid
        yield self.answers(client, b"two", 2, "v1")

    @inlineCallbacks
    def test_firstProcess(self) -> Any:
        """
        It works as process 1 of a container, which nothing may take the place of.
        """
        unshare = shutil.which("unshare")
        allowed = unshare and subprocess.run(
            [unshare, "--pid", "--fork", "--mount-proc", "true"],
            capture_output=True,
            check=False,
        )
        if not allowed or allowed.returncode:
            raise SkipTest("no PID namespaces here, or not for this user")
        self.directory.mkdir(exist_ok=True)
        self.release("v1")
        port = freePort()
        program = "from twisted.scripts.twistd import run; run()"
        contained = self.processes.start(
            [
                *(unshare, "--pid", "--fork", "--mount-proc", "--kill-child"),
                *(interpreters()[0].path, "-c", program, "-n", "--pidfile="),
                *("migrate-server", "--service", "echo=echoing.makeService"),
            ],
            self.directory,
            {"ECHO_PORT": str(port)},
        )
        yield contained.line("recipients are let in")
        client = yield self.processes.connect(port)
        self.pid = 1
        for generation in (1, 2):
            self.release(f"v{generation + 1}")
            yield self.reexec()
            yield self.answers(client, b"one", generation, f"v{generation + 1}")
