"""
Bad input on the control socket, from outside: a real server under a live client.
"""

from __future__ import annotations

import contextlib
import os
import random
import socket
import time
from typing import Any

from twisted.internet.defer import inlineCallbacks

from migrate.greeting import hello
from migrate.handover import ORIGIN, Event, Role, State
from migrate.wire import (
    Attach,
    Claim,
    Failed,
    FrameWriter,
    Hello,
    List,
    Manifest,
    Message,
    Ready,
    Refused,
    Rollback,
    Services,
)
from tests.intruder import SAMPLES, Intruder, Pulse, spare
from tests.processes import descriptors, residentBytes
from tests.test_migration import LINES, MORE, MigrationTestCase

#: Bytes by which a process may grow that has been through a lot.
SLACK = 16 << 20

#: Seconds that the service may take to answer while its server is attacked; both
#: share the cores of the machine with the attacker.
PAUSE = 3.0


class IntruderTestCase(MigrationTestCase):
    """
    A server, and a client whose answers never cease.
    """

    @inlineCallbacks
    def serve(self, *options: str) -> Any:
        """
        Start them.
        """
        self.origin = yield self.server(*options, "--service", LINES)
        self.pulse = Pulse(self.port)
        self.addCleanup(self.pulse.stop)
        # What a first conversation imports stays.
        with self.guest() as one:
            one.attach()
            one.receive()
        yield self.calm()
        self.before = len(descriptors(self.origin.pid))
        self.memory = residentBytes(self.origin.pid)

    def intruder(self) -> Any:
        """
        @return: somebody who has connected, for a C{with}.
        """
        return _closing(Intruder(self.control))

    def guest(self) -> Any:
        """
        @return: somebody who is trusted, for a C{with}.
        """
        made = Intruder(self.control)
        with contextlib.suppress(AssertionError):
            return _closing(made.greet())
        made.close()
        self.fail("not welcome")

    def calm(self) -> Any:
        """
        @return: fires once the server has let go of everybody.
        """

        def settled() -> bool:
            now = len(descriptors(self.origin.pid))
            same = now == self._last
            self._last = now
            return same and now <= getattr(self, "before", now)

        self._last = -1
        return self.processes.until(settled, "the end of what was let in")

    def failed(self, replies: list[Message], *errors: str) -> None:
        """
        The last word was one of these errors.
        """
        last = replies[-1] if replies else None
        self.assertIsInstance(last, Failed)
        assert isinstance(last, Failed)
        self.assertIn(last.error, errors, last.reason)

    @inlineCallbacks
    def unharmed(self) -> Any:
        """
        The service never paused, nothing is left over, no traceback was
        written, and the service can still move.
        """
        yield self.calm()
        self.assertLessEqual(len(descriptors(self.origin.pid)), self.before)
        self.assertLess(residentBytes(self.origin.pid) - self.memory, SLACK)
        self.assertIsNone(self.pulse.wrong)
        self.assertGreater(self.pulse.answers, 1)
        self.assertLess(self.pulse.longest, PAUSE)
        said = "\n".join(self.origin.lines)
        for trace in ("Traceback", "Unhandled", "failed"):
            self.assertNotIn(trace, said)
        yield self.client("--all")
        yield self.gone(self.origin)


class _closing:
    """
    An intruder who is gone at the end.
    """

    def __init__(self, intruder: Intruder) -> None:
        self.intruder = intruder

    def __enter__(self) -> Intruder:
        return self.intruder

    def __exit__(self, *_: object) -> None:
        self.intruder.close()


