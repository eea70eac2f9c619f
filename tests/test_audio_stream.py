"""
Tests for the example of a radio station that is moved while people listen to it.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Sequence
from hashlib import shake_128
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import inlineCallbacks
from twisted.internet.interfaces import IPushProducer
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from examples.audio_stream.continuity import Broken, Continuity
from examples.audio_stream.frames import Header, NoAudio, Track, parse
from examples.audio_stream.radio import LATEST, TITLE_INTERVAL, makeService
from examples.audio_stream.soundcard import Buffer
from examples.audio_stream.titles import Titles
from migrate.testing import Client, MigrationTestCaseMixin
from tests.children import Child
from tests.services import ServiceTestCase, freePort

#: MPEG 1, layer III, 128 kbit/s, 44100 samples a second, one channel.
HEADER = b"\xff\xfb\x90\xc0"

#: The same, with a byte more.
PADDED = b"\xff\xfb\x92\xc0"

#: How long each of both plays, in seconds.
PLAYS = 1152 / 44100

PORT = 8000

RADIO = "radio=examples.audio_stream.radio.makeService"


def frames(count: int) -> list[bytes]:
    """
    @return: frames, all different, every third of them with a byte more.
    """
    padded = (number % 3 == 2 for number in range(count))
    return [
        (PADDED if more else HEADER) + shake_128(b"%d" % number).digest(413 + more)
        for number, more in enumerate(padded)
    ]


def unmixed(data: bytes, interval: int) -> tuple[bytes, list[bytes]]:
    """
    What a player does with a stream that has titles in it.

    @return: the audio, and the titles, without their filling.
    """
    audio, titles = b"", []
    while len(data) > interval:
        length = 16 * data[interval]
        audio += data[:interval]
        titles.append(data[interval + 1 : interval + 1 + length].rstrip(b"\0"))
        data = data[interval + 1 + length :]
    return audio + data, titles


class HeaderTests(SynchronousTestCase):
    """
    Tests for L{parse}.
    """

    def test_known(self) -> None:
        """
        Frames of every version and layer tell their size and time.
        """
        for data, header in (
            (HEADER, Header(128000, 44100, 417, PLAYS)),
            (PADDED, Header(128000, 44100, 418, PLAYS)),
            (b"\xff\xfa\xe4\x00", Header(320000, 48000, 960, 0.024)),
            (b"\xff\xfd\x88\x00", Header(128000, 32000, 576, 0.036)),
            (b"\xff\xff\x12\x00", Header(32000, 44100, 36, 384 / 44100)),
            (b"\xff\xf3\x40\xc0", Header(32000, 22050, 104, 576 / 22050)),
            (b"\xff\xf5\x84\xc0", Header(64000, 24000, 384, 0.048)),
            (b"\xff\xe3\x18\xc0", Header(8000, 8000, 72, 0.072)),
        ):
            self.assertEqual(parse(data), header)

    def test_none(self) -> None:
        """
        What is reserved, is too short or has another sync word is no frame.
        """
        for data in (
            *(b"", HEADER[:3], b"\xfe\xfb\x90\xc0", b"\xff\xdb\x90\xc0"),
            *(b"\xff\xeb\x90\xc0", b"\xff\xf9\x90\xc0"),
            *(b"\xff\xfb\x00\xc0", b"\xff\xfb\xf0\xc0", b"\xff\xfb\x9c\xc0"),
        ):
            self.assertIsNone(parse(data), data)


class TrackTests(SynchronousTestCase):
    """
    Tests for L{Track}.
    """

    def track(self, data: bytes) -> Track:
        """
        @return: a file with that in it.
        """
        path = Path(self.mktemp())
        path.write_bytes(data)
        track = Track(str(path))
        self.addCleanup(track.close)
        return track

    def check(self, track: Track, expected: Sequence[bytes]) -> None:
        """
        Hear it two and a half times.
        """
        again = [*expected, *expected, *expected[: len(expected) // 2]]
        self.assertEqual([track.next() for _ in again], [(f, PLAYS) for f in again])

    def test_loop(self) -> None:
        """
        The first frame follows the last one.
        """
        track = self.track(b"".join(frames(5)))
        self.assertEqual(track.bitRate, 128000)
        self.check(track, frames(5))

    def test_others(self) -> None:
        """
        What is no audio is passed over, though it may look like some: what ID3 and
        encoders say of the file, at both ends, bytes in between, half a frame.
        """
        first, *more = frames(5)
        picture = (
            b"ID3\x04\x00\x10\x00\x00\x03\x21" + first + b"\0" * 4 + b"3DI" + 7 * b"."
        )
        note = HEADER + (32 * b"\0" + b"Info").ljust(413, b"\0")
        parts = [picture, note, first, b"\xff\xff\xfe", *more, HEADER + b"half", b"TAG"]
        self.check(self.track(b"".join(parts)), frames(5))

    def test_none(self) -> None:
        """
        A file without a frame is refused, and named.
        """
        for data in (b"", b"text" * 1000, HEADER + b"half"):
            error = self.assertRaises(NoAudio, self.track, data)
            self.assertRegex(str(error), "^.+/temp has no frame of MPEG audio in it$")


class TitlesTests(SynchronousTestCase):
    """
    Tests for L{Titles}.
    """

    @given(st.lists(st.tuples(st.binary(max_size=40), st.sampled_from("abc"))))
    def test_mixed(self, pieces: list[tuple[bytes, str]]) -> None:
        """
        A player gets the audio back, however it was cut, and each title once.
        """
        titles, place, last, expected = Titles(10), 0, "", []
        sent = b"".join(titles.mix(data, title) for data, title in pieces)
        for data, title in pieces:
            for _ in range((place + len(data)) // 10 - place // 10):
                expected.append(
                    b"" if title == last else b"StreamTitle='%c';" % ord(title)
                )
                last = title
            place += len(data)
        audio = b"".join(data for data, _ in pieces)
        # A title at the very end is there, though no audio comes after it.
        if audio and len(audio) % 10 == 0:
            sent, audio = sent + b".", audio + b"."
        self.assertEqual(unmixed(sent, 10), (audio, expected))

    def test_text(self) -> None:
        """
        A quote does not end a title, and what is too long is cut.
        """
        _, titles = unmixed(Titles(1).mix(b"a", "it's") + b".", 1)
        self.assertEqual(titles, ["StreamTitle='it\u2019s';".encode()])
        _, titles = unmixed(Titles(1).mix(b"a", 5000 * "x") + b".", 1)
        self.assertEqual([len(title) for title in titles], [255 * 16])


class ContinuityTests(SynchronousTestCase):
    """
    Tests for L{Continuity}.
    """

    def hear(self, *pieces: bytes) -> int:
        """
        @return: how many bytes were right.
        """
        continuity = Continuity(bytes(range(100)), certain=4)
        for piece in pieces:
            continuity.hear(piece)
        return continuity.heard

    def test_right(self) -> None:
        """
        From wherever it begins, again and again.
        """
        whole = bytes(range(100))
        self.assertEqual(self.hear(whole[98:], whole[:1], whole[1:] + whole), 202)
        self.assertEqual(self.hear(whole[:3]), 0)

    def test_wrong(self) -> None:
        """
        A byte that is lost, comes twice, or is another one, is found.
        """
        whole = bytes(range(100))
        for wrong in (
            *(whole[:50] + whole[51:], whole[:50] + whole[49:], whole[:50] + b"x"),
            *(whole + whole[1:], whole[10:] + b"\xff", b"nowhere"),
        ):
            self.assertRaises(Broken, self.hear, wrong)
            self.assertRaises(Broken, self.hear, wrong[:8], wrong[8:] or b".")

    def test_twice(self) -> None:
        """
        If the place cannot be told, that is told.
        """
        continuity = Continuity(b"abcabcabd", certain=3)
        self.assertRaises(Broken, continuity.hear, b"abc")


class BufferTests(SynchronousTestCase):
    """
    Tests for L{Buffer}, with 1000 bytes a second and room for half of that.
    """

    def setUp(self) -> None:
        self.buffer = Buffer(1000, 0.5)
        self.buffer.pass_(100.0)

    def test_underrun(self) -> None:
        """
        It is heard once it is full; silence is measured from the instant at which
        it was empty until it is full again.
        """
        self.assertIsNone(self.buffer.put(400, 100.0))
        self.assertFalse(self.buffer.pass_(105.0))
        self.assertEqual(self.buffer.put(100, 105.0), 0.0)
        self.assertFalse(self.buffer.pass_(105.25))
        self.assertEqual((self.buffer.lowest, self.buffer.room), (0.25, 250))
        self.assertTrue(self.buffer.pass_(106.0))
        self.assertFalse(self.buffer.pass_(106.25))
        self.assertEqual(self.buffer.put(500, 106.25), 0.75)
        found = (self.buffer.underruns, self.buffer.silent, self.buffer.heard)
        self.assertEqual(found, (1, 0.75, 0.5))

    def test_steady(self) -> None:
        """
        As long as as much comes as is heard, there is no silence.
        """
        self.buffer.put(500, 100.0)
        for step in range(1, 100):
            self.assertFalse(self.buffer.pass_(100.0 + step / 4))
            self.assertIsNone(self.buffer.put(250, 100.0 + step / 4))
        self.assertEqual((self.buffer.underruns, self.buffer.lowest), (0, 0.25))


class StationTests(MigrationTestCaseMixin, SynchronousTestCase):
    """
    The station is moved in one process, by a clock.
    """

    def setUp(self) -> None:
        self.pair = self.processPair()
        path = Path(self.mktemp())
        self.audio = b"".join(frames(100))
        path.write_bytes(self.audio)
        environ = {"AUDIO_FILE": str(path), "AUDIO_PORT": str(PORT)}
        self.service = makeService(environ, self.pair.origin.reactor)
        self.pair.publish("radio", self.service)

    @property
    def station(self) -> Any:
        """
        The station, wherever it is.
        """
        return self.service.services[0]

    def move(self) -> None:
        """
        Move it.
        """
        self.service = self.pair.migrate("radio")

    def listen(self, *headers: bytes) -> Client:
        """
        Somebody begins to listen, in the old way, without chunks.
        """
        pair = self.pair
        has = pair.origin if "radio" in pair.origin.published else pair.recipient
        client = has.connect(PORT)
        client.send(b"\r\n".join([b"GET / HTTP/1.0", *headers, b"", b""]))
        return client

    def heard(self, client: Client) -> bytes:
        """
        @return: the body of the response.
        """
        head, _, body = client.received().partition(b"\r\n\r\n")
        self.assertIn(b"200 OK", head.splitlines()[0])
        return body

    def near(self, heard: bytes, expected: float, most: float) -> None:
        """
        Nearly so many bytes were heard.
        """
        self.assertLess(abs(len(heard) - expected), most)

    def advance(self, seconds: float, step: float = 0.01) -> None:
        """
        Time passes, in small steps as it does.
        """
        for _ in range(round(seconds / step)):
            self.pair.advance(step)

    def test_pace(self) -> None:
        """
        Listeners get each frame when those before it have been played, by what the
        frames say, and the file again after its end.
        """
        client = self.listen()
        self.advance(60.0)
        expected = b"".join(frames(100)[1:]) + 30 * self.audio
        due = int(60.0 / PLAYS)
        count = sum(map(len, (frames(100) * 30)[1 : due + 1]))
        self.assertEqual(self.heard(client), expected[:count])

    def test_moved(self) -> None:
        """
        Over many moves, listeners of before and of in between hear everything, once,
        and no later than without.
        """
        unmoved = self.listen()
        clients = [self.listen()]
        for step in range(20):
            self.advance(0.33 + step / 1000)
            self.move()
            clients.append(self.listen())
        self.advance(1.0)
        spent = 20 * 0.33 + 0.19 + 1.0
        self.near(self.heard(unmoved), spent * 16000, 2 * len(PADDED) + 2 * 418)
        for client in clients:
            continuity = Continuity(self.audio)
            continuity.hear(self.heard(client))
            self.assertGreater(continuity.heard, 15000)
        self.assertEqual(len(self.station.listeners), 22)

    def test_titles(self) -> None:
        """
        Titles are where a player looks for them, over moves too.
        """
        client = self.listen(b"Icy-MetaData: 1")
        for _ in range(10):
            self.advance(0.37)
            self.move()
        head = client.received().partition(b"\r\n\r\n")[0].lower()
        self.assertIn(b"icy-metaint: %d" % TITLE_INTERVAL, head)
        self.assertIn(b"icy-br: 128", head)
        audio, titles = unmixed(self.heard(client), TITLE_INTERVAL)
        Continuity(self.audio).hear(audio)
        told = f"StreamTitle='{self.station.track.title} (process {os.getpid()})';"
        self.assertEqual(titles[0], told.encode())
        self.assertEqual(set(titles[1:]), {b""})

    def test_slow(self) -> None:
        """
        Frames pass by whoever has no room for them, and nothing is kept of these, also
        if that is moved; later ones are heard whole.
        """
        client, other = self.listen(), self.listen()
        self.advance(1.0)
        client.transport.producer.pauseProducing()
        before = self.heard(client)
        self.advance(10.0)
        self.move()
        self.advance(10.0)
        self.assertEqual(self.heard(client), before)
        (slow,) = (each for each in self.station.listeners if each.skipped)
        self.assertLess(abs(slow.skipped - 20.0 / PLAYS), 2)
        verifyObject(IPushProducer, slow)
        client.transport.producer.resumeProducing()
        self.advance(1.0)
        after = self.heard(client).removeprefix(before)
        self.assertIsNotNone(parse(after[:4]))
        self.assertTrue(self.heard(other).endswith(after))
        self.assertGreater(len(after), 15000)

    def test_left(self) -> None:
        """
        Nothing is kept of who has left.
        """
        client, other = self.listen(), self.listen()
        self.advance(1.0)
        self.move()
        client.hangUp()
        self.assertEqual(len(self.station.listeners), 1)
        self.advance(1.0)
        self.assertGreater(len(self.heard(other)), 31000)

    def test_asleep(self) -> None:
        """
        After a long sleep it does not play all that it has missed.
        """
        client = self.listen()
        self.pair.advance(24 * 3600.0)
        self.near(self.heard(client), 16000 * LATEST, 1000)
        self.advance(1.0)
        self.near(self.heard(client), 16000 * (LATEST + 1), 1000)

    def test_head(self) -> None:
        """
        Who asks only what it is does not become a listener.
        """
        client = self.pair.origin.connect(PORT)
        client.send(b"HEAD / HTTP/1.0\r\n\r\n")
        self.assertIn(b"audio/mpeg", client.received())
        self.assertEqual(self.heard(client), b"")
        self.assertEqual(self.station.listeners, set())

    def test_stopped(self) -> None:
        """
        When it is stopped, nothing is left.
        """
        self.move()
        self.successResultOf(self.pair.stop())
        self.assertEqual(self.pair.recipient.reactor.getDelayedCalls(), [])
        self.assertRaises(ValueError, self.station.track.next)

    def test_noFile(self) -> None:
        """
        Without a file there is no service.
        """
        clock = self.pair.origin.reactor
        self.assertRaises(
            FileNotFoundError, makeService, {"AUDIO_FILE": "nowhere.mp3"}, clock
        )


class RadioTests(ServiceTestCase):
    """
    Real listeners, and a real player, hear nothing of a move.
    """

    @inlineCallbacks
    def start(self) -> Any:
        """
        Have a tune made, and serve it.
        """
        self.installed("lame")
        tune = ["-m", "examples.audio_stream.tune", "tune.mp3", "--seconds", "3"]
        made = self.processes.python(tune, self.directory)
        ended = yield made.ended()
        self.assertEqual((ended.status, ended.err), (0, ""))
        self.port = freePort()
        self.url = f"http://127.0.0.1:{self.port}/"
        yield self.broadcast()

    def broadcast(self) -> Any:
        """
        Start the station.
        """
        environment = {"AUDIO_PORT": str(self.port)}
        return self.serve("--service", RADIO, environment=environment)

    def part(self, name: str, *arguments: str) -> Child:
        """
        Start a module of the example.
        """
        command = ["-m", f"examples.audio_stream.{name}", *arguments]
        return self.processes.python(command, self.directory)

    @inlineCallbacks
    def stop(self) -> Any:
        """
        End the station, as for a restart.
        """
        self.server.signal(signal.SIGTERM)
        yield self.server.ended()

    @inlineCallbacks
    def summary(self, child: Child) -> Any:
        """
        @return: what a listener, or a sound card, says at its end.
        """
        child.signal(signal.SIGTERM)
        ended = yield child.ended()
        return json.loads(ended.out.splitlines()[-1])

    def grown(self, listeners: int, more: int) -> Any:
        """
        Wait until every listener has heard so many bytes more than now.
        """
        record = self.directory / "record.csv"

        def heard() -> list[int]:
            counts = [0] * listeners
            text = record.read_text() if record.exists() else ""
            for line in text.rpartition("\n")[0].splitlines():
                number, _, count = line.split(",")
                counts[int(number)] += int(count)
            return counts

        least = [count + more for count in heard()]
        return self.processes.until(
            lambda: all(a >= b for a, b in zip(heard(), least, strict=True)),
            "more to hear for everybody",
        )

    @inlineCallbacks
    def test_listeners(self) -> Any:
        """
        Over several moves in a row, nobody is cut off, and everybody hears the file, no
        byte lost and none twice; a restart cuts everybody off.
        """
        yield self.start()
        options = ["--audio", "tune.mp3", "--listeners", "5"]
        listeners = self.part("listener", self.url, "record.csv", *options)
        yield self.grown(5, 8000)
        for _ in range(3):
            yield self.move()
            yield self.grown(5, 8000)
        yield self.stop()
        yield self.broadcast()
        yield self.grown(5, 8000)
        found = yield self.summary(listeners)
        self.assertEqual(
            (found["listeners"], found["cuts"], found["wrong"]), (5, 5, [])
        )
        rows = (self.directory / "record.csv").read_text().splitlines()
        counts = [int(row.rpartition(",")[2]) for row in rows]
        # Whoever was cut off was so by the restart, long after the moves.
        self.assertGreater(sum(counts[: counts.index(0)]), 5 * 4 * 8000)
        self.assertEqual(sum(counts), found["bytes"])

    @inlineCallbacks
    def test_player(self) -> Any:
        """
        C{mpg123} plays on without an underrun or an error, and shows which process it
        hears; a restart is an underrun.
        """
        mpg123 = self.installed("mpg123")
        yield self.start()
        card = self.part(
            "soundcard", "--buffer", "3", "--", mpg123, "--stdout", self.url
        )
        yield card.line(r"^playing, after 0 ms")
        for _ in range(3):
            yield self.move()
            yield card.line(rf"StreamTitle='tune \(process {self.server.pid}\)'")
        said = "\n".join(card.lines)
        self.assertIsNone(re.search("(?i)underrun|error|warning|ended", said), said)
        yield self.stop()
        yield card.line("^underrun$")
        yield self.broadcast()
        yield card.line("^playing, after [1-9]")
        found = yield self.summary(card)
        self.assertEqual(found["underruns"], 1)
        self.assertGreater(found["silent"], 0)
