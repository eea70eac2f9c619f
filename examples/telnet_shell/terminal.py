"""
A person's end of a telnet session: what the screen shows, and a keyboard.

It must not know what is at the other end.  The standard library is all it
needs.
"""

from __future__ import annotations

import codecs
import os
import pty
import re
import select
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress

_ESCAPES = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z~])|([A-Za-z0-9=>]))")
_PARTIAL = re.compile(r"\x1b(?:\[[0-9;?]*)?$")
_IAC, _DONT, _DO, _WONT, _WILL = 255, 254, 253, 252, 251
_ECHO, _SUPPRESS_GO_AHEAD = 1, 3


class Silence(Exception):
    """
    What was waited for did not come.
    """


class Screen:
    """
    As much of a VT102 as a line editor uses: the lines above, and the line
    that the cursor is on.

    @ivar lines: those above the cursor's, without the blanks at their ends.
    """

    def __init__(self, show: Callable[[str], None] | None = None) -> None:
        """
        @param show: is given every line once it is complete.
        """
        self.lines: list[str] = []
        self._show = show
        self._cells: list[str] = []
        self._column = 0
        self._inserting = False
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    @property
    def current(self) -> str:
        """
        The line that the cursor is on.
        """
        return "".join(self._cells)

    def feed(self, data: bytes) -> None:
        """
        Take the next bytes.
        """
        text = self._rest + self._decoder.decode(data)
        partial = _PARTIAL.search(text)
        end = partial.start() if partial else len(text)
        self._rest = text[end:]
        place = 0
        for escape in _ESCAPES.finditer(text, 0, end):
            self._write(text[place : escape.start()])
            if escape[2]:
                self._control(escape[1], escape[2])
            elif escape[3] == "c" and self._cells:
                # A terminal would clear all of its screen; a transcript stays.
                self._finishLine()
            place = escape.end()
        self._write(text[place:end])

    def _write(self, text: str) -> None:
        for character in text:
            if character == "\n":
                self._finishLine()
            elif character == "\r":
                self._column = 0
            elif character >= " ":
                self._put(character)

    def _put(self, character: str) -> None:
        missing = self._column - len(self._cells)
        self._cells.extend(" " * missing)
        until = self._column if self._inserting else self._column + 1
        self._cells[self._column : until] = [character]
        self._column += 1

    def _finishLine(self) -> None:
        line = self.current.rstrip()
        self.lines.append(line)
        if self._show is not None:
            self._show(line)
        self._cells = []
        self._column = 0

    def _control(self, parameters: str, final: str) -> None:
        count = int(parameters) if parameters.isdigit() else 1
        if final == "D":
            self._column = max(0, self._column - count)
        elif final == "C":
            self._column += count
        elif final == "H":
            self._column = 0
        elif final == "P":
            del self._cells[self._column : self._column + count]
        elif final == "K" and parameters != "2":
            del self._cells[self._column :]
        elif final in ("K", "J"):
            self._cells = []
        elif parameters == "4" and final in ("h", "l"):
            self._inserting = final == "h"


class Keyboard:
    """
    Types at a prompt and waits for what the screen shows.
    """

    prompts = (">>> ", "... ")

    def __init__(self, screen: Screen, deadline: float) -> None:
        """
        @param deadline: how long to wait for anything, in seconds.
        """
        self.screen = screen
        self.deadline = deadline

    def send(self, data: bytes) -> None:
        """
        Press keys.
        """
        raise NotImplementedError

    def read(self, patience: float) -> bytes:
        """
        @param patience: in seconds.
        @return: what came; nothing if nothing came in time.
        @raise EOFError: nothing will.
        """
        raise NotImplementedError

    def close(self) -> None:
        """
        Hang up.
        """
        raise NotImplementedError

    def wait(self, what: str, come: Callable[[], bool]) -> None:
        """
        Read until C{come} is true.

        @param what: what is waited for, for a person.
        @raise Silence: it did not come by the deadline, or the session ended.
        """
        end = time.monotonic() + self.deadline
        while not come():
            patience = end - time.monotonic()
            try:
                data = self.read(max(0.0, patience))
            except EOFError:
                raise Silence(f"the session ended; waited for {what}") from None
            if not data:
                raise Silence(f"no {what}; the screen shows {self.screen.current!r}")
            self.screen.feed(data)

    def type(self, text: str) -> None:
        """
        Type without pressing Enter, and see it on the screen.
        """
        shown = self.screen.current + text
        self.send(text.encode())
        self.wait(f"echo of {text!r}", lambda: self.screen.current == shown)

    def press(self, key: bytes, shown: str) -> None:
        """
        Press one key, and see the line become C{shown}.
        """
        self.send(key)
        self.wait(f"line {shown!r}", lambda: self.screen.current == shown)

    def enter(self) -> list[str]:
        """
        Press Enter.

        @return: the lines that are shown before the next prompt.
        """
        above = len(self.screen.lines)
        self.send(b"\r")
        self.wait("prompt", lambda: self._asked(above))
        return self.screen.lines[above + 1 :]

    def _asked(self, above: int) -> bool:
        return len(self.screen.lines) > above and self.screen.current in self.prompts

    def ask(self, text: str) -> list[str]:
        """
        Type a line and press Enter.

        @return: the lines of the answer.
        """
        self.type(text)
        return self.enter()

    def login(self, user: str, password: str) -> None:
        """
        Answer the two questions that precede the first prompt.
        """
        self.wait("login", lambda: self.screen.current.endswith("Username: "))
        self.send(user.encode() + b"\r")
        self.wait("password", lambda: self.screen.current.endswith("Password: "))
        self.send(password.encode() + b"\r")
        self.wait("prompt", lambda: self.screen.current in self.prompts)


