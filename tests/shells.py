"""
Shells over telnet that are moved while people type in them, for tests.

It must not know what is typed.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from twisted.internet.defer import inlineCallbacks
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from examples.telnet_shell.terminal import (
    Keyboard,
    Screen,
    TelnetProgram,
    TelnetSocket,
)
from tests.children import Child
from tests.processes import Processes

#: For any one answer of a shell, in seconds.
PATIENCE = 30.0

SHELL = "shell=examples.telnet_shell.shell.makeService"


class Person:
    """
    Someone at a telnet client, who waits in a thread.
    """

    def __init__(self, keyboard: Keyboard) -> None:
        self.keyboard = keyboard

    def __getattr__(self, name: str) -> Any:
        act = getattr(self.keyboard, name)
        return lambda *arguments: deferToThread(act, *arguments)


class ShellTestCase(TestCase):
    """
    Starts shells, moves them, and types in them.
    """

    timeout = 240.0

    def setUp(self) -> None:
        self.processes = Processes(self)
        self.directory = Path(self.mktemp())
        self.directory.mkdir()

    def twistd(
        self, arguments: list[str], interpreter: str, **environment: str
    ) -> Child:
        """
        Start a twistd in the test's own directory.
        """
        return self.processes.twistd(
            ["-n", *arguments], self.directory, interpreter, environment
        )

    @inlineCallbacks
    def serve(
        self, *options: str, interpreter: str = sys.executable, factory: str = "Shell"
    ) -> Any:
        """
        Start the shell, and wait until it listens.

        @return: its process.
        """
        self.server = self.twistd(
            ["migrate-server", *(options or ["--service", SHELL])],
            interpreter,
            SHELL_PORT="0",
        )
        line = yield self.server.line(rf"{factory}Factory starting on (\d+)")
        self.port = int(line[1])
        return self.server

    def person(self, cls: Any = None) -> Person:
        """
        Connect, with the real telnet program where there is one.
        """
        if cls is None:
            cls = TelnetProgram if shutil.which("telnet") else TelnetSocket
        keyboard = cls(self.port, Screen(), PATIENCE)
        self.addCleanup(keyboard.close)
        return Person(keyboard)

    @inlineCallbacks
    def loggedIn(self, cls: Any = None) -> Any:
        """
        @return: someone at a prompt.
        """
        person = self.person(cls)
        yield person.login("admin", "admin")
        return person

    @inlineCallbacks
    def move(self, interpreter: str = sys.executable) -> Any:
        """
        Have the shell moved to a new process.
        """
        old = self.server
        new = self.twistd(["migrate-client", "--service", "shell"], interpreter)
        yield self.processes.until(
            lambda: not (old.running and new.running), "the end of the origin"
        )
        self.assertTrue(new.running, "\n".join(new.lines))
        ended = yield old.ended(PATIENCE)
        self.assertEqual((ended.status, ended.signal), (0, None), ended.err)
        self.server = new

    @inlineCallbacks
    def say(self, person: Person, *lines: str) -> Any:
        """
        Type lines; the empty one ends an indented block.

        @return: the answer to the last one.
        """
        answer: Any = None
        for line in lines:
            answer = yield person.ask(line) if line else person.enter()
        return answer

    @inlineCallbacks
    def hears(self, person: Person, question: str, *answer: str) -> Any:
        """
        The shell gives that answer.
        """
        lines = yield person.ask(question)
        self.assertEqual(lines, list(answer), question)