class StrangerTests(IntruderTestCase):
    """
    Nobody knows who they are.
    """

    @inlineCallbacks
    def test_bytes(self) -> Any:
        """
        What is no message is answered by an error, and that is the end.
        """
        yield self.serve()
        good = FrameWriter().frame(hello(Role.RECIPIENT))
        chance = random.Random(4)
        for data in (
            b"\xff\xff\xff\xff",
            b"\0\0\0\0",
            b"\0\1\0\1" + b"x" * 100,
            b"\0\0\0\5hello",
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            b"\0\0\xff\xff" + b"\x91" * 0xFFFF,
            b"\0\0\xff\xff" + b"\xdd" * 0xFFFF,
            *(b"\0\0\0\x40" + chance.randbytes(64) for _ in range(20)),
            good[:4] + bytes(len(good) - 4),
        ):
            with self.intruder() as one:
                one.raw(data)
                self.failed(one.rest(), "MalformedFrame")
        for cut in (1, 4, len(good) - 1):
            with self.intruder() as one:
                one.raw(good[:cut])
                one.socket.shutdown(socket.SHUT_WR)
                self.assertEqual(one.rest(), [])
        yield self.unharmed()
        lines = [x for x in self.origin.lines if "got nothing" in x]
        self.assertTrue(any("amid a frame" in line for line in lines))
        self.assertTrue(any("more like these" in line for line in lines))
        self.assertLess(len(lines), 40)

    @inlineCallbacks
    def test_hellos(self) -> Any:
        """
        Who speaks another version, or has the wrong role, is told so.
        """
        yield self.serve()
        good = hello(Role.RECIPIENT)
        fields = {name: getattr(good, name) for name in good.__struct_fields__}
        for change in ({"protocol": 0}, {"protocol": 2}, {"role": "origin"}):
            with self.intruder() as one:
                one.say(Hello(**{**fields, **change}))
                self.failed(one.rest(), "IncompatiblePeer")
        yield self.unharmed()

    @inlineCallbacks
    def test_silence(self) -> Any:
        """
        Silence has a deadline, and so has a byte now and then.
        """
        yield self.serve("--greeting-deadline", "1")
        began = time.monotonic()
        with self.intruder() as silent, self.intruder() as slow:
            slow.socket.settimeout(0.3)
            for _ in range(100):
                slow.raw(b"\0")
                try:
                    if not slow.socket.recv(1, socket.MSG_PEEK):
                        break
                except TimeoutError:
                    continue
                break
            self.failed(slow.rest(), "PeerTimeout", "MalformedFrame")
            self.failed(silent.rest(), "PeerTimeout")
        self.assertLess(time.monotonic() - began, 10)
        yield self.unharmed()

    @inlineCallbacks
    def test_thousands(self) -> Any:
        """
        However many come, few are let in at a time; the oldest gives way.
        """
        yield self.serve()
        most = 0
        crowd: list[Intruder] = []
        for number in range(3000):
            crowd.append(Intruder(self.control))
            if number % 100 == 99:
                most = max(most, len(descriptors(self.origin.pid)))
            if len(crowd) > 200:
                first = crowd.pop(0)
                self.failed(first.rest(), "TooManyPeers")
                first.close()
        # A good one gets in all the same.
        with self.guest() as one:
            one.say(List())
            self.assertIsInstance(one.hear(), Services)
        for each in crowd:
            each.close()
        self.assertLess(most - self.before, 300)
        yield self.unharmed()
        lines = [x for x in self.origin.lines if "got nothing" in x]
        self.assertLess(len(lines), 60)

    @inlineCallbacks
    def test_descriptors(self) -> Any:
        """
        Descriptors on the primary stream are closed at once, and end the
        conversation, whoever sends them and however many.
        """
        yield self.serve()
        given = [spare() for _ in range(200)]
        try:
            for count in (1, 200):
                with self.intruder() as one:
                    one.send(*given[:count])
                    self.failed(one.rest(), "RemoteProtocolError", "MalformedFrame")
                with self.guest() as one:
                    one.attach()
                    one.send(*given[:count])
                    self.failed(one.rest(), "RemoteProtocolError", "MalformedFrame")
        finally:
            for each in given:
                os.close(each)
        yield self.unharmed()

    @inlineCallbacks
    def test_tokens(self) -> Any:
        """
        A secondary connection needs a token, which is good once.
        """
        yield self.serve()
        with self.intruder() as one:
            one.say(Attach(b"x" * 32))
            self.failed(one.rest(), "NotTrusted")
        with self.guest() as host:
            token = host.welcome.token
            with self.intruder() as one:
                one.say(Attach(token), Attach(token))
                self.failed(one.rest(), "RemoteProtocolError")
            host.attach()
            with self.intruder() as one:
                one.say(Attach(token))
                self.failed(one.rest(), "NotTrusted")
            host.say(Attach(token))
            self.failed(host.rest(), "RemoteProtocolError")
        with self.intruder() as one:
            one.say(Attach(token))
            self.failed(one.rest(), "NotTrusted")
        yield self.unharmed()


