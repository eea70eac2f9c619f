"""
How much a control endpoint puts up with.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import MalformedFrame, NotTrusted, TooManyPeers
from migrate.graph import Registry
from migrate.limits import Complaints, Limits
from migrate.origin import OriginConversation
from migrate.server import MigrationServer
from migrate.wire import Failed, FrameReader


class ComplaintsTests(SynchronousTestCase):
    """
    However much is wrong, the log has few lines.
    """

    def setUp(self) -> None:
        """
        A log.
        """
        self.clock = Clock()
        self.lines: list[str] = []
        self.complaints = Complaints(self.clock, self.lines.append, burst=2, period=5)

    def test_few(self) -> None:
        """
        A few are all written, and nothing is added.
        """
        for text in ("one", "two"):
            self.complaints.say(NotTrusted(text))
        self.clock.advance(5)
        self.assertEqual(self.lines, ["one", "two"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_many(self) -> None:
        """
        Of many the first are written, and then how many more there were of the
        kind; other kinds are not held up, and the next period begins anew.
        """
        for number in range(5):
            self.complaints.say(NotTrusted(str(number)))
        self.complaints.say(MalformedFrame("other"))
        self.assertEqual(self.lines, ["0", "1", "other"])
        self.clock.advance(5)
        self.assertEqual(
            self.lines[3:], ["3 more like these (NotTrusted) in 5 seconds"]
        )
        self.complaints.say(NotTrusted("again"))
        self.assertEqual(self.lines[4:], ["again"])

    def test_close(self) -> None:
        """
        What is still to be said is said at the end.
        """
        for number in range(3):
            self.complaints.say(NotTrusted(str(number)))
        self.complaints.close()
        self.assertEqual(
            self.lines[2:], ["1 more like these (NotTrusted) in 5 seconds"]
        )
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.complaints.close()
        self.assertEqual(len(self.lines), 3)


class CrowdTests(SynchronousTestCase):
    """
    Who is let in, and who is turned away.
    """

    def setUp(self) -> None:
        """
        A server that knows few people.
        """
        self.reactor = MemoryReactorClock()
        self.server = MigrationServer(
            "unix:control",
            reactor=self.reactor,
            registry=Registry(),
            limits=Limits(strangers=2, guests=1),
        )

    def visitor(self) -> tuple[OriginConversation, StringTransport]:
        """
        @return: somebody who has connected.
        """
        conversation = self.server.controlFactory.buildProtocol(None)
        transport = StringTransport()
        conversation.makeConnection(transport)
        return conversation, transport

    def test_strangers(self) -> None:
        """
        The oldest one is told why, and is not there any more.
        """
        _, heard = self.visitor()
        others = [self.visitor()[0] for _ in range(2)]
        (failed,) = FrameReader().feed(heard.value())
        assert isinstance(failed, Failed)
        self.assertEqual(failed.error, "TooManyPeers")
        self.assertTrue(heard.disconnecting)
        self.assertEqual(self.server.conversations, set(others))

    def test_guests(self) -> None:
        """
        One more is refused; those that are there stay, and are no strangers.
        """
        guest, heard = self.visitor()
        self.server.welcome(guest)
        late, _ = self.visitor()
        self.assertRaises(TooManyPeers, self.server.welcome, late)
        self.visitor()
        self.assertFalse(heard.disconnecting)
        self.server.ended(guest)
        self.server.welcome(late)
        self.assertIn(late, self.server.conversations)

    def test_linger(self) -> None:
        """
        Who does not read why it was turned away is cut off after a while; who
        has gone is not.
        """
        _, heard = self.visitor()
        second, gone = self.visitor()
        for _ in range(2):
            self.visitor()
        second.connectionLost()
        self.reactor.advance(60)
        self.assertTrue(heard.disconnected)
        self.assertFalse(gone.disconnected)