class TelnetProgram(Keyboard):
    """
    The C{telnet} program, on a terminal of its own.
    """

    def __init__(self, port: int, screen: Screen, deadline: float) -> None:
        """
        @param port: a TCP port of the loopback interface.
        """
        super().__init__(screen, deadline)
        self._master, slave = pty.openpty()
        try:
            self._process = subprocess.Popen(
                ["telnet", "127.0.0.1", str(port)],
                stdin=slave,
                stdout=slave,
                stderr=slave,
                start_new_session=True,
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)

    def send(self, data: bytes) -> None:
        """
        See L{Keyboard.send}.
        """
        os.write(self._master, data)

    def read(self, patience: float) -> bytes:
        """
        See L{Keyboard.read}.
        """
        if not select.select([self._master], [], [], patience)[0]:
            return b""
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # How Linux tells that nobody has the other end open any more.
            data = b""
        if not data:
            raise EOFError
        return data

    def close(self) -> None:
        """
        See L{Keyboard.close}.
        """
        self._process.kill()
        self._process.wait()
        os.close(self._master)


class TelnetSocket(Keyboard):
    """
    A telnet client of our own, where there is no other: it agrees to be
    echoed to, and to nothing else.
    """

    def __init__(self, port: int, screen: Screen, deadline: float) -> None:
        """
        @param port: a TCP port of the loopback interface.
        """
        super().__init__(screen, deadline)
        self._socket = socket.create_connection(("127.0.0.1", port), deadline)
        # A key is sent when it is pressed, as any telnet does.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""

    def send(self, data: bytes) -> None:
        """
        See L{Keyboard.send}.
        """
        self._socket.sendall(data.replace(b"\r", b"\r\n"))

    def read(self, patience: float) -> bytes:
        """
        See L{Keyboard.read}.
        """
        end = time.monotonic() + patience
        plain = b""
        while not plain:
            remaining = max(0.0, end - time.monotonic())
            if not select.select([self._socket], [], [], remaining)[0]:
                return b""
            data = self._socket.recv(65536)
            if not data:
                raise EOFError
            plain = self._negotiate(self._rest + data)
        return plain

    def _negotiate(self, data: bytes) -> bytes:
        plain = bytearray()
        place = 0
        while (found := data.find(_IAC, place)) >= 0:
            plain += data[place:found]
            place = found
            length = self._command(data[found : found + 3])
            if not length:
                break
            place += length
        else:
            plain += data[place:]
            place = len(data)
        self._rest = data[place:]
        return bytes(plain)

    def _command(self, command: bytes) -> int:
        """
        @return: how long the command is, or 0 if it is not all there.
        """
        if len(command) < 2 or (_WILL <= command[1] <= _DONT and len(command) < 3):
            return 0
        if command[1] not in (_DO, _DONT, _WILL, _WONT):
            return 2
        verb, option = command[1:3]
        willing = option in (_ECHO, _SUPPRESS_GO_AHEAD)
        answers = {_WILL: (_DONT, _DO), _WONT: (_DONT, _DONT), _DO: (_WONT, _WONT)}
        if verb in answers:
            self._socket.sendall(bytes([_IAC, answers[verb][willing], option]))
        return 3

    def hangUp(self) -> None:
        """
        End the session for whoever waits for an answer in another thread.
        """
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """
        See L{Keyboard.close}.
        """
        self._socket.close()
