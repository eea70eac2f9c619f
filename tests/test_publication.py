"""
What a process offers, and to how many at a time.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.trial.unittest import SynchronousTestCase

from migrate.errors import ServiceDeparted, ServiceInTransit, UnknownService
from migrate.publication import Availability, Publication


class PublicationTests(SynchronousTestCase):
    """
    A service is available, then in transit, then departed or available again.
    """

    def setUp(self) -> None:
        """
        Two services.
        """
        self.publication = Publication()
        self.chat, self.shell = Service(), Service()
        self.publication.publish("chat", self.chat)
        self.publication.publish("shell", self.shell)

    def test_published(self) -> None:
        """
        What is published is available, in that order.
        """
        self.assertEqual(self.publication.names(), ["chat", "shell"])
        self.assertEqual(
            self.publication.states(),
            {"chat": Availability.AVAILABLE, "shell": Availability.AVAILABLE},
        )

    def test_oneClaimAtATime(self) -> None:
        """
        A service in transit cannot be had until it is restored.
        """
        self.assertIs(self.publication.reserve("chat"), self.chat)
        self.assertRaises(ServiceInTransit, self.publication.reserve, "chat")
        self.publication.restore("chat")
        self.assertIs(self.publication.reserve("chat"), self.chat)

    def test_departed(self) -> None:
        """
        A service that departed is gone for good, and remembered.
        """
        self.publication.reserve("chat")
        self.publication.depart("chat")
        self.assertRaises(ServiceDeparted, self.publication.reserve, "chat")
        self.assertEqual(self.publication.names(), ["shell"])
        self.assertEqual(self.publication.services(), {"shell": self.shell})
        self.assertIs(self.publication.states()["chat"], Availability.DEPARTED)

    def test_leaving(self) -> None:
        """
        A service that has left connections behind is still here, but cannot be had;
        unless it stays after all.
        """
        self.publication.reserve("chat")
        self.publication.leave("chat")
        self.assertIs(self.publication.states()["chat"], Availability.LEAVING)
        self.assertEqual(self.publication.leaving(), ["chat"])
        self.assertEqual(self.publication.names(), ["chat", "shell"])
        error = self.assertRaises(ServiceInTransit, self.publication.reserve, "chat")
        self.assertIn("but for connections", str(error))
        self.publication.restore("chat")
        self.assertIs(self.publication.reserve("chat"), self.chat)
        self.publication.leave("chat")
        self.publication.depart("chat")
        self.assertEqual(self.publication.leaving(), [])
        self.assertEqual(self.publication.names(), ["shell"])

    def test_publishAgain(self) -> None:
        """
        The name of a service that departed is free.
        """
        self.publication.reserve("chat")
        self.publication.depart("chat")
        self.publication.publish("chat", self.chat)
        self.assertIs(self.publication.reserve("chat"), self.chat)

    def test_unknown(self) -> None:
        """
        The error names what there is.
        """
        error = self.assertRaises(UnknownService, self.publication.reserve, "mail")
        self.assertIn("chat, shell", str(error))

    def test_taken(self) -> None:
        """
        Neither a name nor a service can be published twice.
        """
        self.assertRaises(ValueError, self.publication.publish, "chat", Service())
        self.assertRaises(ValueError, self.publication.publish, "mail", self.chat)

    def test_badNames(self) -> None:
        """
        Names are short, and need no quoting anywhere.
        """
        for name in ("", "a b", "(control)", ".hidden", "x" * 65, "é", "a/b", "a\n"):
            self.assertRaises(ValueError, self.publication.publish, name, Service())
