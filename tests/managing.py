"""
A manager, the service that it keeps, and its operator, for tests.

It must not know what is tested.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.trial.unittest import TestCase

from tests.children import Child, Ended
from tests.processes import Processes, freePort

PATIENCE = 60.0

SERVICE = "--service=talk=talking.service.makeService"

FACTORY = """
import os
from twisted.application.internet import TCPServer
from twisted.internet.protocol import ServerFactory
from talking.talk import Talk

class Talks(ServerFactory):
    protocol = Talk
    total = 0

def makeService():
    port = int(os.environ["TALK_PORT"])
    return TCPServer(port, Talks(), interface="127.0.0.1")
"""

TALK = """
import os, resource, signal, time
from twisted.protocols.basic import LineReceiver

WORD = "one"
LEAK = []

class Trouble:
    def __reduce__(self):
        return trouble, ()

def trouble():
    how = os.environ.get("TROUBLE", "")
    if how == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "hang":
        time.sleep(3600)
    return Trouble()

class Talk(LineReceiver):
    def lineReceived(self, line):
        self.factory.total += 1
        command, _, rest = line.decode().partition(" ")
        answer = WORD
        if command == "environment":
            answer = os.environ.get(rest, "-")
        elif command == "directory":
            answer = os.getcwd()
        elif command == "nofile":
            answer = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        elif command == "leak":
            LEAK.append(b"x" * int(rest))
        elif command == "trouble":
            self.factory.trouble = Trouble()
        self.sendLine(f"{os.getpid()} {self.factory.total} {answer}".encode())
"""


class ManagerTestCase(TestCase):
    """
    A directory with a service of its own.
    """

    timeout = 240

    def setUp(self) -> None:
        """
        Write the service.
        """
        self.processes = Processes(self)
        self.directory = Path(os.path.realpath(self.mktemp()))
        self.talk = self.directory / "talking" / "talk.py"
        self.factory = self.talk.with_name("service.py")
        self.talk.parent.mkdir(parents=True)
        self.talk.with_name("__init__.py").write_text("")
        self.talk.write_text(TALK)
        self.factory.write_text(FACTORY)
        self.port = freePort()
        self.environment = {"TALK_PORT": str(self.port)}

    def start(self, *options: str, twistd: Sequence[str] = ("-n",)) -> Child:
        """
        Start a manager.

        @param twistd: the options of twistd itself.
        """
        return self.processes.twistd(
            [*twistd, "migrate-manager", SERVICE, *options],
            self.directory,
            environment=self.environment,
        )

    @inlineCallbacks
    def manager(self, *options: str) -> Any:
        """
        @return: a manager, and the id of the process that serves.
        """
        manager = self.start(*options)
        line = yield manager.line(r"process (\d+) serves talk", PATIENCE)
        return manager, int(line[1])

    @inlineCallbacks
    def order(self, *words: str) -> Any:
        """
        Give an order.

        @return: how the command ended, and its answer; L{None} if it had none.
        """
        command = ["-m", "migrate.cli", "manager", *words, "--json"]
        child = self.processes.python(command, self.directory)
        ended: Ended = yield child.ended(PATIENCE)
        answer = json.loads(ended.out) if ended.out else None
        return ended, answer

    @inlineCallbacks
    def asked(self, client: Any, line: str = "hi") -> Any:
        """
        @return: which process answered, how many lines have come to it in all, and what
            it said.
        """
        answer = yield client.ask(line.encode())
        pid, total, said = answer.decode().split(" ", 2)
        return int(pid), int(total), said

    def edit(self, path: Path, old: str, new: str) -> None:
        """
        Change a file as editors do: by a new one that takes its place.
        """
        text = path.read_text()
        assert old in text
        beside = path.with_suffix(".new")
        beside.write_text(text.replace(old, new))
        os.replace(beside, path)
