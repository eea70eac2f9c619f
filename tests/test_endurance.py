"""
A session of the telnet shell is moved many times in a row, and neither it nor
the process that serves it shows any trace.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import inlineCallbacks

from tests.processes import descriptors, residentBytes
from tests.shells import PATIENCE, ShellTestCase

#: Moves in a row.
MOVES = 20

#: By how much the memory of the last process may differ from the first's: what
#: twenty moves leave behind must not add up.
TOLERANCE = 0.1

UP = b"\x1b[A"

GROW = """\
def grow(by=1):
    seen.append(os.getpid())
    counter.count += by
    return len(seen) - 1
"""


class EnduranceTests(ShellTestCase):
    """
    Every process is as the first.
    """

    @inlineCallbacks
    def begin(self) -> Any:
        """
        @return: someone who has defined what the moves must not change.
        """
        yield self.serve()
        person = yield self.loggedIn()
        yield self.say(person, "import inspect, os")
        yield self.say(person, "seen = [os.getpid()]", "table = {'seen': seen}")
        yield self.say(person, "table['table'] = table")
        yield self.say(person, "class Counter:", "    count = 0", "")
        yield self.say(person, "counter = Counter()")
        yield self.say(person, *GROW.splitlines(), "")
        # Recalled after every move.
        yield self.hears(person, "seen[-1]", str(self.server.pid))
        return person

    @inlineCallbacks
    def go(self, person: Any, hop: int) -> Any:
        """
        Move while a line is typed in part, and use what there is.

        @return: how many objects have moved.
        """
        old = self.server
        yield person.type("grow(")
        yield self.move()
        yield person.press(b"2", ">>> grow(2")
        yield person.type(")")
        self.assertEqual((yield person.enter()), [str(hop)])
        yield person.press(UP, ">>> grow(2)")
        yield person.press(UP, ">>> seen[-1]")
        self.assertEqual((yield person.enter()), [str(self.server.pid)])
        moved = yield old.line(r"moved shell .* (\d+) objects", PATIENCE)
        return int(moved[1])

    @inlineCallbacks
    def test_manyMoves(self) -> Any:
        """
        After many moves all names mean what they meant, the lines that were
        typed come back, and the last process holds as many descriptors as the
        first, as much memory, and as many objects of the shell.
        """
        person = yield self.begin()
        pids = [self.server.pid]
        held = len(descriptors(self.server.pid))
        memory = residentBytes(self.server.pid)
        objects = []
        for hop in range(1, MOVES + 1):
            objects.append((yield self.go(person, hop)))
            pids.append(self.server.pid)
        yield self.hears(person, f"seen == {pids}", "True")
        yield self.hears(person, "table['table']['seen'] is seen", "True")
        yield self.hears(person, "counter.count", str(2 * MOVES))
        yield self.hears(person, "type(counter) is Counter", "True")
        yield self.hears(person, "inspect.getsource(grow)", repr(GROW))
        self.assertEqual(len(descriptors(self.server.pid)), held)
        change = residentBytes(self.server.pid) / memory - 1
        self.assertLess(abs(change), TOLERANCE, f"from {memory} bytes by {change:.0%}")
        self.assertEqual(set(objects), {objects[0]})
        self.assertEqual(self.processes.running(), [self.server.pid])