class GuestTests(IntruderTestCase):
    """
    They are trusted, and should not be.
    """

    def reach(self, one: Intruder, state: State) -> None:
        """
        Bring the server into a state.
        """
        if state is not State.GREETING:
            one.greet().attach()
        if state is State.CLAIMED:
            self.assertIsInstance(one.claim(), Manifest)
        elif state is State.TRANSFERRING:
            one.receive()
        elif state is State.COMMITTED:
            one.commit()

    @inlineCallbacks
    def test_everyMessageInEveryState(self) -> Any:
        """
        A message that has no place in a state is answered by an error and
        changes nothing; one that ends the handover leaves the service here.
        """
        yield self.serve()
        events = {event.value: event for event in Event}
        for state in (
            State.GREETING,
            State.TRUSTED,
            State.CLAIMED,
            State.TRANSFERRING,
            State.COMMITTED,
        ):
            for sample in SAMPLES:
                event = events.get(type(sample).__name__)
                legal = event in ORIGIN[state]
                if (state, event) in (
                    # It would own the service.
                    (State.COMMITTED, Event.ADOPTED),
                    # It would have to be met by a good one.
                    (State.CLAIMED, Event.READY),
                ):
                    continue
                with self.intruder() as one:
                    self.reach(one, state)
                    one.say(sample)
                    if not legal:
                        self.illegal(one, state, sample)
        yield self.unharmed()

    def illegal(self, one: Intruder, state: State, sample: Message) -> None:
        """
        Look at what comes of a message that has no place.
        """
        if state is State.COMMITTED:
            # It may own the service, so nothing is said: its life decides.
            return
        last = one.hear() if state is State.TRANSFERRING else one.rest()[-1]
        self.assertIsInstance(last, (Failed, Rollback), (state, sample))
        assert isinstance(last, (Failed, Rollback))
        name = type(sample).__name__
        if state is not State.GREETING or name != "Attach":
            self.assertIn(name, last.reason)

    @inlineCallbacks
    def test_ahead(self) -> Any:
        """
        Messages that do not wait for what comes of those before them.
        """
        yield self.serve()
        for behind in SAMPLES:
            if isinstance(behind, Ready):
                # It would have to take what it is sent then.
                continue
            for ahead in (Claim("lines", "table"), List(), Claim("none", "table")):
                with self.guest() as one:
                    one.attach()
                    one.say(ahead, behind, behind)
                    # Whatever it was, one more is too much.
                    one.say(Attach(b""))
                    self.assertTrue(one.rest())
        yield self.unharmed()

    @inlineCallbacks
    def test_claims(self) -> Any:
        """
        A service is in transit once, has to exist, and needs a connection for
        descriptors; the conversation goes on after a refusal.
        """
        yield self.serve("--service", MORE)
        with self.guest() as one, self.guest() as two:
            for who, error in ((one, "RemoteProtocolError"), (one, "")):
                answer = who.claim()
                if error:
                    self.assertIsInstance(answer, Refused)
                    assert isinstance(answer, Refused)
                    self.assertEqual(answer.error, error)
                    who.attach()
            two.attach()
            for service, error in (
                ("lines", "ServiceInTransit"),
                ("none", "UnknownService"),
                ("(control)", "ServiceUnavailable"),
            ):
                answer = two.claim(service)
                self.assertIsInstance(answer, Refused)
                assert isinstance(answer, Refused)
                self.assertEqual(answer.error, error)
            two.say(Claim("more", "gibberish"))
            answer = two.hear()
            assert isinstance(answer, Refused)
            self.assertEqual(answer.error, "ServiceUnavailable")
            self.assertIsInstance(two.claim("more"), Manifest)
        yield self.unharmed()

    @inlineCallbacks
    def test_idle(self) -> Any:
        """
        Those who are trusted may stay and do nothing, but only so many.
        """
        yield self.serve()
        guests = [Intruder(self.control).greet() for _ in range(32)]
        with self.intruder() as one:
            one.say(hello(Role.RECIPIENT))
            self.failed(one.rest(), "TooManyPeers")
        guests.pop().close()
        with self.guest() as one:
            one.say(List())
            self.assertIsInstance(one.hear(), Services)
        for each in guests:
            each.close()
        yield self.unharmed()

    @inlineCallbacks
    def test_unread(self) -> Any:
        """
        Who asks and asks, and reads nothing, is not answered without end.
        """
        yield self.serve()
        with self.guest() as one:
            one.socket.settimeout(1)
            asked = FrameWriter().frame(List()) * 4096
            with contextlib.suppress(
                TimeoutError, BrokenPipeError, ConnectionResetError
            ):
                for _ in range(1000):
                    one.socket.sendall(asked)
            yield self.origin.line("does not read the answers")
        yield self.unharmed()
