"""
For the tests of an application: does it move, and does it go on?

Whether something can be moved at all::

    class ChatTests(MigrationTestCaseMixin, SynchronousTestCase):
        def test_movable(self):
            self.assertMigratable(ChatService())

And whether a protocol survives a move in some state, such as half a line::

        def test_halfALine(self):
            pair = self.processPair()
            chat = pair.publish("chat", ChatService(pair.origin.reactor))
            client = pair.origin.connect(chat.factory)
            client.send(b"nick al")
            pair.migrate("chat")
            client.send(b"ice\\r\\n")
            self.assertEqual(client.received(), b"welcome, alice\\r\\n")

Nothing here needs another process.  What only two of them can show (that the
code which they run is there, that no module keeps a state which should have
moved) takes real ones.

It must not know how processes speak with each other.
"""

from migrate.testing.crossing import Failing
from migrate.testing.pairs import MigrationTestCaseMixin, ProcessPair
from migrate.testing.processes import Client, FakeProcess
from migrate.testing.rehearsal import assertMigratable
from migrate.testing.release import Release

__all__ = [
    "Client",
    "Failing",
    "FakeProcess",
    "MigrationTestCaseMixin",
    "ProcessPair",
    "Release",
    "assertMigratable",
]
