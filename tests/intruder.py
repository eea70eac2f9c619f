"""
A peer of a migration server that does what it likes, one call at a time.

It must not know what ought to come of it.
"""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket
import threading
import time
from pathlib import Path

from migrate.control import reachable
from migrate.errors import PeerLost
from migrate.filenos import closeAll
from migrate.greeting import hello
from migrate.handover import Role
from migrate.inbox import DescriptorInbox
from migrate.wire import (
    MAX_FRAME,
    Adopted,
    Attach,
    Attached,
    Claim,
    Commit,
    End,
    Failed,
    FrameReader,
    FrameWriter,
    Hello,
    List,
    LoginAccepted,
    LoginChallenge,
    LoginProof,
    LoginStart,
    Manifest,
    Message,
    NamesPart,
    Prepared,
    Ready,
    Records,
    Refused,
    Rollback,
    Services,
    Welcome,
)

#: Seconds that an answer may take: it ends a test that hangs.
PATIENCE = 30.0

#: One of every message.
SAMPLES: tuple[Message, ...] = (
    hello(Role.RECIPIENT),
    LoginStart("ali", "n,,n=ali,r=nonce"),
    LoginChallenge("r=nonce,s=c2FsdA==,i=4096"),
    LoginProof("c=biws,r=nonce,p=cHJvb2Y="),
    LoginAccepted("v=c2lnbmF0dXJl"),
    Welcome(False, b"\0nowhere", b"token"),
    Attach(b"token"),
    Attached(),
    List(),
    Services([]),
    Claim("lines", "table"),
    NamesPart([("os", "system")]),
    Manifest("lines", [("os", "system")], 1, 1),
    Ready(),
    Refused("LoadError", "no"),
    Records(b"\x90"),
    End(0, 0),
    Prepared(),
    Commit(),
    Rollback("no"),
    Adopted(),
    Failed("LoadError", "no"),
)


class Intruder:
    """
    One connection to a control socket, and one for descriptors.

    @ivar welcome: what the server said of that, once it did.
    """

    def __init__(self, control: Path) -> None:
        self.path = reachable(str(control.absolute()))
        self.socket = self._connect(self.path)
        self.reader = FrameReader(limit=MAX_FRAME)
        self.writer = FrameWriter()
        self.welcome: Welcome | None = None
        self.secondary: socket.socket | None = None
        self.inbox: DescriptorInbox | None = None
        self._lives: list[int] = []
        self._come: list[Message] = []

    def _connect(self, address: str | bytes) -> socket.socket:
        made = socket.socket(socket.AF_UNIX)
        # With a timeout, a backlog that is full would be an error.
        made.connect(address)
        made.settimeout(PATIENCE)
        return made

    def raw(self, data: bytes) -> None:
        """
        Send bytes, as far as the server takes them.
        """
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            return

    def say(self, *messages: Message) -> None:
        """
        Send messages, all at once.
        """
        self.raw(b"".join(map(self.writer.frame, messages)))

    def hear(self) -> Message | None:
        """
        @return: the next message; L{None} once there will be none.
        """
        while not self._come:
            try:
                data = self.socket.recv(1 << 16)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self._come = self.reader.feed(data)
        return self._come.pop(0)

    def rest(self) -> list[Message]:
        """
        @return: all that comes until the server ends the connection.
        """
        return list(iter(self.hear, None))

    def send(self, *filenos: int) -> None:
        """
        Send descriptors that nobody asked for.
        """
        rights = array.array("i", filenos)
        self.socket.sendmsg([b"\0"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])

    # The way of a good recipient.

    def greet(self) -> Intruder:
        """
        Be trusted.
        """
        self.say(hello(Role.RECIPIENT))
        assert isinstance(self.hear(), Hello)
        welcome = self.hear()
        assert isinstance(welcome, Welcome), welcome
        self.welcome = welcome
        return self

    def attach(self) -> Intruder:
        """
        Have a connection for descriptors.
        """
        assert self.welcome is not None
        self.secondary = self._connect(self.path)
        self.secondary.sendall(FrameWriter().frame(Attach(self.welcome.token)))
        # A timeout would have every read wait, whatever its flags.
        self.secondary.setblocking(False)
        self.inbox = DescriptorInbox(self.secondary)
        answer = self.hear()
        assert isinstance(answer, Attached), answer
        self._lives = self.descriptors(2)
        return self

    def descriptors(self, count: int) -> list[int]:
        """
        @return: so many descriptors.
        """
        assert self.inbox is not None
        deadline = time.monotonic() + PATIENCE
        while len(self.inbox) < count and time.monotonic() < deadline:
            select.select([self.inbox.socket], [], [], 1)
            self.inbox.read()
        return self.inbox.take()

    def claim(self, service: str = "lines") -> Manifest | Message | None:
        """
        @return: what came of it.
        """
        self.say(Claim(service, "table"))
        while isinstance(answer := self.hear(), NamesPart):
            pass
        return answer

    def receive(self) -> None:
        """
        Claim, and take the whole service, short of saying so.
        """
        manifest = self.claim()
        assert isinstance(manifest, Manifest), manifest
        self.say(Ready())
        closeAll(self.descriptors(manifest.descriptors))
        while not isinstance(answer := self.hear(), End):
            assert isinstance(answer, Records), answer

    def commit(self) -> None:
        """
        The same, and have the commit point behind.
        """
        self.receive()
        self.say(Prepared())
        answer = self.hear()
        assert isinstance(answer, Commit), answer

    def close(self) -> None:
        """
        Be gone.
        """
        closeAll(self._lives)
        self._lives = []
        if self.secondary is not None:
            assert self.inbox is not None
            with contextlib.suppress(PeerLost):
                self.inbox.read()
            self.inbox.discard()
            self.secondary.close()
        self.socket.close()


class Pulse:
    """
    A client that asks again and again, in a thread of its own.

    @ivar longest: the longest time that an answer took, in seconds.
    @ivar answers: how many came.
    """

    def __init__(self, port: int) -> None:
        self.longest = 0.0
        self.answers = 0
        self.wrong: str | None = None
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        with self._socket as connected, connected.makefile("rwb", 0) as stream:
            while not self._over.wait(0.005) and self.wrong is None:
                began = time.monotonic()
                try:
                    stream.write(b"%d\r\n" % self.answers)
                    answer = stream.readline()
                except OSError as error:
                    answer = str(error).encode()
                if not answer.endswith(b" %d\r\n" % self.answers):
                    self.wrong = f"after {self.answers} answers came {answer!r}"
                self.answers += 1
                self.longest = max(self.longest, time.monotonic() - began)

    def stop(self) -> None:
        """
        End it.
        """
        self._over.set()
        self._thread.join(PATIENCE)


def spare() -> int:
    """
    @return: a descriptor to give away, and to close.
    """
    return os.open(os.devnull, os.O_RDONLY)
