"""
Tests for L{migrate.adapters.pulling}.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from io import BytesIO
from typing import Any

from twisted.internet import task
from twisted.internet._producer_helpers import _PullToPush
from twisted.internet.task import Clock
from twisted.trial.unittest import SkipTest, SynchronousTestCase
from twisted.web.client import FileBodyProducer
from zope.interface.verify import verifyObject

from migrate.adapters.pulling import Pulling
from migrate.errors import CannotMigrate, LoadError
from migrate.graph import PickleSerializer, TableSerializer
from migrate.interfaces import IAdapter
from tests.adapting import Loading
from tests.inprocess import Move


class Source:
    """
    A producer without a will of its own.
    """

    def __init__(self) -> None:
        self.pulled = 0

    def resumeProducing(self) -> None:
        """
        Count.
        """
        self.pulled += 1

    def stopProducing(self) -> None:
        """
        Nothing has to be done.
        """


class Sink:
    """
    A consumer.
    """

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        """
        Keep it.
        """
        self.written.append(data)


class PullingTests(SynchronousTestCase):
    """
    Generators that are begun anew.
    """

    def setUp(self) -> None:
        """
        Leave no task behind.
        """
        self.cooperator = task._theCooperator
        self.addCleanup(self.clean)

    def clean(self) -> None:
        """
        Stop whatever runs.
        """
        for left in list(self.cooperator._tasks):
            left.stop()

    def pulling(self, turns: int) -> Any:
        """
        @return: what has pulled a source a number of times.
        """
        puller = _PullToPush(Source(), None)
        puller.startStreaming()
        for _ in range(turns):
            puller._coopTask._oneWorkUnit()
        return puller

    def test_interface(self) -> None:
        """
        It is what it has to be.
        """
        verifyObject(IAdapter, Pulling())

    def test_running(self) -> None:
        """
        What pulls goes on to pull, at one side only: whether it has pulled
        already or not.
        """
        for turns in (0, 1, 3):
            for serializer in (TableSerializer(), PickleSerializer()):
                puller = self.pulling(turns)
                made = Move(puller, Clock(), Clock(), serializer=serializer).go()
                self.assertEqual(self.cooperator._tasks, [made._coopTask])
                made._coopTask._oneWorkUnit()
                self.assertEqual(made._producer.pulled, turns + 1)
                self.assertEqual(puller._producer.pulled, turns)
                self.clean()

    def test_paused(self) -> None:
        """
        What is paused pulls again once it is resumed.
        """
        puller = self.pulling(1)
        puller.pauseProducing()
        made = Move(puller, Clock(), Clock()).go()
        self.assertEqual(self.cooperator._tasks, [])
        made.resumeProducing()
        made._coopTask._oneWorkUnit()
        self.assertEqual(made._producer.pulled, 2)

    def test_stopped(self) -> None:
        """
        What has been stopped stays so.
        """
        puller = self.pulling(1)
        puller.stopStreaming()
        made = Move(puller, Clock(), Clock()).go()
        self.assertTrue(made._finished)
        self.assertRaises(task.TaskStopped, made._coopTask.pause)

    def test_rollBack(self) -> None:
        """
        The origin's own generator goes on.
        """
        puller = self.pulling(1)
        generator = puller._coopTask._iterator
        move = Move(puller, Clock(), Clock())
        move.prepare()
        move.rollBack()
        self.assertIs(puller._coopTask._iterator, generator)
        puller._coopTask._oneWorkUnit()
        self.assertEqual(puller._producer.pulled, 2)

    def test_upload(self) -> None:
        """
        What sends the body of a request goes on where it was.
        """
        producer = FileBodyProducer(BytesIO(b"abcdef"), readSize=2)
        sink = Sink()
        producer.startProducing(sink)
        producer._task._oneWorkUnit()
        made, there = Move([producer, sink], Clock(), Clock()).go()
        for _ in range(2):
            made._task._oneWorkUnit()
        self.assertEqual(there.written, [b"ab", b"cd", b"ef"])
        self.assertEqual(sink.written, [b"ab"])

    def test_frames(self) -> None:
        """
        What takes the bytes of WebSockets apart goes on in the middle of a
        frame, and not after the last one.
        """
        if importlib.util.find_spec("wsproto") is None:
            raise SkipTest("no wsproto here: install twisted[websocket]")
        from wsproto.frame_protocol import FrameProtocol

        protocol: Any = FrameProtocol(True, [])
        protocol.receive_bytes(b"\x81\x05he")
        (frame,) = protocol.received_frames()
        self.assertEqual(frame.payload, "he")
        protocol = Move(protocol, Clock(), Clock()).go()
        protocol.receive_bytes(b"llo")
        (frame,) = protocol.received_frames()
        self.assertEqual((frame.payload, frame.message_finished), ("llo", True))
        protocol.receive_bytes(b"\x88\x00\x81\x00")
        self.assertEqual(len(list(protocol.received_frames())), 1)
        protocol = Move(protocol, Clock(), Clock()).go()
        self.assertEqual(list(protocol.received_frames()), [])

    def test_inTheMiddle(self) -> None:
        """
        One that pulls at this moment is refused until it has ended.
        """
        puller = self.pulling(0)
        errors: list[CannotMigrate] = []

        def move() -> None:
            errors.append(
                self.assertRaises(CannotMigrate, Move(puller, Clock(), Clock()).go)
            )

        puller._producer.resumeProducing = move
        puller._coopTask._oneWorkUnit()
        (error,) = errors
        self.assertIn("_PullToPush._pull", str(error))

    def test_others(self) -> None:
        """
        A generator of the application that is called alike is none of these.
        """

        class _PullToPush:
            def _pull(self) -> Iterator[None]:
                yield

        waiting = _PullToPush()._pull()
        next(waiting)
        error = self.assertRaises(CannotMigrate, Move([waiting], Clock(), Clock()).go)
        self.assertIn("a frame cannot be moved", str(error))

    def test_ended(self) -> None:
        """
        One that has ended arrives as one that has ended.
        """
        ended = _PullToPush(Source(), None)._pull()
        ended.close()
        (made,) = Move([ended], Clock(), Clock()).go()
        self.assertEqual((list(made), made.__name__), ([], "_pull"))

    def test_foreignOwner(self) -> None:
        """
        A table that has something else pulled is refused.
        """
        self.assertRaises(
            LoadError, Pulling().make, _PullToPush, (Source(),), Loading(Clock())
        )
