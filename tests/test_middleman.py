"""
Somebody between a recipient and an origin on TCP, who alters, injects, repeats,
leaves out and cuts off what passes: two real processes, and a proxy.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec
from twisted.internet.defer import inlineCallbacks
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    connectProtocol,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from migrate.wire import FrameWriter, List
from tests.processes import freePort
from tests.test_migration import LINES, PATIENCE, MigrationTestCase

#: Takes one side's name, the number of a frame, and the frame; gives what passes.
Meddling = Callable[[str, int, bytes], bytes | None]

_LENGTH = struct.Struct("!I")


class Half(Protocol):
    """
    One side of a connection that somebody else listens to.
    """

    other: Half | None = None

    def __init__(self, side: str, meddle: Meddling) -> None:
        self.side = side
        self.meddle = meddle
        self.held = b""
        self.count = 0

    def dataReceived(self, data: bytes) -> None:
        """
        Cut what comes into frames, and pass on what becomes of them.
        """
        self.held += data
        if self.other is None:
            return
        while len(self.held) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self.held)[0]
            if len(self.held) < end:
                return
            frame, self.held = self.held[:end], self.held[end:]
            passed = self.meddle(self.side, self.count, frame)
            self.count += 1
            if passed is None:
                self.transport.loseConnection()
                self.other.transport.loseConnection()
                return
            self.other.transport.write(passed)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """
        What one side ends, ends.
        """
        if self.other is not None:
            self.other.transport.loseConnection()


def altered(frame: bytes, place: int = -1) -> bytes:
    """
    @return: the frame with one bit changed.
    """
    data = bytearray(frame)
    data[place] ^= 1
    return bytes(data)


def downgraded(frame: bytes) -> bytes:
    """
    @return: a hello that says it speaks less than it does.
    """
    message = msgspec.msgpack.decode(frame[4:])
    message["python"] = "3.10.0"
    payload = msgspec.msgpack.encode(message)
    return _LENGTH.pack(len(payload)) + payload


class MiddlemanTests(MigrationTestCase):
    """
    Whatever is done to what passes, the service stays where it is.
    """

    @inlineCallbacks
    def between(self, meddle: Meddling) -> Any:
        """
        Listen in between.
        """
        from twisted.internet import reactor

        self.middle = freePort()
        halves: list[Half] = []

        def build(_: object) -> Half:
            half = Half("recipient", meddle)
            halves.append(half)
            onward = Half("origin", meddle)
            halves.append(onward)
            endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.controlPort)

            def joined(_: object) -> None:
                half.other, onward.other = onward, half
                half.dataReceived(b"")

            connectProtocol(endpoint, onward).addCallback(joined)
            return half

        factory = Factory.forProtocol(Half)
        factory.noisy = False
        factory.buildProtocol = build  # type: ignore[method-assign,assignment]
        listening = TCP4ServerEndpoint(reactor, self.middle, interface="127.0.0.1")
        port = yield listening.listen(factory)
        self.addCleanup(port.stopListening)

    @inlineCallbacks
    def serve(self) -> Any:
        """
        An origin that wants a login.
        """
        self.directory.mkdir(parents=True)
        (self.directory / "password").write_text("sesame\n")
        self.controlPort = freePort()
        self.origin = yield self.server(
            *("--control", f"tcp:{self.controlPort}", "--auth", "memory:ali:sesame"),
            *("--service", LINES),
        )
        self.connection = yield self.processes.connect(self.port)

    @inlineCallbacks
    def attempt(self, meddle: Meddling) -> Any:
        """
        @return: what the recipient says who comes by that way.
        """
        yield self.between(meddle)
        client = self.twistd(
            *("migrate-client", "--control", f"tcp:{self.middle}", "--login", "ali"),
            *("--password-file", "password", "--allow", "tests.lineservice"),
            *("--service", "lines", "--preparing-deadline", "3"),
        )
        ended = yield client.ended(PATIENCE)
        self.assertEqual(ended.status, 1, ended.out + ended.err)
        self.assertEqual((yield self.answer(self.connection))[0], self.origin.pid)
        self.assertNotIn("Traceback", "\n".join(self.origin.lines))
        return ended.err

    @inlineCallbacks
    def test_meddling(self) -> Any:
        """
        Each of these is found out before anything is moved: frames of the
        greeting by the login, which is bound to them, and all after it by their
        authenticators.
        """
        yield self.serve()
        extra = FrameWriter().frame(List())
        for says, meddle in (
            # The greetings: the recipient's, and the origin's.
            (
                "words",
                lambda s, n, f: downgraded(f) if (s, n) == ("recipient", 0) else f,
            ),
            ("words", lambda s, n, f: downgraded(f) if (s, n) == ("origin", 0) else f),
            # A proof that is another.
            ("", lambda s, n, f: altered(f, -3) if (s, n) == ("recipient", 2) else f),
            # What follows the login, either way: altered, twice, left out,
            # injected, turned back, cut off.
            ("", lambda s, n, f: altered(f) if (s, n) == ("recipient", 3) else f),
            ("authentic", lambda s, n, f: altered(f) if (s, n) == ("origin", 3) else f),
            ("", lambda s, n, f: f * 2 if (s, n) == ("recipient", 3) else f),
            ("authentic", lambda s, n, f: f * 2 if (s, n) == ("origin", 4) else f),
            ("", lambda s, n, f: b"" if (s, n) == ("recipient", 3) else f),
            ("", lambda s, n, f: extra + f if (s, n) == ("recipient", 3) else f),
            ("ended", lambda s, n, f: None if (s, n) == ("origin", 4) else f),
        ):
            line = yield self.attempt(meddle)
            self.assertIn(says, line)

    @inlineCallbacks
    def test_replay(self) -> Any:
        """
        What one login said does not let anybody else in.
        """
        yield self.serve()
        heard: list[bytes] = []

        def listen(side: str, number: int, frame: bytes) -> bytes | None:
            if side == "recipient":
                heard.append(frame)
            return None if (side, number) == ("recipient", 3) else frame

        yield self.attempt(listen)
        self.assertEqual(len(heard), 4)
        thief = yield self.processes.connect(self.controlPort)
        thief.send(b"".join(heard))
        yield thief.expect(b"Failed", PATIENCE)
        yield thief.closed(PATIENCE)
        self.assertNotIn(b"Welcome", thief.received)
        self.assertNotIn(b"LoginAccepted", thief.received)
        self.assertEqual((yield self.answer(self.connection))[0], self.origin.pid)
